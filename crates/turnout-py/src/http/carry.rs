//! One piece of work for the runtime, and the two ways to wait for it: a thread that blocks, and a coroutine.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::iterator::PySendResult;
use pyo3::types::{PyIterator, PyTuple};
use tokio::sync::oneshot;

use super::feed::Source;
use super::home::Home;
use super::loops;
use super::ticket::{Lost, Reply, Ticket, abandon};
use super::{errors, offloop};
use crate::interface::thrown;
use crate::raw::ticks;
use crate::states::{Caller, Waiter};

/// How often a thread that handles signals looks for them while it waits.
const SIGNALS: Duration = Duration::from_millis(50);

/// What the runtime does.
pub(super) trait Work: Send + 'static {
    /// What comes of it.
    type Reply: Reply;

    /// Dropped when nobody waits for it any more.
    fn run(self) -> impl Future<Output = Self::Reply> + Send;
}

/// Blocks this thread, which lets go of the GIL, until the work is done.
pub(super) fn wait<'py, W: Work>(home: &Home, work: W, about: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    wait_feeding(home, |_| Ok((work, None)), about)
}

/// The same, for work that asks for the pieces of a body meanwhile: this thread pulls them. `work` is given what asks for one.
pub(super) fn wait_feeding<'py, W: Work>(
    home: &Home,
    work: impl FnOnce(Ask) -> PyResult<(W, Option<Source>)>,
    about: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = about.py();
    let slot = Arc::new(Slot { state: Mutex::new(State::Waits), told: Condvar::new() });
    let asked = Arc::clone(&slot);
    let (work, source) = work(Box::new(move || asked.ask()))?;
    let (here, left) = oneshot::channel::<()>();
    let keeper = Keeper(Some(Arc::clone(&slot)));
    home.spawn(async move {
        tokio::select! {
            biased;
            _ = left => {}
            reply = work.run() => keeper.finish(reply),
        }
    });
    let signals = offloop::handles_signals();
    loop {
        let state = py.detach(|| slot.wait(signals.then_some(SIGNALS)));
        match state {
            State::Waits => py.check_signals()?, // what it raises drops `here`, and that ends the work
            State::Done(reply) => {
                drop(here);
                if let Some(waiter) = Waiter::current(py, Caller::default()) {
                    reply.account(&waiter, ticks());
                }
                return reply.build(py, about);
            }
            State::Asked => {
                if let Some(source) = &source {
                    source.pull(py)?;
                }
            }
            State::Lost => return Err(errors::raised(py, &Lost::error(), None)),
        }
    }
}

/// Where a blocked thread is told.
struct Slot<R> {
    state: Mutex<State<R>>,
    told: Condvar,
}

enum State<R> {
    Waits,
    /// The next piece of the body is wanted.
    Asked,
    Done(R),
    Lost,
}

impl<R> Slot<R> {
    /// `Waits` when the limit passed.
    fn wait(&self, limit: Option<Duration>) -> State<R> {
        let mut state = self.state.lock();
        while matches!(*state, State::Waits) {
            match limit {
                None => self.told.wait(&mut state),
                Some(limit) => {
                    if self.told.wait_for(&mut state, limit).timed_out() {
                        break;
                    }
                }
            }
        }
        std::mem::replace(&mut *state, State::Waits)
    }

    /// Never in the way of an outcome.
    fn ask(&self) {
        let mut state = self.state.lock();
        if matches!(*state, State::Waits) {
            *state = State::Asked;
            self.told.notify_one();
        }
    }

    fn tell(&self, what: State<R>) {
        *self.state.lock() = what;
        self.told.notify_one();
    }
}

/// Tells the blocked thread; in any case, for the runtime may end before the work does.
struct Keeper<R>(Option<Arc<Slot<R>>>);

impl<R> Keeper<R> {
    fn finish(mut self, reply: R) {
        if let Some(slot) = self.0.take() {
            slot.tell(State::Done(reply));
        }
    }
}

impl<R> Drop for Keeper<R> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.tell(State::Lost);
        }
    }
}

/// Called by the work when it wants the next piece of its body.
pub(super) type Ask = Box<dyn Fn() + Send + Sync>;

type Begin = Box<dyn FnOnce(Python<'_>, Ticket) -> PyResult<()> + Send + Sync>;

/// What is awaited: passes for a coroutine, so `asyncio.create_task` takes it. Begins when it is awaited; cancelled, closed or
/// dropped before its end, it ends the work.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct HttpCall {
    stage: Stage,
}

enum Stage {
    /// `caller`: who made it; whoever awaits it may be a task that no code of the project calls.
    New {
        begin: Begin,
        about: Py<PyAny>,
        caller: Caller,
    },
    Waits {
        number: u64,
        steps: Py<PyIterator>,
    },
    Over,
}

impl HttpCall {
    /// `home`: chosen, and the work made, when it begins.
    pub(super) fn new<W: Work + Sync>(
        about: &Bound<'_, PyAny>,
        home: impl FnOnce(Python<'_>, &Ticket) -> PyResult<(Home, W)> + Send + Sync + 'static,
    ) -> Self {
        let begin = move |py: Python<'_>, mut ticket: Ticket| {
            let (home, work) = home(py, &ticket)?;
            home.spawn(async move {
                tokio::select! {
                    biased;
                    () = ticket.left() => {}
                    reply = work.run() => ticket.finish(reply),
                }
            });
            Ok(())
        };
        let caller = Caller::here(about.py());
        Self { stage: Stage::New { begin: Box::new(begin), about: about.clone().unbind(), caller } }
    }

    fn begin(&mut self, py: Python<'_>) -> PyResult<()> {
        if !matches!(self.stage, Stage::New { .. }) {
            return Ok(());
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let Stage::New { begin, about, caller } = stage else { return Ok(()) };
        let Some(event_loop) = loops::running(py)? else {
            return Err(PyRuntimeError::new_err(
                "no running event loop: await this inside one, or use the blocking twin",
            ));
        };
        let way = loops::way_to(&event_loop)?;
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        let steps = future.call_method0(intern!(py, "__await__"))?.try_iter()?;
        let ticket = Ticket::new(py, way, future.unbind(), about, caller);
        let number = ticket.number();
        self.stage = Stage::Waits { number, steps: steps.unbind() };
        begin(py, ticket)
    }

    /// What the coroutine has to wait for; `Err` of `StopIteration` with the outcome at the end.
    fn step<'py>(this: &Bound<'py, Self>) -> PyResult<PySendResult<'py>> {
        let py = this.py();
        let steps = {
            let mut call = this.borrow_mut();
            call.begin(py)?;
            match &call.stage {
                Stage::Waits { steps, .. } => steps.bind(py).clone(),
                _ => return Err(PyRuntimeError::new_err("cannot reuse already awaited call")),
            }
        };
        let step = steps.send(py.None().bind(py));
        if !matches!(step, Ok(PySendResult::Next(_))) {
            this.borrow_mut().stage = Stage::Over;
        }
        step
    }
}

#[pymethods]
impl HttpCall {
    fn __await__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match Self::step(this)? {
            PySendResult::Next(waits) => Ok(waits),
            PySendResult::Return(value) => Err(PyStopIteration::new_err((value.unbind(),))),
        }
    }

    fn send<'py>(this: &Bound<'py, Self>, _value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Self::__next__(this)
    }

    /// A cancellation, as a rule.
    #[pyo3(signature = (*args))]
    fn throw<'py>(this: &Bound<'py, Self>, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        this.borrow_mut().end(this.py());
        Err(thrown(args)?)
    }

    fn close(&mut self, py: Python<'_>) {
        self.end(py);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.stage {
            Stage::New { about, .. } => visit.call(about),
            Stage::Waits { steps, .. } => visit.call(steps),
            Stage::Over => Ok(()),
        }
    }

    fn __clear__(&mut self) {
        if let Stage::Waits { number, .. } = std::mem::replace(&mut self.stage, Stage::Over) {
            Python::attach(|py| abandon(py, number));
        }
    }
}

impl HttpCall {
    fn end(&mut self, py: Python<'_>) {
        if let Stage::Waits { number, .. } = std::mem::replace(&mut self.stage, Stage::Over) {
            abandon(py, number);
        }
    }
}

impl Drop for HttpCall {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Over => {}
            // Dropped by whoever has the GIL, as every object.
            Stage::Waits { number, .. } => Python::attach(|py| abandon(py, number)),
            Stage::New { about, .. } => Python::attach(|py| {
                let category = py.get_type::<PyRuntimeWarning>();
                let warned =
                    PyErr::warn(py, &category, c"a call of turnout.http was never awaited: nothing was sent", 1);
                if let Err(error) = warned {
                    error.write_unraisable(py, Some(about.bind(py)));
                }
            }),
        }
    }
}
