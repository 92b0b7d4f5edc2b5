//! A response as Python sees it.

mod by_hand;
mod pickle;

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyList, PyString, PyTuple};
use turnout_client::body::encoding;
use turnout_client::json::Lazy;
use turnout_client::{Answer, AnswerBody, BodyStream, Head, Timings};

use super::carry::HttpCall;
use super::headers::{self, HttpHeaders};
use super::home::Home;
use super::json::{HttpJson, build, parse};
use super::{body, errors};
use crate::interface::Ready;

/// See `_turnout.pyi`.
#[pyclass(frozen, weakref, module = "turnout._turnout")]
pub(crate) struct HttpResponse {
    status: u16,
    reason: Option<String>,
    url: String,
    version: &'static str,
    headers: Arc<HeaderMap>,
    pub(super) content: Mutex<Content>,
    bytes: PyOnceLock<Py<PyBytes>>,
    about: About,
    request: Option<Py<PyAny>>,
    /// Those that redirected here.
    history: Vec<Head>,
}

/// How it was come by.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
pub(super) struct About {
    pub(super) timings: Timings,
    pub(super) attempts: u32,
    pub(super) remote: Option<std::net::SocketAddr>,
    pub(super) from_cache: bool,
    pub(super) stale: bool,
    pub(super) coalesced: bool,
    pub(super) hedged: bool,
}

/// Its body.
pub(super) enum Content {
    Whole(Bytes),
    /// Still coming.
    Coming(BodyStream, Home),
    /// A piece of it is on its way.
    Busy,
    /// It came in pieces, which are gone.
    Gone,
    Closed,
}

impl HttpResponse {
    /// From the client's answer.
    pub(super) fn new(answer: Answer, home: &Home, request: Option<&Bound<'_, PyAny>>) -> Self {
        let Answer { head, body, timings, attempts, remote, from_cache, stale, coalesced, hedged, history } = answer;
        let content = match body {
            AnswerBody::Whole(bytes) => Content::Whole(bytes),
            AnswerBody::Stream(stream) => Content::Coming(stream, home.clone()),
        };
        Self {
            status: head.status.as_u16(),
            reason: None,
            url: head.url.into(),
            version: version_name(head.version),
            headers: Arc::new(head.headers),
            content: Mutex::new(content),
            bytes: PyOnceLock::new(),
            about: About { timings, attempts, remote, from_cache, stale, coalesced, hedged },
            request: request.map(|request| request.clone().unbind()),
            history,
        }
    }

    pub(super) fn about(&self) -> &About {
        &self.about
    }

    pub(super) fn is_error_status(&self) -> bool {
        self.status >= 400
    }

    /// The body; an exception while it is still coming.
    pub(super) fn body(&self) -> PyResult<Bytes> {
        match &*self.content.lock() {
            Content::Whole(bytes) => Ok(bytes.clone()),
            Content::Coming(..) | Content::Busy => {
                Err(PyRuntimeError::new_err("the body is still coming: read() it first, or iterate over it"))
            }
            Content::Gone => Err(PyRuntimeError::new_err("the body was handed over in pieces")),
            Content::Closed => Err(PyRuntimeError::new_err("the response was closed before its body was read")),
        }
    }

    pub(super) fn status_error<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        let response = this.get();
        let fields = PyDict::new(py);
        fields.set_item(intern!(py, "request"), &response.request)?;
        fields.set_item(intern!(py, "response"), this)?;
        fields.set_item(intern!(py, "attempts"), response.about.attempts)?;
        fields.set_item(intern!(py, "timings"), errors::timings(py, &response.about.timings)?)?;
        fields.set_item(intern!(py, "sent"), true)?;
        if let Some(request) = &response.request {
            fields.set_item(intern!(py, "upstream"), request.bind(py).getattr_opt(intern!(py, "upstream"))?)?;
        }
        let url = response.url.split('?').next().unwrap_or_default();
        let message = format!("{} {} from {url}", response.status, response.reason_phrase());
        errors::class_named(py, "HTTPStatusError")?.call((message,), Some(&fields))
    }

    pub(super) fn parse<'py>(
        this: &Bound<'py, Self>,
        parse_float: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        let float = py.get_type::<PyFloat>();
        let parse_float = parse_float.filter(|made| !made.is(&float)).map(|made| made.clone().unbind());
        Ok(build(py, Self::indexed(this)?, parse_float)?.into_bound(py))
    }

    /// The body as JSON that stays bytes.
    fn indexed(this: &Bound<'_, Self>) -> PyResult<Lazy> {
        let py = this.py();
        let body = this.get().body()?;
        parse(py, body).inspect_err(|error| {
            let error = error.value(py);
            let _ = error.setattr(intern!(py, "response"), this);
            let _ = error.setattr(intern!(py, "request"), &this.get().request);
            let _ = error.setattr(intern!(py, "sent"), true);
        })
    }

    fn reason_phrase(&self) -> &str {
        match &self.reason {
            Some(reason) => reason,
            None => {
                StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
            }
        }
    }

    /// One that was read whole, of nobody's request.
    pub(super) fn whole(status: StatusCode, headers: HeaderMap, content: Bytes, timings: Timings) -> Self {
        Self {
            status: status.as_u16(),
            reason: None,
            url: String::new(),
            version: version_name(http::Version::HTTP_11),
            headers: Arc::new(headers),
            content: Mutex::new(Content::Whole(content)),
            bytes: PyOnceLock::new(),
            about: About { timings, attempts: 1, ..About::default() },
            request: None,
            history: Vec::new(),
        }
    }

    fn of_head(head: &Head) -> Self {
        Self {
            status: head.status.as_u16(),
            reason: None,
            url: head.url.as_str().to_owned(),
            version: version_name(head.version),
            headers: Arc::new(head.headers.clone()),
            content: Mutex::new(Content::Whole(Bytes::new())),
            bytes: PyOnceLock::new(),
            about: About::default(),
            request: None,
            history: Vec::new(),
        }
    }
}

#[pymethods]
impl HttpResponse {
    /// For mocks, transports and tests: an answer that nobody sent.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "a constructor in Python, most of them by name")]
    #[pyo3(signature = (status_code, *, headers=None, content=None, text=None, json=None, url="", request=None,
                        http_version="HTTP/1.1", reason_phrase=None))]
    fn new_for_tests(
        py: Python<'_>,
        status_code: u16,
        headers: Option<&Bound<'_, PyAny>>,
        content: Option<&Bound<'_, PyAny>>,
        text: Option<&str>,
        json: Option<&Bound<'_, PyAny>>,
        url: &str,
        request: Option<Py<PyAny>>,
        http_version: &str,
        reason_phrase: Option<String>,
    ) -> PyResult<Self> {
        let mut headers = headers.map_or_else(|| Ok(HeaderMap::new()), headers::parse)?;
        let body = by_hand::body(py, content, text, json, &mut headers)?;
        Ok(Self {
            status: status_code,
            reason: reason_phrase,
            url: url.to_owned(),
            version: by_hand::version(http_version)?,
            headers: Arc::new(headers),
            content: Mutex::new(Content::Whole(body)),
            bytes: PyOnceLock::new(),
            about: About { attempts: 1, ..About::default() },
            request,
            history: Vec::new(),
        })
    }

    #[getter]
    fn status_code(&self) -> u16 {
        self.status
    }

    /// The usual words for the status: HTTP/2 has none of its own.
    #[getter(reason_phrase)]
    fn get_reason_phrase(&self) -> &str {
        self.reason_phrase()
    }

    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    #[getter]
    fn http_version(&self) -> &'static str {
        self.version
    }

    #[getter]
    fn headers(&self) -> HttpHeaders {
        HttpHeaders(Arc::clone(&self.headers))
    }

    #[getter]
    fn request(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.request.as_ref().map(|request| request.clone_ref(py))
    }

    /// The body.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        if let Some(bytes) = self.bytes.get(py) {
            return Ok(bytes.bind(py).clone());
        }
        let body = self.body()?;
        Ok(self.bytes.get_or_init(py, || PyBytes::new(py, &body).unbind()).bind(py).clone())
    }

    /// The body in its own encoding, else in UTF-8, with what is neither replaced.
    #[getter]
    fn text<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let body = self.body()?;
        let encoding = encoding(self.headers.get(CONTENT_TYPE), &body);
        if encoding == "utf-8"
            && let Ok(text) = std::str::from_utf8(&body)
        {
            return Ok(PyString::new(py, text).into_any());
        }
        let decode = py.import(intern!(py, "turnout.http.encoding"))?.getattr(intern!(py, "text"))?;
        decode.call1((PyBytes::new(py, &body), encoding))
    }

    /// Of the text, in lower case: what `Content-Type` says, else UTF-8.
    #[getter]
    pub(super) fn encoding(&self) -> String {
        encoding(self.headers.get(CONTENT_TYPE), b"").into_owned()
    }

    /// The body as JSON. `parse_float`: what is made of numbers with a fraction, `decimal.Decimal` for money.
    #[pyo3(signature = (*, parse_float=None))]
    fn json<'py>(this: &Bound<'py, Self>, parse_float: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        Self::parse(this, parse_float)
    }

    /// The body as JSON that stays bytes until it is looked into.
    fn lazy(this: &Bound<'_, Self>) -> PyResult<HttpJson> {
        Self::indexed(this).map(HttpJson::new)
    }

    /// Itself, or `HTTPStatusError` for a 4xx or 5xx.
    fn raise_for_status<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        if this.get().is_error_status() {
            return Err(PyErr::from_value(Self::status_error(this)?));
        }
        Ok(this.clone())
    }

    #[getter]
    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    #[getter]
    fn is_redirect(&self) -> bool {
        (300..400).contains(&self.status) && self.headers.contains_key(http::header::LOCATION)
    }

    #[getter]
    fn is_client_error(&self) -> bool {
        (400..500).contains(&self.status)
    }

    #[getter]
    fn is_server_error(&self) -> bool {
        (500..600).contains(&self.status)
    }

    /// 4xx and 5xx.
    #[getter]
    fn is_error(&self) -> bool {
        self.is_error_status()
    }

    /// All of the call's time, in seconds.
    #[getter]
    fn elapsed(&self) -> f64 {
        self.about.timings.total.as_secs_f64()
    }

    #[getter]
    fn timings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        errors::timings(py, &self.about.timings)
    }

    #[getter]
    fn attempts(&self) -> u32 {
        self.about.attempts
    }

    #[getter(from_cache)]
    fn is_from_cache(&self) -> bool {
        self.about.from_cache
    }

    #[getter]
    fn stale(&self) -> bool {
        self.about.stale
    }

    #[getter]
    fn coalesced(&self) -> bool {
        self.about.coalesced
    }

    #[getter]
    fn hedged(&self) -> bool {
        self.about.hedged
    }

    /// The peer's address and port; None from a cache, or from a transport without sockets.
    #[getter]
    fn remote_addr(&self) -> Option<(String, u16)> {
        self.about.remote.map(|remote| (remote.ip().to_string(), remote.port()))
    }

    /// The answers that redirected here, first to last, without their bodies.
    #[getter]
    fn history<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let history: PyResult<Vec<_>> = self.history.iter().map(|head| Bound::new(py, Self::of_head(head))).collect();
        PyList::new(py, history?)
    }

    /// All that is left of the body, which is the content from then on; blocks.
    fn read<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        body::read(this)
    }

    /// The same, to be awaited.
    fn aread(this: &Bound<'_, Self>) -> HttpCall {
        body::aread(this)
    }

    /// The body as it comes; blocks in `next`. `chunk_size`: of each piece but the last.
    #[pyo3(signature = (chunk_size=None))]
    fn iter_bytes<'py>(this: &Bound<'py, Self>, chunk_size: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        body::pieces(this, "rechunked", chunk_size)
    }

    /// The same, for `async for`.
    #[pyo3(signature = (chunk_size=None))]
    fn aiter_bytes<'py>(this: &Bound<'py, Self>, chunk_size: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        body::pieces(this, "arechunked", chunk_size)
    }

    /// The body as text, as it comes.
    fn iter_text<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        body::decoded(this, "text")
    }

    /// The same, for `async for`.
    fn aiter_text<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        body::decoded(this, "atext")
    }

    /// The lines of the text without their ends, as they come.
    fn iter_lines<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        body::decoded(this, "lines")
    }

    /// The same, for `async for`.
    fn aiter_lines<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        body::decoded(this, "alines")
    }

    /// Gives up what is still coming. Nothing, if it is whole.
    fn close(&self) {
        self.let_go();
    }

    /// The same, to be awaited.
    fn aclose<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.let_go();
        Ready::nothing(py)
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_why))]
    fn __exit__(&self, _why: &Bound<'_, PyTuple>) {
        self.let_go();
    }

    fn __aenter__(this: &Bound<'_, Self>) -> PyResult<HttpCall> {
        body::entered(this)
    }

    #[pyo3(signature = (*_why))]
    fn __aexit__<'py>(&self, py: Python<'py>, _why: &Bound<'_, PyTuple>) -> Bound<'py, PyAny> {
        self.let_go();
        Ready::nothing(py)
    }

    fn __repr__(&self) -> String {
        format!("<HttpResponse {} {}>", self.status, self.reason_phrase())
    }

    fn __reduce__<'py>(this: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        pickle::reduced(this)
    }

    /// What `turnout.http.pickling` makes of the state of another one.
    #[staticmethod]
    #[pyo3(name = "_again")]
    fn again(
        base: &Bound<'_, Self>,
        attempts: u32,
        flags: (bool, bool, bool, bool),
        timings: Vec<Option<f64>>,
        remote: Option<&str>,
    ) -> PyResult<Self> {
        pickle::again(base, attempts, flags, &timings, remote)
    }
}

impl Drop for HttpResponse {
    fn drop(&mut self) {
        self.let_go();
    }
}

fn version_name(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_09 => "HTTP/0.9",
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2",
        http::Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}
