//! What follows a request's head, and the fields that say so.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyString};
use turnout_client::Kind;

use super::errors::refused;
use super::forms;

/// What follows the head.
pub(super) enum Content {
    Empty,
    Whole(Bytes),
    /// Pulled while it is sent, by the thread or the loop that waits for the answer.
    Pieces(Py<PyAny>),
}

impl Content {
    pub(super) fn of(
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

    /// The same, for a request that is the same.
    pub(super) fn again(&self, py: Python<'_>) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Whole(bytes) => Self::Whole(bytes.clone()),
            Self::Pieces(source) => Self::Pieces(source.clone_ref(py)),
        }
    }

    /// Whoever sends it frames it: a frame of the caller's own is none, or a second message behind this one.
    pub(super) fn agree_with(&self, py: Python<'_>, headers: &mut HeaderMap) -> PyResult<()> {
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

/// As the caller said, who frames nothing.
pub(super) fn content_length(py: Python<'_>, headers: &mut HeaderMap) -> PyResult<Option<u64>> {
    let Some(told) = headers.remove(CONTENT_LENGTH) else { return Ok(None) };
    let length = told.to_str().ok().filter(|told| told.bytes().all(|byte| byte.is_ascii_digit()));
    let length = length.and_then(|length| length.parse().ok());
    length.map(Some).ok_or_else(|| refused(py, Kind::LocalProtocol, "Content-Length is no length"))
}
