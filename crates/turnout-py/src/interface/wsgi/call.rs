//! From a request to a WSGI app on a thread of the sync pool, and back.

use std::sync::Arc;

use bytes::Bytes;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokio::sync::oneshot;
use turnout_http::{Collected, Request, Response};

use super::environ::{self, Facts};
use super::start::StartResponse;
use super::wrapper::FileWrapper;
use crate::interface::answer::Answer;
use crate::interface::calls::{Call, Guard, Loop};
use crate::interface::head::Head;
use crate::interface::{IN_MEMORY, body, busy, internal_error, log_failure};
use crate::pool::{Job, Pool};

/// A plain WSGI app.
pub(crate) struct WsgiApp {
    event_loop: Arc<Loop>,
    pool: Arc<Pool>,
    app: Py<PyAny>,
    facts: Facts,
}

impl WsgiApp {
    pub(crate) fn new(event_loop: Arc<Loop>, pool: Arc<Pool>, app: Py<PyAny>, facts: Facts) -> Arc<Self> {
        Arc::new(Self { event_loop, pool, app, facts })
    }

    pub(crate) async fn answer(self: &Arc<Self>, request: Request) -> Response {
        let (head, body) = Head::split(request);
        let body = if body.is_end() { Ok(body::empty()) } else { body.collect(IN_MEMORY).await };
        let body = match body {
            Ok(body) => body,
            Err(error) => return body::refusal(&error),
        };
        let (sender, receiver) = oneshot::channel();
        let call = self.event_loop.new_call();
        let guard = Guard::new(self.event_loop.clone(), call.clone());
        self.pool.push(Box::new(WsgiJob { app: self.clone(), head, body, sender, call }));
        let response = receiver.await;
        guard.disarm();
        response.unwrap_or_else(|_| internal_error())
    }
}

struct WsgiJob {
    app: Arc<WsgiApp>,
    head: Head,
    body: Collected,
    sender: oneshot::Sender<Response>,
    call: Arc<Call>,
}

impl Job for WsgiJob {
    fn run(self: Box<Self>, py: Python<'_>) {
        let Self { app, head, body, sender, call } = *self;
        let (method, path) = (head.method.clone(), head.target.path().to_owned());
        let answer = Answer::new(app.event_loop.clone(), call, sender).of_pool(&app.pool);
        if let Err(error) = serve(py, &app, &head, body, answer) {
            log_failure(py, &error, "Exception in the WSGI application", &method, &path);
        }
    }

    fn expire(self: Box<Self>) {
        let _ = self.sender.send(busy());
    }

    fn is_abandoned(&self) -> bool {
        self.call.is_abandoned(&self.head.method)
    }
}

fn serve(py: Python<'_>, app: &WsgiApp, head: &Head, body: Collected, answer: Answer) -> PyResult<()> {
    let length = body::length(&body);
    let input = body::to_file(py, body)?;
    let environ = environ::build(py, head, input, length, app.facts)?;
    let start = Bound::new(py, StartResponse::new(answer))?;
    let result = app.app.bind(py).call1((environ, &start))?;
    let sent = send(&start, &result);
    // PEP 3333: close() is called whatever happened, once.
    let closed = match result.getattr_opt(intern!(py, "close"))? {
        Some(close) => close.call0().map(drop),
        None => Ok(()),
    };
    if sent.is_err() {
        start.borrow_mut().answer.abort();
    }
    match sent {
        Err(_) if start.borrow().answer.is_disconnected() => closed,
        Err(error) => Err(error),
        Ok(()) => closed,
    }
}

/// Sends what the app returned: a list of one piece whole, anything else piece by piece.
fn send(start: &Bound<'_, StartResponse>, result: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = start.py();
    if let Ok(wrapper) = result.cast::<FileWrapper>() {
        let mut start = start.borrow_mut();
        if start.answer.is_unanswered()
            && let Some((status, headers)) = start.head.take()
        {
            if let Some(file) = wrapper.get().range(py, &headers)? {
                return start.answer.respond_file(status, headers, file);
            }
            start.head = Some((status, headers));
        }
    }
    let mut last: Option<Bytes> = None;
    for piece in result.try_iter()? {
        let piece = piece?;
        let piece = piece
            .cast::<PyBytes>()
            .map_err(|_| PyTypeError::new_err("a WSGI app must return an iterable of bytes"))?
            .as_bytes();
        if piece.is_empty() {
            continue;
        }
        if result.len().is_ok_and(|length| length == 1) && start.borrow().answer.is_unanswered() {
            last = Some(Bytes::copy_from_slice(piece));
            continue;
        }
        let mut start = start.borrow_mut();
        start.flush_head()?;
        start.answer.write_blocking(py, Bytes::copy_from_slice(piece))?;
    }
    let mut start = start.borrow_mut();
    if start.answer.is_unanswered() {
        let Some((status, headers)) = start.head.take() else {
            return Err(pyo3::exceptions::PyRuntimeError::new_err("the WSGI app did not call start_response"));
        };
        start.answer.respond(status, headers, last.unwrap_or_default())
    } else {
        start.answer.end()
    }
}
