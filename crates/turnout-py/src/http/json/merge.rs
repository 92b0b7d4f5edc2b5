//! `merge_json`: many answers become one, without becoming Python objects.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};
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

/// From `turnout.http.Select`, or whatever has its fields.
pub(crate) fn select_of(select: &Bound<'_, PyAny>) -> PyResult<Select> {
    let py = select.py();
    let target: String = select.getattr("target")?.extract()?;
    let rename = select.getattr("rename")?;
    Ok(Select {
        target: Pointer::parse(&target).map_err(|error| errors::raised(py, &error, None))?,
        allow: names(&select.getattr("allow")?)?,
        deny: names(&select.getattr("deny")?)?,
        rename: rename.cast::<PyMapping>()?.items()?.extract()?,
    })
}

fn names(list: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    list.try_iter()?.map(|name| name?.extract()).collect()
}
