//! `request.META` of an ASGIRequest in one pass: what `ASGIRequest.__init__` makes of a scope (Django 5.2 to 6.1).
//!
//! Asked for only while that constructor is one of those that were read for this; see `turnout.django.requests`.

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderName, TRANSFER_ENCODING};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::interface::addresses;
use crate::interface::asgi::scope::method;
use crate::interface::head::Head;
use crate::interface::headers::latin1;
use crate::interface::wsgi::environ;

/// How Django joins repeated Cookie fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookies {
    /// Like any other field (5.2).
    Comma,
    /// As RFC 6265 section 5.4 has it (since 6.0).
    Semicolon,
}

impl Cookies {
    /// As `DjangoHandler.meta_cookies` says it; `None` when META must be left to Django.
    pub(super) fn parse(separator: Option<&str>) -> PyResult<Option<Self>> {
        match separator {
            None => Ok(None),
            Some(",") => Ok(Some(Self::Comma)),
            Some("; ") => Ok(Some(Self::Semicolon)),
            Some(other) => Err(PyValueError::new_err(format!("cookies are not joined with {other:?}"))),
        }
    }
}

/// Builds META; `path` is the scope's. `length` is that of the body, which is complete.
pub(super) fn build<'py>(
    py: Python<'py>,
    head: &Head,
    path: &Bound<'py, PyAny>,
    length: u64,
    cookies: Cookies,
) -> PyResult<Bound<'py, PyDict>> {
    let meta = PyDict::new(py);
    macro_rules! set {
        ($key:literal, $value:expr) => {
            meta.set_item(intern!(py, $key), $value)?
        };
    }
    set!("REQUEST_METHOD", method(py, head));
    set!("QUERY_STRING", head.query());
    if head.root().is_empty() {
        set!("SCRIPT_NAME", intern!(py, ""));
        set!("PATH_INFO", path);
    } else {
        set!("SCRIPT_NAME", head.root());
        set!("PATH_INFO", PyString::new(py, &String::from_utf8_lossy(&head.path_info())));
    }
    set!("wsgi.multithread", true);
    set!("wsgi.multiprocess", true);
    if let Some(peer) = head.connection.peer {
        let address = addresses::host(py, peer.ip());
        set!("REMOTE_ADDR", &address);
        set!("REMOTE_HOST", address);
        set!("REMOTE_PORT", peer.port());
    }
    match (head.connection.local, &head.connection.unix_path) {
        (Some(local), _) => {
            set!("SERVER_NAME", addresses::host(py, local.ip()));
            set!("SERVER_PORT", local.port().to_string());
        }
        (None, Some(path)) => {
            set!("SERVER_NAME", &**path);
            set!("SERVER_PORT", intern!(py, "None"));
        }
        (None, None) => {
            set!("SERVER_NAME", intern!(py, "unknown"));
            set!("SERVER_PORT", intern!(py, "0"));
        }
    }
    if head.headers.contains_key(TRANSFER_ENCODING) {
        set!("CONTENT_LENGTH", length.to_string());
    }
    fields(py, &meta, &head.headers, cookies)?;
    Ok(meta)
}

fn fields(py: Python<'_>, meta: &Bound<'_, PyDict>, headers: &HeaderMap, cookies: Cookies) -> PyResult<()> {
    for name in headers.keys() {
        let cookie = *name == COOKIE && cookies == Cookies::Semicolon;
        let value = environ::joined(headers, name, if cookie { b"; " } else { b"," }, |value| {
            if cookie { trim_end(value.as_bytes()) } else { value.as_bytes() }
        });
        meta.set_item(key(py, name), latin1(py, &value))?;
    }
    Ok(())
}

fn key<'py>(py: Python<'py>, name: &HeaderName) -> Bound<'py, PyString> {
    match *name {
        CONTENT_LENGTH => intern!(py, "CONTENT_LENGTH").clone(),
        CONTENT_TYPE => intern!(py, "CONTENT_TYPE").clone(),
        _ => environ::variable(py, name),
    }
}

/// Python's `rstrip("; ")`.
fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., b';' | b' '] = value {
        value = rest;
    }
    value
}
