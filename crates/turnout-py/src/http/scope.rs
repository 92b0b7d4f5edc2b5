//! What calls belong to: a deadline, and a token that fires when the incoming request is over.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use tokio::time::Instant;
use turnout_client::Scope;

use super::options::seconds;
use crate::interface::calls::{Call, Trace};
use crate::states::{Accounted, Keeping};

/// See `_turnout.pyi`.
#[pyclass(frozen, extends = Accounted, module = "turnout._turnout")]
pub(crate) struct HttpScope {
    scope: Scope,
    trace: Option<Trace>,
}

/// The request that is being answered, for the calls that are made for it. Costs nothing until there is one.
#[pyclass(frozen, extends = Accounted, module = "turnout._turnout")]
pub(crate) struct HttpIncoming(pub(crate) Arc<Call>);

#[pymethods]
impl HttpIncoming {
    /// Seconds until its deadline, which may be over; None: it has none.
    fn remaining(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        Ok(left(&self.scope(py)?))
    }

    #[getter]
    fn cancelled(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.scope(py)?.cancelled.is_cancelled())
    }
}

impl HttpIncoming {
    /// Of this request.
    pub(crate) fn of(py: Python<'_>, call: &Arc<Call>) -> PyResult<Py<Self>> {
        let accounted = PyClassInitializer::from(Accounted(call.keeping.clone()));
        Py::new(py, accounted.add_subclass(Self(call.clone())))
    }

    fn scope(&self, py: Python<'_>) -> PyResult<Scope> {
        if self.0.has_scope() {
            return Ok(self.0.scope(None));
        }
        let limit: Option<f64> =
            py.import(intern!(py, "turnout.http.scope"))?.call_method0(intern!(py, "request_deadline"))?.extract()?;
        Ok(self.0.scope(limit.map(seconds).transpose()?))
    }
}

#[pymethods]
impl HttpScope {
    /// A part of `outer` that ends `limit` seconds from now, if `outer` does not end before.
    #[new]
    #[pyo3(signature = (limit=None, outer=None))]
    fn new(limit: Option<f64>, outer: Option<&Bound<'_, PyAny>>) -> PyResult<PyClassInitializer<Self>> {
        let own = limit.map(|limit| seconds(limit.max(0.0)).map(|limit| Instant::now() + limit)).transpose()?;
        let Held { scope: outer, trace, keeping } = outer.map_or(Ok(Held::default()), of)?;
        let deadline = own.into_iter().chain(outer.as_ref().and_then(|outer| outer.deadline)).min();
        let cancelled = outer.as_ref().map_or_else(Default::default, |outer| outer.cancelled.child_token());
        let scope = Scope { deadline, cancelled, ..Scope::default() };
        Ok(PyClassInitializer::from(Accounted(keeping)).add_subclass(Self { scope, trace }))
    }

    /// Of the trace that `outer` has, and of nothing else.
    #[staticmethod]
    fn detached(outer: &Bound<'_, PyAny>) -> PyResult<Py<Self>> {
        let Held { trace, keeping, .. } = of(outer)?;
        let scope = Self { scope: Scope::default(), trace };
        Py::new(outer.py(), PyClassInitializer::from(Accounted(keeping)).add_subclass(scope))
    }

    /// Seconds until its deadline, which may be over; None: it has none.
    fn remaining(&self) -> Option<f64> {
        left(&self.scope)
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

fn left(scope: &Scope) -> Option<f64> {
    let deadline = scope.deadline?;
    let now = Instant::now();
    let left = deadline.saturating_duration_since(now);
    Some(if left > Duration::ZERO { left.as_secs_f64() } else { -(now - deadline).as_secs_f64() })
}

/// What Python's variable holds.
#[derive(Default)]
struct Held {
    scope: Option<Scope>,
    trace: Option<Trace>,
    keeping: Option<Arc<Keeping>>,
}

fn of(held: &Bound<'_, PyAny>) -> PyResult<Held> {
    if held.is_none() {
        return Ok(Held::default());
    }
    if let Ok(scope) = held.cast::<HttpScope>() {
        let HttpScope { scope: inner, trace } = scope.get();
        let keeping = scope.as_super().get().0.clone();
        return Ok(Held { scope: Some(inner.clone()), trace: trace.clone(), keeping });
    }
    match held.cast::<HttpIncoming>() {
        Ok(incoming) => {
            let call = &incoming.get().0;
            let scope = incoming.get().scope(held.py())?;
            Ok(Held { scope: Some(scope), trace: call.trace.clone(), keeping: call.keeping.clone() })
        }
        Err(_) => Err(PyTypeError::new_err("not a scope")),
    }
}

/// Of the code that makes a call: what the call belongs to, and what is sent on of the trace.
pub(super) struct Current {
    pub(super) scope: Option<Scope>,
    trace: Option<Trace>,
}

impl Current {
    pub(super) fn get(py: Python<'_>) -> PyResult<Self> {
        static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let get = GET.get_or_try_init(py, || {
            PyResult::Ok(py.import("turnout.incoming")?.getattr("current_scope")?.getattr("get")?.unbind())
        })?;
        let Held { scope, trace, .. } = of(&get.bind(py).call0()?)?;
        Ok(Self { scope, trace })
    }

    /// Adds the fields of the trace, where the caller has not: those of OpenTelemetry's current span, if it is there.
    pub(super) fn trace(&self, py: Python<'_>, headers: &mut HeaderMap) -> PyResult<()> {
        if headers.contains_key(Trace::PARENT) {
            return Ok(());
        }
        if let Some(fields) = of_telemetry(py)? {
            for (name, value) in fields.iter() {
                let (name, value): (String, String) = (name.extract()?, value.extract()?);
                if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
                    headers.entry(name).or_insert(value);
                }
            }
        }
        if let Some(trace) = &self.trace
            && !headers.contains_key(Trace::PARENT)
        {
            headers.insert(Trace::PARENT, trace.parent.clone());
            if let Some(state) = &trace.state {
                headers.insert(Trace::STATE, state.clone());
            }
        }
        Ok(())
    }
}

/// What OpenTelemetry would send, in a program that has loaded it.
fn of_telemetry(py: Python<'_>) -> PyResult<Option<Bound<'_, PyDict>>> {
    static MODULES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let modules = MODULES.import(py, "sys", "modules")?;
    if !modules.contains(intern!(py, "opentelemetry.trace"))? {
        return Ok(None);
    }
    let fields = py.import(intern!(py, "turnout.http.tracing"))?.call_method0(intern!(py, "fields"))?;
    Ok(Some(fields.cast_into::<PyDict>()?))
}
