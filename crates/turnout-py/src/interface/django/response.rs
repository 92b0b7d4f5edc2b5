//! Django's HttpResponse read from Rust: status, headers, cookies, content.

use bytes::Bytes;
use http::HeaderMap;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};

use crate::interface::answer::StatusLine;
use crate::interface::headers;

/// Status and headers, cookies among them.
pub(super) fn head(response: &Bound<'_, PyAny>) -> PyResult<(StatusLine, HeaderMap)> {
    let py = response.py();
    // Django keeps None where the project gave no words of its own.
    let words = response.getattr_opt(intern!(py, "_reason_phrase"))?.filter(|words| !words.is_none());
    let status = status_line(&response.getattr(intern!(py, "status_code"))?, words.as_ref())?;
    let mut fields = HeaderMap::new();
    if let Some(store) = store(response)? {
        for (_, pair) in store.iter() {
            append_pair(&mut fields, &pair)?;
        }
    } else {
        for pair in response.call_method0(intern!(py, "items"))?.try_iter()? {
            append_pair(&mut fields, &pair?)?;
        }
    }
    let cookies = response.getattr(intern!(py, "cookies"))?;
    if cookies.is_truthy()? {
        let options = PyDict::new(py);
        options.set_item(intern!(py, "header"), intern!(py, ""))?;
        for cookie in cookies.call_method0(intern!(py, "values"))?.try_iter()? {
            let line: String = cookie?.call_method(intern!(py, "output"), (), Some(&options))?.extract()?;
            let line = PyString::new(py, line.trim_start());
            headers::append(&mut fields, intern!(py, "set-cookie").as_any(), line.as_any())?;
        }
    }
    Ok((status, fields))
}

/// With the project's own words, if it gave some.
pub(super) fn status_line(status: &Bound<'_, PyAny>, reason: Option<&Bound<'_, PyAny>>) -> PyResult<StatusLine> {
    let code = headers::status(status)?;
    let Some(words) = reason else { return Ok(code.into()) };
    headers::with_bytes(words, |words| StatusLine::new(code, words))?
        .ok_or_else(|| PyValueError::new_err(format!("illegal reason phrase {}", headers::repr(words))))
}

/// The dict behind Django's own ResponseHeaders: lower-case name to (name, value). Anything else is asked for its items.
fn store<'py>(response: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    static RESPONSE_HEADERS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = response.py();
    let headers = response.getattr(intern!(py, "headers"))?;
    if !headers.get_type().is(RESPONSE_HEADERS.import(py, "django.http.response", "ResponseHeaders")?) {
        return Ok(None);
    }
    Ok(headers.getattr(intern!(py, "_store"))?.cast_into::<PyDict>().ok())
}

fn append_pair(fields: &mut HeaderMap, pair: &Bound<'_, PyAny>) -> PyResult<()> {
    let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
    headers::append(fields, &name, &value)
}

/// The content of a response that is not streamed.
pub(super) fn content(response: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    let content = response.getattr(intern!(response.py(), "content"))?;
    let content = content.cast::<PyBytes>().map_err(|_| PyTypeError::new_err("a response's content must be bytes"))?;
    Ok(Bytes::copy_from_slice(content.as_bytes()))
}

pub(super) fn is_streaming(response: &Bound<'_, PyAny>) -> PyResult<bool> {
    response.getattr(intern!(response.py(), "streaming"))?.is_truthy()
}
