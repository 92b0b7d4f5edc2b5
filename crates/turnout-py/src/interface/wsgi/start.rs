//! `start_response` of one request.

use http::{HeaderMap, StatusCode};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::interface::answer::Answer;
use crate::interface::headers;

/// Collects status and headers; sent with the first byte of the body, so that an error before it can replace them (PEP 3333).
#[pyclass(module = "turnout._turnout")]
pub(super) struct StartResponse {
    pub(super) head: Option<(StatusCode, HeaderMap)>,
    pub(super) answer: Answer,
}

impl StartResponse {
    pub(super) fn new(answer: Answer) -> Self {
        Self { head: None, answer }
    }

    /// Sends the head now: pieces follow.
    pub(super) fn flush_head(&mut self) -> PyResult<()> {
        if !self.answer.is_unanswered() {
            return Ok(());
        }
        let Some((status, headers)) = self.head.clone() else {
            return Err(PyRuntimeError::new_err("the WSGI app produced a body before it called start_response"));
        };
        self.answer.start(status, headers)
    }
}

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, response_headers, exc_info=None))]
    fn __call__<'py>(
        this: &Bound<'py, Self>,
        status: &Bound<'py, PyString>,
        response_headers: &Bound<'py, PyAny>,
        exc_info: Option<Bound<'py, PyTuple>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut start = this.borrow_mut();
        if let Some(exc_info) = &exc_info {
            if !start.answer.is_unanswered() {
                // Too late for another head: the error itself goes on (PEP 3333, "exc_info").
                return Err(PyErr::from_value(exc_info.get_item(1)?));
            }
        } else if start.head.is_some() {
            return Err(PyRuntimeError::new_err("start_response was called a second time without exc_info"));
        }
        start.head = Some((parse_status(status)?, headers::from_pairs(response_headers)?));
        drop(start);
        this.getattr("write")
    }

    /// The imperative way to write (PEP 3333, "The write() Callable").
    fn write(&mut self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let data = data.cast::<PyBytes>().map_err(|_| PyTypeError::new_err("write() takes bytes"))?;
        self.flush_head()?;
        let chunk = bytes::Bytes::copy_from_slice(data.as_bytes());
        if chunk.is_empty() { Ok(()) } else { self.answer.write_blocking(py, chunk) }
    }
}

/// "200 OK" and the like.
fn parse_status(status: &Bound<'_, PyString>) -> PyResult<StatusCode> {
    let text = status.to_str()?;
    let code = text.split(' ').next().unwrap_or_default();
    let legal = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    legal
        .then(|| StatusCode::from_bytes(code.as_bytes()).ok())
        .flatten()
        .filter(|status| !status.is_informational())
        .ok_or_else(|| PyValueError::new_err(format!("illegal status {text:?}: PEP 3333 wants \"200 OK\"")))
}
