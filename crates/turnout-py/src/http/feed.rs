//! A request's body in pieces: asked for by the task that sends it, pulled by the thread or the loop that waits for the answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use pyo3::exceptions::{PyStopIteration, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};
use turnout_client::{BodyStream, Chunks, Error, Kind};

use super::loops::Way;
use super::ticket;
use crate::reactor::Deliver;

/// So much of a file at a time.
const PIECE: usize = 64 * 1024;

/// One place for one piece, between the two sides.
pub(super) struct Feed {
    place: Mutex<Place>,
}

#[derive(Default)]
struct Place {
    piece: Option<Fed>,
    waker: Option<Waker>,
    /// The other side knows that a piece is wanted.
    asked: bool,
}

enum Fed {
    Piece(Bytes),
    End,
    Failed,
}

impl Feed {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { place: Mutex::default() })
    }

    /// The body, whose sender calls `ask` whenever it wants the next piece.
    pub(super) fn stream(self: &Arc<Self>, ask: impl Fn() + Send + Sync + 'static) -> BodyStream {
        BodyStream::new(Fetched { feed: Arc::clone(self), ask: Box::new(ask) })
    }

    fn put(&self, fed: Fed) {
        let waker = {
            let mut place = self.place.lock();
            place.piece = Some(fed);
            place.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct Fetched {
    feed: Arc<Feed>,
    ask: Box<dyn Fn() + Send + Sync>,
}

impl Chunks for Fetched {
    fn poll_chunk(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let ask = {
            let mut place = self.feed.place.lock();
            match place.piece.take() {
                Some(Fed::Piece(bytes)) => {
                    place.asked = false;
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Fed::End) => {
                    place.piece = Some(Fed::End);
                    return Poll::Ready(None);
                }
                Some(Fed::Failed) => {
                    place.piece = Some(Fed::Failed);
                    let error = Error::new(Kind::LocalProtocol, "what the body is pulled from raised an exception");
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    place.waker = Some(context.waker().clone());
                    !std::mem::replace(&mut place.asked, true)
                }
            }
        };
        if ask {
            (self.ask)();
        }
        Poll::Pending
    }
}

/// What is pulled from, on the side that has Python.
pub(super) struct Source {
    feed: Arc<Feed>,
    from: From,
}

enum From {
    Iterator(Py<PyAny>),
    AsyncIterator(Py<PyAny>),
    File(Py<PyAny>),
}

impl Source {
    pub(super) fn new(feed: Arc<Feed>, content: &Bound<'_, PyAny>, may_await: bool) -> PyResult<Self> {
        let py = content.py();
        let from = if content.hasattr(intern!(py, "read"))? {
            From::File(content.clone().unbind())
        } else if may_await && content.hasattr(intern!(py, "__aiter__"))? {
            From::AsyncIterator(content.call_method0(intern!(py, "__aiter__"))?.unbind())
        } else if content.hasattr(intern!(py, "__iter__"))? {
            From::Iterator(content.try_iter()?.into_any().unbind())
        } else {
            return Err(PyTypeError::new_err("the body is an async iterable: await the call, or give an iterable"));
        };
        Ok(Self { feed, from })
    }

    /// The next piece, now. What it raises is the caller's.
    pub(super) fn pull(&self, py: Python<'_>) -> PyResult<()> {
        let pulled = match &self.from {
            From::Iterator(iterator) => next(iterator.bind(py)),
            From::File(file) => file.bind(py).call_method1(intern!(py, "read"), (PIECE,)).and_then(|piece| {
                let piece = bytes_of(&piece)?;
                Ok(if piece.is_empty() { None } else { Some(piece) })
            }),
            From::AsyncIterator(_) => Ok(None),
        };
        match pulled {
            Ok(Some(piece)) => self.feed.put(Fed::Piece(piece)),
            Ok(None) => self.feed.put(Fed::End),
            Err(error) => {
                self.feed.put(Fed::Failed);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// The next piece that is not empty.
fn next(iterator: &Bound<'_, PyAny>) -> PyResult<Option<Bytes>> {
    loop {
        match iterator.call_method0(intern!(iterator.py(), "__next__")) {
            Ok(piece) => {
                let piece = bytes_of(&piece)?;
                if !piece.is_empty() {
                    return Ok(Some(piece));
                }
            }
            Err(error) if error.is_instance_of::<PyStopIteration>(iterator.py()) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

fn bytes_of(piece: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Ok(bytes) = piece.cast::<PyBytes>() {
        return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
    }
    if let Ok(text) = piece.cast::<PyString>() {
        return Ok(Bytes::copy_from_slice(text.to_str()?.as_bytes()));
    }
    if let Ok(bytes) = piece.cast::<PyByteArray>() {
        return Ok(Bytes::from(bytes.to_vec()));
    }
    Err(PyTypeError::new_err(format!("a piece of a body is bytes, not {}", piece.get_type().name()?)))
}

/// Where a coroutine on the loop puts the pieces of an async iterable: see `turnout.http.pieces.feed`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct HttpFeed {
    pub(super) source: Source,
    number: u64,
}

impl HttpFeed {
    pub(super) fn new(source: Source, number: u64) -> Self {
        Self { source, number }
    }

    /// On the loop: pulls, or has a task pull.
    fn go_on(this: &Bound<'_, Self>) -> PyResult<()> {
        let py = this.py();
        let feed = this.get();
        if let From::AsyncIterator(iterator) = &feed.source.from {
            let pulling = py.import(intern!(py, "turnout.http.pieces"))?.getattr(intern!(py, "feed"))?;
            return pulling.call1((this, iterator)).map(drop);
        }
        if let Err(error) = feed.source.pull(py) {
            ticket::fail(py, feed.number, error)?;
        }
        Ok(())
    }
}

#[pymethods]
impl HttpFeed {
    /// The next piece. False: it was empty, and another one is wanted.
    fn put(&self, piece: &Bound<'_, PyAny>) -> PyResult<bool> {
        let piece = bytes_of(piece)?;
        if piece.is_empty() {
            return Ok(false);
        }
        self.source.feed.put(Fed::Piece(piece));
        Ok(true)
    }

    /// There are no more.
    fn end(&self) {
        self.source.feed.put(Fed::End);
    }

    /// There is an exception instead: the call ends with it.
    fn fail(&self, error: &Bound<'_, PyAny>) -> PyResult<()> {
        self.source.feed.put(Fed::Failed);
        ticket::fail(error.py(), self.number, PyErr::from_value(error.clone()))
    }
}

/// A task wants the next piece: to the loop that waits for its answer.
pub(super) struct Pull {
    pub(super) number: u64,
}

impl Pull {
    pub(super) fn from(way: &Way, number: u64) -> impl Fn() + Send + Sync + 'static {
        let way = way.clone();
        move || way.deliver(Box::new(Self { number }))
    }
}

impl Deliver for Pull {
    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()> {
        match ticket::feed(py, self.number) {
            Some(feed) => HttpFeed::go_on(feed.bind(py)),
            None => Ok(()),
        }
    }
}
