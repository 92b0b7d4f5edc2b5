//! A response in a pickle: what its constructor takes, and the rest as a state.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use turnout_client::Timings;

use super::{About, Content, HttpResponse};

/// For `__reduce__`.
pub(super) fn reduced<'py>(this: &Bound<'py, HttpResponse>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
    let py = this.py();
    let response = this.get();
    let again = py.import(intern!(py, "turnout.http.pickling"))?.getattr(intern!(py, "response"))?;
    let fields = PyDict::new(py);
    fields.set_item("headers", response.headers().multi_items(py)?)?;
    fields.set_item("content", response.content(py)?)?;
    fields.set_item("url", &response.url)?;
    fields.set_item("http_version", response.version)?;
    fields.set_item("reason_phrase", &response.reason)?;
    fields.set_item("request", &response.request)?;
    let about = &response.about;
    let phase = |phase: Option<Duration>| phase.map(|phase| phase.as_secs_f64());
    let t = &about.timings;
    let timings = [t.queued, t.pool, t.dns, t.connect, t.tls, t.first_byte, t.body, t.decode, Some(t.total)];
    let state = (
        about.attempts,
        (about.from_cache, about.stale, about.coalesced, about.hedged),
        timings.map(phase).to_vec(),
        about.remote.map(|remote| remote.to_string()),
    );
    Ok((again, (response.status, fields, state).into_pyobject(py)?))
}

/// Another one with that state.
pub(super) fn again(
    base: &Bound<'_, HttpResponse>,
    attempts: u32,
    flags: (bool, bool, bool, bool),
    timings: &[Option<f64>],
    remote: Option<&str>,
) -> PyResult<HttpResponse> {
    let py = base.py();
    let base = base.get();
    let phase = |index: usize| timings.get(index).copied().flatten().map(Duration::from_secs_f64);
    let timings = Timings {
        queued: phase(0),
        pool: phase(1),
        dns: phase(2),
        connect: phase(3),
        tls: phase(4),
        first_byte: phase(5),
        body: phase(6),
        decode: phase(7),
        total: phase(8).unwrap_or_default(),
    };
    let (from_cache, stale, coalesced, hedged) = flags;
    let remote = remote.and_then(|remote| remote.parse().ok());
    Ok(HttpResponse {
        status: base.status,
        reason: base.reason.clone(),
        url: base.url.clone(),
        version: base.version,
        headers: Arc::clone(&base.headers),
        content: Mutex::new(Content::Whole(base.body()?)),
        bytes: PyOnceLock::new(),
        about: About { timings, attempts, remote, from_cache, stale, coalesced, hedged },
        request: base.request.as_ref().map(|request| request.clone_ref(py)),
        history: Vec::new(),
    })
}
