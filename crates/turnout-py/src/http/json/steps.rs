//! The objects of a large JSON text, made while the event loop turns.

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::build::{Builder, SLICE};
use crate::interface::thrown;

/// What `ato_python` gives to be awaited. Each step works for half a millisecond and then lets the loop turn once; dropped or cancelled
/// early, what was made so far is dropped with it.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct HttpJsonSteps(Option<Builder>);

impl HttpJsonSteps {
    pub(crate) fn new(builder: Builder) -> Self {
        Self(Some(builder))
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
        let Some(mut builder) = self.0.take() else {
            return Err(PyRuntimeError::new_err("cannot reuse already awaited steps"));
        };
        if let Some(value) = builder.step(py, Some(SLICE))? {
            return Err(PyStopIteration::new_err((value,)));
        }
        self.0 = Some(builder);
        Ok(py.None())
    }

    fn send(&mut self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.__next__(py)
    }

    /// A cancellation, as a rule.
    #[pyo3(signature = (*args))]
    fn throw(&mut self, args: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.0 = None;
        Err(thrown(args)?)
    }

    fn close(&mut self) {
        self.0 = None;
    }
}
