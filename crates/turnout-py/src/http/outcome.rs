//! One call's result or error among those of a gather.

use std::mem;

use parking_lot::Mutex;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use turnout_client::json::Lazy;
use turnout_client::{Status, Timings, gather};

use super::errors;
use super::home::Home;
use super::json::{Builder, Hidden, HttpJson, HttpJsonSteps, build};
use super::leaving;
use super::response::{About, HttpResponse};

/// See `_turnout.pyi`.
#[pyclass(frozen, weakref, module = "turnout._turnout")]
#[expect(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
pub(crate) struct HttpOutcome {
    #[pyo3(get)]
    key: Py<PyAny>,
    #[pyo3(get)]
    status: Py<PyAny>,
    /// Locked for a move or a copy, never across a call into Python.
    value: Mutex<Value>,
    #[pyo3(get)]
    response: Option<Py<PyAny>>,
    #[pyo3(get)]
    error: Option<Py<PyAny>>,
    #[pyo3(get)]
    elapsed: f64,
    /// There is a value to work with: an answer, an old one, or the caller's own in its place.
    #[pyo3(get)]
    ok: bool,
    spent: Timings,
    /// The same for Python, once somebody asks.
    timings: PyOnceLock<Option<Py<PyAny>>>,
    #[pyo3(get)]
    attempts: u32,
    #[pyo3(get)]
    from_cache: bool,
    #[pyo3(get)]
    stale: bool,
    #[pyo3(get)]
    coalesced: bool,
    #[pyo3(get)]
    hedged: bool,
}

enum Value {
    Made(Py<PyAny>),
    /// In slices, and let go of in slices too.
    Large(Py<PyAny>, Hidden),
    /// Large, and its objects are not made yet.
    Later(Lazy),
}

/// What a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decode {
    Json,
    /// Kept as bytes.
    Lazy,
    Text,
    Bytes,
}

impl Decode {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "lazy" => Some(Self::Lazy),
            "text" => Some(Self::Text),
            "bytes" => Some(Self::Bytes),
            _ => None,
        }
    }
}

impl Decode {
    pub(super) fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Lazy)
    }
}

/// Larger texts are made into objects in slices where an event loop would wait for it.
const AT_ONCE: usize = 16 << 10;

/// What an outcome is made from, beside what came of the call.
pub(super) struct Made<'a, 'py> {
    pub(super) key: &'a Bound<'py, PyAny>,
    pub(super) request: &'a Bound<'py, PyAny>,
    pub(super) home: &'a Home,
    pub(super) decode: Decode,
    pub(super) is_async: bool,
}

impl<'py> Made<'_, 'py> {
    pub(super) fn of(self, came: gather::Outcome<Option<Lazy>>) -> PyResult<Bound<'py, HttpOutcome>> {
        let py = self.key.py();
        let gather::Outcome { status, answer, value: json, error, elapsed, .. } = came;
        let response = match answer {
            Some(answer) => Some(Bound::new(py, HttpResponse::new(answer, self.home, Some(self.request)))?),
            None => None,
        };
        let about = match (&response, &error) {
            (Some(response), _) => response.get().about().clone(),
            (None, Some(error)) => {
                About { timings: error.timings().clone(), attempts: error.attempts(), ..About::default() }
            }
            (None, None) => About::default(),
        };
        let (mut value, mut failure) = (Value::Made(py.None()), None);
        if let Some(error) = &error {
            failure = Some(errors::made(py, error, Some(self.request))?.unbind());
        } else if let Some(response) = &response {
            if status == Status::HttpError {
                failure = Some(HttpResponse::status_error(response)?.unbind());
            } else {
                value = self.value(response, json.flatten())?;
            }
        }
        let outcome = HttpOutcome {
            key: self.key.clone().unbind(),
            status: named(py, status)?,
            value: Mutex::new(value),
            response: response.map(|response| response.into_any().unbind()),
            error: failure,
            elapsed: elapsed.as_secs_f64(),
            ok: status.is_good(),
            spent: about.timings,
            timings: PyOnceLock::new(),
            attempts: about.attempts,
            from_cache: about.from_cache,
            stale: about.stale,
            coalesced: about.coalesced,
            hedged: about.hedged,
        };
        Bound::new(py, outcome)
    }

    fn value(&self, response: &Bound<'py, HttpResponse>, json: Option<Lazy>) -> PyResult<Value> {
        let py = response.py();
        Ok(Value::Made(match (self.decode, json) {
            (Decode::Json, Some(json)) if self.is_async && json.bytes().len() > AT_ONCE => {
                return Ok(Value::Later(json));
            }
            (Decode::Json, Some(json)) => build(py, json, None)?,
            (Decode::Lazy, Some(json)) => Py::new(py, HttpJson::new(json))?.into_any(),
            (Decode::Json | Decode::Lazy, None) => py.None(),
            (Decode::Text, _) => response.as_any().getattr(intern!(py, "text"))?.unbind(),
            (Decode::Bytes, _) => response.as_any().getattr(intern!(py, "content"))?.unbind(),
        }))
    }
}

/// The member of `turnout.http.status.Status`.
fn named(py: Python<'_>, status: Status) -> PyResult<Py<PyAny>> {
    static OK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let member = || Ok(py.import("turnout.http.status")?.getattr("Status")?.getattr(status.as_str())?.unbind());
    // Nearly all are.
    if status == Status::Ok { OK.get_or_try_init(py, member).map(|ok| ok.clone_ref(py)) } else { member() }
}

#[pymethods]
impl HttpOutcome {
    /// For fallbacks and tests.
    #[new]
    #[expect(
        clippy::fn_params_excessive_bools,
        clippy::too_many_arguments,
        reason = "a constructor in Python, most of them by name"
    )]
    #[pyo3(signature = (key, status, *, value=None, response=None, error=None, elapsed=0.0, timings=None, attempts=0,
                        from_cache=false, stale=false, coalesced=false, hedged=false))]
    fn new(
        py: Python<'_>,
        key: Py<PyAny>,
        status: Py<PyAny>,
        value: Option<Py<PyAny>>,
        response: Option<Py<PyAny>>,
        error: Option<Py<PyAny>>,
        elapsed: f64,
        timings: Option<Py<PyAny>>,
        attempts: u32,
        from_cache: bool,
        stale: bool,
        coalesced: bool,
        hedged: bool,
    ) -> PyResult<Self> {
        let value = Mutex::new(Value::Made(value.unwrap_or_else(|| py.None())));
        let ok = status.bind(py).getattr(intern!(py, "has_value"))?.is_truthy()?;
        let (given, timings, spent) = (timings, PyOnceLock::new(), Timings::default());
        let _ = timings.set(py, given);
        Ok(Self {
            key,
            status,
            value,
            response,
            error,
            elapsed,
            ok,
            spent,
            timings,
            attempts,
            from_cache,
            stale,
            coalesced,
            hedged,
        })
    }

    #[getter]
    fn timings(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let made =
            self.timings.get_or_try_init(py, || errors::timings(py, &self.spent).map(|made| Some(made.unbind())))?;
        Ok(made.as_ref().map(|made| made.clone_ref(py)))
    }

    #[getter]
    fn value(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let json = match &*self.value.lock() {
            Value::Made(value) | Value::Large(value, _) => return Ok(value.clone_ref(py)),
            Value::Later(json) => json.clone(),
        };
        let value = build(py, json, None)?;
        let before = mem::replace(&mut *self.value.lock(), Value::Made(value.clone_ref(py)));
        drop(before);
        Ok(value)
    }

    /// What makes a large value while the loop turns: to be awaited, and its result given to `_made`. None: it is there.
    #[pyo3(name = "_steps")]
    fn steps(&self) -> Option<HttpJsonSteps> {
        match &*self.value.lock() {
            Value::Made(_) | Value::Large(..) => None,
            Value::Later(json) => Some(HttpJsonSteps::of_outcome(Builder::hiding(json.clone(), None))),
        }
    }

    /// The value is there, by these steps.
    #[pyo3(name = "_made")]
    fn made(&self, value: Py<PyAny>, steps: &Bound<'_, HttpJsonSteps>) {
        let hidden = steps.borrow_mut().take_hidden();
        let before = mem::replace(&mut *self.value.lock(), Value::Large(value, hidden));
        drop(before);
    }

    /// Its value was handed over some time ago: what the collector does not see of it is worked off.
    #[pyo3(name = "_settle")]
    fn settle(&self, py: Python<'_>) {
        let hidden = match &mut *self.value.lock() {
            Value::Large(_, hidden) => mem::take(hidden),
            Value::Made(_) | Value::Later(_) => return,
        };
        leaving::let_go(py, hidden);
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let status = self.status.bind(py).str()?;
        Ok(format!("<HttpOutcome {} {status} {:.3} s>", self.key.bind(py).repr()?, self.elapsed))
    }

    fn __reduce__<'py>(this: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = this.py();
        let outcome = this.get();
        let again = py.import(intern!(py, "turnout.http.pickling"))?.getattr(intern!(py, "outcome"))?;
        let fields = pyo3::types::PyDict::new(py);
        fields.set_item("value", outcome.value(py)?)?;
        fields.set_item("response", &outcome.response)?;
        fields.set_item("error", &outcome.error)?;
        fields.set_item("elapsed", outcome.elapsed)?;
        fields.set_item("timings", outcome.timings(py)?)?;
        fields.set_item("attempts", outcome.attempts)?;
        fields.set_item("from_cache", outcome.from_cache)?;
        fields.set_item("stale", outcome.stale)?;
        fields.set_item("coalesced", outcome.coalesced)?;
        fields.set_item("hedged", outcome.hedged)?;
        Ok((again, (&outcome.key, &outcome.status, fields).into_pyobject(py)?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.key)?;
        if let Some(Value::Made(value) | Value::Large(value, _)) = self.value.try_lock().as_deref() {
            visit.call(value)?;
        }
        visit.call(&self.response)?;
        visit.call(&self.error)
    }
}

impl Drop for HttpOutcome {
    fn drop(&mut self) {
        if let Value::Large(_, hidden) = self.value.get_mut() {
            let hidden = mem::take(hidden);
            Python::attach(|py| leaving::let_go(py, hidden));
        }
    }
}
