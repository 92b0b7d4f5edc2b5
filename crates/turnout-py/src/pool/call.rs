//! A Python call as a job: what `SyncPool.submit` queues.

use std::sync::Arc;

use pyo3::exceptions::PyTimeoutError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

use super::{Job, Pool, View};

/// Its Python objects are only touched with the GIL; dropped without it (an expired call), PyO3 defers the release.
struct Call {
    view: View,
    future: Py<PyAny>,
    function: Py<PyAny>,
    args: Py<PyTuple>,
}

pub(super) fn submit<'py>(
    py: Python<'py>,
    pool: &Arc<Pool>,
    view: View,
    function: Bound<'py, PyAny>,
    args: Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    static FUTURE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let future = FUTURE.import(py, "concurrent.futures", "Future")?.call0()?;
    let call = Call { view, future: future.clone().unbind(), function: function.unbind(), args: args.unbind() };
    pool.push(Box::new(call));
    Ok(future)
}

impl Call {
    fn try_run(&self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.bind(py);
        if !future.call_method0(intern!(py, "set_running_or_notify_cancel"))?.is_truthy()? {
            return Ok(());
        }
        match self.function.bind(py).call1(self.args.bind(py)) {
            Ok(result) => future.call_method1(intern!(py, "set_result"), (result,)),
            // Every exception, SystemExit too: it belongs to whoever waits, not to the thread.
            Err(error) => future.call_method1(intern!(py, "set_exception"), (error.into_value(py),)),
        }?;
        Ok(())
    }
}

impl Job for Call {
    fn view(&self) -> View {
        self.view
    }

    fn run(self: Box<Self>, py: Python<'_>) {
        if let Err(error) = self.try_run(py) {
            error.write_unraisable(py, Some(self.function.bind(py)));
        }
    }

    fn expire(self: Box<Self>) {
        // Rare and without haste: a helper thread takes the GIL, never the runtime's.
        let _ = std::thread::Builder::new().name("turnout-expire".into()).spawn(move || {
            Python::attach(|py| {
                let error = PyTimeoutError::new_err("waited too long for a free thread of the sync pool");
                let told = self.future.call_method1(py, intern!(py, "set_exception"), (error.into_value(py),));
                if let Err(error) = told {
                    error.write_unraisable(py, Some(self.function.bind(py)));
                }
            });
        });
    }
}
