//! `start_response` of one request, and what its head says about the body that follows.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use turnout_http::{FileRange, has_no_content};

use crate::interface::answer::{Answer, StatusLine};
use crate::interface::headers;

/// Collects status and headers; sent with the first byte of the body, so that an error before it can replace them (PEP 3333).
///
/// Used by one thread at a time. Never borrowed while Python runs: an app calls it from inside its iterable.
#[pyclass(module = "turnout._turnout")]
pub(super) struct StartResponse {
    answer: Answer,
    /// No body follows the head: the request is a HEAD, or the status that was sent has none.
    is_bare: bool,
    head: Option<Head>,
    /// `start_response` was called, whatever became of the head.
    called: bool,
    /// What is left of the promised length once the head is sent.
    left: Option<u64>,
    /// Bytes that the app gave and did not promise.
    surplus: u64,
    /// The client left while something was written.
    client_left: bool,
}

/// What the app said and nobody was told yet.
struct Head {
    status: StatusLine,
    headers: HeaderMap,
    promised: Option<u64>,
}

/// Whether more of the body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    Wanted,
    /// All that may be sent was sent: the rest is not even asked for.
    Unwanted,
}

impl StartResponse {
    pub(super) fn new(answer: Answer, method: &Method) -> Self {
        let is_bare = *method == Method::HEAD;
        Self { answer, is_bare, head: None, called: false, left: None, surplus: 0, client_left: false }
    }

    /// True while the head can still be changed.
    pub(super) fn is_unanswered(&self) -> bool {
        self.answer.is_unanswered()
    }

    /// True when the whole body would be sent as it is, were it known: `start_response` was called and nothing was sent.
    pub(super) fn is_ready(&self) -> bool {
        self.head.is_some()
    }

    /// The client went away before the answer was whole.
    pub(super) fn client_left(&self) -> bool {
        self.client_left || self.answer.is_disconnected()
    }

    pub(super) fn surplus(&self) -> u64 {
        self.surplus
    }

    /// One piece of the body, with the head before the first one that is not empty.
    pub(super) fn piece(&mut self, py: Python<'_>, piece: &[u8]) -> PyResult<More> {
        if piece.is_empty() {
            return Ok(More::Wanted);
        }
        if self.answer.is_unanswered() {
            let Head { status, headers, promised } = self.take_head()?;
            self.is_bare |= has_no_content(status.code);
            if self.is_bare {
                self.answer.respond(status, headers, Bytes::new())?;
            } else {
                self.left = promised;
                self.answer.start(status, headers)?;
            }
        }
        if self.is_bare {
            return Ok(More::Unwanted);
        }
        if self.answer.is_ended() {
            self.surplus += piece.len() as u64;
            return Ok(More::Unwanted);
        }
        let kept = self.left.map_or(piece.len(), |left| piece.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        self.surplus += (piece.len() - kept) as u64;
        if kept > 0 {
            let written = self.answer.write_blocking(py, Bytes::copy_from_slice(&piece[..kept]));
            self.client_left |= written.is_err();
            written?;
        }
        if let Some(left) = &mut self.left {
            *left -= kept as u64;
            if *left == 0 {
                // The client has everything; what the app still does is its own business.
                self.answer.end()?;
            }
        }
        Ok(if self.surplus > 0 { More::Unwanted } else { More::Wanted })
    }

    /// The body is over. `last` is all of it if nothing was sent before.
    pub(super) fn finish(&mut self, last: &[u8]) -> PyResult<()> {
        if !self.answer.is_unanswered() {
            // Less than was promised closes the connection: see `turnout_http`.
            return if self.answer.is_ended() { Ok(()) } else { self.answer.end() };
        }
        let Head { status, headers, promised } = self.take_head()?;
        let kept = match promised.and_then(|promised| usize::try_from(promised).ok()) {
            Some(promised) if promised < last.len() && !self.is_bare => {
                self.surplus = (last.len() - promised) as u64;
                promised
            }
            _ => last.len(),
        };
        self.answer.respond(status, headers, Bytes::copy_from_slice(&last[..kept]))
    }

    /// The body is what `open` makes of the promised length, if it makes anything of it. False: the body is to be iterated.
    pub(super) fn finish_with_file(
        &mut self,
        open: impl FnOnce(Option<u64>) -> PyResult<Option<FileRange>>,
    ) -> PyResult<bool> {
        let Some(head) = &self.head else { return Ok(false) };
        let Some(file) = open(head.promised)? else { return Ok(false) };
        let Head { status, headers, .. } = self.take_head()?;
        self.answer.respond_file(status, headers, file)?;
        Ok(true)
    }

    /// The app failed: a 500, or a closed connection if it is too late for that.
    pub(super) fn abort(&mut self) {
        self.answer.abort();
    }

    fn take_head(&mut self) -> PyResult<Head> {
        let missing = || PyRuntimeError::new_err("the WSGI application did not call start_response before its body");
        self.head.take().ok_or_else(missing)
    }
}

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, response_headers, exc_info=None))]
    fn __call__<'py>(
        this: &Bound<'py, Self>,
        status: &Bound<'py, PyString>,
        response_headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (called, sent) = {
            let start = this.borrow();
            (start.called, !start.answer.is_unanswered())
        };
        match exc_info {
            // Too late for another head: the error itself goes on (PEP 3333, "Error Handling").
            Some(exc_info) if sent => return Err(reraise(exc_info)?),
            None if called => {
                return Err(PyRuntimeError::new_err("start_response was called a second time without exc_info"));
            }
            Some(_) | None => {}
        }
        let head = parse(status, response_headers)?;
        let mut start = this.borrow_mut();
        start.called = true;
        start.head = Some(head);
        drop(start);
        this.getattr(intern!(this.py(), "write"))
    }

    /// The imperative way to send (PEP 3333, "The write() Callable").
    fn write(&mut self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        self.piece(py, bytes(data)?.as_bytes()).map(drop)
    }
}

/// What an app may give as a piece of its body.
pub(super) fn bytes<'a, 'py>(piece: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    piece.cast::<PyBytes>().map_err(|_| {
        let kind = piece.get_type();
        PyTypeError::new_err(format!("the body of a WSGI application is made of bytes, not {kind}"))
    })
}

fn parse(status: &Bound<'_, PyString>, response_headers: &Bound<'_, PyAny>) -> PyResult<Head> {
    let status = parse_status(status)?;
    let headers = headers::from_pairs(response_headers)?;
    let mut promised = None;
    for (name, value) in &headers {
        if *name == header::CONTENT_LENGTH {
            // What is no number, or another one beside it, is refused where the head is sent.
            promised = value.to_str().ok().and_then(|digits| digits.trim().parse().ok());
        } else if is_hop_by_hop(name) {
            let why = "speaks of the connection, which is the server's (PEP 3333, \"Other HTTP Features\")";
            return Err(PyValueError::new_err(format!("a WSGI application may not send {name:?}: it {why}")));
        }
    }
    Ok(Head { status, headers, promised })
}

/// "200 OK": three digits, and words that are sent as they are.
fn parse_status(status: &Bound<'_, PyString>) -> PyResult<StatusLine> {
    let illegal =
        || PyValueError::new_err(format!("illegal status {}: PEP 3333 wants \"200 OK\"", headers::repr(status)));
    headers::with_bytes(status, |text| {
        let (digits, words) = text.split_at_checked(3)?;
        let code = StatusCode::from_bytes(digits).ok().filter(|code| !code.is_informational())?;
        let words = match words {
            [] => words,
            [b' ', words @ ..] => words,
            _ => return None,
        };
        StatusLine::new(code, words)
    })?
    .ok_or_else(illegal)
}

/// RFC 9110 section 7.6.1, and what RFC 2616 section 13.5.1 counted among them when PEP 3333 was written.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    let known = [header::CONNECTION, header::TRANSFER_ENCODING, header::TE, header::TRAILER, header::UPGRADE];
    known.contains(name)
        || [header::PROXY_AUTHENTICATE, header::PROXY_AUTHORIZATION].contains(name)
        || name == "keep-alive"
}

/// The exception of an exc_info tuple, with its traceback.
fn reraise(exc_info: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let (_, error, traceback): (Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>) = exc_info.extract()?;
    let error = error.call_method1(intern!(exc_info.py(), "with_traceback"), (traceback,))?;
    Ok(PyErr::from_value(error))
}
