//! One request of an ASGI app: its `receive` and `send` (specification 2.5, "HTTP").

use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use http::HeaderMap;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use tokio::sync::mpsc;
use turnout_http::Response;

use crate::interface::answer::Answer;
use crate::interface::awaitable::{Pending, Ready};
use crate::interface::calls::gone;
use crate::interface::headers;

/// What is left of the request body.
pub(super) enum Incoming {
    /// All of it is here.
    Whole(Bytes),
    /// It comes in pieces; a word on the channel asks for the next one.
    Pieces(mpsc::UnboundedSender<()>),
    /// All of it was handed over.
    Ended,
}

/// `receive` and `send` of one request. On the loop thread only, as asyncio's own objects are.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct Cycle {
    answer: Answer,
    incoming: Incoming,
    /// The head given by `http.response.start`, sent with the first piece of the body.
    head: Option<(http::StatusCode, HeaderMap)>,
    started: bool,
    disconnected: bool,
    /// Futures of `receive()` calls that wait.
    waiting: Vec<Py<PyAny>>,
}

impl Cycle {
    pub(super) fn new(answer: Answer, incoming: Incoming) -> Self {
        Self { answer, incoming, head: None, started: false, disconnected: false, waiting: Vec::new() }
    }

    /// The next piece of the body came: `None` at its end.
    pub(super) fn piece(&mut self, py: Python<'_>, piece: Option<Bytes>) -> PyResult<()> {
        let more = piece.is_some();
        if !more {
            self.incoming = Incoming::Ended;
        }
        let message = request_message(py, piece.as_deref().unwrap_or_default(), more)?;
        self.settle(py, &message.into_any(), 1)
    }

    /// The body cannot be read: turnout answers, if the app has not, and the app sees the client leave.
    pub(super) fn refuse(&mut self, py: Python<'_>, response: Response) -> PyResult<()> {
        self.answer.refuse(response);
        self.disconnect(py)
    }

    /// The client left.
    pub(crate) fn disconnect(&mut self, py: Python<'_>) -> PyResult<()> {
        self.disconnected = true;
        let message = disconnect_message(py)?;
        self.settle(py, &message.into_any(), usize::MAX)
    }

    fn settle(&mut self, py: Python<'_>, message: &Bound<'_, PyAny>, most: usize) -> PyResult<()> {
        let count = most.min(self.waiting.len());
        for future in self.waiting.drain(..count) {
            let future = future.bind(py);
            if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
                future.call_method1(intern!(py, "set_result"), (message,))?;
            }
        }
        Ok(())
    }

    fn start(&mut self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<()> {
        if self.started {
            return Err(PyRuntimeError::new_err("ASGI: 'http.response.start' was sent twice"));
        }
        let status = field(message, intern!(py, "status"))?;
        let status = headers::status(&status)?;
        let headers = match message.get_item(intern!(py, "headers"))? {
            Some(pairs) => headers::from_pairs(&pairs)?,
            None => HeaderMap::new(),
        };
        self.head = Some((status, headers));
        self.started = true;
        Ok(())
    }

    fn body<'py>(&mut self, py: Python<'py>, message: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        if !self.started {
            return Err(PyRuntimeError::new_err("ASGI: 'http.response.body' was sent before 'http.response.start'"));
        }
        let chunk = match message.get_item(intern!(py, "body"))? {
            None => Bytes::new(),
            Some(body) => copy(&body)?,
        };
        let more = match message.get_item(intern!(py, "more_body"))? {
            Some(more) => more.is_truthy()?,
            None => false,
        };
        let Some((status, headers)) = self.head.take() else { return self.next_piece(py, chunk, more) };
        if more {
            self.answer.start(status, headers)?;
            return self.next_piece(py, chunk, more);
        }
        self.answer.respond(status, headers, chunk)?;
        self.after_end(py)?;
        Ok(Ready::nothing(py))
    }

    fn next_piece<'py>(&mut self, py: Python<'py>, chunk: Bytes, more: bool) -> PyResult<Bound<'py, PyAny>> {
        let written = if chunk.is_empty() { Ready::nothing(py) } else { self.answer.write(py, chunk)? };
        if !more {
            self.answer.end()?;
            self.after_end(py)?;
        }
        Ok(written)
    }

    /// After the answer `receive()` says that the exchange is over.
    fn after_end(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.waiting.is_empty() { Ok(()) } else { self.disconnect(py) }
    }
}

#[pymethods]
impl Cycle {
    /// The next event: `http.request` while there is body, then `http.disconnect` once the client left or was answered.
    fn receive<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.disconnected || self.answer.is_ended() {
            return Ready::value(py, disconnect_message(py)?.into_any());
        }
        match std::mem::replace(&mut self.incoming, Incoming::Ended) {
            Incoming::Whole(bytes) => return Ready::value(py, request_message(py, &bytes, false)?.into_any()),
            Incoming::Pieces(ask) => {
                // Fails only when the body was cut off, and then a disconnect is on its way.
                let _ = ask.send(());
                self.incoming = Incoming::Pieces(ask);
            }
            Incoming::Ended => {}
        }
        let event_loop = self.answer.event_loop().asyncio.bind(py);
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        self.waiting.push(future.clone().unbind());
        Ok(Bound::new(py, Pending::new(future.unbind()))?.into_any())
    }

    /// Takes `http.response.start` and `http.response.body`. Raises OSError once the client has left.
    fn send<'py>(&mut self, py: Python<'py>, message: Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let kind = field(&message, intern!(py, "type"))?;
        let kind = kind.cast::<PyString>().map_err(|_| PyTypeError::new_err("ASGI: a message's type is a str"))?;
        let kind = kind.to_str()?;
        if self.answer.is_disconnected() && !self.answer.is_ended() {
            return Err(PyErr::from_value(gone(py).into_bound(py)));
        }
        match kind {
            "http.response.start" => {
                self.start(py, &message)?;
                Ok(Ready::nothing(py))
            }
            "http.response.body" if self.answer.is_ended() => {
                Err(PyRuntimeError::new_err("ASGI: 'http.response.body' was sent after the response had ended"))
            }
            "http.response.body" => self.body(py, &message),
            other => Err(PyRuntimeError::new_err(format!("ASGI: unexpected message {other:?} on an HTTP request"))),
        }
    }

    /// The app returned or raised: what it left open is closed. Returns what was wrong, for the log.
    fn finish(&mut self) -> Option<&'static str> {
        let complaint = if self.answer.is_ended() || self.answer.is_disconnected() {
            None
        } else if self.head.is_none() && !self.started {
            Some("the ASGI app returned without a response")
        } else {
            Some("the ASGI app returned before its response was complete")
        };
        self.answer.abort();
        self.answer.event_loop().clone().forget(&self.answer.call);
        self.disconnected = true;
        complaint
    }

    /// True when the client left before the answer was whole.
    #[getter]
    fn disconnected(&self) -> bool {
        self.answer.call.gone.load(SeqCst)
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        self.waiting.iter().try_for_each(|future| visit.call(future))
    }

    fn __clear__(&mut self) {
        self.waiting.clear();
    }
}

/// Bytes of a piece of body: bytes, bytearray or memoryview.
fn copy(body: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Ok(bytes) = body.cast::<PyBytes>() {
        return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
    }
    let buffer = pyo3::buffer::PyBuffer::<u8>::get(body)
        .map_err(|_| PyTypeError::new_err("ASGI: the body of 'http.response.body' must be bytes"))?;
    Ok(buffer.to_vec(body.py())?.into())
}

fn field<'py>(message: &Bound<'py, PyDict>, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    message.get_item(key)?.ok_or_else(|| PyTypeError::new_err(format!("ASGI: a message without {key:?}")))
}

fn request_message<'py>(py: Python<'py>, body: &[u8], more: bool) -> PyResult<Bound<'py, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
    message.set_item(intern!(py, "body"), PyBytes::new(py, body))?;
    message.set_item(intern!(py, "more_body"), more)?;
    Ok(message)
}

fn disconnect_message(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?;
    Ok(message)
}
