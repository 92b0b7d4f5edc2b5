//! What calls belong to: a deadline, and a token that fires when the incoming request is over.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tokio::time::Instant;
use turnout_client::Scope;

use super::options::seconds;

/// See `_turnout.pyi`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct HttpScope {
    scope: Scope,
}

#[pymethods]
impl HttpScope {
    /// A part of `outer` that ends `limit` seconds from now, if `outer` does not end before.
    #[new]
    #[pyo3(signature = (limit=None, outer=None))]
    fn new(limit: Option<f64>, outer: Option<&Bound<'_, Self>>) -> PyResult<Self> {
        let own = limit.map(|limit| seconds(limit.max(0.0)).map(|limit| Instant::now() + limit)).transpose()?;
        let outer = outer.map(|outer| outer.get().scope.clone());
        let deadline = own.into_iter().chain(outer.as_ref().and_then(|outer| outer.deadline)).min();
        let cancelled = outer.as_ref().map_or_else(Default::default, |outer| outer.cancelled.child_token());
        Ok(Self { scope: Scope { deadline, cancelled, ..Scope::default() } })
    }

    /// Seconds until its deadline, which may be over; None: it has none.
    fn remaining(&self) -> Option<f64> {
        let deadline = self.scope.deadline?;
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        Some(if left > Duration::ZERO { left.as_secs_f64() } else { -(now - deadline).as_secs_f64() })
    }

    /// What is called for it is given up.
    fn cancel(&self) {
        self.scope.cancelled.cancel();
    }

    #[getter]
    fn cancelled(&self) -> bool {
        self.scope.cancelled.is_cancelled()
    }
}

/// Of the code that makes a call.
pub(super) fn current(py: Python<'_>) -> PyResult<Option<Scope>> {
    static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let get = GET.get_or_try_init(py, || {
        PyResult::Ok(py.import("turnout.http.scope")?.getattr("current_scope")?.getattr("get")?.unbind())
    })?;
    let current = get.bind(py).call0()?;
    Ok(current.cast::<HttpScope>().ok().map(|scope| scope.get().scope.clone()))
}
