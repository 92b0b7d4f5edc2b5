//! A request as its caller wrote it, checked when it is made. A client makes a call of it, any number of times.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::{HeaderMap, HeaderName};
use parking_lot::Mutex;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use turnout_client::{Body, BodyStream, Call, Kind};
use url::Url;

use super::content::{Content, content_length};
use super::errors::refused;
use super::headers::{self, HttpHeaders};
use super::options::{Settings, over};
use super::params::query;
use super::reaching::Signer;
use super::scope::Current;
use super::target::Target;
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
        let mut url = self.target.text().to_owned();
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
        format!("<HttpRequest {} {}>", self.method, self.target.without_query())
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
        let mut url = self.target.resolved(py, settings.base_url.as_ref())?;
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
        let mut signer = settings.signer.clone();
        if let Some(fields) = &self.options {
            own = over(&own, &mut signer, fields.bind(py))?;
        }
        if let Some(fields) = options {
            own = over(&own, &mut signer, fields)?;
        }
        if let Some(signer) = signer {
            self.sign(py, &signer, &url, &mut headers)?;
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

    /// Adds what the signer returns. It is for the origin of this URL, and is nobody else's answer: marked, as all that is secret.
    fn sign(&self, py: Python<'_>, signer: &Signer, url: &Url, headers: &mut HeaderMap) -> PyResult<()> {
        let seen = Self {
            method: self.method.clone(),
            target: Target::Absolute(url.clone()),
            params: None,
            headers: Arc::new(headers.clone()),
            content: self.content.again(py),
            idempotent: self.idempotent,
            upstream: self.upstream.clone(),
            options: None,
        };
        let returned = signer.bind(py).call1((Bound::new(py, seen)?,))?;
        if returned.is_none() {
            return Ok(());
        }
        if returned.hasattr(intern!(py, "__await__"))? {
            let _ = returned.call_method0(intern!(py, "close"));
            return Err(PyTypeError::new_err(
                "auth= is a coroutine function: it must return the fields, for it is called without a loop too",
            ));
        }
        let mut fields = headers::parse(&returned)?;
        fields.values_mut().for_each(|value| value.set_sensitive(true));
        headers::merge(headers, &fields);
        Ok(())
    }
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
