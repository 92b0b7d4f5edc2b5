//! A request as its caller wrote it, checked when it is made. A client makes a call of it, any number of times.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::Method;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use turnout_client::{Body, BodyStream, Call, Kind};
use url::Url;
use url::form_urlencoded::Serializer;

use super::errors::refused;
use super::forms;
use super::headers::{self, HttpHeaders};
use super::options::{Settings, over};
use super::scope::Current;
use super::transport;

/// See `_turnout.pyi`.
#[pyclass(frozen, weakref, module = "turnout._turnout")]
pub(crate) struct HttpRequest {
    method: Method,
    target: Target,
    /// Encoded, to be put behind the query of the URL.
    params: Option<String>,
    headers: Arc<HeaderMap>,
    content: Content,
    idempotent: Option<bool>,
    pub(super) upstream: Option<Arc<str>>,
    /// What this call replaces of its client's options.
    options: Option<Py<PyDict>>,
}

enum Target {
    Absolute(Url),
    /// To be put behind the base URL.
    Relative(String),
}

/// What follows the head.
enum Content {
    Empty,
    Whole(Bytes),
    /// Pulled while it is sent, by the thread or the loop that waits for the answer.
    Pieces(Py<PyAny>),
}

#[pymethods]
impl HttpRequest {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "a constructor in Python, most of them by name")]
    #[pyo3(signature = (method, url, *, params=None, headers=None, json=None, data=None, files=None, content=None,
                        idempotent=None, upstream=None, options=None, **others))]
    fn new(
        py: Python<'_>,
        method: &str,
        url: &Bound<'_, PyAny>,
        params: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        json: Option<&Bound<'_, PyAny>>,
        data: Option<&Bound<'_, PyAny>>,
        files: Option<&Bound<'_, PyAny>>,
        content: Option<&Bound<'_, PyAny>>,
        idempotent: Option<bool>,
        upstream: Option<&str>,
        options: Option<Bound<'_, PyDict>>,
        others: Option<Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let options = match (options, others) {
            (Some(options), Some(others)) => {
                let options = options.copy()?;
                options.update(others.as_mapping())?;
                Some(options)
            }
            (Some(options), None) => Some(options.copy()?),
            (None, others) => others,
        };
        let text = url.cast::<PyString>().map_or_else(|_| url.str(), |text| Ok(text.clone()))?;
        let mut target = Target::parse(py, text.to_str()?)?;
        let mut headers = headers.map_or_else(|| Ok(HeaderMap::new()), headers::parse)?;
        target.move_user(py, &mut headers)?;
        let content = Content::of(py, json, data, files, content, &mut headers)?;
        content.agree_with(py, &mut headers)?;
        Ok(Self {
            method: method_of(py, method)?,
            target,
            params: params.map_or(Ok(None), query)?,
            headers: Arc::new(headers),
            content,
            idempotent,
            upstream: upstream.map(Arc::from),
            options: options.map(Bound::unbind),
        })
    }

    #[getter]
    pub(super) fn method(&self) -> &str {
        self.method.as_str()
    }

    /// With the parameters; without a base, if it is to be put behind one.
    #[getter]
    fn url(&self) -> String {
        let mut url = match &self.target {
            Target::Absolute(url) => url.as_str().to_owned(),
            Target::Relative(text) => text.clone(),
        };
        if let Some(params) = &self.params {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(params);
        }
        url
    }

    #[getter]
    fn headers(&self) -> HttpHeaders {
        HttpHeaders(Arc::clone(&self.headers))
    }

    /// The body, if it is in memory; else what it is pulled from.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match &self.content {
            Content::Empty => PyBytes::new(py, b"").into_any(),
            Content::Whole(bytes) => PyBytes::new(py, bytes).into_any(),
            Content::Pieces(source) => source.bind(py).clone(),
        }
    }

    /// Whether it may be sent twice without harm.
    #[getter]
    fn idempotent(&self) -> bool {
        self.idempotent.unwrap_or_else(|| {
            is_idempotent(&self.method) || self.headers.contains_key(HeaderName::from_static("idempotency-key"))
        })
    }

    #[getter]
    fn upstream(&self) -> Option<&str> {
        self.upstream.as_deref()
    }

    /// What it replaces of its client's options.
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.options.as_ref().map_or_else(|| Ok(PyDict::new(py)), |options| options.bind(py).copy())
    }

    fn __repr__(&self) -> String {
        // No query: it may hold a key.
        let url = match &self.target {
            Target::Absolute(url) => url[..url::Position::AfterPath].to_owned(),
            Target::Relative(text) => text.split(['?', '#']).next().unwrap_or_default().to_owned(),
        };
        format!("<HttpRequest {} {url}>", self.method)
    }

    fn __reduce__<'py>(this: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = this.py();
        let request = this.get();
        let again = py.import(intern!(py, "turnout.http.pickling"))?.getattr(intern!(py, "request"))?;
        if matches!(request.content, Content::Pieces(_)) {
            return Err(PyTypeError::new_err("a request whose body comes in pieces cannot be pickled"));
        }
        let headers = HttpHeaders(Arc::clone(&request.headers)).multi_items(py)?;
        let fields = (
            request.method(),
            request.url(),
            headers,
            request.content(py),
            request.idempotent,
            request.upstream(),
            request.options(py)?,
        );
        Ok((again, fields.into_pyobject(py)?))
    }
}

impl HttpRequest {
    pub(super) fn whole(method: Method, url: Url, headers: HeaderMap, content: Bytes, idempotent: bool) -> Self {
        Self {
            method,
            target: Target::Absolute(url),
            params: None,
            headers: Arc::new(headers),
            content: if content.is_empty() { Content::Empty } else { Content::Whole(content) },
            idempotent: Some(idempotent),
            upstream: None,
            options: None,
        }
    }

    /// What the body is to be pulled from, if it is not in memory.
    pub(super) fn pieces<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &self.content {
            Content::Pieces(source) => Some(source.bind(py).clone()),
            Content::Empty | Content::Whole(_) => None,
        }
    }

    /// What is to be sent, by a client with these settings.
    pub(super) fn call(
        &self,
        py: Python<'_>,
        settings: &Settings,
        stream: bool,
        options: Option<&Bound<'_, PyDict>>,
        current: &Current,
        pieces: Option<BodyStream>,
    ) -> PyResult<Call> {
        let mut url = match (&self.target, &settings.base_url) {
            (Target::Absolute(url), _) => url.clone(),
            (Target::Relative(path), Some(base)) => behind(py, base, path)?,
            (Target::Relative(_), None) => {
                return Err(refused(
                    py,
                    Kind::InvalidUrl,
                    "the URL has no scheme and no host, and the client no base_url",
                ));
            }
        };
        for params in [&settings.params, &self.params].into_iter().flatten() {
            let query = match url.query() {
                Some(query) if !query.is_empty() => format!("{query}&{params}"),
                _ => params.clone(),
            };
            url.set_query(Some(&query));
        }
        let mut headers = settings.headers.clone();
        headers::merge(&mut headers, &self.headers);
        current.trace(py, &mut headers)?;
        let mut own = Arc::clone(&settings.options);
        if let Some(fields) = &self.options {
            own = over(&own, fields.bind(py))?;
        }
        if let Some(fields) = options {
            own = over(&own, fields)?;
        }
        let own = transport::instead(own);
        let body = match &self.content {
            Content::Empty => Body::Empty,
            Content::Whole(bytes) => Body::Whole(bytes.clone()),
            Content::Pieces(_) => match pieces {
                Some(pieces) => Body::Stream(Mutex::new(Some(pieces)), content_length(py, &mut headers)?),
                None => return Err(PyValueError::new_err("a body in pieces is for a single call, not for a gather")),
            },
        };
        Ok(Call {
            method: self.method.clone(),
            url,
            headers,
            body,
            idempotent: self.idempotent(),
            stream,
            options: own,
        })
    }
}

/// As the caller said, who frames nothing.
fn content_length(py: Python<'_>, headers: &mut HeaderMap) -> PyResult<Option<u64>> {
    let Some(told) = headers.remove(CONTENT_LENGTH) else { return Ok(None) };
    let length = told.to_str().ok().filter(|told| told.bytes().all(|byte| byte.is_ascii_digit()));
    let length = length.and_then(|length| length.parse().ok());
    length.map(Some).ok_or_else(|| refused(py, Kind::LocalProtocol, "Content-Length is no length"))
}

impl Target {
    fn parse(py: Python<'_>, text: &str) -> PyResult<Self> {
        refuse_control(py, text)?;
        if has_scheme(text) || text.starts_with("//") {
            return Ok(Self::Absolute(absolute(py, text)?));
        }
        Ok(Self::Relative(text.to_owned()))
    }

    /// User information becomes a field, and is nowhere to be seen afterwards.
    fn move_user(&mut self, py: Python<'_>, headers: &mut HeaderMap) -> PyResult<()> {
        let Self::Absolute(url) = self else { return Ok(()) };
        if let Some(value) = take_user(py, url)? {
            headers.entry(AUTHORIZATION).or_insert(value);
        }
        Ok(())
    }
}

/// Takes user information out of a URL, as an `Authorization`.
pub(super) fn take_user(py: Python<'_>, url: &mut Url) -> PyResult<Option<HeaderValue>> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(pair)))
        .map_err(|_| refused(py, Kind::InvalidUrl, "the user information of the URL cannot be sent"))?;
    value.set_sensitive(true);
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    cleared.map_err(|()| refused(py, Kind::InvalidUrl, "the URL has user information but no host"))?;
    Ok(Some(value))
}

/// A whole URL, whose scheme is one that can be called.
pub(super) fn absolute(py: Python<'_>, text: &str) -> PyResult<Url> {
    refuse_control(py, text)?;
    // Not the text itself: there may be a password in it.
    let mut url =
        Url::parse(text).map_err(|error| refused(py, Kind::InvalidUrl, format!("that is no URL to call: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        let message = format!("{}: is no scheme that can be called: http and https are", url.scheme());
        return Err(refused(py, Kind::UnsupportedProtocol, message));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refused(py, Kind::InvalidUrl, "the URL has no host"));
    }
    url.set_fragment(None);
    Ok(url)
}

/// What the parser would take out without a word, so that two readers of one URL could see two.
fn refuse_control(py: Python<'_>, text: &str) -> PyResult<()> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(refused(py, Kind::InvalidUrl, "the URL has a line break or another control character"));
    }
    Ok(())
}

/// RFC 3986, 3.1.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut letters = scheme.bytes();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        && (rest.starts_with("//") || !rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// The path goes behind the base's, whatever it begins with: a base with a path is a version of an API, not a page with links.
fn behind(py: Python<'_>, base: &Url, path: &str) -> PyResult<Url> {
    let (path, query) = match path.split('#').next().unwrap_or_default().split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path.split('#').next().unwrap_or_default(), None),
    };
    if path.split('/').any(is_dots) {
        return Err(refused(py, Kind::InvalidUrl, "a path below a base URL has no . and no .. in it"));
    }
    let mut url = base.clone();
    if !path.is_empty() {
        let joined = format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/'));
        url.set_path(&joined);
    }
    url.set_query(query);
    Ok(url)
}

/// In any of the spellings that a parser resolves: it would leave the base.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

fn method_of(py: Python<'_>, method: &str) -> PyResult<Method> {
    let parsed = match method {
        "GET" => Ok(Method::GET),
        other => Method::from_bytes(other.to_ascii_uppercase().as_bytes()),
    };
    parsed.map_err(|_| refused(py, Kind::LocalProtocol, "the method is not a token"))
}

/// RFC 9110, 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
}

impl Content {
    fn of(
        py: Python<'_>,
        json: Option<&Bound<'_, PyAny>>,
        data: Option<&Bound<'_, PyAny>>,
        files: Option<&Bound<'_, PyAny>>,
        content: Option<&Bound<'_, PyAny>>,
        headers: &mut HeaderMap,
    ) -> PyResult<Self> {
        if [json.is_some(), data.is_some() || files.is_some(), content.is_some()].iter().filter(|given| **given).count()
            > 1
        {
            return Err(PyTypeError::new_err("a body is given once: as json, as data with files, or as content"));
        }
        if let Some(content) = content {
            return Self::raw(content);
        }
        if let Some(json) = json {
            static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            let text = DUMPS.import(py, "turnout.http.encoding", "dumps")?.call1((json,))?;
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            return Self::raw(&text);
        }
        if data.is_none() && files.is_none() {
            return Ok(Self::Empty);
        }
        match forms::encode(data, files)? {
            Some((bytes, kind)) => {
                // The boundary in it is the body's: a type of the caller's own would not fit.
                if files.is_some() {
                    headers.insert(CONTENT_TYPE, kind);
                } else {
                    headers.entry(CONTENT_TYPE).or_insert(kind);
                }
                Ok(if bytes.is_empty() { Self::Empty } else { Self::Whole(bytes) })
            }
            None => data.map_or(Ok(Self::Empty), Self::raw),
        }
    }

    fn raw(content: &Bound<'_, PyAny>) -> PyResult<Self> {
        let bytes = if let Ok(bytes) = content.cast::<PyBytes>() {
            Bytes::copy_from_slice(bytes.as_bytes())
        } else if let Ok(text) = content.cast::<PyString>() {
            Bytes::copy_from_slice(text.to_str()?.as_bytes())
        } else if let Ok(bytes) = content.cast::<PyByteArray>() {
            Bytes::from(bytes.to_vec())
        } else if content.hasattr(intern!(content.py(), "__iter__"))?
            || content.hasattr(intern!(content.py(), "__aiter__"))?
            || content.hasattr(intern!(content.py(), "read"))?
        {
            return Ok(Self::Pieces(content.clone().unbind()));
        } else {
            let message =
                format!("content is bytes, text, or an iterable of bytes, not {}", content.get_type().name()?);
            return Err(PyTypeError::new_err(message));
        };
        Ok(if bytes.is_empty() { Self::Empty } else { Self::Whole(bytes) })
    }

    /// Whoever sends it frames it: a frame of the caller's own is none, or a second message behind this one.
    fn agree_with(&self, py: Python<'_>, headers: &mut HeaderMap) -> PyResult<()> {
        if headers.contains_key(TRANSFER_ENCODING) {
            return Err(refused(py, Kind::LocalProtocol, "Transfer-Encoding is not the caller's to say"));
        }
        if matches!(self, Self::Pieces(_)) {
            return Ok(());
        }
        let Some(told) = headers.remove(CONTENT_LENGTH) else { return Ok(()) };
        let length = if let Self::Whole(bytes) = self { bytes.len() } else { 0 };
        if told.as_bytes() != length.to_string().as_bytes() {
            return Err(refused(py, Kind::LocalProtocol, "Content-Length is not the length of the body"));
        }
        Ok(())
    }
}

/// Parameters as the query of a URL: text as it is, a mapping or pairs as a form. What is `None` is left out, as by `requests`.
pub(super) fn query(params: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if params.is_none() {
        return Ok(None);
    }
    if let Ok(text) = params.cast::<PyString>() {
        let text = text.to_str()?.trim_start_matches('?');
        refuse_control(params.py(), text)?;
        return Ok(if text.is_empty() { None } else { Some(text.to_owned()) });
    }
    let mut form = Serializer::new(String::new());
    if let Ok(dict) = params.cast::<PyDict>() {
        for (name, value) in dict.iter() {
            add(&mut form, &name, &value)?;
        }
    } else {
        let pairs = match params.getattr_opt(intern!(params.py(), "items"))? {
            Some(items) => items.call0()?,
            None => params.clone(),
        };
        for pair in pairs.try_iter()? {
            let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
                pair?.extract().map_err(|_| PyTypeError::new_err("params are a mapping, pairs, or text"))?;
            add(&mut form, &name, &value)?;
        }
    }
    let query = form.finish();
    Ok(if query.is_empty() { None } else { Some(query) })
}

fn add(form: &mut Serializer<'_, String>, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        for value in value.try_iter()? {
            add(form, name, &value?)?;
        }
        return Ok(());
    }
    if value.is_none() {
        return Ok(());
    }
    form.append_pair(&plain(name)?, &plain(value)?);
    Ok(())
}

pub(super) fn plain(value: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_str()?.to_owned());
    }
    if let Ok(yes) = value.cast::<PyBool>() {
        return Ok(if yes.is_true() { "true" } else { "false" }.to_owned());
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return String::from_utf8(bytes.as_bytes().to_vec())
            .map_err(|_| PyValueError::new_err("a parameter in bytes must be UTF-8"));
    }
    if value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>() || value.hasattr("__str__")? {
        return value.str()?.extract();
    }
    Err(PyTypeError::new_err("a parameter is text, a number, a truth value, or a list of these"))
}
