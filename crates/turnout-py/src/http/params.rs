//! Parameters as the query of a URL.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use url::form_urlencoded::Serializer;

use super::target::refuse_control;

/// Text as it is, a mapping or pairs as a form. What is `None` is left out, as by `requests`.
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

/// One value as text.
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
