//! The environ of PEP 3333 (and RFC 3875 section 4.1) as a real dict, in one pass.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

use super::wrapper::FileWrapper;
use crate::interface::asgi::scope::method;
use crate::interface::head::Head;
use crate::interface::headers::{Names, latin1};

/// What is the same for all requests of a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// More than one thread may call the app at once.
    pub(crate) multithread: bool,
    /// More than one process runs the app.
    pub(crate) multiprocess: bool,
}

/// Builds the environ for a request whose body is complete: `input` reads it, `length` is its size.
pub(crate) fn build<'py>(
    py: Python<'py>,
    head: &Head,
    input: Bound<'py, PyAny>,
    length: u64,
    facts: Facts,
) -> PyResult<Bound<'py, PyDict>> {
    let environ = PyDict::new(py);
    macro_rules! set {
        ($key:literal, $value:expr) => {
            environ.set_item(intern!(py, $key), $value)?
        };
    }
    set!("REQUEST_METHOD", method(py, head));
    set!("SCRIPT_NAME", intern!(py, ""));
    set!("PATH_INFO", latin1(py, &head.path()));
    set!("QUERY_STRING", latin1(py, head.query().as_bytes()));
    let target = head.target.path_and_query().map_or("*", |target| target.as_str());
    set!("REQUEST_URI", latin1(py, target.as_bytes()));
    set!("RAW_URI", latin1(py, target.as_bytes()));
    if head.http_version() == "1.1" {
        set!("SERVER_PROTOCOL", intern!(py, "HTTP/1.1"));
    } else {
        set!("SERVER_PROTOCOL", intern!(py, "HTTP/1.0"));
    }
    set!("SERVER_SOFTWARE", intern!(py, concat!("turnout/", env!("CARGO_PKG_VERSION"))));
    addresses(py, &environ, head)?;
    if let Some(kind) = head.headers.get(CONTENT_TYPE) {
        set!("CONTENT_TYPE", latin1(py, kind.as_bytes()));
    }
    // The body is here whole, so its length is known even when the client did not announce it.
    if length > 0 || head.headers.contains_key(CONTENT_LENGTH) {
        set!("CONTENT_LENGTH", length.to_string());
    }
    fields(py, &environ, &head.headers)?;
    set!("wsgi.version", (1, 0));
    set!("wsgi.url_scheme", if head.connection.scheme == "https" { intern!(py, "https") } else { intern!(py, "http") });
    set!("wsgi.input", input);
    set!("wsgi.input_terminated", true);
    set!("wsgi.errors", errors(py)?);
    set!("wsgi.file_wrapper", py.get_type::<FileWrapper>());
    set!("wsgi.multithread", facts.multithread);
    set!("wsgi.multiprocess", facts.multiprocess);
    set!("wsgi.run_once", false);
    Ok(environ)
}

fn addresses(py: Python<'_>, environ: &Bound<'_, PyDict>, head: &Head) -> PyResult<()> {
    if let Some(local) = head.connection.local {
        environ.set_item(intern!(py, "SERVER_NAME"), local.ip().to_string())?;
        environ.set_item(intern!(py, "SERVER_PORT"), local.port().to_string())?;
    } else {
        // A Unix socket has no port, but PEP 3333 wants both: those of the scheme.
        let port = if head.connection.scheme == "https" { intern!(py, "443") } else { intern!(py, "80") };
        environ.set_item(intern!(py, "SERVER_NAME"), intern!(py, "localhost"))?;
        environ.set_item(intern!(py, "SERVER_PORT"), port)?;
    }
    if let Some(peer) = head.connection.peer {
        environ.set_item(intern!(py, "REMOTE_ADDR"), peer.ip().to_string())?;
        environ.set_item(intern!(py, "REMOTE_PORT"), peer.port().to_string())?;
    } else {
        environ.set_item(intern!(py, "REMOTE_ADDR"), intern!(py, ""))?;
    }
    Ok(())
}

/// `HTTP_*`: repeated fields joined with a comma (RFC 9110 section 5.3), cookies with a semicolon (RFC 6265 section 5.4).
fn fields(py: Python<'_>, environ: &Bound<'_, PyDict>, headers: &HeaderMap) -> PyResult<()> {
    for name in headers.keys() {
        if matches!(*name, CONTENT_TYPE | CONTENT_LENGTH | TRANSFER_ENCODING) {
            continue;
        }
        let separator: &[u8] = if *name == COOKIE { b"; " } else { b"," };
        environ.set_item(variable(py, name), latin1(py, &joined(headers, name, separator, HeaderValue::as_bytes)))?;
    }
    Ok(())
}

/// All values of a field as one.
pub(crate) fn joined<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    separator: &[u8],
    bytes: impl Fn(&'a HeaderValue) -> &'a [u8],
) -> Cow<'a, [u8]> {
    let mut values = headers.get_all(name).iter().map(bytes);
    let first = values.next().unwrap_or_default();
    let Some(second) = values.next() else { return Cow::Borrowed(first) };
    let all: Vec<&[u8]> = [first, second].into_iter().chain(values).collect();
    Cow::Owned(all.join(separator))
}

/// The name of a field as a variable: `HTTP_ACCEPT`.
pub(crate) fn variable<'py>(py: Python<'py>, name: &HeaderName) -> Bound<'py, PyString> {
    static NAMES: Names<PyString> = Names::new();
    NAMES.get(py, name, |py, name| {
        PyString::new(py, &format!("HTTP_{}", name.as_str().to_ascii_uppercase().replace('-', "_")))
    })
}

/// `wsgi.errors`: what `sys.stderr` was when the first request came.
fn errors(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static ERRORS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let errors = ERRORS.get_or_try_init(py, || {
        PyResult::Ok(py.import(intern!(py, "sys"))?.getattr(intern!(py, "stderr"))?.unbind())
    })?;
    Ok(errors.bind(py))
}
