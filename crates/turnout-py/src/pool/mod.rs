//! The sync pool: long-lived threads on which sync views run whole (DESIGN section 6).
//!
//! [`queue`] hands jobs to threads in the order of [`lines`], [`growth`] decides when one more is worth it, [`thread`] is the life of one thread.
//! It knows jobs, not requests. Jobs come from the runtime (no GIL held) and from Python ([`SyncPool::submit`]).

mod call;
mod growth;
mod lines;
mod queue;
mod thread;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use turnout_states::Look;

use crate::reactor::Handle;
use crate::states::{Crowd, Keeping};
pub(crate) use lines::View;
use queue::{Pushed, Queue};
use thread::Member;

/// An idle thread ends after this long: it holds a database connection and a stack that nobody needs.
const IDLE: Duration = Duration::from_secs(60);

/// So many threads are looked at, at most: one more than [`growth`] needs to find computing.
const MOST_LOOKS: usize = 9;

/// Work for one thread of the pool.
pub(crate) trait Job: Send {
    /// Whose line it waits in.
    fn view(&self) -> View {
        View::default()
    }

    /// Does it, on a pool thread. A panic is caught and logged by the thread.
    fn run(self: Box<Self>, py: Python<'_>);

    /// The account of the request whose time it takes.
    fn keeping(&self) -> Option<Arc<Keeping>> {
        None
    }

    /// It waited longer than the queue time-out. Called without the GIL.
    fn expire(self: Box<Self>);

    /// True when nobody wants it any more and it may be left undone.
    fn is_abandoned(&self) -> bool {
        false
    }
}

/// What the pool may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The most threads it grows to.
    pub threads: usize,
    /// How long a job may wait for a thread; `None` for ever.
    pub queue_timeout: Option<Duration>,
}

/// How many threads want a processor.
struct Contention {
    /// They compute, or wait for the GIL.
    computing: usize,
    /// They have the GIL or wait for it.
    contending: usize,
}

/// How many of what there are now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) threads: usize,
    pub(crate) busy: usize,
    pub(crate) most: usize,
    pub(crate) queued: usize,
}

/// The pool, shared by the runtime (pushes), its threads (pop) and Python (submits, closes).
pub(crate) struct Pool {
    queue: Queue<Box<dyn Job>>,
    limits: Limits,
    members: Mutex<Vec<Arc<Member>>>,
    /// Only ever counts up: names are not given twice.
    named: AtomicUsize,
    /// Counts the jobs that threads took.
    taken: AtomicU64,
    /// Threads whose job waits for the event loop: what it waits for may need a thread itself.
    blocked: AtomicUsize,
    /// The watcher looks at the outbox within a millisecond or two.
    looks_soon: AtomicBool,
    /// What its threads did with their jobs.
    crowd: Crowd,
    /// Called on each thread with the GIL before it ends: its database connections are closed there.
    on_thread_end: Mutex<Option<Py<PyAny>>>,
}

impl Pool {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::new(limits.threads),
            limits,
            members: Mutex::default(),
            named: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            blocked: AtomicUsize::new(0),
            looks_soon: AtomicBool::new(false),
            crowd: Crowd::default(),
            on_thread_end: Mutex::new(None),
        })
    }

    /// Queues a job. The first one starts the first thread; [`growth`] adds the others.
    pub(crate) fn push(self: &Arc<Self>, job: Box<dyn Job>) {
        if let Some(keeping) = job.keeping() {
            keeping.queue(&self.crowd);
        }
        match self.queue.push(job.view(), job) {
            Pushed::Taken => {}
            Pushed::Waits if self.queue.threads() == 0 => drop(self.start_thread()),
            Pushed::Waits => self.queue.stir(),
            Pushed::Closed(job) => job.expire(),
        }
    }

    /// Watches the queue until the pool is closed: run on the runtime, so that it goes on while Python computes.
    pub(crate) fn watch(self: &Arc<Self>, reactor: &Handle) {
        reactor.spawn(growth::watch(self.clone(), reactor.clone()));
    }

    /// Hands an answer to the runtime. With more jobs in line the thread goes on with the next one at once, and the watcher, which
    /// looks every millisecond then, takes the answers of that time to the network together.
    pub(crate) fn complete(&self, reactor: &Handle, answer: Box<dyn FnOnce() + Send>) {
        if self.queue.queued() > 0 {
            reactor.complete_lazily(answer, &self.looks_soon);
        } else {
            reactor.complete(answer);
        }
    }

    /// For whoever tells of it.
    pub(crate) fn figures(&self) -> Counts {
        Counts {
            threads: self.queue.threads(),
            busy: self.members.lock().iter().filter(|member| member.is_busy()).count(),
            most: self.limits.threads,
            queued: self.queue.queued(),
        }
    }

    /// Takes no more jobs; those queued are still done.
    pub(crate) fn close(&self) {
        self.queue.close();
    }

    /// True when it takes no more jobs.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Waits for the threads to end; false when some still run at the deadline. The GIL must not be held.
    pub(crate) fn join(&self, deadline: Instant) -> bool {
        self.queue.wait_for_end(deadline)
    }

    /// How many threads there may be now. One that waits for the loop does not count, but never more than as many again: each of
    /// them may hold a database connection.
    fn most_threads(&self) -> usize {
        self.limits.threads + self.blocked.load(Relaxed).min(self.limits.threads)
    }

    /// False when there are as many as there may be, or the system refuses: those that run will get to it.
    fn start_thread(self: &Arc<Self>) -> bool {
        if !self.queue.admit_thread(self.most_threads()) {
            return false;
        }
        let name = format!("turnout-sync-{}", self.named.fetch_add(1, Relaxed) + 1);
        let pool = self.clone();
        let started = std::thread::Builder::new().name(name.clone()).spawn(move || thread::live(&pool, &name)).is_ok();
        if !started {
            self.queue.dismiss_thread(false);
        }
        started
    }

    /// What so many threads do; those that are only just starting are about to want the GIL.
    fn contention(&self, threads: usize) -> Contention {
        let starting = threads.saturating_sub(self.members.lock().len());
        let busy = self.likely(None);
        let (mut running, mut waiting) = (0, starting);
        for member in &busy {
            match member.look() {
                Some(Look::Computing) => running += 1,
                Some(Look::WaitingForGil) => waiting += 1,
                Some(Look::Waiting(_)) | None => {}
            }
        }
        // Only one that runs can have the GIL.
        Contention { computing: running + waiting, contending: waiting + running.min(1) }
    }

    /// True when another thread than `own` is computing: then `own` need not.
    fn is_crowded(&self, own: &Arc<Member>) -> bool {
        self.likely(Some(own)).iter().any(|other| other.is_computing())
    }

    /// The busy threads that took their job last: most requests compute first and wait then. Looking at all two hundred of a
    /// pool that waits would cost more than the requests.
    fn likely(&self, except: Option<&Arc<Member>>) -> Vec<Arc<Member>> {
        let members = self.members.lock();
        let mut busy: Vec<_> = members
            .iter()
            .filter(|member| member.is_busy() && except.is_none_or(|own| !Arc::ptr_eq(own, member)))
            .map(|member| (member.took.load(Relaxed), member))
            .collect();
        busy.sort_unstable_by_key(|(took, _)| std::cmp::Reverse(*took));
        busy.into_iter().take(MOST_LOOKS).map(|(_, member)| member.clone()).collect()
    }
}

/// The sync pool as Python sees it.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct SyncPool {
    pub(crate) pool: Arc<Pool>,
}

#[pymethods]
impl SyncPool {
    #[new]
    #[pyo3(signature = (max_threads, *, queue_timeout=None))]
    fn new(max_threads: usize, queue_timeout: Option<f64>) -> PyResult<Self> {
        if max_threads == 0 {
            return Err(PyValueError::new_err("a sync pool needs at least one thread"));
        }
        let queue_timeout = queue_timeout
            .map(Duration::try_from_secs_f64)
            .transpose()
            .map_err(|error| PyValueError::new_err(format!("queue_timeout: {error}")))?;
        Ok(Self { pool: Pool::new(Limits { threads: max_threads, queue_timeout }) })
    }

    /// Runs `function(*args)` on a thread of the pool; the outcome comes by a `concurrent.futures.Future`.
    #[pyo3(signature = (function, /, *args))]
    fn submit<'py>(
        &self,
        py: Python<'py>,
        function: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        submit(py, &self.pool, View::default(), function, args)
    }

    /// The pool for calls of one view, which wait in its line; an empty name: those of no view.
    fn line(&self, route: &str) -> SyncLine {
        SyncLine { pool: self.pool.clone(), view: View::named(route) }
    }

    /// How many threads live now.
    #[getter]
    fn threads(&self) -> usize {
        self.pool.queue.threads()
    }

    /// How many jobs wait for a thread now.
    #[getter]
    fn queued(&self) -> usize {
        self.pool.queue.queued()
    }

    /// One of its threads begins to wait for the loop.
    fn thread_waits(&self) {
        self.pool.blocked.fetch_add(1, Relaxed);
    }

    /// That thread goes on.
    fn thread_goes_on(&self) {
        self.pool.blocked.fetch_sub(1, Relaxed);
    }

    /// A callable that each thread runs before it ends.
    fn on_thread_end(&self, py: Python<'_>, callback: Py<PyAny>) {
        let _ = py;
        let old = self.pool.on_thread_end.lock().replace(callback);
        drop(old);
    }

    /// Takes no more work, lets what is queued finish and waits for the threads; False when some still run after `timeout` seconds.
    #[pyo3(signature = (timeout=0.0))]
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let timeout =
            Duration::try_from_secs_f64(timeout.max(0.0)).map_err(|e| PyValueError::new_err(e.to_string()))?;
        self.pool.close();
        Ok(py.detach(|| self.pool.join(Instant::now() + timeout)))
    }
}

/// The sync pool as the requests of one view see it, where Python puts them there.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct SyncLine {
    pool: Arc<Pool>,
    view: View,
}

#[pymethods]
impl SyncLine {
    /// As [`SyncPool::submit`].
    #[pyo3(signature = (function, /, *args))]
    fn submit<'py>(
        &self,
        py: Python<'py>,
        function: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        submit(py, &self.pool, self.view, function, args)
    }
}

fn submit<'py>(
    py: Python<'py>,
    pool: &Arc<Pool>,
    view: View,
    function: Bound<'py, PyAny>,
    args: Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    if pool.queue.is_closed() {
        return Err(PyRuntimeError::new_err("cannot schedule new calls: the sync pool is shut down"));
    }
    call::submit(py, pool, view, function, args)
}
