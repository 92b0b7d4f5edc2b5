//! The connection scope of ASGI 3.0 (HTTP, specification 2.5) as a real dict, in one pass.

use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::interface::addresses;
use crate::interface::head::Head;
use crate::interface::headers;

/// The specification these scopes follow.
const SPEC_VERSION: &str = "2.5";

/// Builds the scope. `length` is that of a body already complete: a chunked one gets the Content-Length that Django needs to see it.
pub(crate) fn build<'py>(py: Python<'py>, head: &Head, length: Option<u64>) -> PyResult<Bound<'py, PyDict>> {
    let scope = template(py)?.copy()?;
    macro_rules! set {
        ($key:literal, $value:expr) => {
            scope.set_item(intern!(py, $key), $value)?
        };
    }
    set!("asgi", versions(py)?.copy()?);
    if head.http_version() != "1.1" {
        set!("http_version", intern!(py, "1.0"));
    }
    set!("method", method(py, head));
    if head.connection.scheme == "https" {
        set!("scheme", intern!(py, "https"));
    }
    set!("path", PyString::new(py, &String::from_utf8_lossy(&head.path())));
    if !head.root().is_empty() {
        set!("root_path", head.root());
    }
    set!("raw_path", PyBytes::new(py, head.target.path().as_bytes()));
    set!("query_string", PyBytes::new(py, head.query().as_bytes()));
    let list = headers::to_list(py, &head.headers)?;
    if let Some(length) = length.filter(|_| is_chunked(head)) {
        let value = HeaderValue::from(length);
        list.append((PyBytes::new(py, CONTENT_LENGTH.as_str().as_bytes()), PyBytes::new(py, value.as_bytes())))?;
    }
    set!("headers", list);
    if let Some(peer) = head.connection.peer {
        set!("client", (addresses::host(py, peer.ip()), peer.port()));
    }
    match (head.connection.local, &head.connection.unix_path) {
        (Some(local), _) => set!("server", (addresses::host(py, local.ip()), local.port())),
        (None, Some(path)) => set!("server", (&**path, py.None())),
        (None, None) => {}
    }
    Ok(scope)
}

/// What most scopes share, with every key in its place: a copy is made in one go, a dict that grows is not.
fn template(py: Python<'_>) -> PyResult<&Bound<'_, PyDict>> {
    static TEMPLATE: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let template = TEMPLATE.get_or_try_init(py, || {
        let scope = PyDict::new(py);
        scope.set_item("type", intern!(py, "http"))?;
        scope.set_item("asgi", py.None())?;
        scope.set_item("http_version", intern!(py, "1.1"))?;
        scope.set_item("method", intern!(py, "GET"))?;
        scope.set_item("scheme", intern!(py, "http"))?;
        scope.set_item("path", intern!(py, ""))?;
        scope.set_item("raw_path", py.None())?;
        scope.set_item("query_string", py.None())?;
        scope.set_item("root_path", intern!(py, ""))?;
        scope.set_item("headers", py.None())?;
        scope.set_item("client", py.None())?;
        scope.set_item("server", py.None())?;
        PyResult::Ok(scope.unbind())
    })?;
    Ok(template.bind(py))
}

/// True when the body came in chunks: its length was not announced.
pub(crate) fn is_chunked(head: &Head) -> bool {
    head.headers.contains_key(TRANSFER_ENCODING)
}

fn versions(py: Python<'_>) -> PyResult<&Bound<'_, PyDict>> {
    static VERSIONS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let versions = VERSIONS.get_or_try_init(py, || {
        let versions = PyDict::new(py);
        versions.set_item("version", "3.0")?;
        versions.set_item("spec_version", SPEC_VERSION)?;
        PyResult::Ok(versions.unbind())
    })?;
    Ok(versions.bind(py))
}

/// The method's text; the common ones are not made anew.
pub(crate) fn method<'py>(py: Python<'py>, head: &Head) -> Bound<'py, PyString> {
    match head.method.as_str() {
        "GET" => intern!(py, "GET").clone(),
        "POST" => intern!(py, "POST").clone(),
        "HEAD" => intern!(py, "HEAD").clone(),
        "PUT" => intern!(py, "PUT").clone(),
        "PATCH" => intern!(py, "PATCH").clone(),
        "DELETE" => intern!(py, "DELETE").clone(),
        "OPTIONS" => intern!(py, "OPTIONS").clone(),
        other => PyString::new(py, other),
    }
}
