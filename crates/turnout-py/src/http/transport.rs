//! Answers of Python's in place of the network: calls queue for one Python thread, which answers them in any order.
//!
//! The policies lie around it as they lie around the network, and no task ever runs Python for it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use parking_lot::{Condvar, Mutex};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use turnout_client::{Answer, AnswerBody, Body, Call, Error, Head, Kind, Timings, Transport};

use super::headers;
use super::offloop::handles_signals;
use super::options::seconds;
use super::request::HttpRequest;

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
    calls: VecDeque<(u64, Arc<Call>)>,
    waiting: FxHashMap<u64, (Arc<Call>, oneshot::Sender<Scripted>)>,
    tickets: u64,
    closed: bool,
}

/// What a call gets, and how much later.
#[derive(Debug)]
struct Scripted {
    after: Duration,
    answer: Result<(StatusCode, http::HeaderMap, Bytes), Error>,
}

impl Transport for Queue {
    fn send(&self, call: Arc<Call>) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.state.lock();
            if !state.closed {
                state.tickets += 1;
                let ticket = state.tickets;
                // Whoever gave up has closed its half: bounded by the calls in flight.
                state.waiting.retain(|_, (_, sender)| !sender.is_closed());
                state.calls.push_back((ticket, Arc::clone(&call)));
                state.waiting.insert(ticket, (Arc::clone(&call), sender));
            }
        }
        self.told.notify_one();
        Box::pin(async move {
            let began = tokio::time::Instant::now();
            let gone = |_| Error::new(Kind::Connect, "the transport was closed");
            let Scripted { after, answer } = receiver.await.map_err(gone)?;
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            let (status, headers, content) = answer?;
            let head = Head { url: call.url.clone(), status, headers, version: http::Version::HTTP_11 };
            Ok(Answer {
                head,
                body: AnswerBody::Whole(content),
                timings: Timings { total: began.elapsed(), ..Timings::default() },
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
    Ok(Some(Arc::clone(&own.get().0) as Arc<dyn Transport>))
}

#[pymethods]
impl HttpTransport {
    #[new]
    fn new() -> Self {
        Self(Arc::default())
    }

    /// The next call, for the thread that answers; None once it is closed.
    fn receive<'py>(&self, py: Python<'py>) -> PyResult<Option<(u64, Bound<'py, HttpRequest>)>> {
        let signals = handles_signals().then_some(Duration::from_millis(50));
        loop {
            let next = py.detach(|| self.0.next(signals));
            match next {
                Next::Call(ticket, call) => return Ok(Some((ticket, Bound::new(py, HttpRequest::of_call(&call))?))),
                Next::Closed => return Ok(None),
                Next::Nothing => py.check_signals()?,
            }
        }
    }

    /// Answers a call, `delay` seconds from now. A call that was given up meanwhile is no fault.
    #[pyo3(signature = (ticket, status, headers=None, content=None, delay=0.0))]
    fn reply(
        &self,
        ticket: u64,
        status: u16,
        headers: Option<&Bound<'_, PyAny>>,
        content: Option<Vec<u8>>,
        delay: f64,
    ) -> PyResult<()> {
        let status = StatusCode::from_u16(status)
            .map_err(|_| PyValueError::new_err(format!("{status} is no status of a response")))?;
        let headers = headers.map_or_else(|| Ok(http::HeaderMap::new()), headers::parse)?;
        let answer = Ok((status, headers, Bytes::from(content.unwrap_or_default())));
        self.settle(ticket, Scripted { after: seconds(delay)?, answer });
        Ok(())
    }

    /// Fails a call with an error of this kind, `delay` seconds from now. `sent`: something of it was sent before.
    #[pyo3(signature = (ticket, kind, message, delay=0.0, *, sent=false))]
    fn fail(&self, ticket: u64, kind: &str, message: &str, delay: f64, sent: bool) -> PyResult<()> {
        let error = Error::new(kind_named(kind)?, message);
        let error = if sent { error.after_sending() } else { error };
        self.settle(ticket, Scripted { after: seconds(delay)?, answer: Err(error) });
        Ok(())
    }

    /// Calls that wait, and all that come, fail; `receive` returns None.
    fn close(&self) {
        let dropped = {
            let mut state = self.0.state.lock();
            state.closed = true;
            (std::mem::take(&mut state.calls), std::mem::take(&mut state.waiting))
        };
        drop(dropped);
        self.0.told.notify_all();
    }

    #[getter]
    fn closed(&self) -> bool {
        self.0.state.lock().closed
    }
}

impl HttpTransport {
    fn settle(&self, ticket: u64, scripted: Scripted) {
        let waiting = self.0.state.lock().waiting.remove(&ticket);
        if let Some((_, sender)) = waiting {
            let _ = sender.send(scripted);
        }
    }
}

enum Next {
    Call(u64, Arc<Call>),
    Closed,
    Nothing,
}

impl Queue {
    fn next(&self, limit: Option<Duration>) -> Next {
        let mut state = self.state.lock();
        loop {
            if let Some((ticket, call)) = state.calls.pop_front() {
                if state.waiting.get(&ticket).is_some_and(|(_, sender)| !sender.is_closed()) {
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
    const KINDS: [Kind; 25] = [
        Kind::ConnectTimeout,
        Kind::WriteTimeout,
        Kind::ReadTimeout,
        Kind::PoolTimeout,
        Kind::AttemptTimeout,
        Kind::DeadlineExceeded,
        Kind::Dns,
        Kind::Connect,
        Kind::Tls,
        Kind::Read,
        Kind::Write,
        Kind::LocalProtocol,
        Kind::RemoteProtocol,
        Kind::Proxy,
        Kind::UnsupportedProtocol,
        Kind::CircuitOpen,
        Kind::RateLimited,
        Kind::Overloaded,
        Kind::ForbiddenAddress,
        Kind::Decoding,
        Kind::Json,
        Kind::ResponseTooLarge,
        Kind::TooManyRedirects,
        Kind::Cancelled,
        Kind::InvalidUrl,
    ];
    KINDS
        .into_iter()
        .find(|kind| format!("{kind:?}") == name)
        .ok_or_else(|| PyValueError::new_err(format!("no kind of error is called {name:?}")))
}

impl HttpRequest {
    /// As a transport sees it: the body in memory; one in pieces is empty here.
    pub(super) fn of_call(call: &Call) -> Self {
        let content = match &call.body {
            Body::Whole(bytes) => bytes.clone(),
            Body::Empty | Body::Stream(..) => Bytes::new(),
        };
        Self::whole(call.method.clone(), call.url.clone(), call.headers.clone(), content, call.idempotent)
    }
}
