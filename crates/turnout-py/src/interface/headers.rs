//! Header fields between Rust and Python. Names and values that would break the message are the app's error.

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyString, PyTuple};
use rustc_hash::FxHashMap;

/// Names are remembered up to this many, so that a client that invents them cannot fill memory.
const MOST_NAMES: usize = 512;

/// Python objects for header names, made once each.
pub(super) struct Names<T>(Mutex<Option<FxHashMap<HeaderName, Py<T>>>>);

impl<T> Names<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The object for `name`, made by `make` if it is not remembered.
    pub(super) fn get<'py>(
        &self,
        py: Python<'py>,
        name: &HeaderName,
        make: impl FnOnce(Python<'py>, &HeaderName) -> Bound<'py, T>,
    ) -> Bound<'py, T> {
        if let Some(known) = self.0.lock().get_or_insert_default().get(name) {
            return known.bind(py).clone();
        }
        let object = make(py, name);
        let mut names = self.0.lock();
        let names = names.get_or_insert_default();
        if names.len() < MOST_NAMES {
            names.insert(name.clone(), object.clone().unbind());
        }
        object
    }
}

/// `[(name, value), ...]`, lower-case names, all as bytes: what ASGI calls headers.
pub(super) fn to_list<'py>(py: Python<'py>, headers: &HeaderMap) -> PyResult<Bound<'py, PyList>> {
    static NAMES: Names<PyBytes> = Names::new();
    let list = PyList::empty(py);
    for (name, value) in headers {
        let name = NAMES.get(py, name, |py, name| PyBytes::new(py, name.as_str().as_bytes()));
        list.append((name, PyBytes::new(py, value.as_bytes())))?;
    }
    Ok(list)
}

/// Text from bytes as Python's latin-1 has it: each byte is the character of that number.
pub(super) fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    crate::raw::latin1(py, bytes)
}

/// Reads an iterable of pairs of bytes or text.
pub(super) fn from_pairs(pairs: &Bound<'_, PyAny>) -> PyResult<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in pairs.try_iter()? {
        let pair = pair?;
        let (name, value) = if let Ok(pair) = pair.cast::<PyTuple>()
            && pair.len() == 2
        {
            (pair.get_item(0)?, pair.get_item(1)?)
        } else {
            pair.extract().map_err(|_| PyTypeError::new_err("a header must be a pair of name and value"))?
        };
        append(&mut headers, &name, &value)?;
    }
    Ok(headers)
}

/// Adds one field, or says what is wrong with it.
pub(super) fn append(headers: &mut HeaderMap, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let illegal_name = || PyValueError::new_err(format!("illegal header name {}", repr(name)));
    let illegal_value = || PyValueError::new_err(format!("illegal value {} of the header {}", repr(value), repr(name)));
    let parsed_name = with_bytes(name, HeaderName::from_bytes)?.map_err(|_| illegal_name())?;
    let parsed_value = with_bytes(value, HeaderValue::from_bytes)?.map_err(|_| illegal_value())?;
    headers.try_append(parsed_name, parsed_value).map_err(|_| PyValueError::new_err("too many headers"))?;
    Ok(())
}

pub(super) fn repr(object: &Bound<'_, PyAny>) -> String {
    object.repr().map_or_else(|_| "(unprintable)".into(), |text| text.to_string())
}

/// The bytes of bytes, bytearray or latin-1 text.
pub(super) fn with_bytes<R>(object: &Bound<'_, PyAny>, read: impl FnOnce(&[u8]) -> R) -> PyResult<R> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(read(bytes.as_bytes()));
    }
    if let Ok(text) = object.cast::<PyString>() {
        let text = text.to_str()?;
        if text.is_ascii() {
            return Ok(read(text.as_bytes()));
        }
        let narrow: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        return narrow.map(|bytes| read(&bytes)).map_err(|_| {
            PyValueError::new_err(format!("{} cannot be sent in a header: it is not latin-1", repr(object)))
        });
    }
    if let Ok(bytes) = object.cast::<PyByteArray>() {
        return Ok(read(&bytes.to_vec()));
    }
    Err(PyTypeError::new_err(format!("a header must be bytes or str, not {}", repr(&object.get_type()))))
}

/// A final status: 200 to 999. Informational ones are not answers.
pub(super) fn status(code: &Bound<'_, PyAny>) -> PyResult<StatusCode> {
    let number: u16 = code.extract().map_err(|_| PyValueError::new_err(format!("illegal status {}", repr(code))))?;
    match StatusCode::from_u16(number) {
        Ok(status) if !status.is_informational() => Ok(status),
        _ => Err(PyValueError::new_err(format!("illegal status {number}: a response has 200 to 999"))),
    }
}
