//! A response's body that is still coming: read by pieces or to its end, by a thread or a coroutine, one at a time.

use bytes::{Bytes, BytesMut};
use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use turnout_client::{BodyStream, Error};

use super::carry::{self, HttpCall, Work};
use super::errors;
use super::home::Home;
use super::offloop;
use super::response::{Content, HttpResponse};
use super::ticket::Reply;

/// What is wanted of the body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The next piece; `None` at the end.
    Piece,
    /// The next piece; `StopAsyncIteration` at the end.
    PieceOrStop,
    /// All that is left; it is the response's content from then on.
    Rest,
}

/// What there is to begin with.
enum Found {
    /// All of it, at once.
    Here(Bytes),
    Coming(BodyStream, Home),
    /// Nothing more.
    Over,
}

impl HttpResponse {
    /// Takes the body, so that nobody else reads it meanwhile.
    fn take(&self, wanted: Wanted) -> PyResult<Found> {
        let mut content = self.content.lock();
        match &mut *content {
            Content::Whole(bytes) if wanted == Wanted::Rest => Ok(Found::Here(bytes.clone())),
            Content::Coming(..) => match std::mem::replace(&mut *content, Content::Busy) {
                Content::Coming(stream, home) => Ok(Found::Coming(stream, home)),
                _ => Ok(Found::Over),
            },
            Content::Gone if wanted != Wanted::Rest => Ok(Found::Over),
            Content::Whole(_) | Content::Gone => Err(PyRuntimeError::new_err("the body was handed over in pieces")),
            Content::Busy => {
                Err(PyRuntimeError::new_err("the body is being read elsewhere, or a read of it was given up"))
            }
            Content::Closed => Err(PyRuntimeError::new_err("the response is closed")),
        }
    }

    /// Lets go of what is still coming, on the runtime that it belongs to.
    pub(super) fn let_go(&self) {
        let before = {
            let mut content = self.content.lock();
            match &*content {
                Content::Whole(_) | Content::Gone | Content::Closed => return,
                Content::Coming(..) | Content::Busy => std::mem::replace(&mut *content, Content::Closed),
            }
        };
        if let Content::Coming(stream, home) = before {
            if home.is_foreign() {
                std::mem::forget(stream); // the parent's socket
            } else {
                home.spawn(async move { drop(stream) });
            }
        }
    }
}

struct Read {
    stream: BodyStream,
    home: Home,
    wanted: Wanted,
}

impl Work for Read {
    type Reply = Came;

    async fn run(mut self) -> Came {
        let piece = match self.wanted {
            Wanted::Rest => self.rest().await.map(Some),
            Wanted::Piece | Wanted::PieceOrStop => self.stream.next().await.transpose(),
        };
        Came { piece, stream: self.stream, home: self.home, wanted: self.wanted }
    }
}

impl Read {
    async fn rest(&mut self) -> Result<Bytes, Error> {
        let Some(first) = self.stream.next().await.transpose()? else { return Ok(Bytes::new()) };
        let Some(second) = self.stream.next().await.transpose()? else { return Ok(first) };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        while let Some(piece) = self.stream.next().await.transpose()? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

/// A piece, and the stream that it came from.
struct Came {
    piece: Result<Option<Bytes>, Error>,
    stream: BodyStream,
    home: Home,
    wanted: Wanted,
}

impl Reply for Came {
    fn build<'py>(self, py: Python<'py>, about: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let response = about.cast::<HttpResponse>()?.get();
        let Self { piece, stream, home, wanted } = self;
        let next = match (&piece, wanted) {
            (Ok(Some(rest)), Wanted::Rest) => Content::Whole(rest.clone()),
            (Ok(Some(_)), _) => Content::Coming(stream, home),
            (Ok(None), _) => Content::Gone,
            (Err(_), _) => Content::Closed,
        };
        {
            let mut content = response.content.lock();
            if matches!(*content, Content::Busy) {
                *content = next;
            }
        }
        match piece {
            Ok(Some(piece)) => Ok(PyBytes::new(py, &piece).into_any()),
            Ok(None) if wanted == Wanted::PieceOrStop => Err(PyStopAsyncIteration::new_err(())),
            Ok(None) => Ok(py.None().into_bound(py)),
            Err(error) => {
                let request = about.getattr(intern!(py, "request"))?;
                Err(errors::raised(py, &error, Some(&request)))
            }
        }
    }
}

/// An answer that needs no waiting.
struct AtOnce(Option<Bytes>);

impl Work for AtOnce {
    type Reply = Self;

    async fn run(self) -> Self {
        self
    }
}

impl Reply for AtOnce {
    fn build<'py>(self, py: Python<'py>, _: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self.0 {
            Some(bytes) => Ok(PyBytes::new(py, &bytes).into_any()),
            None => Err(PyStopAsyncIteration::new_err(())),
        }
    }
}

fn blocking<'py>(response: &Bound<'py, HttpResponse>, wanted: Wanted) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = response.py();
    let (stream, home) = match response.get().take(wanted)? {
        Found::Here(bytes) => return Ok(Some(PyBytes::new(py, &bytes).into_any())),
        Found::Over => return Ok(None),
        Found::Coming(stream, home) => (stream, home),
    };
    let read = Read { stream, home: home.clone(), wanted };
    let piece = carry::wait(&home, read, response.as_any())?;
    Ok(if piece.is_none() { None } else { Some(piece) })
}

fn awaited(response: &Bound<'_, HttpResponse>, wanted: Wanted) -> HttpCall {
    let of = response.clone().unbind();
    HttpCall::new(response.as_any(), move |py, _| {
        let (work, home) = match of.get().take(wanted)? {
            Found::Coming(stream, home) => (Either::Read(Read { stream, home: home.clone(), wanted }), home),
            Found::Here(bytes) => (Either::AtOnce(AtOnce(Some(bytes))), super::home::any(py)?),
            Found::Over => (Either::AtOnce(AtOnce(None)), super::home::any(py)?),
        };
        Ok((home, work))
    })
}

enum Either {
    Read(Read),
    AtOnce(AtOnce),
}

enum EitherReply {
    Came(Came),
    AtOnce(AtOnce),
}

impl Work for Either {
    type Reply = EitherReply;

    async fn run(self) -> EitherReply {
        match self {
            Self::Read(read) => EitherReply::Came(read.run().await),
            Self::AtOnce(at_once) => EitherReply::AtOnce(at_once),
        }
    }
}

impl Reply for EitherReply {
    fn build<'py>(self, py: Python<'py>, about: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Came(came) => came.build(py, about),
            Self::AtOnce(at_once) => at_once.build(py, about),
        }
    }
}

/// See `HttpResponse.read`.
pub(super) fn read<'py>(response: &Bound<'py, HttpResponse>) -> PyResult<Bound<'py, PyAny>> {
    offloop::may_block(response.py(), "read")?;
    Ok(blocking(response, Wanted::Rest)?.unwrap_or_else(|| PyBytes::new(response.py(), b"").into_any()))
}

/// See `HttpResponse.aread`.
pub(super) fn aread(response: &Bound<'_, HttpResponse>) -> HttpCall {
    awaited(response, Wanted::Rest)
}

/// The pieces, for `for` and `async for`; through this function of `turnout.http.pieces`.
pub(super) fn pieces<'py>(
    response: &Bound<'py, HttpResponse>,
    through: &str,
    chunk_size: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = response.py();
    let chunks = Bound::new(py, HttpChunks::new(response)?)?.into_any();
    match chunk_size {
        None => Ok(chunks),
        Some(0) => Err(PyValueError::new_err("chunk_size is at least 1")),
        Some(size) => helper(py, through)?.call1((chunks, size)),
    }
}

/// The pieces as text or lines, by this function of `turnout.http.pieces`.
pub(super) fn decoded<'py>(response: &Bound<'py, HttpResponse>, through: &str) -> PyResult<Bound<'py, PyAny>> {
    helper(response.py(), through)?.call1((pieces(response, "", None)?, response.get().encoding()))
}

/// See `HttpResponse.__aenter__`.
pub(super) fn entered(response: &Bound<'_, HttpResponse>) -> PyResult<HttpCall> {
    let home = super::home::any(response.py())?;
    Ok(HttpCall::new(response.as_any(), move |_, _| Ok((home, Itself))))
}

struct Itself;

impl Work for Itself {
    type Reply = Self;

    async fn run(self) -> Self {
        self
    }
}

impl Reply for Itself {
    fn build<'py>(self, _: Python<'py>, about: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Ok(about.clone())
    }
}

fn helper<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import(intern!(py, "turnout.http.pieces"))?.getattr(name)
}

/// The pieces of a body, once; for `for` and `async for`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct HttpChunks {
    response: Py<HttpResponse>,
    /// Of a body that was whole already.
    whole: parking_lot::Mutex<Option<Bytes>>,
}

impl HttpChunks {
    fn new(response: &Bound<'_, HttpResponse>) -> PyResult<Self> {
        let whole = match &*response.get().content.lock() {
            Content::Whole(bytes) => Some(bytes.clone()),
            Content::Gone => return Err(PyRuntimeError::new_err("the body was handed over in pieces")),
            Content::Closed => return Err(PyRuntimeError::new_err("the response is closed")),
            Content::Coming(..) | Content::Busy => None,
        };
        Ok(Self { response: response.clone().unbind(), whole: parking_lot::Mutex::new(whole) })
    }

    /// Of a body in memory: all of it, then nothing more. `None`: it is still coming.
    fn at_hand(&self, py: Python<'_>) -> Option<Bytes> {
        let is_whole = matches!(*self.response.bind(py).get().content.lock(), Content::Whole(_));
        is_whole.then(|| self.whole.lock().take().unwrap_or_default())
    }
}

#[pymethods]
impl HttpChunks {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some(piece) = self.at_hand(py) {
            return Ok((!piece.is_empty()).then(|| PyBytes::new(py, &piece).into_any()));
        }
        offloop::may_block(py, "iter_bytes")?;
        blocking(self.response.bind(py), Wanted::Piece)
    }

    fn __aiter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<HttpCall> {
        let response = self.response.bind(py);
        if let Some(piece) = self.at_hand(py) {
            let piece = Some(piece).filter(|piece| !piece.is_empty());
            let home = super::home::any(py)?;
            return Ok(HttpCall::new(response.as_any(), move |_, _| Ok((home, AtOnce(piece)))));
        }
        Ok(awaited(response, Wanted::PieceOrStop))
    }
}
