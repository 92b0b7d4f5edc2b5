//! The environ of PEP 3333 (and RFC 3875 section 4.1) as a real dict, in one pass.

use std::borrow::Cow;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use parking_lot::Mutex;
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

/// Builds the environ for a request. `length` is the size of its body where that is known; otherwise it is as long as announced.
pub(crate) fn build<'py>(
    py: Python<'py>,
    head: &Head,
    input: Bound<'py, PyAny>,
    length: impl Into<Option<u64>>,
    facts: Facts,
) -> PyResult<Bound<'py, PyDict>> {
    let environ = template(py, facts)?.copy()?;
    macro_rules! set {
        ($key:literal, $value:expr) => {
            environ.set_item(intern!(py, $key), $value)?
        };
    }
    set!("REQUEST_METHOD", method(py, head));
    if !head.root().is_empty() {
        set!("SCRIPT_NAME", latin1(py, head.root().as_bytes()));
    }
    set!("PATH_INFO", latin1(py, &head.path_info()));
    let query = head.query();
    if !query.is_empty() {
        set!("QUERY_STRING", latin1(py, query.as_bytes()));
    }
    let target = latin1(py, head.target.path_and_query().map_or("*", |target| target.as_str()).as_bytes());
    set!("REQUEST_URI", &target);
    set!("RAW_URI", target);
    if head.http_version() != "1.1" {
        set!("SERVER_PROTOCOL", intern!(py, "HTTP/1.0"));
    }
    if head.connection.scheme == "https" {
        set!("wsgi.url_scheme", intern!(py, "https"));
    }
    set!("wsgi.input", input);
    addresses(py, &environ, head)?;
    fields(py, &environ, &head.headers)?;
    match length.into() {
        Some(0) | None => {}
        Some(length) => set!("CONTENT_LENGTH", length.to_string()),
    }
    Ok(environ)
}

/// What most requests share; `wsgi.errors` is what `sys.stderr` was when the first one came. Every key that each of them has is here, so that a copy needs not grow for it.
fn template(py: Python<'_>, facts: Facts) -> PyResult<&Bound<'_, PyDict>> {
    static TEMPLATES: [PyOnceLock<Py<PyDict>>; 4] = [const { PyOnceLock::new() }; 4];
    let nth = usize::from(facts.multithread) * 2 + usize::from(facts.multiprocess);
    let template = TEMPLATES[nth].get_or_try_init(py, || {
        let environ = PyDict::new(py);
        for name in ["REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "RAW_URI"] {
            environ.set_item(PyString::intern(py, name), intern!(py, ""))?;
        }
        for name in ["SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR"] {
            environ.set_item(PyString::intern(py, name), intern!(py, ""))?;
        }
        environ.set_item(intern!(py, "SERVER_PROTOCOL"), intern!(py, "HTTP/1.1"))?;
        environ.set_item(intern!(py, "SERVER_SOFTWARE"), concat!("turnout/", env!("CARGO_PKG_VERSION")))?;
        environ.set_item(intern!(py, "wsgi.version"), (1, 0))?;
        environ.set_item(intern!(py, "wsgi.url_scheme"), intern!(py, "http"))?;
        environ.set_item(intern!(py, "wsgi.input"), py.None())?;
        environ.set_item(intern!(py, "wsgi.input_terminated"), true)?;
        environ.set_item(intern!(py, "wsgi.errors"), py.import(intern!(py, "sys"))?.getattr(intern!(py, "stderr"))?)?;
        environ.set_item(intern!(py, "wsgi.file_wrapper"), py.get_type::<FileWrapper>())?;
        environ.set_item(intern!(py, "wsgi.multithread"), facts.multithread)?;
        environ.set_item(intern!(py, "wsgi.multiprocess"), facts.multiprocess)?;
        environ.set_item(intern!(py, "wsgi.run_once"), false)?;
        PyResult::Ok(environ.unbind())
    })?;
    Ok(template.bind(py))
}

fn addresses(py: Python<'_>, environ: &Bound<'_, PyDict>, head: &Head) -> PyResult<()> {
    static LOCAL_IP: Recent<IpAddr> = Recent::new();
    static LOCAL_PORT: Recent<u16> = Recent::new();
    static REMOTE_IP: Recent<IpAddr> = Recent::new();
    if let Some(local) = head.connection.local {
        environ.set_item(intern!(py, "SERVER_NAME"), LOCAL_IP.text(py, local.ip()))?;
        environ.set_item(intern!(py, "SERVER_PORT"), LOCAL_PORT.text(py, local.port()))?;
    } else {
        // A Unix socket has no port, but PEP 3333 wants both: those of the scheme.
        let port = if head.connection.scheme == "https" { intern!(py, "443") } else { intern!(py, "80") };
        environ.set_item(intern!(py, "SERVER_NAME"), intern!(py, "localhost"))?;
        environ.set_item(intern!(py, "SERVER_PORT"), port)?;
    }
    if let Some(peer) = head.connection.peer {
        environ.set_item(intern!(py, "REMOTE_ADDR"), REMOTE_IP.text(py, peer.ip()))?;
        environ.set_item(intern!(py, "REMOTE_PORT"), peer.port().to_string())?;
    }
    Ok(())
}

/// The text of what was asked for last: connections share addresses, behind a proxy nearly all of them.
struct Recent<K>(Mutex<Option<(K, Py<PyString>)>>);

impl<K: Copy + PartialEq + ToString> Recent<K> {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn text<'py>(&self, py: Python<'py>, key: K) -> Bound<'py, PyString> {
        if let Some((known, text)) = &*self.0.lock()
            && *known == key
        {
            return text.bind(py).clone();
        }
        let text = PyString::new(py, &key.to_string());
        let old = self.0.lock().replace((key, text.clone().unbind()));
        drop(old);
        text
    }
}

/// `HTTP_*`: repeated fields joined with a comma (RFC 9110 section 5.3), cookies with a semicolon (RFC 6265 section 5.4).
fn fields(py: Python<'_>, environ: &Bound<'_, PyDict>, headers: &HeaderMap) -> PyResult<()> {
    // Values of one name come one after another.
    let mut fields = headers.iter().peekable();
    while let Some((name, value)) = fields.next() {
        let key = match *name {
            TRANSFER_ENCODING => continue,
            CONTENT_TYPE => intern!(py, "CONTENT_TYPE").clone(),
            CONTENT_LENGTH => intern!(py, "CONTENT_LENGTH").clone(),
            _ => variable(py, name),
        };
        if fields.peek().is_none_or(|(next, _)| *next != name) {
            environ.set_item(key, latin1(py, value.as_bytes()))?;
            continue;
        }
        let separator: &[u8] = if *name == COOKIE { b"; " } else { b"," };
        let mut all = value.as_bytes().to_vec();
        while let Some((_, more)) = fields.next_if(|(next, _)| *next == name) {
            if *name == CONTENT_TYPE || *name == CONTENT_LENGTH {
                // Said twice it is no list: the first counts.
                continue;
            }
            all.extend_from_slice(separator);
            all.extend_from_slice(more.as_bytes());
        }
        environ.set_item(key, latin1(py, &all))?;
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
