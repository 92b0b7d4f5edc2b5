//! A Python file object as something that Rust can send by itself.

use std::fs::File;

use pyo3::exceptions::{PyAttributeError, PyOSError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use turnout_http::FileRange;

use crate::raw::duplicate;

/// From where it stands to its end, if reading it means reading a regular file and nothing else.
///
/// What counts is where `read` leads, not whether there is a `fileno`: a GzipFile has the descriptor of the compressed file. So
/// wrappers that only pass `read` on are seen through (tempfile's, Django's), and whoever reads in his own way is `None`.
/// The descriptor is duplicated: the object may be closed at once.
pub(super) fn range(object: &Bound<'_, PyAny>) -> PyResult<Option<FileRange>> {
    let Some(file) = behind(object)? else { return Ok(None) };
    let py = object.py();
    match describe(&file) {
        Ok(range) => Ok(range),
        // Closed, detached, a pipe: reading will say what is wrong, if anything is.
        Err(error) if error.is_instance_of::<PyOSError>(py) || is_value_error(&error, py) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The `io` object whose `read` would be called, if it is one that reads a descriptor.
fn behind<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    static RAW: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static BUFFERED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static BOTH_WAYS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = object.py();
    let raw = RAW.import(py, "io", "FileIO")?;
    let is_raw = |object: &Bound<'_, PyAny>| object.get_type().is(raw);
    let Some(read) = attribute(object, "read")? else { return Ok(None) };
    // functools.wraps leaves what it wraps here.
    let read = attribute(&read, "__wrapped__")?.unwrap_or(read);
    let Some(reader) = attribute(&read, "__self__")? else { return Ok(None) };
    if is_raw(&reader) {
        return Ok(Some(reader));
    }
    let kind = reader.get_type();
    let buffered = kind.is(BUFFERED.import(py, "io", "BufferedReader")?);
    if !buffered && !kind.is(BOTH_WAYS.import(py, "io", "BufferedRandom")?) {
        return Ok(None);
    }
    match reader.getattr(intern!(py, "raw")) {
        Ok(below) if is_raw(&below) => Ok(Some(reader)),
        _ => Ok(None),
    }
}

fn describe(file: &Bound<'_, PyAny>) -> PyResult<Option<FileRange>> {
    let py = file.py();
    if file.call_method0(intern!(py, "writable"))?.is_truthy()? {
        file.call_method0(intern!(py, "flush"))?;
    }
    let number: i32 = file.call_method0(intern!(py, "fileno"))?.extract()?;
    let start: u64 = file.call_method0(intern!(py, "tell"))?.extract()?;
    // Not a regular file: reading it has no places.
    Ok(FileRange::rest(File::from(duplicate(number)?), start).ok())
}

/// `None` where there is none; what `__getattr__` raises otherwise is the app's error.
fn attribute<'py>(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    match object.getattr(name) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_instance_of::<PyAttributeError>(object.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_value_error(error: &PyErr, py: Python<'_>) -> bool {
    error.is_instance_of::<pyo3::exceptions::PyValueError>(py)
}
