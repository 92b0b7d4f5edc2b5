//! One answer on its way out: nothing yet, a head, pieces, the end. The same for every interface.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::sync::oneshot;
use turnout_http::{Body, BodySender, FileRange, ReasonPhrase, Response, SendError, Spent};
use turnout_states::Times;

use super::awaitable::{Pending, Ready};
use crate::pool::Pool;

use super::calls::{Call, Loop, Settle, gone, leave};

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
        Response { status: self.code, reason: self.reason, headers, body, spent: None }
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

    /// The loop writes it from now on.
    pub(crate) fn of_loop(mut self) -> Self {
        self.pool = None;
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
                let mut response = response;
                if let Some(keeping) = &self.call.keeping {
                    keeping.answered(response.status.as_u16());
                    if self.event_loop.logs {
                        response.spent = Some(spent(&keeping.times()));
                    }
                }
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
                leave(&event_loop, call);
            }
        });
    }

    /// One piece, from the loop: awaitable, because the client may read slowly.
    pub(crate) fn write<'py>(&mut self, py: Python<'py>, chunk: Bytes) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.give(py, chunk)?.unwrap_or_else(|| Ready::nothing(py)))
    }

    /// One piece, from the loop; a future if it has to wait for room.
    pub(crate) fn give<'py>(&mut self, py: Python<'py>, chunk: Bytes) -> PyResult<Option<Bound<'py, PyAny>>> {
        let State::Streaming(sender) = &self.state else { return Err(self.not_streaming()) };
        match sender.try_reserve() {
            Ok(Some(room)) => {
                // The connection is woken when the runtime is driven next, with all the others of this turn: from here that
                // would be a system call for each.
                self.event_loop.reactor.complete(Box::new(move || room.send(chunk)));
                Ok(None)
            }
            Ok(None) => {
                let (number, future) = self.event_loop.new_future(py)?;
                let (event_loop, sender, call) = (self.event_loop.clone(), sender.clone(), self.call.clone());
                self.event_loop.reactor.spawn(async move {
                    let gone = sender.send(chunk).await.is_err().then_some(call);
                    let reactor = event_loop.reactor.clone();
                    reactor.deliver(Box::new(Settle { event_loop, number, gone }));
                });
                Ok(Some(Bound::new(py, Pending::new(future.unbind()))?.into_any()))
            }
            Err(_) => {
                self.call.tell();
                Err(self.left(py))
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
        sent.map_err(|_| self.left(py))
    }

    /// One piece, if there is room for it now or within `patience`; else what to wait with elsewhere. The GIL is released meanwhile.
    pub(crate) fn write_within(&mut self, py: Python<'_>, chunk: Bytes, patience: Duration) -> PyResult<Option<Rest>> {
        let State::Streaming(sender) = &self.state else { return Err(self.not_streaming()) };
        match sender.try_send(chunk) {
            Ok(()) => Ok(None),
            Err(SendError::Disconnected) => Err(self.left(py)),
            Err(SendError::Full(chunk)) => {
                match py.detach(|| wait_at_most(patience, pin!(sender.send(chunk.clone())))) {
                    Some(Ok(())) => Ok(None),
                    Some(Err(_)) => Err(self.left(py)),
                    None => Ok(Some(Rest { chunk, sender: sender.clone(), call: self.call.clone() })),
                }
            }
        }
    }

    /// Nobody reads: what the runtime is about to tell, known already.
    fn left(&self, py: Python<'_>) -> PyErr {
        self.call.gone.store(true, SeqCst);
        PyErr::from_value(gone(py).into_bound(py))
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
        let ended = std::mem::replace(&mut self.state, State::Ended);
        if self.pool.is_none() {
            // As with each piece before it.
            self.event_loop.reactor.complete(Box::new(move || drop(ended)));
        }
        Ok(())
    }

    /// Gives up: an answer not yet started becomes a 500, one half-way a closed connection. Harmless after the end.
    pub(crate) fn abort(&mut self) {
        self.call.done.store(true, SeqCst);
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Unanswered(head) => {
                if let Some(keeping) = &self.call.keeping {
                    keeping.answered(500);
                }
                self.event_loop.reactor.complete(Box::new(move || drop(head)));
            }
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

fn spent(times: &Times) -> Spent {
    Spent {
        processing: Duration::from_nanos(times.processing),
        waiting_for_cpu: Duration::from_nanos(times.waiting_for_cpu()),
        waiting_for_io: Duration::from_nanos(times.waiting_for_io()),
    }
}

/// A piece that had no room yet.
pub(crate) struct Rest {
    chunk: Bytes,
    sender: BodySender,
    call: Arc<Call>,
}

impl Rest {
    /// Until it was written, or nobody reads any more.
    pub(crate) async fn write(self) {
        if self.sender.send(self.chunk).await.is_err() {
            self.call.gone.store(true, SeqCst);
        }
    }

    /// As [`Rest::write`], on a thread that may wait.
    pub(crate) fn write_blocking(self, py: Python<'_>) {
        let Self { chunk, sender, call } = self;
        if py.detach(|| sender.blocking_send(chunk)).is_err() {
            call.gone.store(true, SeqCst);
        }
    }
}

/// What `headers` promise of a file, more or less than it holds now; all of it if they say nothing.
pub(crate) fn as_promised(file: FileRange, headers: &HeaderMap) -> FileRange {
    let promised =
        headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).map(|digits| digits.trim().parse());
    match promised {
        Some(Ok(promised)) => file.with_length(promised),
        // What is no number is refused where the head is sent.
        _ => file,
    }
}

/// The outcome of a future, if it comes in time. Dropped otherwise.
fn wait_at_most<F: Future>(patience: Duration, mut future: Pin<&mut F>) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let deadline = Instant::now() + patience;
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(outcome);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.abort();
        self.call.leave();
    }
}
