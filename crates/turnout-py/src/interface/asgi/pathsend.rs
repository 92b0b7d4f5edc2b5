//! `http.response.pathsend`: the app names a file, Rust opens, reads and sends it. Neither waits on the loop thread.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use turnout_http::FileRange;

use crate::interface::calls::{Call, Loop};
use crate::reactor::Deliver;

/// Opens the file on a thread that may block, and has the app's `send` end with the outcome.
pub(super) fn open(event_loop: &Arc<Loop>, call: Arc<Call>, path: PathBuf, future: u64) {
    let (event_loop, reactor) = (event_loop.clone(), event_loop.reactor.clone());
    reactor.spawn(async move {
        let shown = path.display().to_string();
        let opening = tokio::task::spawn_blocking(move || File::open(path).and_then(|file| FileRange::rest(file, 0)));
        let outcome = opening.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let reactor = event_loop.reactor.clone();
        reactor.deliver(Box::new(Opened { event_loop, call, future, path: shown, outcome }));
    });
}

struct Opened {
    event_loop: Arc<Loop>,
    call: Arc<Call>,
    future: u64,
    path: String,
    outcome: io::Result<FileRange>,
}

impl Deliver for Opened {
    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()> {
        let Self { event_loop, call, future, path, outcome } = *self;
        // Not an OSError: that means to an app that the client has left.
        let failure = |error| PyRuntimeError::new_err(format!("ASGI: cannot send the file {path}: {error}"));
        let (file, outcome) = match outcome {
            Ok(file) => (Some(file), Ok(())),
            Err(error) => (None, Err(failure(error))),
        };
        // The app may have returned meanwhile.
        if let Some(cycle) = event_loop.cycle(py, call.number) {
            cycle.bind(py).borrow_mut().file_opened(py, file)?;
        }
        event_loop.settle(py, future, outcome.map_err(|error| error.into_value(py).into_any()))
    }
}
