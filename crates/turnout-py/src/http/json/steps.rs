//! The objects of large JSON texts, made while the event loop turns.

use std::collections::VecDeque;
use std::time::Instant;

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::build::{Builder, SLICE};
use crate::http::HttpOutcome;
use crate::interface::thrown;

/// See `_turnout.pyi`. Each step works for half a millisecond and then lets the loop turn once; dropped or cancelled early, what was made
/// so far is dropped with it.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct HttpJsonSteps(Work);

enum Work {
    Value(Builder),
    /// The one that is being made, and those that follow.
    Values(Option<(Py<HttpOutcome>, Builder)>, VecDeque<Py<HttpOutcome>>),
    Over,
}

impl HttpJsonSteps {
    pub(super) fn new(builder: Builder) -> Self {
        Self(Work::Value(builder))
    }
}

/// See `_turnout.pyi`.
#[pyfunction]
pub(crate) fn make_values(outcomes: Vec<Py<HttpOutcome>>) -> HttpJsonSteps {
    HttpJsonSteps(Work::Values(None, outcomes.into()))
}

impl Work {
    /// `None`: call again.
    fn step(&mut self, py: Python<'_>, until: Instant) -> PyResult<Option<Py<PyAny>>> {
        let (current, waiting) = match self {
            Self::Value(builder) => return builder.step(py, until),
            Self::Values(current, waiting) => (current, waiting),
            Self::Over => return Err(PyRuntimeError::new_err("cannot reuse already awaited steps")),
        };
        loop {
            if let Some((outcome, builder)) = current {
                let Some(value) = builder.step(py, until)? else { return Ok(None) };
                outcome.get().made(py, value);
                *current = None;
            }
            let Some(outcome) = waiting.pop_front() else { return Ok(Some(py.None())) };
            let builder = outcome.get().unmade(py).map(|json| Builder::new(json.clone(), None));
            *current = builder.map(|builder| (outcome, builder));
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
        let step = self.0.step(py, Instant::now() + SLICE);
        if !matches!(step, Ok(None)) {
            self.0 = Work::Over;
        }
        match step? {
            Some(value) => Err(PyStopIteration::new_err((value,))),
            None => Ok(py.None()),
        }
    }

    fn send(&mut self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.__next__(py)
    }

    /// A cancellation, as a rule.
    #[pyo3(signature = (*args))]
    fn throw(&mut self, args: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        self.0 = Work::Over;
        Err(thrown(args)?)
    }

    fn close(&mut self) {
        self.0 = Work::Over;
    }
}
