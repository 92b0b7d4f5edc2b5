//! The sync track: middleware, view and closing in one go on one thread of the pool.

use std::sync::Arc;

use bytes::Bytes;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::call::{DjangoApp, Prepared};
use super::response;
use crate::interface::answer::Answer;
use crate::interface::{busy, log_failure};
use crate::pool::Job;

pub(super) struct SyncJob {
    pub(super) app: Arc<DjangoApp>,
    pub(super) request: Prepared,
}

impl Job for SyncJob {
    fn run(self: Box<Self>, py: Python<'_>) {
        let (event_loop, call) = (self.app.event_loop.clone(), self.request.call.clone());
        self.serve(py);
        event_loop.forget(&call);
    }

    fn expire(self: Box<Self>) {
        let _ = self.request.sender.send(busy());
    }

    fn is_abandoned(&self) -> bool {
        self.request.call.is_abandoned(&self.request.head.method)
    }
}

impl SyncJob {
    fn serve(self: Box<Self>, py: Python<'_>) {
        let Self { app, request: Prepared { head, body, sender, call } } = *self;
        let mut answer = Answer::new(app.event_loop.clone(), call.clone(), sender).of_pool(&app.pool);
        let waits = app.methods.waits.bind(py).call0();
        let outcome = waits.and_then(|waits| {
            app.event_loop.keep_waits(&call, waits.clone().unbind());
            let (dict, file) = app.arguments(py, &head, body)?;
            app.methods.serve_sync.bind(py).call1((dict, file, waits))
        });
        let failed = |error: &PyErr| {
            log_failure(py, error, "Exception while serving", &head.method, head.target.path());
        };
        let response = match outcome {
            Ok(response) => response,
            Err(error) => return failed(&error),
        };
        if let Err(error) = send(&app, &response, &mut answer) {
            answer.abort();
            if !answer.is_disconnected() {
                failed(&error);
            }
        }
        // After the last byte was handed over, on the same thread, whatever happened: request_finished, connections, caches.
        if let Err(error) = app.methods.finish_sync.bind(py).call1((response,)) {
            failed(&error);
        }
    }
}

fn send(app: &DjangoApp, response: &Bound<'_, PyAny>, answer: &mut Answer) -> PyResult<()> {
    if !response::is_streaming(response)? {
        let (status, headers) = response::head(response)?;
        return answer.respond(status, headers, response::content(response)?);
    }
    let py = response.py();
    let (status, headers) = response::head(response)?;
    answer.start(status, headers)?;
    let chunks = app.methods.chunks.bind(py).call1((response,))?;
    let written = write_all(&chunks, answer);
    // The project's iterator is closed on the thread that pulled it, also when the client left half-way.
    let closed = chunks.call_method0(intern!(py, "close"));
    written?;
    closed?;
    answer.end()
}

fn write_all(chunks: &Bound<'_, PyAny>, answer: &mut Answer) -> PyResult<()> {
    for chunk in chunks.try_iter()? {
        let chunk = chunk?;
        let chunk = chunk.cast::<PyBytes>().map_err(|_| PyTypeError::new_err("a streamed chunk must be bytes"))?;
        answer.write_blocking(chunk.py(), Bytes::copy_from_slice(chunk.as_bytes()))?;
    }
    Ok(())
}
