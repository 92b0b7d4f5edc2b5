//! Messages between the app and turnout: those it sends, read and checked; those it receives, made.
//!
//! Whatever is wrong with a message is the app's error and names the field ("Error Handling" in the ASGI specification).

use std::path::PathBuf;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyList, PyString, PyTuple};

use crate::interface::headers;

/// One message that the app sends.
pub(super) struct Message<'a, 'py> {
    pub(super) kind: &'a str,
    fields: &'a Bound<'py, PyDict>,
}

/// A message is a dict.
pub(super) fn fields<'a, 'py>(message: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyDict>> {
    let what = || format!("ASGI: a message must be a dict, not {}", type_name(message));
    message.cast().map_err(|_| PyTypeError::new_err(what()))
}

/// The name of a message.
pub(super) fn kind<'py>(fields: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyString>> {
    let Some(kind) = fields.get_item(intern!(fields.py(), "type"))? else {
        return Err(PyTypeError::new_err("ASGI: a message has no 'type'"));
    };
    kind.cast_into().map_err(|error| {
        let what = type_name(&error.into_inner());
        PyTypeError::new_err(format!("ASGI: a message's 'type' must be a str, not {what}"))
    })
}

impl<'a, 'py> Message<'a, 'py> {
    pub(super) fn new(kind: &'a str, fields: &'a Bound<'py, PyDict>) -> Self {
        Self { kind, fields }
    }

    /// A field that must be there.
    fn required(&self, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.fields
            .get_item(key)?
            .ok_or_else(|| PyTypeError::new_err(format!("ASGI: {:?} has no {:?}", self.kind, key.to_string())))
    }

    /// True when the field is there and true.
    fn flag(&self, key: &Bound<'py, PyString>) -> PyResult<bool> {
        self.fields.get_item(key)?.map_or(Ok(false), |value| value.is_truthy())
    }

    pub(super) fn more_body(&self) -> PyResult<bool> {
        self.flag(intern!(self.fields.py(), "more_body"))
    }

    /// Whether trailers will follow the body.
    pub(super) fn trailers(&self) -> PyResult<bool> {
        self.flag(intern!(self.fields.py(), "trailers"))
    }

    pub(super) fn more_trailers(&self) -> PyResult<bool> {
        self.flag(intern!(self.fields.py(), "more_trailers"))
    }

    pub(super) fn status(&self) -> PyResult<http::StatusCode> {
        let key = intern!(self.fields.py(), "status");
        let status = self.required(key)?;
        if !status.is_instance_of::<PyInt>() {
            return Err(self.wrong_type("status", "an int", &status));
        }
        headers::status(&status)
    }

    /// The bytes of `body`; none at all when it is missing.
    pub(super) fn body(&self) -> PyResult<Bytes> {
        let Some(body) = self.fields.get_item(intern!(self.fields.py(), "body"))? else { return Ok(Bytes::new()) };
        with_bytes(&body, Bytes::copy_from_slice).unwrap_or_else(|| Err(self.wrong_type("body", "bytes", &body)))
    }

    /// The pairs of `headers`; none at all when it is missing.
    pub(super) fn headers(&self) -> PyResult<HeaderMap> {
        let Some(pairs) = self.fields.get_item(intern!(self.fields.py(), "headers"))? else {
            return Ok(HeaderMap::new());
        };
        // Nearly always a list of tuples.
        if let Ok(list) = pairs.cast::<PyList>() {
            let mut headers = HeaderMap::with_capacity(list.len());
            for pair in list {
                self.append(&mut headers, &pair)?;
            }
            return Ok(headers);
        }
        let mut headers = HeaderMap::new();
        for pair in pairs.try_iter().map_err(|_| self.wrong_type("headers", "an iterable of pairs", &pairs))? {
            self.append(&mut headers, &pair?)?;
        }
        Ok(headers)
    }

    fn append(&self, headers: &mut HeaderMap, pair: &Bound<'py, PyAny>) -> PyResult<()> {
        let (name, value) = self.pair(pair)?;
        let name = self.header(&name, "name", HeaderName::from_bytes)?;
        let value = self.header(&value, "value", HeaderValue::from_bytes)?;
        headers.try_append(name, value).map_err(|_| PyValueError::new_err("ASGI: too many headers"))?;
        Ok(())
    }

    fn pair(&self, pair: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        if let Ok(pair) = pair.cast::<PyTuple>()
            && pair.len() == 2
        {
            return Ok((pair.get_item(0)?, pair.get_item(1)?));
        }
        let wrong = || {
            let (kind, shown) = (self.kind, shown(pair));
            PyTypeError::new_err(format!("ASGI: 'headers' of {kind:?} must hold pairs of bytes, not {shown}"))
        };
        // Any iterable of two will do, but one of characters or numbers is a slip.
        if pair.is_instance_of::<PyString>() || pair.is_instance_of::<PyBytes>() {
            return Err(wrong());
        }
        let items: Vec<_> = pair.try_iter().map_err(|_| wrong())?.collect::<PyResult<_>>()?;
        <[_; 2]>::try_from(items).map(Into::into).map_err(|_| wrong())
    }

    fn header<T, E>(
        &self,
        given: &Bound<'py, PyAny>,
        part: &str,
        read: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> PyResult<T> {
        let kind = self.kind;
        match with_bytes(given, read) {
            Some(Ok(Ok(part))) => Ok(part),
            Some(Ok(Err(_))) => {
                Err(PyValueError::new_err(format!("ASGI: illegal header {part} in {kind:?}: {}", shown(given))))
            }
            Some(Err(error)) => Err(error),
            None => Err(PyTypeError::new_err(format!(
                "ASGI: a header's {part} in {kind:?} must be bytes, not {}: {}",
                type_name(given),
                shown(given)
            ))),
        }
    }

    /// The values of `links`.
    pub(super) fn links(&self) -> PyResult<Vec<HeaderValue>> {
        let links = self.required(intern!(self.fields.py(), "links"))?;
        let wrong = || self.wrong_type("links", "an iterable of bytes", &links);
        if links.is_instance_of::<PyString>() || links.is_instance_of::<PyBytes>() {
            return Err(wrong());
        }
        let mut values = Vec::new();
        for link in links.try_iter().map_err(|_| wrong())? {
            values.push(self.header(&link?, "value", HeaderValue::from_bytes)?);
        }
        Ok(values)
    }

    /// The absolute path of `path`.
    pub(super) fn path(&self) -> PyResult<PathBuf> {
        let path = self.required(intern!(self.fields.py(), "path"))?;
        if !path.is_instance_of::<PyString>() {
            return Err(self.wrong_type("path", "a str", &path));
        }
        let path: PathBuf = path.extract()?;
        if path.is_relative() {
            let (kind, path) = (self.kind, path.display());
            return Err(PyValueError::new_err(format!("ASGI: \"path\" of {kind:?} is not absolute: {path}")));
        }
        Ok(path)
    }

    /// The dict of `info`.
    pub(super) fn info(&self) -> PyResult<Bound<'py, PyDict>> {
        let info = self.required(intern!(self.fields.py(), "info"))?;
        info.cast::<PyDict>().cloned().map_err(|_| self.wrong_type("info", "a dict", &info))
    }

    fn wrong_type(&self, key: &str, wanted: &str, given: &Bound<'py, PyAny>) -> PyErr {
        PyTypeError::new_err(format!("ASGI: {key:?} of {:?} must be {wanted}, not {}", self.kind, type_name(given)))
    }
}

/// `http.request`.
pub(super) fn request<'py>(py: Python<'py>, body: &[u8], more: bool) -> PyResult<Bound<'py, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
    message.set_item(intern!(py, "body"), PyBytes::new(py, body))?;
    message.set_item(intern!(py, "more_body"), more)?;
    Ok(message)
}

/// `http.disconnect`.
pub(super) fn disconnect(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?;
    Ok(message)
}

/// The bytes of anything that holds bytes; `None` when it does not.
fn with_bytes<T>(object: &Bound<'_, PyAny>, read: impl FnOnce(&[u8]) -> T) -> Option<PyResult<T>> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Some(Ok(read(bytes.as_bytes())));
    }
    let buffer = PyBuffer::<u8>::get(object).ok()?;
    Some(buffer.to_vec(object.py()).map(|bytes| read(&bytes)))
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "something else".into(), |name| name.to_string())
}

/// For an error message: short, whatever it is.
fn shown(object: &Bound<'_, PyAny>) -> String {
    const MOST: usize = 100;
    let shown = object.repr().map_or_else(|_| "(unprintable)".into(), |text| text.to_string());
    if shown.chars().count() > MOST { shown.chars().take(MOST).chain("...".chars()).collect() } else { shown }
}
