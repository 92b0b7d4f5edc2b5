//! `HttpJson`: a JSON value that stays bytes.

use bytes::Bytes;
use pyo3::exceptions::{PyIndexError, PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyList, PyString};
use turnout_client::json::{Kind, Lazy, Pointer};

use super::super::errors;
use super::build::Builder;
use super::{HttpJsonSteps, build, parse, select_of};
use crate::raw::utf8;

/// See `_turnout.pyi`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct HttpJson(Lazy);

impl HttpJson {
    pub(crate) fn new(json: Lazy) -> Self {
        Self(json)
    }

    /// What a response sends: no copy.
    pub(crate) fn lazy(&self) -> &Lazy {
        &self.0
    }

    fn name(&self) -> &'static str {
        match self.0.kind() {
            Kind::Null => "null",
            Kind::False | Kind::True => "boolean",
            Kind::Int | Kind::Float => "number",
            Kind::Plain | Kind::Escaped => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        }
    }

    fn no(&self, what: &str) -> PyErr {
        PyTypeError::new_err(format!("a JSON {} has no {what}", self.name()))
    }
}

#[pymethods]
impl HttpJson {
    #[staticmethod]
    fn parse(py: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<Self> {
        let text = match text.cast::<PyString>() {
            Ok(text) => Bytes::copy_from_slice(text.to_str()?.as_bytes()),
            Err(_) => Bytes::from(text.extract::<Vec<u8>>()?),
        };
        parse(py, text).map(Self)
    }

    fn pointer(&self, py: Python<'_>, path: &str) -> PyResult<Self> {
        let pointer = Pointer::parse(path).map_err(|error| errors::raised(py, &error, None))?;
        self.0.pointer(&pointer).map(Self).ok_or_else(|| PyKeyError::new_err(path.to_owned()))
    }

    fn select(&self, py: Python<'_>, select: &Bound<'_, PyAny>) -> PyResult<Self> {
        let select = select_of(select)?;
        select.apply(&self.0).map(Self).map_err(|error| errors::raised(py, &error, None))
    }

    #[pyo3(signature = (*, parse_float=None))]
    fn to_python(&self, py: Python<'_>, parse_float: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        build(py, self.0.clone(), parse_float)
    }

    #[pyo3(signature = (*, parse_float=None))]
    fn ato_python(&self, parse_float: Option<Py<PyAny>>) -> HttpJsonSteps {
        HttpJsonSteps::new(Builder::hiding(self.0.clone(), parse_float))
    }

    fn __getitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(name) = key.cast::<PyString>() {
            if self.0.kind() != Kind::Object {
                return Err(self.no("names"));
            }
            let found = name.to_str().ok().and_then(|name| self.0.get(name));
            return found.map(Self).ok_or_else(|| PyKeyError::new_err(key.clone().unbind()));
        }
        let position: isize = key.extract()?;
        if self.0.kind() != Kind::Array {
            return Err(self.no("positions"));
        }
        let position = match usize::try_from(position) {
            Ok(position) => Some(position),
            Err(_) => self.0.len().and_then(|length| length.checked_add_signed(position)),
        };
        let found = position.and_then(|position| self.0.at(position));
        found.map(Self).ok_or_else(|| PyIndexError::new_err("there is no such element"))
    }

    fn __contains__(&self, name: &Bound<'_, PyAny>) -> PyResult<bool> {
        if self.0.kind() != Kind::Object {
            return Err(self.no("names"));
        }
        let Ok(name) = name.cast::<PyString>() else { return Ok(false) };
        Ok(name.to_str().is_ok_and(|name| self.0.get(name).is_some()))
    }

    fn __len__(&self) -> PyResult<usize> {
        self.0.len().ok_or_else(|| self.no("len()"))
    }

    /// There is a value, even if it is an empty one: without this Python would ask for the length, which most have not.
    #[expect(clippy::unused_self, reason = "Python calls it on an object")]
    fn __bool__(&self) -> bool {
        true
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let items = match self.0.kind() {
            Kind::Object => self.keys(py)?,
            Kind::Array => PyList::new(py, self.0.elements().into_iter().map(Self))?,
            _ => return Err(self.no("elements")),
        };
        items.try_iter()
    }

    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        if self.0.kind() != Kind::Object {
            return Err(self.no("names"));
        }
        PyList::new(py, self.0.names())
    }

    #[getter]
    fn r#type(&self) -> &'static str {
        self.name()
    }

    #[getter]
    fn nbytes(&self) -> usize {
        self.0.bytes().len()
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.bytes())
    }

    fn __str__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        utf8(py, &self.0.bytes())
    }

    fn __repr__(&self) -> String {
        format!("<JSON {} of {} bytes>", self.name(), self.nbytes())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Self>().getattr("parse")?, (self.__bytes__(py),)))
    }
}
