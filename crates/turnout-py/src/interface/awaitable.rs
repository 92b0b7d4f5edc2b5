//! What `receive()`, `send()` and `write()` return: awaitables that pass for coroutines (`asyncio.create_task` takes them).

use pyo3::exceptions::{PyBaseException, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

/// Done before it is awaited, with the outcome `None`: no future, no turn of the loop.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct Ready;

impl Ready {
    /// Stateless, so one object serves all.
    pub(crate) fn nothing(py: Python<'_>) -> Bound<'_, PyAny> {
        static NOTHING: PyOnceLock<Py<Ready>> = PyOnceLock::new();
        match NOTHING.get_or_try_init(py, || Py::new(py, Self)) {
            Ok(nothing) => nothing.bind(py).clone().into_any(),
            Err(_) => py.None().into_bound(py), // out of memory
        }
    }
}

#[pymethods]
#[expect(clippy::unused_self, reason = "methods in Python")]
impl Ready {
    fn __await__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&self) -> Option<Py<PyAny>> {
        None
    }

    fn send(&self, _value: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Err(PyStopIteration::new_err(()))
    }

    #[pyo3(signature = (*args))]
    fn throw(&self, args: Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        Err(thrown(&args)?)
    }

    fn close(&self) {}
}

/// What the arguments of `throw` raise: an exception, or a class and perhaps its value.
pub(crate) fn thrown(args: &Bound<'_, PyTuple>) -> PyResult<PyErr> {
    let kind = args.get_item(0)?;
    let value = args.get_item(1).ok().filter(|value| !value.is_none());
    let raised = match value {
        Some(value) if value.is_instance_of::<PyBaseException>() => value,
        Some(value) => kind.call1((value,))?,
        None if kind.is_instance_of::<PyBaseException>() => kind,
        None => kind.call0()?,
    };
    Ok(PyErr::from_value(raised))
}

/// Waits for a future of the loop.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct Pending {
    future: Py<PyAny>,
    steps: Option<Py<PyAny>>,
}

impl Pending {
    pub(crate) fn new(future: Py<PyAny>) -> Self {
        Self { future, steps: None }
    }

    fn steps<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(steps) = &self.steps {
            return Ok(steps.bind(py).clone());
        }
        let steps = self.future.bind(py).call_method0(intern!(py, "__await__"))?;
        self.steps = Some(steps.clone().unbind());
        Ok(steps)
    }
}

#[pymethods]
impl Pending {
    fn __await__<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.steps(py)
    }

    fn send<'py>(this: &Bound<'py, Self>, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let steps = this.borrow_mut().steps(this.py())?;
        steps.call_method1(intern!(this.py(), "send"), (value,))
    }

    #[pyo3(signature = (*args))]
    fn throw<'py>(this: &Bound<'py, Self>, args: Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let steps = this.borrow_mut().steps(this.py())?;
        steps.call_method1(intern!(this.py(), "throw"), args)
    }

    fn close(this: &Bound<'_, Self>) -> PyResult<()> {
        let steps = this.borrow_mut().steps.take();
        match steps {
            Some(steps) => steps.call_method0(this.py(), intern!(this.py(), "close")).map(drop),
            None => Ok(()),
        }
    }
}
