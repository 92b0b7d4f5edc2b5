//! Header fields: from what people write, and as a mapping that people read.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use turnout_client::Kind;

use super::errors::refused;
use crate::raw::latin1;

/// From a mapping or from pairs; names and values are text or bytes. What would end a line early is refused.
pub(super) fn parse(fields: &Bound<'_, PyAny>) -> PyResult<HeaderMap> {
    let py = fields.py();
    if let Ok(dict) = fields.cast::<PyDict>() {
        let mut parsed = HeaderMap::with_capacity(dict.len());
        for (name, value) in dict.iter() {
            parsed.append(name_of(&name)?, value_of(&value)?);
        }
        return Ok(parsed);
    }
    if let Ok(headers) = fields.cast::<HttpHeaders>() {
        return Ok((*headers.get().0).clone());
    }
    let pairs = match fields.getattr_opt("items")? {
        Some(items) => items.call0()?,
        None => fields.clone(),
    };
    let mut parsed = HeaderMap::new();
    for pair in pairs.try_iter()? {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
            pair?.extract().map_err(|_| PyTypeError::new_err("headers are a mapping, or pairs of name and value"))?;
        parsed
            .try_append(name_of(&name)?, value_of(&value)?)
            .map_err(|_| refused(py, Kind::LocalProtocol, "more headers than can be sent"))?;
    }
    Ok(parsed)
}

/// `over` replaces fields of the same name in `under`.
pub(super) fn merge(under: &mut HeaderMap, over: &HeaderMap) {
    if under.is_empty() {
        under.clone_from(over);
        return;
    }
    for name in over.keys() {
        let mut values = over.get_all(name).iter();
        if let Some(first) = values.next() {
            under.insert(name.clone(), first.clone());
        }
        for value in values {
            under.append(name.clone(), value.clone());
        }
    }
}

fn name_of(name: &Bound<'_, PyAny>) -> PyResult<HeaderName> {
    let parsed = if let Ok(text) = name.cast::<PyString>() {
        HeaderName::from_bytes(text.to_str()?.as_bytes())
    } else if let Ok(bytes) = name.cast::<PyBytes>() {
        HeaderName::from_bytes(bytes.as_bytes())
    } else {
        return Err(PyTypeError::new_err(format!(
            "the name of a header is text or bytes, not {}",
            name.get_type().name()?
        )));
    };
    parsed.map_err(|_| {
        let shown = name.repr().map_or_else(|_| String::new(), |shown| shown.to_string());
        refused(name.py(), Kind::LocalProtocol, format!("{shown} is no name of a header"))
    })
}

fn value_of(value: &Bound<'_, PyAny>) -> PyResult<HeaderValue> {
    let parsed = if let Ok(text) = value.cast::<PyString>() {
        let text = text.to_str()?;
        if text.is_ascii() {
            HeaderValue::from_bytes(text.as_bytes())
        } else {
            // RFC 9110, 5.5: what is not ASCII was ISO-8859-1; what is not even that has no form here.
            let bytes: Result<Vec<u8>, _> = text.chars().map(|char| u8::try_from(u32::from(char))).collect();
            let Ok(bytes) = bytes else {
                return Err(refused(
                    value.py(),
                    Kind::LocalProtocol,
                    "the value of a header has characters beyond ISO-8859-1",
                ));
            };
            HeaderValue::from_bytes(&bytes)
        }
    } else if let Ok(bytes) = value.cast::<PyBytes>() {
        HeaderValue::from_bytes(bytes.as_bytes())
    } else {
        return Err(PyTypeError::new_err(format!(
            "the value of a header is text or bytes, not {}",
            value.get_type().name()?
        )));
    };
    // Not the value itself: it may be a secret.
    parsed.map_err(|_| {
        refused(value.py(), Kind::LocalProtocol, "the value of a header has a line break or another control character")
    })
}

/// A case-insensitive multi-mapping, read only: `[name]` joins what was sent more than once, `get_list` does not.
#[pyclass(frozen, mapping, module = "turnout._turnout")]
pub(crate) struct HttpHeaders(pub(super) Arc<HeaderMap>);

#[pymethods]
impl HttpHeaders {
    #[new]
    #[pyo3(signature = (fields=None, /))]
    fn new(fields: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        Ok(Self(Arc::new(fields.map_or_else(|| Ok(HeaderMap::new()), parse)?)))
    }

    /// The values of a field, as one text.
    #[pyo3(signature = (name, default=None, /))]
    fn get<'py>(&self, py: Python<'py>, name: &str, default: Option<Bound<'py, PyAny>>) -> Option<Bound<'py, PyAny>> {
        self.joined(py, name).or(default)
    }

    /// The values of a field, each as it came.
    fn get_list<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.0.get_all(name).iter().map(|value| latin1(py, value.as_bytes())).collect::<Vec<_>>())
    }

    /// The names, in lower case, each once.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.0.keys().map(HeaderName::as_str))
    }

    /// The values, joined.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.0.keys().filter_map(|name| self.joined(py, name.as_str())).collect::<Vec<_>>())
    }

    /// Names and joined values.
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let items = self.0.keys().filter_map(|name| Some((name.as_str(), self.joined(py, name.as_str())?)));
        PyList::new(py, items.collect::<Vec<_>>())
    }

    /// Every field, as it came.
    pub(super) fn multi_items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let items = self.0.iter().map(|(name, value)| (name.as_str(), latin1(py, value.as_bytes())));
        PyList::new(py, items.collect::<Vec<_>>())
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.joined(py, name).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    fn __contains__(&self, name: &Bound<'_, PyAny>) -> bool {
        name.cast::<PyString>().is_ok_and(|name| name.to_str().is_ok_and(|name| self.0.contains_key(name)))
    }

    fn __len__(&self) -> usize {
        self.0.keys_len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.keys(py)?.try_iter()?.into_any())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        match other.cast::<Self>() {
            Ok(other) => *other.get().0 == *self.0,
            Err(_) => parse(other).is_ok_and(|other| other == *self.0),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("HttpHeaders({})", self.multi_items(py)?.repr()?))
    }

    fn __reduce__<'py>(this: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = this.py();
        Ok((this.get_type().into_any(), PyTuple::new(py, [this.get().multi_items(py)?])?))
    }
}

impl HttpHeaders {
    fn joined<'py>(&self, py: Python<'py>, name: &str) -> Option<Bound<'py, PyAny>> {
        let mut values = self.0.get_all(name).iter();
        let first = values.next()?;
        if values.size_hint().0 == 0 && self.0.get_all(name).iter().nth(1).is_none() {
            return Some(latin1(py, first.as_bytes()).into_any());
        }
        let mut joined = first.as_bytes().to_vec();
        for value in values {
            joined.extend_from_slice(b", ");
            joined.extend_from_slice(value.as_bytes());
        }
        Some(latin1(py, &joined).into_any())
    }
}
