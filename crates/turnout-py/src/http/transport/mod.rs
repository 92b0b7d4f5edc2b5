//! Answers of Python's in place of the network: calls queue for Python threads, which answer them in any order.
//!
//! The policies lie around it as they lie around the network, and no task ever runs Python for it. A mock is installed in place of the
//! network of every client of the process.

mod script;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use parking_lot::{Condvar, Mutex, RwLock};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use turnout_client::{Answer, AnswerBody, Body, Call, Error, Head, Kind, Network, Options, Timings, Transport};

use self::script::{Piece, Script, too_slow};

use super::errors;
use super::headers;
use super::offloop::handles_signals;
use super::options::seconds;
use super::request::HttpRequest;
use super::response::HttpResponse;
use crate::raw;

/// Pieces of one body that may wait for their reader: whoever writes more waits too.
const PIECES_AHEAD: usize = 16;

/// See `_turnout.pyi`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct HttpTransport {
    queue: Arc<Queue>,
    /// The same for the client, which tells transports apart by their address. None: for those who answer.
    transport: Option<Arc<dyn Transport>>,
}

/// What clients have of it. Dropped with the last of them, it closes the queue: nobody can call any more.
#[derive(Debug)]
struct Standing(Arc<Queue>);

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    told: Condvar,
}

/// As many as there are calls in flight.
#[derive(Debug, Default)]
struct State {
    calls: VecDeque<(u64, Arc<Call>)>,
    waiting: FxHashMap<u64, oneshot::Sender<Scripted>>,
    /// What came of calls that were let through, for whoever wanted to know.
    told: VecDeque<(u64, Told)>,
    /// Bodies that are being written.
    bodies: FxHashMap<u64, mpsc::Sender<Piece>>,
    /// What was installed before, and gets what is let through.
    below: Option<Arc<dyn Transport>>,
    tickets: u64,
    closed: bool,
}

/// What a call gets.
#[derive(Debug)]
enum Scripted {
    /// So much later.
    Answer(Duration, Result<(StatusCode, HeaderMap, Script), Error>),
    /// What the network says; `true`: and it is told.
    Forward(bool),
}

/// An answer of the network's, or why there is none, and how long it took.
#[derive(Debug)]
struct Told {
    answer: Result<(StatusCode, HeaderMap, Bytes), (Kind, String)>,
    took: Duration,
}

impl Transport for Standing {
    fn send(&self, call: Arc<Call>) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>> {
        Box::pin(answered(Arc::clone(&self.0), call, None))
    }

    fn send_or_forward(
        &self,
        call: Arc<Call>,
        network: Network,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>> {
        Box::pin(answered(Arc::clone(&self.0), call, Some(network)))
    }
}

/// One attempt. Dropped early, its ticket is given up.
async fn answered(queue: Arc<Queue>, call: Arc<Call>, network: Option<Network>) -> Result<Answer, Error> {
    let began = Instant::now();
    // Who answers sees the request whole.
    let call = match &call.body {
        Body::Stream(..) => Arc::new(call.in_memory().await?),
        Body::Empty | Body::Whole(_) => call,
    };
    let (ticket, receiver) = queue.put(&call);
    let scripted = async {
        let gone = |_| Error::new(Kind::Connect, "the transport was closed");
        match receiver.await.map_err(gone)? {
            Scripted::Forward(told) => Ok(Err(told)),
            Scripted::Answer(after, answer) => {
                if !after.is_zero() {
                    sleep(after).await;
                }
                answer.map(Ok)
            }
        }
    };
    let scripted = match call.options.timeouts.first_byte {
        None => scripted.await,
        Some(limit) => {
            timeout(limit, scripted).await.unwrap_or_else(|_| Err(too_slow("the head of the answer", limit)))
        }
    }?;
    let (status, headers, script) = match (scripted, network) {
        (Ok(answer), _) => answer,
        (Err(told), Some(network)) => {
            let below = queue.state.lock().below.clone();
            let answer = match below {
                Some(below) => below.send_or_forward(Arc::clone(&call), network).await,
                None => network.attempt(&call).await,
            };
            return if told { queue.tell(ticket, answer, began, call.options.max_body).await } else { answer };
        }
        (Err(_), None) => return Err(Error::new(Kind::LocalProtocol, "there is no network behind this transport")),
    };
    let first_byte = began.elapsed();
    let head = Head { url: call.url.clone(), status, headers, version: http::Version::HTTP_11 };
    let timings = Timings { first_byte: Some(first_byte), total: first_byte, ..Timings::default() };
    Ok(Answer { timings, ..Answer::new(head, script.body(call.options.timeouts.read)) })
}

/// What stands in for the network of every client that has no transport of its own: the last one counts. Of this process: a forked
/// child has no thread that would answer.
static INSTALLED: RwLock<Vec<(u64, Arc<dyn Transport>)>> = RwLock::new(Vec::new());

/// These options, with what is installed in place of the network.
pub(super) fn instead(options: Arc<Options>) -> Arc<Options> {
    let installed = INSTALLED.read();
    match installed.last() {
        Some((generation, transport)) if options.transport.is_none() && *generation == raw::fork_generation() => {
            Arc::new(Options { transport: Some(Arc::clone(transport)), ..(*options).clone() })
        }
        _ => options,
    }
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
    Ok(own.get().transport.clone())
}

#[pymethods]
impl HttpTransport {
    #[new]
    fn new() -> Self {
        let queue = Arc::<Queue>::default();
        Self { transport: Some(Arc::new(Standing(Arc::clone(&queue)))), queue }
    }

    /// For the threads that answer: no client can be given it, and it is closed once no client and nobody else has the original.
    fn answering(&self) -> Self {
        Self { transport: None, queue: Arc::clone(&self.queue) }
    }

    /// The next call, for the thread that answers; what came of one that was let through: a response, or an exception; None once it is
    /// closed.
    fn receive<'py>(&self, py: Python<'py>) -> PyResult<Option<(u64, Bound<'py, PyAny>)>> {
        let signals = handles_signals().then_some(Duration::from_millis(50));
        loop {
            let next = py.detach(|| self.queue.next(signals));
            match next {
                Next::Call(ticket, call) => {
                    return Ok(Some((ticket, Bound::new(py, HttpRequest::of_call(&call))?.into_any())));
                }
                Next::Told(ticket, told) => return Ok(Some((ticket, told.object(py)?))),
                Next::Closed => return Ok(None),
                Next::Nothing => py.check_signals()?,
            }
        }
    }

    /// Answers a call, `delay` seconds from now; a list of bytes is read piece by piece, `pause` seconds apart. A call that was given up
    /// meanwhile is no fault.
    #[pyo3(signature = (ticket, status, headers=None, content=None, delay=0.0, pause=0.0))]
    fn reply(
        &self,
        ticket: u64,
        status: u16,
        headers: Option<&Bound<'_, PyAny>>,
        content: Option<&Bound<'_, PyAny>>,
        delay: f64,
        pause: f64,
    ) -> PyResult<()> {
        let script = match content {
            None => Script::Whole(Bytes::new()),
            Some(content) => {
                if let Ok(bytes) = content.cast::<PyBytes>() {
                    Script::Whole(Bytes::copy_from_slice(bytes.as_bytes()))
                } else {
                    let pieces: Vec<Vec<u8>> = content.extract()?;
                    let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).map(Bytes::from).collect();
                    Script::Pieces(pieces, seconds(pause)?)
                }
            }
        };
        self.settle(ticket, Scripted::Answer(seconds(delay)?, Ok(head(status, headers, script)?)));
        Ok(())
    }

    /// Answers a call with a head; the body follows by `write` and `end`. False: nobody waits for it any more.
    #[pyo3(signature = (ticket, status, headers=None, delay=0.0))]
    fn begin(&self, ticket: u64, status: u16, headers: Option<&Bound<'_, PyAny>>, delay: f64) -> PyResult<bool> {
        let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
        let answer = Ok(head(status, headers, Script::Coming(receiver))?);
        let wanted = self.settle(ticket, Scripted::Answer(seconds(delay)?, answer));
        if wanted {
            self.queue.state.lock().bodies.insert(ticket, sender);
        }
        Ok(wanted)
    }

    /// A piece of a body that was begun. True: taken; False: nobody reads it any more; None: its reader has to catch up first, and
    /// `block` was False.
    #[pyo3(signature = (ticket, piece, block=true))]
    fn write(&self, py: Python<'_>, ticket: u64, piece: Vec<u8>, block: bool) -> Option<bool> {
        if piece.is_empty() {
            Some(!self.is_given_up(ticket))
        } else {
            self.put(py, ticket, Some(Ok(piece.into())), block)
        }
    }

    /// The body that was begun is whole. As `write`.
    #[pyo3(signature = (ticket, block=true))]
    fn end(&self, py: Python<'_>, ticket: u64, block: bool) -> Option<bool> {
        let taken = self.put(py, ticket, None, block)?;
        self.queue.state.lock().bodies.remove(&ticket);
        Some(taken)
    }

    /// Fails a call with an error of this kind, `delay` seconds from now; or the body that was begun, at once. `sent`: something of the
    /// request was sent before.
    #[pyo3(signature = (ticket, kind, message, delay=0.0, *, sent=false))]
    fn fail(&self, py: Python<'_>, ticket: u64, kind: &str, message: &str, delay: f64, sent: bool) -> PyResult<()> {
        let error = Error::new(kind_named(kind)?, message);
        let error = if sent { error.after_sending() } else { error };
        let begun = self.queue.state.lock().bodies.contains_key(&ticket);
        if begun {
            // Behind what is still to be read.
            self.put(py, ticket, Some(Err(error.after_sending())), true);
            self.queue.state.lock().bodies.remove(&ticket);
        } else {
            self.settle(ticket, Scripted::Answer(seconds(delay)?, Err(error)));
        }
        Ok(())
    }

    /// Lets a call through to the network. `tell`: its answer is read whole, and comes out of `receive` too.
    #[pyo3(signature = (ticket, tell=false))]
    fn forward(&self, ticket: u64, tell: bool) {
        self.settle(ticket, Scripted::Forward(tell));
    }

    /// Nobody waits for this call any more.
    fn is_given_up(&self, ticket: u64) -> bool {
        let state = self.queue.state.lock();
        match (state.waiting.get(&ticket), state.bodies.get(&ticket)) {
            (Some(waiting), _) => waiting.is_closed(),
            (None, Some(body)) => body.is_closed(),
            (None, None) => true,
        }
    }

    /// Stands in for the network of every client of the process, until `uninstall`.
    fn install(&self) {
        if let Some(transport) = &self.transport {
            let generation = raw::fork_generation();
            let mut installed = INSTALLED.write();
            let below = installed.last().filter(|(made, _)| *made == generation).map(|(_, below)| Arc::clone(below));
            installed.push((generation, Arc::clone(transport)));
            drop(installed);
            self.queue.state.lock().below = below;
        }
    }

    /// See `install`.
    fn uninstall(&self) {
        if let Some(own) = &self.transport {
            // Never the last one: `own` is another.
            INSTALLED.write().retain(|(_, transport)| !Arc::ptr_eq(transport, own));
        }
    }

    /// Calls that wait, and all that come, fail; `receive` returns None.
    fn close(&self) {
        self.queue.close();
    }

    #[getter]
    fn closed(&self) -> bool {
        self.queue.state.lock().closed
    }
}

impl HttpTransport {
    /// Whether somebody waits for it.
    fn settle(&self, ticket: u64, scripted: Scripted) -> bool {
        let waiting = self.queue.state.lock().waiting.remove(&ticket);
        waiting.is_some_and(|sender| sender.send(scripted).is_ok())
    }

    fn put(&self, py: Python<'_>, ticket: u64, piece: Piece, block: bool) -> Option<bool> {
        let sender = self.queue.state.lock().bodies.get(&ticket).cloned();
        let Some(sender) = sender else { return Some(false) };
        let taken = match sender.try_send(piece) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) if !block => return None,
            Err(mpsc::error::TrySendError::Full(piece)) => py.detach(|| sender.blocking_send(piece)).is_ok(),
        };
        if !taken {
            self.queue.state.lock().bodies.remove(&ticket);
        }
        Some(taken)
    }
}

fn head(status: u16, headers: Option<&Bound<'_, PyAny>>, script: Script) -> PyResult<(StatusCode, HeaderMap, Script)> {
    let status = StatusCode::from_u16(status)
        .map_err(|_| PyValueError::new_err(format!("{status} is no status of a response")))?;
    Ok((status, headers.map_or_else(|| Ok(HeaderMap::new()), headers::parse)?, script))
}

async fn whole(mut answer: Answer, max: usize) -> Result<(Answer, Bytes), Error> {
    let mut content = BytesMut::new();
    match &mut answer.body {
        AnswerBody::Whole(bytes) => {
            let bytes = bytes.clone();
            return Ok((answer, bytes));
        }
        AnswerBody::Stream(stream) => {
            while let Some(piece) = stream.next().await {
                let piece = piece?;
                if content.len() + piece.len() > max {
                    return Err(Error::new(Kind::ResponseTooLarge, "the body is larger than max_body").after_sending());
                }
                content.extend_from_slice(&piece);
            }
        }
    }
    Ok((answer, content.freeze()))
}

enum Next {
    Call(u64, Arc<Call>),
    Told(u64, Told),
    Closed,
    Nothing,
}

impl Told {
    fn object(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let timings = Timings { total: self.took, ..Timings::default() };
        match self.answer {
            Ok((status, headers, content)) => {
                Ok(Bound::new(py, HttpResponse::whole(status, headers, content, timings))?.into_any())
            }
            Err((kind, message)) => errors::made(py, &Error::new(kind, message).timed(timings), None),
        }
    }
}

impl Queue {
    fn put(&self, call: &Arc<Call>) -> (u64, oneshot::Receiver<Scripted>) {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        state.tickets += 1;
        let ticket = state.tickets;
        if !state.closed {
            // Whoever gave up has closed its half: bounded by the calls in flight.
            state.waiting.retain(|_, sender| !sender.is_closed());
            state.calls.push_back((ticket, Arc::clone(call)));
            state.waiting.insert(ticket, sender);
        }
        drop(state);
        self.told.notify_one();
        (ticket, receiver)
    }

    fn close(&self) {
        let dropped = {
            let mut state = self.state.lock();
            state.closed = true;
            (std::mem::take(&mut state.calls), std::mem::take(&mut state.waiting), std::mem::take(&mut state.bodies))
        };
        drop(dropped);
        self.told.notify_all();
    }

    /// Reads the answer whole, and keeps a copy for whoever wanted to know.
    async fn tell(
        &self,
        ticket: u64,
        answer: Result<Answer, Error>,
        began: Instant,
        max: usize,
    ) -> Result<Answer, Error> {
        let answer = match answer {
            Ok(answer) => whole(answer, max).await,
            Err(error) => Err(error),
        };
        let told = match &answer {
            Ok((answer, content)) => Ok((answer.head.status, answer.head.headers.clone(), content.clone())),
            Err(error) => Err((error.kind(), error.message().to_owned())),
        };
        self.state.lock().told.push_back((ticket, Told { answer: told, took: began.elapsed() }));
        self.told.notify_one();
        answer.map(|(answer, content)| Answer { body: AnswerBody::Whole(content), ..answer })
    }

    fn next(&self, limit: Option<Duration>) -> Next {
        let mut state = self.state.lock();
        loop {
            if let Some((ticket, told)) = state.told.pop_front() {
                return Next::Told(ticket, told);
            }
            if let Some((ticket, call)) = state.calls.pop_front() {
                if state.waiting.get(&ticket).is_some_and(|sender| !sender.is_closed()) {
                    return Next::Call(ticket, call);
                }
                continue;
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
}

/// By its name, which is that of the kind.
fn kind_named(name: &str) -> PyResult<Kind> {
    Kind::named(name).ok_or_else(|| PyValueError::new_err(format!("no kind of error is called {name:?}")))
}

impl HttpRequest {
    /// As a transport sees it: the body in memory.
    pub(super) fn of_call(call: &Call) -> Self {
        let content = match &call.body {
            Body::Whole(bytes) => bytes.clone(),
            // Nothing queues a stream.
            Body::Empty | Body::Stream(..) => Bytes::new(),
        };
        Self::whole(call.method.clone(), call.url.clone(), call.headers.clone(), content, call.idempotent)
    }
}
