//! The three ways a project is called: `asgi`, `wsgi`, `django`. Sibling folders have the same file names.
//!
//! [`PyApp`] is what `turnout-http` calls. Requests come in on the runtime without the GIL; each interface hands them to the loop thread
//! ([`crate::reactor::Handle::deliver`]) or to the sync pool, and answers through [`answer::Answer`].

mod addresses;
mod answer;
pub(crate) mod asgi;
mod awaitable;
mod body;
pub(crate) mod calls;
pub(crate) mod django;
mod file;
mod head;
mod headers;
mod root;
pub(crate) mod wsgi;

use std::sync::Arc;

use http::header::{HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use pyo3::intern;
use pyo3::prelude::*;
use turnout_http::{App, Request, Response};

pub(crate) use awaitable::{Ready, thrown};
pub(crate) use root::Root;

/// Bodies up to this size stay in memory where the project has no say: Django's FILE_UPLOAD_MAX_MEMORY_SIZE by default.
const IN_MEMORY: usize = 2_621_440;

/// Whoever answers requests in this worker.
pub(crate) enum PyApp {
    Asgi(Arc<asgi::AsgiApp>),
    Django(Arc<django::DjangoApp>),
    Wsgi(Arc<wsgi::WsgiApp>),
}

impl App for PyApp {
    async fn call(&self, request: Request) -> Response {
        match self {
            Self::Asgi(app) => app.answer(request).await,
            Self::Django(app) => app.answer(request).await,
            Self::Wsgi(app) => app.answer(request).await,
        }
    }
}

impl calls::Call {
    /// A queued request whose client has left is left undone only if its method promises that nobody can tell (RFC 9110 section 9.2.1).
    fn is_abandoned(&self, method: &Method) -> bool {
        self.gone.load(std::sync::atomic::Ordering::SeqCst) && method.is_safe()
    }
}

/// The app failed in a way that left no answer.
fn internal_error() -> Response {
    Response::plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error\n")
}

/// The path is not below `--root-path`.
fn not_below() -> Response {
    Response::plain(StatusCode::NOT_FOUND, "Not Found\n")
}

/// No thread became free in time.
fn busy() -> Response {
    let mut response = Response::plain(StatusCode::SERVICE_UNAVAILABLE, "The server is busy.\n");
    response.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Logs an exception of the app with its traceback. The peer's words are escaped: a log line is one line.
fn log_failure(py: Python<'_>, error: &PyErr, what: &str, method: &Method, path: &str) {
    let logged = (|| {
        let logger = py.import(intern!(py, "logging"))?.call_method1(intern!(py, "getLogger"), ("turnout.error",))?;
        let details = pyo3::types::PyDict::new(py);
        details.set_item(intern!(py, "exc_info"), error.value(py))?;
        let path = path.escape_default().to_string();
        logger.call_method(intern!(py, "error"), ("%s: %s %s", what, method.as_str(), path), Some(&details))?;
        PyResult::Ok(())
    })();
    if let Err(failure) = logged {
        failure.write_unraisable(py, None);
    }
}
