//! `data=` and `files=` as a body: a form, or whatever is to be sent as it is.

use std::path::Path;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyList, PyString, PyTuple};
use turnout_client::Body;
use turnout_client::body::{Content, FORM, Part, multipart};

use super::params::{plain, query};
use super::{errors, headers};

/// The bytes of a form and its type; `None`: `data` is no form.
pub(super) fn encode(
    data: Option<&Bound<'_, PyAny>>,
    files: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<(Bytes, HeaderValue)>> {
    let Some(files) = files else {
        return match data {
            Some(data) if is_form(data)? => Ok(Some((query(data)?.unwrap_or_default().into(), FORM))),
            _ => Ok(None),
        };
    };
    let py = files.py();
    let mut parts = Vec::new();
    if let Some(data) = data {
        if !is_form(data)? {
            return Err(PyTypeError::new_err("with files=, data= is a mapping or a list of pairs"));
        }
        for (name, value) in pairs(data)? {
            field(&mut parts, &plain(&name)?, &value)?;
        }
    }
    for (name, value) in pairs(files)? {
        parts.push(file(plain(&name)?, &value)?);
    }
    let (body, kind) = multipart(parts).map_err(|error| errors::raised(py, &error, None))?;
    match body {
        Body::Whole(bytes) => Ok(Some((bytes, kind))),
        Body::Empty | Body::Stream(..) => Err(PyValueError::new_err("a form in memory became a stream")),
    }
}

/// A mapping, or a list or tuple of pairs.
fn is_form(data: &Bound<'_, PyAny>) -> PyResult<bool> {
    if data.is_instance_of::<PyDict>() || data.hasattr(intern!(data.py(), "items"))? {
        return Ok(true);
    }
    if !data.is_instance_of::<PyList>() && !data.is_instance_of::<PyTuple>() {
        return Ok(false);
    }
    let mut items = data.try_iter()?;
    items.try_fold(true, |all, item| Ok(all && item?.cast::<PyTuple>().is_ok_and(|pair| pair.len() == 2)))
}

fn pairs<'py>(of: &Bound<'py, PyAny>) -> PyResult<Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
    let items = match of.getattr_opt(intern!(of.py(), "items"))? {
        Some(items) => items.call0()?,
        None => of.clone(),
    };
    let pair = |item: PyResult<Bound<'py, PyAny>>| {
        item?.extract().map_err(|_| PyTypeError::new_err("a form is a mapping, or a list of pairs"))
    };
    items.try_iter()?.map(pair).collect()
}

fn field(parts: &mut Vec<Part>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        for value in value.try_iter()? {
            field(parts, name, &value?)?;
        }
        return Ok(());
    }
    if value.is_none() {
        return Ok(());
    }
    let content = match value.cast::<PyBytes>() {
        Ok(bytes) => Bytes::copy_from_slice(bytes.as_bytes()),
        Err(_) => plain(value)?.into(),
    };
    let (name, content) = (name.to_owned(), Content::Whole(content));
    parts.push(Part { name, filename: None, headers: HeaderMap::new(), content });
    Ok(())
}

/// A file, its content, or `(filename, either, type, headers)` with as many of these as are wanted.
fn file(name: String, value: &Bound<'_, PyAny>) -> PyResult<Part> {
    let mut fields = HeaderMap::new();
    let Ok(tuple) = value.cast::<PyTuple>() else {
        let filename = name_of(value)?.unwrap_or_else(|| name.clone());
        return Ok(Part { name, filename: Some(filename), headers: fields, content: Content::Whole(content(value)?) });
    };
    if !(2..=4).contains(&tuple.len()) {
        return Err(PyTypeError::new_err("a file is (filename, content), (..., type) or (..., type, headers)"));
    }
    if tuple.len() == 4 {
        fields = headers::parse(&tuple.get_item(3)?)?;
    }
    if let Ok(kind) = tuple.get_item(2)
        && !kind.is_none()
    {
        let kind: String = kind.extract()?;
        let kind =
            HeaderValue::try_from(kind).map_err(|_| PyValueError::new_err("the type of a file cannot be sent"))?;
        fields.insert(CONTENT_TYPE, kind);
    }
    let filename: Option<String> = tuple.get_item(0)?.extract()?;
    Ok(Part { name, filename, headers: fields, content: Content::Whole(content(&tuple.get_item(1)?)?) })
}

/// What an open file is called, without its folders.
fn name_of(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let name = value.getattr_opt(intern!(value.py(), "name"))?.and_then(|name| name.extract::<String>().ok());
    Ok(name.and_then(|name| Path::new(&name).file_name().map(|name| name.to_string_lossy().into_owned())))
}

/// In memory, so that the request can be sent again.
fn content(value: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Bytes::copy_from_slice(text.to_str()?.as_bytes()));
    }
    if let Ok(bytes) = value.cast::<PyByteArray>() {
        return Ok(Bytes::from(bytes.to_vec()));
    }
    match value.getattr_opt(intern!(value.py(), "read"))? {
        Some(read) => content(&read.call0()?),
        None => Err(PyTypeError::new_err(format!("a file is not a {}", value.get_type().name()?))),
    }
}
