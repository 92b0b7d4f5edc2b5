//! Answers of Python's in place of the network: calls queue for a Python thread, which answers them in any order.
//!
//! The policies lie around it as they lie around the network, and no task ever runs Python for it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use parking_lot::{Condvar, Mutex};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustc_hash::FxHashMap;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use turnout_client::{
    Answer, AnswerBody, Body, BodyStream, Call, Chunks, Client, Error, Head, Kind, Limits, Options, Scope, Timings,
    Transport,
};

use super::headers;
use super::offloop::handles_signals;
use super::options::seconds;
use super::request::HttpRequest;

/// Pieces of an answer that nobody has taken yet; whoever writes more waits.
const PIECES: usize = 8;

/// See `_turnout.pyi`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct HttpTransport(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    told: Condvar,
}

/// As many as there are calls in flight.
#[derive(Debug, Default)]
struct State {
    calls: VecDeque<Asked>,
    waiting: FxHashMap<u64, oneshot::Sender<Scripted>>,
    writing: FxHashMap<u64, mpsc::Sender<Piece>>,
    tickets: u64,
    closed: bool,
}

type Piece = Result<Bytes, Error>;

#[derive(Debug)]
struct Asked {
    ticket: u64,
    call: Arc<Call>,
    body: Bytes,
}

/// What a call gets.
#[derive(Debug)]
enum Scripted {
    Answer { after: Duration, status: StatusCode, headers: HeaderMap, body: Scroll },
    Failure { after: Duration, error: Error },
    /// The network after all.
    Forward,
}

#[derive(Debug)]
enum Scroll {
    Whole(Bytes),
    Pieces(VecDeque<Bytes>),
    Coming(mpsc::Receiver<Piece>),
}

impl Chunks for Scroll {
    fn poll_chunk(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Self::Pieces(pieces) => Poll::Ready(pieces.pop_front().map(Ok)),
            Self::Coming(pieces) => pieces.poll_recv(context),
        }
    }
}

impl Queue {
    fn ask(&self, call: &Arc<Call>, body: Bytes) -> oneshot::Receiver<Scripted> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.state.lock();
            if !state.closed {
                state.tickets += 1;
                let ticket = state.tickets;
                // Whoever gave up has closed its half: so these are bounded by the calls in flight.
                state.waiting.retain(|_, sender| !sender.is_closed());
                state.calls.push_back(Asked { ticket, call: Arc::clone(call), body });
                state.waiting.insert(ticket, sender);
            }
        }
        self.told.notify_one();
        receiver
    }

    fn next(&self, limit: Option<Duration>) -> Next {
        let mut state = self.state.lock();
        loop {
            while let Some(asked) = state.calls.pop_front() {
                if state.waiting.get(&asked.ticket).is_some_and(|sender| !sender.is_closed()) {
                    return Next::Call(asked);
                }
            }
            if state.closed {
                return Next::Closed;
            }
            match limit {
                None => self.told.wait(&mut state),
                Some(limit) => {
                    if self.told.wait_for(&mut state, limit).timed_out() {
                        return Next::Nothing;
                    }
                }
            }
        }
    }

    /// False: nobody waits for it any more.
    fn settle(&self, ticket: u64, scripted: Scripted) -> bool {
        let waiting = self.state.lock().waiting.remove(&ticket);
        waiting.is_some_and(|sender| sender.send(scripted).is_ok())
    }
}

enum Next {
    Call(Asked),
    Closed,
    Nothing,
}

/// What a client is given.
#[derive(Clone, Debug)]
struct Scripts(Arc<Queue>);

impl Transport for Scripts {
    fn send(&self, call: Arc<Call>) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>> {
        let queue = Arc::clone(&self.0);
        Box::pin(async move {
            let began = tokio::time::Instant::now();
            let body = whole_body(&call.body).await?;
            let gone = |_| Error::new(Kind::Connect, "the transport was closed");
            let (after, status, headers, body) = match queue.ask(&call, body.clone()).await.map_err(gone)? {
                Scripted::Answer { after, status, headers, body } => (after, status, headers, body),
                Scripted::Failure { after, error } => {
                    tokio::time::sleep(after).await;
                    return Err(error);
                }
                Scripted::Forward => return forward(&call, body).await,
            };
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            let head = Head { url: call.url.clone(), status, headers, version: http::Version::HTTP_11 };
            let body = match body {
                Scroll::Whole(bytes) => AnswerBody::Whole(bytes),
                pieces => AnswerBody::Stream(BodyStream::new(pieces)),
            };
            let timings = Timings { first_byte: Some(began.elapsed()), total: began.elapsed(), ..Timings::default() };
            Ok(Answer {
                head,
                body,
                timings,
                attempts: 1,
                remote: None,
                from_cache: false,
                stale: false,
                coalesced: false,
                hedged: false,
                history: Vec::new(),
            })
        })
    }
}

async fn whole_body(body: &Body) -> Result<Bytes, Error> {
    let stream = match body {
        Body::Empty => return Ok(Bytes::new()),
        Body::Whole(bytes) => return Ok(bytes.clone()),
        Body::Stream(stream, _) => stream.lock().take(),
    };
    let Some(mut stream) = stream else {
        return Err(Error::new(Kind::LocalProtocol, "a body in pieces can be sent once, and was"));
    };
    let mut collected = BytesMut::new();
    while let Some(piece) = stream.next().await {
        collected.extend_from_slice(&piece?);
    }
    Ok(collected.freeze())
}

/// By connections of its own, which nobody uses again: for tests that let something pass.
async fn forward(call: &Call, body: Bytes) -> Result<Answer, Error> {
    let options = Options { transport: None, policy: None, ..(*call.options).clone() };
    let call = Call {
        method: call.method.clone(),
        url: call.url.clone(),
        headers: call.headers.clone(),
        body: if body.is_empty() { Body::Empty } else { Body::Whole(body) },
        idempotent: call.idempotent,
        stream: call.stream,
        options: Arc::new(options),
    };
    turnout_client::send(&Client::new(Limits::default()), Arc::new(call), &Scope::default()).await
}

/// The transport in an option: `HttpTransport`, or what has one as `native`.
pub(super) fn of(value: &Bound<'_, PyAny>) -> PyResult<Option<Arc<dyn Transport>>> {
    if value.is_none() {
        return Ok(None);
    }
    let own = match value.cast::<HttpTransport>() {
        Ok(own) => own.clone(),
        Err(_) => match value.getattr_opt(intern!(value.py(), "native"))?.map(Bound::cast_into::<HttpTransport>) {
            Some(Ok(own)) => own,
            _ => return Err(PyTypeError::new_err("a transport is an HttpTransport, or has one as its `native`")),
        },
    };
    Ok(Some(Arc::new(Scripts(Arc::clone(&own.get().0)))))
}

/// Those that stand in for the network of all clients; the last one answers. Taken with the GIL only.
static INSTALLED: Mutex<Vec<Arc<Queue>>> = Mutex::new(Vec::new());
static ANY_INSTALLED: AtomicBool = AtomicBool::new(false);

/// What stands in for the network now.
pub(super) fn installed() -> Option<Arc<dyn Transport>> {
    if !ANY_INSTALLED.load(SeqCst) {
        return None;
    }
    INSTALLED.lock().last().map(|queue| Arc::new(Scripts(Arc::clone(queue))) as Arc<dyn Transport>)
}

#[pymethods]
impl HttpTransport {
    #[new]
    fn new() -> Self {
        Self(Arc::default())
    }

    /// The next call, for a thread that answers; None once it is closed.
    fn receive<'py>(&self, py: Python<'py>) -> PyResult<Option<(u64, Bound<'py, HttpRequest>)>> {
        let signals = handles_signals().then_some(Duration::from_millis(50));
        loop {
            match py.detach(|| self.0.next(signals)) {
                Next::Call(Asked { ticket, call, body }) => {
                    let (method, url, headers) = (call.method.clone(), call.url.clone(), call.headers.clone());
                    let request = HttpRequest::whole(method, url, headers, body, call.idempotent);
                    return Ok(Some((ticket, Bound::new(py, request)?)));
                }
                Next::Closed => return Ok(None),
                Next::Nothing => py.check_signals()?,
            }
        }
    }

    /// Answers a call, `delay` seconds from now; `content` is bytes, or a list of pieces. False: it was given up meanwhile.
    #[pyo3(signature = (ticket, status, headers=None, content=None, delay=0.0))]
    fn reply(
        &self,
        ticket: u64,
        status: u16,
        headers: Option<&Bound<'_, PyAny>>,
        content: Option<&Bound<'_, PyAny>>,
        delay: f64,
    ) -> PyResult<bool> {
        let body = match content {
            None => Scroll::Whole(Bytes::new()),
            Some(content) => match content.cast::<PyBytes>() {
                Ok(bytes) => Scroll::Whole(Bytes::copy_from_slice(bytes.as_bytes())),
                Err(_) => Scroll::Pieces(content.try_iter()?.map(|piece| bytes_of(&piece?)).collect::<PyResult<_>>()?),
            },
        };
        self.answer(ticket, status, headers, body, seconds(delay)?)
    }

    /// The head of an answer whose body follows by `write`. False: the call was given up.
    #[pyo3(signature = (ticket, status, headers=None))]
    fn begin(&self, ticket: u64, status: u16, headers: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let (sender, receiver) = mpsc::channel(PIECES);
        let waits = self.answer(ticket, status, headers, Scroll::Coming(receiver), Duration::ZERO)?;
        if waits {
            self.0.state.lock().writing.insert(ticket, sender);
        }
        Ok(waits)
    }

    /// A piece of it: waits while the reader is slower, or answers None if it may not `block`. False: nobody reads any more.
    #[pyo3(signature = (ticket, piece, block=true))]
    fn write(&self, py: Python<'_>, ticket: u64, piece: &Bound<'_, PyAny>, block: bool) -> PyResult<Option<bool>> {
        let piece = bytes_of(piece)?;
        if piece.is_empty() {
            return Ok(Some(!self.is_given_up(ticket)));
        }
        Ok(self.put(py, ticket, Ok(piece), block))
    }

    /// The body is whole.
    #[pyo3(signature = (ticket, block=true))]
    fn end(&self, ticket: u64, block: bool) -> Option<bool> {
        let _ = block; // the end needs no room
        let sender = self.0.state.lock().writing.remove(&ticket);
        Some(sender.is_some_and(|sender| !sender.is_closed()))
    }

    /// Fails a call with an error of this kind, `delay` seconds from now. `sent`: something of it was sent before.
    #[pyo3(signature = (ticket, kind, message, delay=0.0, *, sent=false))]
    fn fail(&self, py: Python<'_>, ticket: u64, kind: &str, message: &str, delay: f64, sent: bool) -> PyResult<()> {
        let error = Error::new(kind_named(kind)?, message);
        let error = if sent { error.after_sending() } else { error };
        if self.0.state.lock().writing.contains_key(&ticket) {
            self.put(py, ticket, Err(error), true);
            self.0.state.lock().writing.remove(&ticket);
        } else {
            self.0.settle(ticket, Scripted::Failure { after: seconds(delay)?, error });
        }
        Ok(())
    }

    /// Lets a call go to the network.
    fn forward(&self, ticket: u64) {
        self.0.settle(ticket, Scripted::Forward);
    }

    /// Nobody waits for this call any more.
    fn is_given_up(&self, ticket: u64) -> bool {
        let state = self.0.state.lock();
        let asks = state.waiting.get(&ticket).is_some_and(|sender| !sender.is_closed());
        let reads = state.writing.get(&ticket).is_some_and(|sender| !sender.is_closed());
        !asks && !reads
    }

    /// Stands in for the network of every client of the process that has no transport of its own.
    fn install(&self, _py: Python<'_>) {
        INSTALLED.lock().push(Arc::clone(&self.0));
        ANY_INSTALLED.store(true, SeqCst);
    }

    /// No longer.
    fn uninstall(&self, _py: Python<'_>) {
        let mut installed = INSTALLED.lock();
        installed.retain(|queue| !Arc::ptr_eq(queue, &self.0));
        ANY_INSTALLED.store(!installed.is_empty(), SeqCst);
    }

    /// Calls that wait, and all that come, fail; `receive` returns None.
    fn close(&self) {
        let dropped = {
            let mut state = self.0.state.lock();
            state.closed = true;
            (std::mem::take(&mut state.calls), std::mem::take(&mut state.waiting), std::mem::take(&mut state.writing))
        };
        for sender in dropped.2.values() {
            let _ = sender.try_send(Err(Error::new(Kind::Read, "the transport was closed").after_sending()));
        }
        drop(dropped);
        self.0.told.notify_all();
    }

    #[getter]
    fn closed(&self) -> bool {
        self.0.state.lock().closed
    }
}

impl HttpTransport {
    fn answer(
        &self,
        ticket: u64,
        status: u16,
        headers: Option<&Bound<'_, PyAny>>,
        body: Scroll,
        after: Duration,
    ) -> PyResult<bool> {
        let status = StatusCode::from_u16(status)
            .map_err(|_| PyValueError::new_err(format!("{status} is no status of a response")))?;
        let headers = headers.map_or_else(|| Ok(HeaderMap::new()), headers::parse)?;
        Ok(self.0.settle(ticket, Scripted::Answer { after, status, headers, body }))
    }

    fn put(&self, py: Python<'_>, ticket: u64, piece: Piece, block: bool) -> Option<bool> {
        let sender = self.0.state.lock().writing.get(&ticket).cloned();
        let Some(sender) = sender else { return Some(false) };
        match sender.try_send(piece) {
            Ok(()) => Some(true),
            Err(TrySendError::Full(piece)) if block => Some(py.detach(|| sender.blocking_send(piece).is_ok())),
            Err(TrySendError::Full(_)) => None,
            Err(TrySendError::Closed(_)) => {
                self.0.state.lock().writing.remove(&ticket);
                Some(false)
            }
        }
    }
}

fn bytes_of(piece: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    match piece.cast::<PyBytes>() {
        Ok(bytes) => Ok(Bytes::copy_from_slice(bytes.as_bytes())),
        Err(_) => Ok(Bytes::from(piece.extract::<Vec<u8>>()?)),
    }
}

/// By its name, which is that of the kind.
fn kind_named(name: &str) -> PyResult<Kind> {
    Kind::ALL
        .into_iter()
        .find(|kind| format!("{kind:?}") == name)
        .ok_or_else(|| PyValueError::new_err(format!("no kind of error is called {name:?}")))
}
