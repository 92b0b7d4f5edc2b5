//! One request of an ASGI app: its `receive` and `send` (specification 2.5, "HTTP", and its extensions).

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use http::header::TRAILER;
use http::{HeaderMap, StatusCode};
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use turnout_http::{EarlyHints, FileRange, Response};

use super::extensions::Extensions;
use super::incoming::{Inbox, Incoming, Receive};
use super::message::{self, Message};
use super::pathsend;
use crate::http::HttpIncoming;
use crate::interface::answer::Answer;
use crate::interface::awaitable::{Pending, Ready};
use crate::interface::calls::{Loop, gone};

const PATHSEND: &str = "http.response.pathsend";

/// `receive` and `send` of one request. On the loop thread only, as asyncio's own objects are.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct Cycle {
    answer: Answer,
    pub(super) inbox: Inbox,
    stage: Stage,
    extensions: Extensions,
    hints: EarlyHints,
    /// The client left, or turnout answered in the app's place.
    disconnected: bool,
    /// The kind of a message that came after the end.
    late: Option<String>,
}

/// How far the app's answer is.
enum Stage {
    Nothing,
    /// The head was given. It is sent with the first piece of the body: until then another answer is possible.
    Head(StatusCode, HeaderMap, Trailers),
    Body(Trailers),
    /// A file is being opened; the head goes with it.
    Path(StatusCode, HeaderMap),
    /// The body is whole; trailers are due.
    Trailers(Trailers, HeaderMap),
    Ended,
}

/// What `http.response.start` said of trailers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trailers {
    None,
    /// They will come, and the client takes none.
    Dropped,
    Sent,
}

impl Cycle {
    pub(super) fn new(answer: Answer, incoming: Incoming, extensions: Extensions, hints: EarlyHints) -> Self {
        let inbox = Inbox::new(incoming);
        Self { answer, inbox, stage: Stage::Nothing, extensions, hints, disconnected: false, late: None }
    }

    pub(super) fn event_loop(&self) -> &Arc<Loop> {
        self.answer.event_loop()
    }

    /// The body cannot be read: turnout answers, if the app has not, and the app sees the client leave.
    pub(super) fn refuse(&mut self, py: Python<'_>, response: Response) -> PyResult<()> {
        self.answer.refuse(response);
        self.disconnect(py)
    }

    /// The client left.
    pub(crate) fn disconnect(&mut self, py: Python<'_>) -> PyResult<()> {
        self.disconnected = true;
        self.inbox.close(py)
    }

    fn start(&mut self, message: &Message<'_, '_>) -> PyResult<()> {
        if !matches!(self.stage, Stage::Nothing) {
            return Err(PyRuntimeError::new_err("ASGI: 'http.response.start' was sent twice"));
        }
        let status = message.status()?;
        let mut headers = message.headers()?;
        let trailers = match message.trailers()? {
            false => Trailers::None,
            true if self.extensions.trailers => Trailers::Sent,
            true => Trailers::Dropped,
        };
        if trailers != Trailers::Sent {
            headers.remove(TRAILER);
        }
        self.stage = Stage::Head(status, headers, trailers);
        Ok(())
    }

    fn body<'py>(&mut self, py: Python<'py>, message: &Message<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Stage::Nothing | Stage::Path(..) | Stage::Trailers(..) = self.stage {
            return Err(self.out_of_turn(message));
        }
        let (chunk, more) = (message.body()?, message.more_body()?);
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Head(status, headers, Trailers::None) if !more => {
                self.answer.respond(status, headers, chunk)?;
                self.after_end(py)?;
                Ok(Ready::nothing(py))
            }
            Stage::Head(status, headers, trailers) => {
                self.answer.start(status, headers)?;
                self.piece(py, chunk, more, trailers)
            }
            Stage::Body(trailers) => self.piece(py, chunk, more, trailers),
            Stage::Nothing | Stage::Path(..) | Stage::Trailers(..) | Stage::Ended => Ok(Ready::nothing(py)),
        }
    }

    fn pathsend<'py>(&mut self, py: Python<'py>, message: &Message<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let path = message.path()?;
        match std::mem::replace(&mut self.stage, Stage::Nothing) {
            Stage::Head(status, headers, Trailers::None) => self.stage = Stage::Path(status, headers),
            other => {
                self.stage = other;
                return Err(self.out_of_turn(message));
            }
        }
        let (number, future) = self.event_loop().new_future(py)?;
        pathsend::open(self.event_loop(), self.answer.call.clone(), path, number);
        Ok(Bound::new(py, Pending::new(future.unbind()))?.into_any())
    }

    /// The file is open: it is the whole answer. `None`: it is not, and the app may still give another body.
    pub(super) fn file_opened(&mut self, py: Python<'_>, file: Option<FileRange>) -> PyResult<()> {
        match (std::mem::replace(&mut self.stage, Stage::Ended), file) {
            (Stage::Path(status, headers), Some(file)) => {
                self.answer.respond_file(status, headers, file)?;
                self.after_end(py)?;
            }
            (Stage::Path(status, headers), None) => self.stage = Stage::Head(status, headers, Trailers::None),
            (other, _) => self.stage = other,
        }
        Ok(())
    }

    fn piece<'py>(
        &mut self,
        py: Python<'py>,
        chunk: Bytes,
        more: bool,
        trailers: Trailers,
    ) -> PyResult<Bound<'py, PyAny>> {
        if more {
            self.stage = Stage::Body(trailers);
        } else if trailers != Trailers::None {
            self.stage = Stage::Trailers(trailers, HeaderMap::new());
        }
        let written = if chunk.is_empty() { Ready::nothing(py) } else { self.answer.write(py, chunk)? };
        if matches!(self.stage, Stage::Ended) {
            self.answer.end()?;
            self.after_end(py)?;
        }
        Ok(written)
    }

    fn trailers(&mut self, py: Python<'_>, message: &Message<'_, '_>) -> PyResult<()> {
        let Stage::Trailers(trailers, so_far) = &mut self.stage else { return Err(self.out_of_turn(message)) };
        for (name, value) in &message.headers()? {
            so_far.append(name, value.clone());
        }
        if message.more_trailers()? {
            return Ok(());
        }
        if *trailers == Trailers::Sent {
            self.answer.set_trailers(std::mem::take(so_far));
        }
        self.stage = Stage::Ended;
        self.answer.end()?;
        self.after_end(py)
    }

    /// A 103 while nothing of the answer was sent. Later it is dropped, as the specification lets us.
    fn early_hint(&self, message: &Message<'_, '_>) -> PyResult<()> {
        let links = message.links()?;
        if self.answer.is_unanswered() {
            let hints = self.hints.clone();
            self.event_loop().reactor.complete(Box::new(move || hints.send(&links)));
        }
        Ok(())
    }

    fn out_of_turn(&self, message: &Message<'_, '_>) -> PyErr {
        let when = match self.stage {
            Stage::Nothing => "before 'http.response.start'",
            _ if message.kind == PATHSEND => "beside another body, or before trailers",
            Stage::Path(..) => "beside 'http.response.pathsend', which is the whole body",
            Stage::Head(..) | Stage::Body(_) => {
                "before the body had ended, or without 'trailers' in 'http.response.start'"
            }
            Stage::Trailers(..) | Stage::Ended => "after the body had ended",
        };
        PyRuntimeError::new_err(format!("ASGI: {:?} was sent {when}", message.kind))
    }

    /// After the answer `receive()` says that the exchange is over.
    fn after_end(&mut self, py: Python<'_>) -> PyResult<()> {
        self.inbox.close(py)
    }
}

#[pymethods]
impl Cycle {
    /// What outbound calls belong to that are made for this request.
    #[getter]
    fn incoming(&self, py: Python<'_>) -> PyResult<Py<HttpIncoming>> {
        HttpIncoming::of(py, &self.answer.call)
    }

    /// The next event: `http.request` while there is body, then `http.disconnect` once the client left or was answered.
    fn receive(this: Py<Self>) -> Receive {
        Receive::new(this)
    }

    /// Takes the messages of an answer. Raises OSError once the client has left.
    fn send<'py>(&mut self, py: Python<'py>, message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let fields = message::fields(message)?;
        let kind = message::kind(fields)?;
        let message = Message::new(kind.to_str()?, fields);
        if matches!(self.stage, Stage::Ended) {
            // "Any further messages on the channel will be ignored"; the log says that there were some.
            if !self.disconnected {
                self.late.get_or_insert_with(|| message.kind.to_owned());
            }
            return Ok(Ready::nothing(py));
        }
        if self.answer.is_disconnected() || self.answer.is_ended() {
            return Err(PyErr::from_value(gone(py).into_bound(py)));
        }
        match message.kind {
            "http.response.start" => self.start(&message)?,
            "http.response.body" => return self.body(py, &message),
            PATHSEND => return self.pathsend(py, &message),
            "http.response.trailers" => self.trailers(py, &message)?,
            "http.response.early_hint" => self.early_hint(&message)?,
            "http.response.debug" if self.extensions.debug => log_debug(py, &message)?,
            other => {
                return Err(PyRuntimeError::new_err(format!("ASGI: unexpected message {other:?} on an HTTP request")));
            }
        }
        Ok(Ready::nothing(py))
    }

    /// The app returned or raised: what it left open is closed. Returns what was wrong, for the log.
    fn finish(&mut self, py: Python<'_>) -> PyResult<Option<String>> {
        let complaint = match &self.stage {
            Stage::Ended => {
                self.late.take().map(|kind| format!("the ASGI app sent {kind:?} after its response had ended: ignored"))
            }
            _ if self.answer.is_ended() || self.answer.is_disconnected() => None,
            Stage::Nothing => Some("the ASGI app returned without a response".into()),
            Stage::Trailers(..) => Some("the ASGI app returned before it had sent its trailers".into()),
            Stage::Head(..) | Stage::Body(_) | Stage::Path(..) => {
                Some("the ASGI app returned before its response was complete".into())
            }
        };
        self.answer.abort();
        self.answer.call.leave();
        self.event_loop().forget(&self.answer.call);
        self.disconnect(py)?;
        Ok(complaint)
    }

    /// True when the client left before the answer was whole.
    #[getter]
    fn disconnected(&self) -> bool {
        self.answer.call.gone.load(SeqCst)
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        self.inbox.traverse(&visit)
    }

    fn __clear__(&mut self) {
        self.inbox.clear();
    }
}

/// What an app says of itself, to the log.
fn log_debug(py: Python<'_>, message: &Message<'_, '_>) -> PyResult<()> {
    let log = py.import(intern!(py, "turnout.asgi"))?.getattr(intern!(py, "log_debug"))?;
    log.call1((message.info()?,)).map(drop)
}
