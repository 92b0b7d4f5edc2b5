//! What `receive()`, `send()` and `write()` return: awaitables that pass for coroutines (`asyncio.create_task` takes them).

use pyo3::exceptions::PyStopIteration;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Done before it is awaited: no future, no turn of the loop.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct Ready {
    value: Option<Py<PyAny>>,
}

impl Ready {
    pub(crate) fn value<'py>(py: Python<'py>, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Ok(Bound::new(py, Self { value: Some(value.unbind()) })?.into_any())
    }

    /// The outcome `None`; stateless, so one object serves all.
    pub(crate) fn nothing(py: Python<'_>) -> Bound<'_, PyAny> {
        static NOTHING: PyOnceLock<Py<Ready>> = PyOnceLock::new();
        let nothing = NOTHING.get_or_try_init(py, || Py::new(py, Self { value: None }));
        match nothing {
            Ok(nothing) => nothing.bind(py).clone().into_any(),
            Err(_) => py.None().into_bound(py), // out of memory
        }
    }
}

#[pymethods]
impl Ready {
    fn __await__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&mut self) -> PyResult<Option<Py<PyAny>>> {
        match self.value.take() {
            Some(value) => Err(PyStopIteration::new_err((value,))),
            None => Ok(None),
        }
    }

    fn send(&mut self, _value: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Err(PyStopIteration::new_err((self.value.take(),)))
    }

    #[pyo3(signature = (kind, value=None, traceback=None))]
    #[expect(clippy::unused_self, reason = "a method in Python")]
    fn throw(
        &self,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let _ = traceback;
        let raised = match value {
            Some(value) if !value.is_none() => value,
            _ if kind.hasattr(intern!(kind.py(), "__cause__"))? && !kind.is_instance_of::<pyo3::types::PyType>() => {
                kind
            }
            _ => kind.call0()?,
        };
        Err(PyErr::from_value(raised))
    }

    fn close(&mut self) {
        self.value = None;
    }
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
    fn throw<'py>(this: &Bound<'py, Self>, args: Bound<'py, pyo3::types::PyTuple>) -> PyResult<Bound<'py, PyAny>> {
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
