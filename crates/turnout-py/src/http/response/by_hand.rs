//! The parts of a response that nobody sent.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Its body, given once, and the field that says what it is.
pub(super) fn body(
    py: Python<'_>,
    content: Option<&Bound<'_, PyAny>>,
    text: Option<&str>,
    json: Option<&Bound<'_, PyAny>>,
    headers: &mut HeaderMap,
) -> PyResult<Bytes> {
    let mut kind = |kind| {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
    };
    Ok(match (content, text, json) {
        (None, None, None) => Bytes::new(),
        (Some(content), None, None) => match content.cast::<PyString>() {
            Ok(text) => Bytes::copy_from_slice(text.to_str()?.as_bytes()),
            Err(_) => Bytes::from(content.extract::<Vec<u8>>()?),
        },
        (None, Some(text), None) => {
            kind("text/plain; charset=utf-8");
            Bytes::copy_from_slice(text.as_bytes())
        }
        (None, None, Some(json)) => {
            kind("application/json");
            let text = py.import("turnout.http.encoding")?.call_method1("dumps", (json,))?;
            Bytes::copy_from_slice(text.cast::<PyBytes>()?.as_bytes())
        }
        _ => return Err(PyTypeError::new_err("a body is given once: as content, text or json")),
    })
}

/// A version by its name.
pub(super) fn version(name: &str) -> PyResult<&'static str> {
    ["HTTP/1.1", "HTTP/2", "HTTP/1.0", "HTTP/3", "HTTP/0.9"]
        .into_iter()
        .find(|known| *known == name)
        .ok_or_else(|| PyTypeError::new_err(format!("no version of HTTP is called {name:?}")))
}
