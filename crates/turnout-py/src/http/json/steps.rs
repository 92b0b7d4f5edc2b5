//! The objects of a large JSON text, made while the event loop turns.

use std::mem;

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::build::{Builder, Hidden};
use super::slice::Slice;
use crate::interface::thrown;

/// What `ato_python` gives to be awaited. Each step works for half a millisecond, less if others want the loop, and then lets it turn once; dropped or cancelled
/// early, what was made so far is dropped with it.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct HttpJsonSteps {
    stage: Stage,
    /// The value is given before the collector sees it.
    later: bool,
}

enum Stage {
    Building(Builder),
    /// And what is given in the end.
    Showing(Hidden, Py<PyAny>),
    Hidden(Hidden),
    Over,
}

impl HttpJsonSteps {
    pub(crate) fn new(builder: Builder) -> Self {
        Self { stage: Stage::Building(builder), later: false }
    }

    /// For an outcome's value, which takes what is hidden of it.
    pub(crate) fn of_outcome(builder: Builder) -> Self {
        Self { stage: Stage::Building(builder), later: true }
    }

    /// What the collector does not see of the value that was given.
    pub(crate) fn take_hidden(&mut self) -> Hidden {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Hidden(hidden) => hidden,
            _ => Hidden::default(),
        }
    }
}

#[pymethods]
impl HttpJsonSteps {
    fn __await__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    /// A bare yield: the task is continued in the loop's next turn.
    fn __next__(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Building(mut builder) => match builder.step(py, Slice::begin())? {
                None => self.stage = Stage::Building(builder),
                Some(value) if self.later => {
                    self.stage = Stage::Hidden(builder.into_hidden());
                    return Err(PyStopIteration::new_err((value,)));
                }
                Some(value) => self.stage = Stage::Showing(builder.into_hidden(), value),
            },
            Stage::Showing(mut hidden, value) => {
                if hidden.work_off(py) {
                    return Err(PyStopIteration::new_err((value,)));
                }
                self.stage = Stage::Showing(hidden, value);
            }
            Stage::Hidden(_) | Stage::Over => {
                return Err(PyRuntimeError::new_err("cannot reuse already awaited steps"));
            }
        }
        Ok(py.None())
    }

    fn send(&mut self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.__next__(py)
    }

    /// A cancellation, as a rule.
    #[pyo3(signature = (*args))]
    fn throw(&mut self, args: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.stage = Stage::Over;
        Err(thrown(args)?)
    }

    fn close(&mut self) {
        self.stage = Stage::Over;
    }
}
