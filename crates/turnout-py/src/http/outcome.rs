//! One call's result or error among those of a gather.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use turnout_client::{Answer, Error, Timings};

use super::errors;
use super::home::Home;
use super::response::HttpResponse;

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

/// What became of one call.
pub(super) struct Settled {
    pub(super) answer: Result<Answer, Error>,
    pub(super) elapsed: std::time::Duration,
}

impl Settled {
    pub(super) fn outcome<'py>(
        self,
        key: &Bound<'py, PyAny>,
        request: &Bound<'py, PyAny>,
        home: &Home,
        decode: Decode,
    ) -> PyResult<Bound<'py, HttpOutcome>> {
        let py = key.py();
        let elapsed = self.elapsed.as_secs_f64();
        let answer = match self.answer {
            Ok(answer) => answer,
            Err(error) => {
                let failure = errors::made(py, &error, Some(request))?;
                return failed(key, None, failure, elapsed, error.timings(), error.attempts());
            }
        };
        let response = Bound::new(py, HttpResponse::new(answer, home, Some(request)))?;
        let about = response.get().about().clone();
        if response.get().is_error_status() {
            let failure = HttpResponse::status_error(&response)?;
            return failed(key, Some(response.into_any()), failure, elapsed, &about.timings, about.attempts);
        }
        let value = match decode {
            Decode::Json => HttpResponse::parse(&response, None),
            Decode::Text => response.as_any().getattr(intern!(py, "text")),
            Decode::Bytes => response.as_any().getattr(intern!(py, "content")),
        };
        let value = match value {
            Ok(value) => value,
            Err(error) => {
                let failure = error.into_value(py).into_bound(py).into_any();
                return failed(key, Some(response.into_any()), failure, elapsed, &about.timings, about.attempts);
            }
        };
        let status = if about.stale { intern!(py, "STALE") } else { intern!(py, "OK") };
        let outcome = HttpOutcome {
            key: key.clone().unbind(),
            status: statuses(py)?.getattr(status)?.unbind(),
            value: value.unbind(),
            response: Some(response.into_any().unbind()),
            error: None,
            elapsed,
            timings: Some(errors::timings(py, &about.timings)?.unbind()),
            attempts: about.attempts,
            from_cache: about.from_cache,
            stale: about.stale,
            coalesced: about.coalesced,
            hedged: about.hedged,
        };
        Bound::new(py, outcome)
    }
}

fn failed<'py>(
    key: &Bound<'py, PyAny>,
    response: Option<Bound<'py, PyAny>>,
    error: Bound<'py, PyAny>,
    elapsed: f64,
    timings: &Timings,
    attempts: u32,
) -> PyResult<Bound<'py, HttpOutcome>> {
    let py = key.py();
    let status = match error.getattr_opt(intern!(py, "outcome_status"))? {
        Some(status) => status,
        None => statuses(py)?.getattr(intern!(py, "DECODE"))?,
    };
    let outcome = HttpOutcome {
        key: key.clone().unbind(),
        status: status.unbind(),
        value: py.None(),
        response: response.map(Bound::unbind),
        error: Some(error.unbind()),
        elapsed,
        timings: Some(errors::timings(py, timings)?.unbind()),
        attempts,
        from_cache: false,
        stale: false,
        coalesced: false,
        hedged: false,
    };
    Bound::new(py, outcome)
}

fn statuses(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static STATUS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    STATUS.import(py, "turnout.http.status", "Status")
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
