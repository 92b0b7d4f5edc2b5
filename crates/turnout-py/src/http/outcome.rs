//! One call's result or error among those of a gather.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use turnout_client::{Status, gather};

use super::errors;
use super::home::Home;
use super::response::{About, HttpResponse};

/// See `_turnout.pyi`.
#[pyclass(frozen, get_all, weakref, module = "turnout._turnout")]
pub(crate) struct HttpOutcome {
    key: Py<PyAny>,
    status: Py<PyAny>,
    value: Py<PyAny>,
    response: Option<Py<PyAny>>,
    error: Option<Py<PyAny>>,
    elapsed: f64,
    timings: Option<Py<PyAny>>,
    attempts: u32,
    from_cache: bool,
    stale: bool,
    coalesced: bool,
    hedged: bool,
}

/// What a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decode {
    Json,
    Text,
    Bytes,
}

impl Decode {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "text" => Some(Self::Text),
            "bytes" => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// What an outcome is made from, beside what came of the call.
pub(super) struct Made<'a, 'py> {
    pub(super) key: &'a Bound<'py, PyAny>,
    pub(super) request: &'a Bound<'py, PyAny>,
    pub(super) home: &'a Home,
    pub(super) decode: Decode,
}

impl<'py> Made<'_, 'py> {
    pub(super) fn of<V>(self, came: gather::Outcome<V>) -> PyResult<Bound<'py, HttpOutcome>> {
        let py = self.key.py();
        let gather::Outcome { status, answer, error, elapsed, .. } = came;
        let mut status = status;
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
        let (mut value, mut failure) = (py.None(), None);
        if let Some(error) = &error {
            failure = Some(errors::made(py, error, Some(self.request))?.unbind());
        } else if let Some(response) = &response {
            if status == Status::HttpError {
                failure = Some(HttpResponse::status_error(response)?.unbind());
            } else {
                match self.value(response) {
                    Ok(made) => value = made.unbind(),
                    Err(error) => {
                        status = Status::Decode;
                        failure = Some(error.into_value(py).into_any());
                    }
                }
            }
        }
        let outcome = HttpOutcome {
            key: self.key.clone().unbind(),
            status: named(py, status)?,
            value,
            response: response.map(|response| response.into_any().unbind()),
            error: failure,
            elapsed: elapsed.as_secs_f64(),
            timings: Some(errors::timings(py, &about.timings)?.unbind()),
            attempts: about.attempts,
            from_cache: about.from_cache,
            stale: about.stale,
            coalesced: about.coalesced,
            hedged: about.hedged,
        };
        Bound::new(py, outcome)
    }

    fn value(&self, response: &Bound<'py, HttpResponse>) -> PyResult<Bound<'py, PyAny>> {
        let py = response.py();
        match self.decode {
            Decode::Json => HttpResponse::parse(response, None),
            Decode::Text => response.as_any().getattr(intern!(py, "text")),
            Decode::Bytes => response.as_any().getattr(intern!(py, "content")),
        }
    }
}

/// The member of `turnout.http.status.Status`.
fn named(py: Python<'_>, status: Status) -> PyResult<Py<PyAny>> {
    static STATUS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    Ok(STATUS.import(py, "turnout.http.status", "Status")?.getattr(status.as_str())?.unbind())
}

#[pymethods]
impl HttpOutcome {
    /// For fallbacks and tests.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "a constructor in Python, most of them by name")]
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
    ) -> Self {
        let value = value.unwrap_or_else(|| py.None());
        Self { key, status, value, response, error, elapsed, timings, attempts, from_cache, stale, coalesced, hedged }
    }

    /// There is a value to work with: an answer, an old one, or the caller's own in its place.
    #[getter]
    fn ok(&self, py: Python<'_>) -> PyResult<bool> {
        self.status.bind(py).getattr(intern!(py, "has_value"))?.is_truthy()
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
        fields.set_item("value", &outcome.value)?;
        fields.set_item("response", &outcome.response)?;
        fields.set_item("error", &outcome.error)?;
        fields.set_item("elapsed", outcome.elapsed)?;
        fields.set_item("timings", &outcome.timings)?;
        fields.set_item("attempts", outcome.attempts)?;
        fields.set_item("from_cache", outcome.from_cache)?;
        fields.set_item("stale", outcome.stale)?;
        fields.set_item("coalesced", outcome.coalesced)?;
        fields.set_item("hedged", outcome.hedged)?;
        Ok((again, (&outcome.key, &outcome.status, fields).into_pyobject(py)?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.key)?;
        visit.call(&self.value)?;
        visit.call(&self.response)?;
        visit.call(&self.error)
    }
}
