//! Requests that are with Python now: how the runtime reaches them when the client leaves or more of the body comes.
//!
//! A tokio task must hold no Python object (it may be dropped without the GIL), so it holds a number; the objects lie here and are
//! touched only with the GIL. The lock is never held across a call into Python: an entry is taken out or cloned first.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use pyo3::exceptions::PyConnectionResetError;
use pyo3::intern;
use pyo3::prelude::*;
use rustc_hash::FxHashMap;
use tokio::time::Instant;
use turnout_client::Scope;

use super::asgi::Cycle;
use crate::reactor::{Deliver, Handle};
use crate::states::Keeping;

/// The event loop as the interfaces use it, shared by all requests of a worker.
pub(crate) struct Loop {
    pub(crate) reactor: Handle,
    pub(crate) asyncio: Py<PyAny>,
    /// Somebody reads what the access log says of each answer.
    pub(crate) logs: bool,
    calls: Mutex<FxHashMap<u64, Entry>>,
    pending: Mutex<FxHashMap<u64, Py<PyAny>>>,
    numbers: AtomicU64,
}

/// What Python holds of one request.
#[derive(Default)]
pub(crate) struct Entry {
    /// The task that runs it: asyncio itself keeps only a weak reference.
    pub(crate) task: Option<Py<PyAny>>,
    /// Its `receive` and `send`, for a plain ASGI app.
    pub(crate) cycle: Option<Py<Cycle>>,
    /// What it waits for on the loop, for a Django request on a thread.
    pub(crate) waits: Option<Py<PyAny>>,
}

impl Entry {
    fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            task: self.task.as_ref().map(|task| task.clone_ref(py)),
            cycle: self.cycle.as_ref().map(|cycle| cycle.clone_ref(py)),
            waits: self.waits.as_ref().map(|waits| waits.clone_ref(py)),
        }
    }
}

/// One request from the runtime's side.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) number: u64,
    /// The client left before the answer was whole.
    pub(crate) gone: AtomicBool,
    /// The answer is whole, or broken off by the app: nothing is left to cancel.
    pub(crate) done: AtomicBool,
    /// Its task knows that the client left: by a cancellation, or by a write that failed. The other one must not follow, for it would
    /// break into what the task does to clean up.
    told: AtomicBool,
    began: Instant,
    /// What outbound calls belong to that are made for it: made with the first of them.
    scope: OnceLock<Scope>,
    /// Of whoever sent it, to be sent on.
    pub(crate) trace: Option<Trace>,
    /// Where its time goes; `None` where nothing is accounted for.
    pub(crate) keeping: Option<Arc<Keeping>>,
}

/// Where a request stands among those of all systems (W3C Trace Context).
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) parent: HeaderValue,
    pub(crate) state: Option<HeaderValue>,
}

impl Trace {
    pub(crate) const PARENT: HeaderName = HeaderName::from_static("traceparent");
    pub(crate) const STATE: HeaderName = HeaderName::from_static("tracestate");

    fn of(headers: &HeaderMap) -> Option<Self> {
        Some(Self { parent: headers.get(Self::PARENT)?.clone(), state: headers.get(Self::STATE).cloned() })
    }
}

impl Call {
    /// What an outbound call belongs to that is made for it now. `limit`: how long it may take as a whole.
    pub(crate) fn scope(&self, limit: Option<std::time::Duration>) -> Scope {
        let deadline = limit.map(|limit| self.began + limit);
        let scope = self.scope.get_or_init(|| Scope { deadline, ..Scope::default() });
        // Looked at after it is there: who leaves says so first, and looks for the scope afterwards.
        if self.gone.load(SeqCst) {
            scope.cancelled.cancel();
        }
        scope.clone()
    }

    /// Whether an outbound call was made for it.
    pub(crate) fn has_scope(&self) -> bool {
        self.scope.get().is_some()
    }

    /// What was called for it is given up.
    fn give_up(&self) {
        if let Some(scope) = self.scope.get() {
            scope.cancelled.cancel();
        }
    }

    /// All of it is here. `waited`: for its client.
    pub(crate) fn received(&self, waited: bool) {
        if let Some(keeping) = &self.keeping {
            keeping.received(waited);
        }
    }

    /// Which view it is for, where that is known before Python has looked.
    pub(crate) fn is_for(&self, view: &str) {
        if let Some(keeping) = &self.keeping {
            keeping.is_for(view);
        }
    }

    /// Nothing works for it any more.
    pub(crate) fn leave(&self) {
        if let Some(keeping) = &self.keeping {
            keeping.leave();
        }
    }

    /// No thread came free for it in time.
    pub(crate) fn expired(&self) {
        if let Some(keeping) = &self.keeping {
            keeping.give_up();
            keeping.answered(503);
            keeping.leave();
        }
    }

    /// The task is about to learn that its client left. True if it knows.
    pub(super) fn tell(&self) -> bool {
        self.told.swap(true, SeqCst)
    }
}

impl Loop {
    pub(crate) fn new(reactor: Handle, asyncio: Py<PyAny>, logs: bool) -> Arc<Self> {
        Arc::new(Self {
            reactor,
            asyncio,
            logs,
            calls: Mutex::default(),
            pending: Mutex::default(),
            numbers: AtomicU64::new(1),
        })
    }

    /// `headers`: of the request, whose head came between these moments.
    pub(crate) fn new_call(&self, headers: &HeaderMap, head: [std::time::Instant; 2]) -> Arc<Call> {
        let number = self.numbers.fetch_add(1, Relaxed);
        let [gone, done, told] = [const { AtomicBool::new(false) }; 3];
        let (began, scope) = (Instant::now(), OnceLock::new());
        let (trace, keeping) = (Trace::of(headers), Keeping::begin(head).map(Arc::new));
        Arc::new(Call { number, gone, done, told, began, scope, trace, keeping })
    }

    /// Runs a coroutine as a task on the loop and keeps it, and its `receive` and `send`, until [`Loop::forget`].
    pub(crate) fn start(
        &self,
        py: Python<'_>,
        call: &Call,
        coroutine: &Bound<'_, PyAny>,
        cycle: Option<Py<Cycle>>,
    ) -> PyResult<()> {
        let task = self.asyncio.call_method1(py, intern!(py, "create_task"), (coroutine,))?;
        // An eager task may have ended already, and with it the call.
        if !call.done.load(SeqCst) || !task.bind(py).call_method0(intern!(py, "done"))?.is_truthy()? {
            self.calls.lock().insert(call.number, Entry { task: Some(task), cycle, waits: None });
        }
        Ok(())
    }

    pub(crate) fn keep_waits(&self, call: &Call, waits: Py<PyAny>) {
        self.calls.lock().insert(call.number, Entry { waits: Some(waits), ..Entry::default() });
    }

    pub(crate) fn cycle(&self, py: Python<'_>, number: u64) -> Option<Py<Cycle>> {
        self.calls.lock().get(&number).and_then(|entry| entry.cycle.as_ref().map(|cycle| cycle.clone_ref(py)))
    }

    /// Lets go of a request; with the GIL.
    pub(crate) fn forget(&self, call: &Call) {
        let entry = self.calls.lock().remove(&call.number);
        drop(entry);
    }

    /// A future of the loop that `settle` will resolve, and its number.
    pub(crate) fn new_future<'py>(&self, py: Python<'py>) -> PyResult<(u64, Bound<'py, PyAny>)> {
        let future = self.asyncio.bind(py).call_method0(intern!(py, "create_future"))?;
        let number = self.numbers.fetch_add(1, Relaxed);
        self.pending.lock().insert(number, future.clone().unbind());
        Ok((number, future))
    }

    /// A future made by [`Loop::new_future`] has its outcome: `None`, or an exception.
    pub(crate) fn settle(&self, py: Python<'_>, number: u64, outcome: Result<(), Py<PyAny>>) -> PyResult<()> {
        let Some(future) = self.pending.lock().remove(&number) else { return Ok(()) };
        let future = future.bind(py);
        if future.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(()); // cancelled meanwhile
        }
        match outcome {
            Ok(()) => future.call_method1(intern!(py, "set_result"), (py.None(),)),
            Err(error) => future.call_method1(intern!(py, "set_exception"), (error,)),
        }
        .map(drop)
    }

    /// Tells the request that its client left: the task is cancelled, or what a thread waits for, or `receive()` says so.
    fn tell_gone(&self, py: Python<'_>, call: &Call) -> PyResult<()> {
        if call.done.load(SeqCst) {
            return Ok(());
        }
        let Entry { task, cycle, waits } = match self.calls.lock().get(&call.number) {
            Some(entry) => entry.clone_ref(py),
            None => return Ok(()),
        };
        if let Some(cycle) = cycle {
            cycle.bind(py).borrow_mut().disconnect(py)
        } else if let Some(task) = task {
            if call.tell() {
                return Ok(());
            }
            task.call_method0(py, intern!(py, "cancel")).map(drop)
        } else if let Some(waits) = waits {
            waits.call_method0(py, intern!(py, "leave")).map(drop)
        } else {
            Ok(())
        }
    }
}

/// Held by the connection's task while it waits for an answer: dropped early, the client has left.
pub(crate) struct Guard {
    event_loop: Arc<Loop>,
    call: Option<Arc<Call>>,
}

impl Guard {
    pub(crate) fn new(event_loop: Arc<Loop>, call: Arc<Call>) -> Self {
        Self { event_loop, call: Some(call) }
    }

    /// The answer's head is there: from now on its body tells.
    pub(crate) fn disarm(mut self) {
        self.call = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            leave(&self.event_loop, call);
        }
    }
}

/// The client left; on the runtime. The request is told before its outbound calls end, so that a coroutine is cancelled and not
/// surprised by an exception of theirs.
pub(super) fn leave(event_loop: &Arc<Loop>, call: Arc<Call>) {
    call.gone.store(true, SeqCst);
    event_loop.reactor.deliver(Box::new(Gone { event_loop: event_loop.clone(), call: call.clone() }));
    call.give_up();
}

struct Gone {
    event_loop: Arc<Loop>,
    call: Arc<Call>,
}

impl Deliver for Gone {
    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()> {
        self.event_loop.tell_gone(py, &self.call)
    }
}

/// A future made by [`Loop::new_future`] has its outcome: `None`, or the client left.
pub(crate) struct Settle {
    pub(crate) event_loop: Arc<Loop>,
    pub(crate) number: u64,
    pub(crate) gone: Option<Arc<Call>>,
}

impl Deliver for Settle {
    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()> {
        let outcome = match self.gone {
            Some(call) => {
                call.tell();
                Err(gone(py))
            }
            None => Ok(()),
        };
        self.event_loop.settle(py, self.number, outcome)
    }
}

/// What a writer gets when nobody reads any more: an OSError, as the ASGI specification asks since 2.4.
pub(super) fn gone(py: Python<'_>) -> Py<PyAny> {
    PyConnectionResetError::new_err("the client closed the connection").into_value(py).into_any()
}
