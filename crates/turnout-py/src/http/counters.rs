//! The client's counters as plain Python values.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use turnout_client::{Client, Snapshot};

/// `{"upstreams": {name: {...}}}`; times in seconds.
pub(super) fn stats<'py>(py: Python<'py>, client: &Client) -> PyResult<Bound<'py, PyDict>> {
    let upstreams = PyDict::new(py);
    for snapshot in client.stats() {
        upstreams.set_item(&*snapshot.upstream, upstream(py, &snapshot)?)?;
    }
    let stats = PyDict::new(py);
    stats.set_item("upstreams", upstreams)?;
    Ok(stats)
}

fn upstream<'py>(py: Python<'py>, snapshot: &Snapshot) -> PyResult<Bound<'py, PyDict>> {
    let upstream = PyDict::new(py);
    upstream.set_item("in_flight", snapshot.in_flight)?;
    for (name, count) in snapshot.counts() {
        upstream.set_item(name, count)?;
    }
    let statuses = PyDict::new(py);
    for (class, count) in snapshot.classes.iter().enumerate() {
        statuses.set_item(format!("{}xx", class + 1), count)?;
    }
    upstream.set_item("statuses", statuses)?;
    let errors = PyDict::new(py);
    for (kind, count) in &snapshot.errors {
        errors.set_item(format!("{kind:?}"), count)?;
    }
    upstream.set_item("errors", errors)?;
    let times = PyDict::new(py);
    for (phase, percentiles) in &snapshot.times {
        let figures = PyDict::new(py);
        figures.set_item("count", percentiles.count)?;
        figures.set_item("p50", percentiles.p50.as_secs_f64())?;
        figures.set_item("p95", percentiles.p95.as_secs_f64())?;
        figures.set_item("p99", percentiles.p99.as_secs_f64())?;
        times.set_item(phase, figures)?;
    }
    upstream.set_item("times", times)?;
    Ok(upstream)
}
