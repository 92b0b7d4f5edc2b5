//! The client's counters as plain Python values.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use turnout_client::{Client, Discard, PlaceStats, PoolStats, Snapshot};

/// `{"upstreams": {name: {...}}, "connections": {...}}`; times in seconds.
pub(super) fn stats<'py>(py: Python<'py>, client: &Client) -> PyResult<Bound<'py, PyDict>> {
    let upstreams = PyDict::new(py);
    for snapshot in client.stats() {
        upstreams.set_item(&*snapshot.upstream, upstream(py, &snapshot)?)?;
    }
    let stats = PyDict::new(py);
    stats.set_item("upstreams", upstreams)?;
    stats.set_item("connections", connections(py, &client.connections())?)?;
    Ok(stats)
}

fn connections<'py>(py: Python<'py>, pool: &PoolStats) -> PyResult<Bound<'py, PyDict>> {
    let connections = PyDict::new(py);
    connections.set_item("open", pool.open)?;
    connections.set_item("idle", pool.idle)?;
    connections.set_item("waiting", pool.waiting)?;
    connections.set_item("lingering", pool.lingering)?;
    let places = PyDict::new(py);
    for one in &pool.places {
        let scheme = if one.secure { "https" } else { "http" };
        places.set_item(format!("{scheme}://{}:{}", one.host, one.port), place(py, one)?)?;
    }
    connections.set_item("places", places)?;
    Ok(connections)
}

fn place<'py>(py: Python<'py>, stats: &PlaceStats) -> PyResult<Bound<'py, PyDict>> {
    let place = PyDict::new(py);
    place.set_item("open", stats.open)?;
    place.set_item("connecting", stats.connecting)?;
    place.set_item("idle", stats.idle)?;
    place.set_item("waiting", stats.waiting)?;
    place.set_item("made", stats.counts.made)?;
    place.set_item("failed", stats.counts.failed)?;
    place.set_item("reused", stats.counts.reused)?;
    place.set_item("waited", stats.counts.waited)?;
    place.set_item("resent", stats.counts.resent)?;
    let closed = PyDict::new(py);
    for reason in Discard::ALL {
        closed.set_item(format!("{reason:?}").to_ascii_lowercase(), stats.counts.discarded[reason as usize])?;
    }
    place.set_item("closed", closed)?;
    Ok(place)
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
