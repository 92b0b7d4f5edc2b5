//! One answer on its way out: nothing yet, a head, pieces, the end. The same for every interface.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::sync::oneshot;
use turnout_http::{Body, BodySender, FileRange, ReasonPhrase, Response, SendError};

use super::awaitable::{Pending, Ready};
use crate::pool::Pool;

use super::calls::{Call, Gone, Loop, Settle, gone};

/// Written by one thread at a time, with the GIL. Dropped unanswered it becomes a 500, dropped half-way the connection is closed.
pub(crate) struct Answer {
    event_loop: Arc<Loop>,
    pub(crate) call: Arc<Call>,
    state: State,
    /// Written on a thread of this pool.
    pool: Option<Arc<Pool>>,
}

/// A status, and the app's own words for it.
pub(crate) struct StatusLine {
    pub(crate) code: StatusCode,
    pub(crate) reason: Option<ReasonPhrase>,
}

impl From<StatusCode> for StatusLine {
    fn from(code: StatusCode) -> Self {
        Self { code, reason: None }
    }
}

impl StatusLine {
    /// With the app's words, which are not kept if they are the usual ones. `None`: they would break the message.
    pub(crate) fn new(code: StatusCode, words: &[u8]) -> Option<Self> {
        if words.is_empty() || code.canonical_reason().is_some_and(|usual| usual.as_bytes() == words) {
            return Some(code.into());
        }
        Some(Self { code, reason: Some(ReasonPhrase::try_from(words).ok()?) })
    }

    fn response(self, headers: HeaderMap, body: Body) -> Response {
        Response { status: self.code, reason: self.reason, headers, body }
    }
}

enum State {
    Unanswered(oneshot::Sender<Response>),
    Streaming(BodySender),
    Ended,
}

impl Answer {
    pub(crate) fn new(event_loop: Arc<Loop>, call: Arc<Call>, sender: oneshot::Sender<Response>) -> Self {
        Self { event_loop, call, state: State::Unanswered(sender), pool: None }
    }

    /// An answer that a thread of `pool` writes.
    pub(crate) fn of_pool(mut self, pool: &Arc<Pool>) -> Self {
        self.pool = Some(pool.clone());
        self
    }

    pub(crate) fn event_loop(&self) -> &Arc<Loop> {
        &self.event_loop
    }

    /// True while the head has not been given.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Unanswered(_))
    }

    /// True when the answer is whole or broken off.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// True when nobody waits for it any more.
    pub(crate) fn is_disconnected(&self) -> bool {
        self.call.gone.load(SeqCst)
    }

    /// The whole answer at once.
    pub(crate) fn respond(&mut self, status: impl Into<StatusLine>, headers: HeaderMap, body: Bytes) -> PyResult<()> {
        let body = if body.is_empty() { Body::Empty } else { Body::Full(body) };
        self.send_head(status.into().response(headers, body), State::Ended)?;
        self.call.done.store(true, SeqCst);
        Ok(())
    }

    /// A whole answer whose content Rust reads from a file: nobody of Python's waits for it.
    pub(crate) fn respond_file(
        &mut self,
        status: impl Into<StatusLine>,
        headers: HeaderMap,
        file: FileRange,
    ) -> PyResult<()> {
        self.send_head(status.into().response(headers, Body::File(file)), State::Ended)?;
        self.call.done.store(true, SeqCst);
        Ok(())
    }

    /// The head of an answer whose body follows in pieces.
    pub(crate) fn start(&mut self, status: impl Into<StatusLine>, headers: HeaderMap) -> PyResult<()> {
        let (sender, body) = Body::channel();
        let gone = sender.reader_gone();
        self.send_head(status.into().response(headers, body), State::Streaming(sender))?;
        self.watch(gone);
        Ok(())
    }

    fn send_head(&mut self, response: Response, next: State) -> PyResult<()> {
        match std::mem::replace(&mut self.state, next) {
            State::Unanswered(head) => {
                // The runtime wakes the connection when it is driven next: no system call from here.
                let send = Box::new(move || drop(head.send(response)));
                match &self.pool {
                    Some(pool) => pool.complete(&self.event_loop.reactor, send),
                    None => self.event_loop.reactor.complete(send),
                }
                Ok(())
            }
            other => {
                self.state = other;
                Err(PyRuntimeError::new_err("the response was already started"))
            }
        }
    }

    /// While pieces are being written, a client that leaves is noticed even if nothing is written.
    fn watch(&self, reader_gone: impl Future<Output = ()> + Send + 'static) {
        let (event_loop, call) = (self.event_loop.clone(), self.call.clone());
        self.event_loop.reactor.spawn(async move {
            reader_gone.await;
            if !call.done.load(SeqCst) {
                call.gone.store(true, SeqCst);
                let reactor = event_loop.reactor.clone();
                reactor.deliver(Box::new(Gone { event_loop, call }));
            }
        });
    }

    /// One piece, from the loop: awaitable, because the client may read slowly.
    pub(crate) fn write<'py>(&mut self, py: Python<'py>, chunk: Bytes) -> PyResult<Bound<'py, PyAny>> {
        let State::Streaming(sender) = &self.state else { return Err(self.not_streaming()) };
        match sender.try_send(chunk) {
            Ok(()) => Ok(Ready::nothing(py)),
            Err(SendError::Disconnected) => Err(PyErr::from_value(gone(py).into_bound(py))),
            Err(SendError::Full(chunk)) => {
                let (number, future) = self.event_loop.new_future(py)?;
                let (event_loop, sender) = (self.event_loop.clone(), sender.clone());
                self.event_loop.reactor.spawn(async move {
                    let gone = sender.send(chunk).await.is_err();
                    let reactor = event_loop.reactor.clone();
                    reactor.deliver(Box::new(Settle { event_loop, number, gone }));
                });
                Ok(Bound::new(py, Pending::new(future.unbind()))?.into_any())
            }
        }
    }

    /// One piece, from a thread that may wait; the GIL is released meanwhile.
    pub(crate) fn write_blocking(&mut self, py: Python<'_>, chunk: Bytes) -> PyResult<()> {
        let State::Streaming(sender) = &self.state else { return Err(self.not_streaming()) };
        let sent = match sender.try_send(chunk) {
            Err(SendError::Full(chunk)) => py.detach(|| sender.blocking_send(chunk)),
            other => other,
        };
        sent.map_err(|_| PyErr::from_value(gone(py).into_bound(py)))
    }

    fn not_streaming(&self) -> PyErr {
        PyRuntimeError::new_err(match self.state {
            State::Unanswered(_) => "the response was not started",
            _ => "the response was already ended",
        })
    }

    /// Fields to send after the last piece, to a client that takes them.
    pub(crate) fn set_trailers(&self, trailers: HeaderMap) {
        if let State::Streaming(sender) = &self.state {
            sender.set_trailers(trailers);
        }
    }

    /// The last piece was written.
    pub(crate) fn end(&mut self) -> PyResult<()> {
        if !matches!(self.state, State::Streaming(_)) {
            return Err(self.not_streaming());
        }
        self.call.done.store(true, SeqCst);
        self.state = State::Ended;
        Ok(())
    }

    /// Gives up: an answer not yet started becomes a 500, one half-way a closed connection. Harmless after the end.
    pub(crate) fn abort(&mut self) {
        self.call.done.store(true, SeqCst);
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Unanswered(head) => self.event_loop.reactor.complete(Box::new(move || drop(head))),
            State::Streaming(sender) => sender.abort(),
            State::Ended => {}
        }
    }

    /// turnout's own answer, if the app gave none.
    pub(crate) fn refuse(&mut self, response: Response) {
        if self.is_unanswered() && self.send_head(response, State::Ended).is_ok() {
            self.call.done.store(true, SeqCst);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.abort();
    }
}
