//! An async generator pulled into an answer: what stands between it and the request's task, instead of four Python frames.
//!
//! An awaitable as `async def` would make one (docs/decisions/0018). Knows nothing of Django but what it is given;
//! `turnout.django.answers` decides which responses may be sent this way.

use bytes::Bytes;
use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyStopAsyncIteration, PyStopIteration, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::iterator::PySendResult;
use pyo3::types::{PyBytes, PyIterator, PyString, PyTuple};

use super::exchange::Exchange;
use crate::interface::awaitable::thrown;

/// Sends what `source` yields, then ends the answer; whatever happens, `source` is closed when it is over.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct Sending {
    source: Py<PyAny>,
    make_bytes: Py<PyAny>,
    /// `make_bytes` does to `str` and `bytes` what Django's does, with UTF-8.
    plain: bool,
    exchange: Py<PyAny>,
    stage: Stage,
    /// The awaitable that it stands at; none before the first step and after the last.
    steps: Option<Py<PyIterator>>,
}

enum Stage {
    /// `source` makes a chunk.
    Chunk,
    /// The chunk has no room yet.
    Room,
    /// `source` is being closed, because of this.
    Closing(PyErr),
}

impl Sending {
    /// Goes on from `outcome`, of what it waited for, to what it waits for next. `None`: it is over.
    fn go_on<'py>(
        &mut self,
        py: Python<'py>,
        mut outcome: PyResult<PySendResult<'py>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            let next = match (outcome, &self.stage) {
                (Ok(PySendResult::Next(waits)), _) => return Ok(Some(waits)),
                (Ok(PySendResult::Return(chunk)), Stage::Chunk) => self.give(&chunk),
                (Ok(PySendResult::Return(_)), Stage::Room) => self.ask(py),
                (Err(error), Stage::Chunk) if error.is_instance_of::<PyStopAsyncIteration>(py) => {
                    self.steps = None;
                    self.exchange.call_method0(py, intern!(py, "end"))?;
                    return Ok(None);
                }
                (Err(error), Stage::Chunk | Stage::Room) => Err(error),
                (closed, Stage::Closing(_)) => return Err(self.closed(py, closed.err())),
            };
            let steps = match next.or_else(|error| self.begin_closing(py, error)) {
                Ok(steps) => steps,
                Err(error) => {
                    self.steps = None;
                    return Err(error);
                }
            };
            outcome = steps.send(py.None().bind(py));
            self.steps = Some(steps.unbind());
        }
    }

    /// The next chunk is asked for.
    fn ask<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.stage = Stage::Chunk;
        self.source.bind(py).call_method0(intern!(py, "__anext__"))?.try_iter()
    }

    /// Sends a chunk, and says what to wait for: room for it, or the next one.
    fn give<'py>(&mut self, chunk: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyIterator>> {
        let py = chunk.py();
        let exchange = self.exchange.bind(py);
        let room = match exchange.cast::<Exchange>() {
            Ok(exchange) => match self.bytes(chunk, Bytes::copy_from_slice)? {
                chunk if chunk.is_empty() => None,
                chunk => exchange.borrow_mut().give(py, chunk)?,
            },
            // A test's own.
            Err(_) => match self.bytes(chunk, |chunk| PyBytes::new(py, chunk))? {
                chunk if chunk.as_bytes().is_empty() => None,
                chunk => Some(exchange.call_method1(intern!(py, "write"), (chunk,))?),
            },
        };
        match room {
            None => self.ask(py),
            Some(room) => {
                self.stage = Stage::Room;
                room.call_method0(intern!(py, "__await__"))?.try_iter()
            }
        }
    }

    fn bytes<T>(&self, chunk: &Bound<'_, PyAny>, take: impl FnOnce(&[u8]) -> T) -> PyResult<T> {
        if self.plain {
            if let Ok(bytes) = chunk.cast_exact::<PyBytes>() {
                return Ok(take(bytes.as_bytes()));
            }
            // What has no UTF-8 (lone surrogates) raises below, in Django's words.
            if let Ok(Ok(text)) = chunk.cast_exact::<PyString>().map(|text| text.to_str()) {
                return Ok(take(text.as_bytes()));
            }
        }
        let made = self.make_bytes.bind(chunk.py()).call1((chunk,))?;
        let made = made.cast::<PyBytes>().map_err(|_| PyTypeError::new_err("a streamed chunk must be bytes"))?;
        Ok(take(made.as_bytes()))
    }

    fn begin_closing<'py>(&mut self, py: Python<'py>, error: PyErr) -> PyResult<Bound<'py, PyIterator>> {
        self.stage = Stage::Closing(error);
        self.source.bind(py).call_method0(intern!(py, "aclose"))?.try_iter()
    }

    /// `source` is closed: what is raised, which is why it was, unless closing failed itself.
    fn closed(&mut self, py: Python<'_>, failure: Option<PyErr>) -> PyErr {
        self.steps = None;
        let Stage::Closing(why) = std::mem::replace(&mut self.stage, Stage::Chunk) else {
            return PyRuntimeError::new_err("closed before it was to be");
        };
        let Some(failure) = failure else { return why };
        failure.set_context(py, Some(why));
        failure
    }

    fn step<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let steps = if let Some(steps) = &self.steps {
            steps.bind(py).clone()
        } else {
            let steps = self.ask(py)?;
            self.steps = Some(steps.clone().unbind());
            steps
        };
        let outcome = steps.send(py.None().bind(py));
        self.go_on(py, outcome)
    }
}

#[pymethods]
impl Sending {
    #[new]
    pub(super) fn new(source: Py<PyAny>, make_bytes: Py<PyAny>, plain: bool, exchange: Py<PyAny>) -> Self {
        Self { source, make_bytes, plain, exchange, stage: Stage::Chunk, steps: None }
    }

    fn __await__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.step(py)
    }

    fn send<'py>(&mut self, py: Python<'py>, _value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.step(py)?.ok_or_else(|| PyStopIteration::new_err(()))
    }

    /// A cancellation, as a rule.
    #[pyo3(signature = (*args))]
    fn throw<'py>(&mut self, py: Python<'py>, args: Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let outcome = match &self.steps {
            Some(steps) => match steps.bind(py).call_method1(intern!(py, "throw"), args) {
                Ok(waits) => Ok(PySendResult::Next(waits)),
                Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
                    Ok(PySendResult::Return(error.value(py).getattr(intern!(py, "value"))?))
                }
                Err(error) => Err(error),
            },
            None => Err(thrown(&args)?),
        };
        self.go_on(py, outcome)?.ok_or_else(|| PyStopIteration::new_err(()))
    }

    fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        match self.throw(py, PyTuple::new(py, [PyGeneratorExit::new_err(()).into_value(py)])?) {
            Ok(_) => Err(PyRuntimeError::new_err("the stream ignored GeneratorExit")),
            Err(error)
                if error.is_instance_of::<PyGeneratorExit>(py) || error.is_instance_of::<PyStopIteration>(py) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.source)?;
        visit.call(&self.make_bytes)?;
        visit.call(&self.exchange)?;
        self.steps.as_ref().map_or(Ok(()), |steps| visit.call(steps))
    }
}
