//! `merge_json`: many answers become one, without becoming Python objects.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString};
use turnout_client::json::{Merge, Order, Pointer, Select, Source, merge};

use super::super::errors;
use super::HttpJson;

/// See `_turnout.pyi`.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they have names in Python")]
#[pyo3(signature = (sources, *, concat=None, group_as=None, sort_by=None, descending=false, limit=None, also=None))]
pub(crate) fn merge_json(
    py: Python<'_>,
    sources: Vec<(String, PyRef<'_, HttpJson>, Option<Bound<'_, PyAny>>)>,
    concat: Option<String>,
    group_as: Option<String>,
    sort_by: Option<&str>,
    descending: bool,
    limit: Option<usize>,
    also: Option<&Bound<'_, PyDict>>,
) -> PyResult<HttpJson> {
    let raised = |error: turnout_client::Error| errors::raised(py, &error, None);
    let mut extra = Vec::new();
    for (name, value) in also.into_iter().flatten() {
        extra.push((name.extract()?, value.cast::<HttpJson>()?.get().lazy().clone()));
    }
    let how = Merge {
        concat,
        group_as,
        sort_by: sort_by.map(Pointer::parse).transpose().map_err(raised)?,
        order: if descending { Order::Descending } else { Order::Ascending },
        limit,
        also: extra,
    };
    let mut owned = Vec::with_capacity(sources.len());
    for (name, value, select) in sources {
        owned.push((name, value.lazy().clone(), select.as_ref().map(select_of).transpose()?));
    }
    let merged = py.detach(|| {
        let sources: Vec<Source<'_>> = owned
            .iter()
            .map(|(name, value, select)| Source { name, value: value.clone(), select: select.as_ref() })
            .collect();
        merge(&sources, &how)
    });
    merged.map(HttpJson::new).map_err(raised)
}

/// From `turnout.http.Select`, or whatever has its fields; or from a pointer alone.
pub(crate) fn select_of(select: &Bound<'_, PyAny>) -> PyResult<Select> {
    let py = select.py();
    let pointer = |text: &str| Pointer::parse(text).map_err(|error| errors::raised(py, &error, None));
    if let Ok(target) = select.cast::<PyString>() {
        return Ok(Select { target: pointer(target.to_str()?)?, ..Select::default() });
    }
    let target: String = select.getattr("target")?.extract()?;
    let rename = select.getattr("rename")?;
    Ok(Select {
        target: pointer(&target)?,
        allow: names(&select.getattr("allow")?)?,
        deny: names(&select.getattr("deny")?)?,
        rename: rename.cast::<PyMapping>()?.items()?.extract()?,
    })
}

/// What `select=` of a gather says of each of its requests: one for all, or one by key; a pointer alone is its target.
pub(crate) fn selects(wanted: &Bound<'_, PyAny>, keys: &Bound<'_, PyList>) -> PyResult<Vec<Option<Arc<Select>>>> {
    let Ok(by_key) = wanted.cast::<PyMapping>() else {
        let select = Arc::new(select_of(wanted)?);
        return Ok(keys.iter().map(|_| Some(Arc::clone(&select))).collect());
    };
    let known = keys.to_tuple();
    for key in by_key.keys()? {
        if !known.contains(&key)? {
            return Err(PyValueError::new_err(format!("select= names {}, and no request has that key", key.repr()?)));
        }
    }
    let of = |key: Bound<'_, PyAny>| match by_key.contains(&key)? {
        true => select_of(&by_key.get_item(&key)?).map(|select| Some(Arc::new(select))),
        false => Ok(None),
    };
    keys.iter().map(of).collect()
}

fn names(list: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    list.try_iter()?.map(|name| name?.extract()).collect()
}
