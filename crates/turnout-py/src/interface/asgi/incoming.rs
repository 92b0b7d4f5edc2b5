//! What the app receives: the body of the request, piece by piece when it asks, then the client's leaving.
//!
//! A piece is taken out only in the step that hands it to the app: whoever cancels a `receive()` loses nothing.

use std::collections::VecDeque;

use bytes::Bytes;
use pyo3::exceptions::PyStopIteration;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyTuple};
use tokio::sync::mpsc;

use super::cycle::Cycle;
use super::message;
use crate::interface::awaitable::thrown;

/// What is left of the request body.
pub(super) enum Incoming {
    /// All of it is here.
    Whole(Bytes),
    /// It comes in pieces; a word on the channel asks for the next one.
    Pieces(mpsc::UnboundedSender<()>),
    /// All of it came.
    Ended,
}

/// The receiving half of a [`Cycle`].
pub(super) struct Inbox {
    body: Incoming,
    /// A piece was asked for and has not come.
    asked: bool,
    /// Came, and was not taken: at most one, since the next is asked for after that.
    arrived: VecDeque<(Bytes, bool)>,
    /// Futures that wake a `receive()` that waits.
    waiting: VecDeque<Py<PyAny>>,
    /// Nothing but `http.disconnect` will ever come.
    closed: bool,
}

impl Inbox {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, asked: false, arrived: VecDeque::new(), waiting: VecDeque::new(), closed: false }
    }

    /// A piece of the body came, and whether more follows.
    pub(super) fn piece(&mut self, py: Python<'_>, piece: Bytes, more: bool) -> PyResult<()> {
        self.asked = false;
        if !more {
            self.body = Incoming::Ended;
        }
        self.arrived.push_back((piece, more));
        self.wake(py)
    }

    /// From now on there is only `http.disconnect`.
    pub(super) fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        self.closed = true;
        self.body = Incoming::Ended;
        self.arrived.clear();
        while !self.waiting.is_empty() {
            self.wake(py)?;
        }
        Ok(())
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next message, if one is there; otherwise the body is asked for more.
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        if self.closed {
            return message::disconnect(py).map(Some);
        }
        if let Some((piece, more)) = self.arrived.pop_front() {
            if self.has_waiting() {
                self.ask();
            }
            return message::request(py, &piece, more).map(Some);
        }
        if let Incoming::Whole(bytes) = &mut self.body {
            let bytes = std::mem::take(bytes);
            self.body = Incoming::Ended;
            return message::request(py, &bytes, false).map(Some);
        }
        self.ask();
        Ok(None)
    }

    fn ask(&mut self) {
        if let Incoming::Pieces(ask) = &self.body
            && !self.asked
        {
            // Fails only when the body was cut off, and then a disconnect is on its way.
            let _ = ask.send(());
            self.asked = true;
        }
    }

    /// Wakes the first that still waits.
    fn wake(&mut self, py: Python<'_>) -> PyResult<()> {
        while let Some(future) = self.waiting.pop_front() {
            let future = future.bind(py);
            if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
                future.call_method1(intern!(py, "set_result"), (py.None(),))?;
                break;
            }
        }
        Ok(())
    }

    pub(super) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        self.waiting.iter().try_for_each(|future| visit.call(future))
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

/// What `receive()` returns: passes for a coroutine, and like one does nothing before it is awaited.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct Receive {
    cycle: Py<Cycle>,
    /// The steps of the future that it waits for.
    steps: Option<Py<PyIterator>>,
}

impl Receive {
    pub(super) fn new(cycle: Py<Cycle>) -> Self {
        Self { cycle, steps: None }
    }

    /// One step: `Ok` is what it waits for, StopIteration the message.
    fn step<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        let (cycle, mut steps) = {
            let this = this.borrow();
            (this.cycle.bind(py).clone(), this.steps.as_ref().map(|steps| steps.bind(py).clone()))
        };
        loop {
            if let Some(waits) = steps.take() {
                if let Some(waits) = waits.clone().next() {
                    // Python code, which may come back here.
                    return waits;
                }
                this.borrow_mut().steps = None;
            }
            let mut cycle = cycle.borrow_mut();
            if let Some(message) = cycle.inbox.take(py)? {
                return Err(PyStopIteration::new_err(message.unbind()));
            }
            let future = cycle.event_loop().asyncio.bind(py).call_method0(intern!(py, "create_future"))?;
            cycle.inbox.waiting.push_back(future.clone().unbind());
            drop(cycle);
            let waits = future.try_iter()?;
            this.borrow_mut().steps = Some(waits.clone().unbind());
            steps = Some(waits);
        }
    }
}

#[pymethods]
impl Receive {
    fn __await__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::step(this)
    }

    fn send<'py>(this: &Bound<'py, Self>, _value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Self::step(this)
    }

    /// A cancellation, as a rule.
    #[pyo3(signature = (*args))]
    fn throw<'py>(this: &Bound<'py, Self>, args: Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        let steps = this.borrow_mut().steps.take();
        let Some(steps) = steps else { return Err(thrown(&args)?) };
        let thrown = steps.bind(py).call_method1(intern!(py, "throw"), args);
        // It may have been woken for something that another one waits for too.
        let cycle = this.borrow().cycle.bind(py).clone();
        let mut cycle = cycle.borrow_mut();
        if !cycle.inbox.arrived.is_empty() {
            cycle.inbox.wake(py)?;
        }
        thrown
    }

    fn close(this: &Bound<'_, Self>) -> PyResult<()> {
        let steps = this.borrow_mut().steps.take();
        match steps {
            Some(steps) => steps.call_method0(this.py(), intern!(this.py(), "close")).map(drop),
            None => Ok(()),
        }
    }
}
