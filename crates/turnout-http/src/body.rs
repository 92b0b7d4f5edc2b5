//! Bodies: what comes in ([`RequestBody`]), what goes out ([`Body`], [`BodySender`]).

use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body as _, Incoming};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{Notify, mpsc};

use crate::file::FileRange;
use crate::spool;
use crate::wire::{Cause, Wire};

/// How many chunks of a streamed answer may wait for the socket: enough to keep it busy, few enough to push back.
const STREAM_DEPTH: usize = 4;

/// Why a request body could not be read. All but the last are the peer's doing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The peer went away before the end: what was read must not be taken for the whole.
    #[error("the client closed the connection before its request body was complete")]
    Disconnected,
    /// Bad chunked framing (RFC 9112 section 7.1).
    #[error("the request body is not framed as RFC 9112 section 7.1 says")]
    Malformed,
    /// Over the configured limit: 413.
    #[error("the request body is larger than this server accepts")]
    TooLarge,
    /// Under the minimum rate: 408.
    #[error("the request body arrives too slowly")]
    TooSlow,
    /// Ours, not the peer's: the temporary file could not be written (disk full, no permission).
    #[error("the request body could not be written to a temporary file: {0}")]
    Spool(std::io::ErrorKind),
}

/// The body of a request, pulled chunk by chunk: the socket is not read while nobody pulls.
#[derive(Debug, Default)]
pub struct RequestBody(Source);

#[derive(Debug, Default)]
enum Source {
    #[default]
    Empty,
    Whole(Bytes),
    Connection {
        incoming: Incoming,
        cause: Cause,
    },
}

/// A body read to its end.
#[derive(Debug)]
pub enum Collected {
    /// In memory.
    Memory(Bytes),
    /// Spooled to an unnamed temporary file, positioned at its start.
    File(File, u64),
}

impl RequestBody {
    /// True when there is nothing (more) to read, known without waiting.
    pub fn is_end(&self) -> bool {
        match &self.0 {
            Source::Empty => true,
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Connection { incoming, .. } => incoming.is_end_stream(),
        }
    }

    /// The next chunk, never an empty one; `None` at the end. Cancel-safe. An error is final.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`RequestBody::next`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let frame = match &mut self.0 {
                Source::Empty => return Poll::Ready(None),
                Source::Whole(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.0 = Source::Empty;
                    return Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)));
                }
                Source::Connection { incoming, .. } => ready!(Pin::new(incoming).poll_frame(cx)),
            };
            match frame {
                // Trailers are judged by the framer and then dropped: no interface of Python's takes them.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) if !chunk.is_empty() => return Poll::Ready(Some(Ok(chunk))),
                    _ => {}
                },
                Some(Err(_)) => {
                    let error = self.0.why();
                    self.0 = Source::Empty;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.0 = Source::Empty;
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Reads to the end: into memory up to `in_memory` bytes, then to a temporary file, written off the runtime's thread.
    pub async fn collect(self, in_memory: usize) -> Result<Collected, BodyError> {
        spool::collect(self, in_memory).await
    }

    pub(crate) fn from_connection(incoming: Incoming, wire: &Wire) -> Self {
        if incoming.is_end_stream() {
            Self::default()
        } else {
            Self(Source::Connection { incoming, cause: wire.cause() })
        }
    }
}

impl Source {
    /// hyper only knows that it got no more; the framer knows why.
    fn why(&self) -> BodyError {
        match self {
            Self::Connection { cause, .. } => cause.as_error(),
            _ => BodyError::Disconnected,
        }
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Whole(bytes))
    }
}

/// The body of a response.
#[derive(Debug)]
pub enum Body {
    /// Nothing follows the head.
    Empty,
    /// Known whole: sent with its length.
    Full(Bytes),
    /// Comes in pieces, see [`Body::channel`].
    Stream(Chunks),
    /// Read while it is sent.
    File(FileRange),
}

/// The reading end of a streamed answer.
#[derive(Debug)]
pub struct Chunks {
    incoming: mpsc::Receiver<Result<Bytes, Aborted>>,
    shared: Arc<Shared>,
}

/// What both ends of a streamed answer see.
#[derive(Debug, Default)]
struct Shared {
    aborted: AtomicBool,
    gone: Notify,
    trailers: Mutex<Option<Box<HeaderMap>>>,
}

/// The answer broke off: the connection is closed so that the peer can tell (RFC 9112 section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the response was aborted")]
pub struct Aborted;

/// Nobody reads the answer any more.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// The peer went away, or the answer was already whole.
    #[error("the client closed the connection")]
    Disconnected,
    /// The socket is slower than the app: wait with [`BodySender::send`].
    #[error("the client reads more slowly than the response is written")]
    Full(Bytes),
}

/// The writing end of a streamed answer. Dropping it ends the answer well; [`BodySender::abort`] breaks it off.
#[derive(Debug, Clone)]
pub struct BodySender {
    chunks: mpsc::Sender<Result<Bytes, Aborted>>,
    shared: Arc<Shared>,
}

/// Room for one chunk, taken before it is sent: by whom, and when, is for its holder to say. Keeps the answer open.
#[derive(Debug)]
pub struct Room(mpsc::OwnedPermit<Result<Bytes, Aborted>>);

impl Room {
    /// Writes; never waits.
    pub fn send(self, chunk: Bytes) {
        self.0.send(Ok(chunk));
    }
}

impl Body {
    /// A streamed body and its writing end.
    pub fn channel() -> (BodySender, Self) {
        let (sender, receiver) = mpsc::channel(STREAM_DEPTH);
        let shared = Arc::new(Shared::default());
        let chunks = Chunks { incoming: receiver, shared: Arc::clone(&shared) };
        (BodySender { chunks: sender, shared }, Self::Stream(chunks))
    }
}

impl Chunks {
    /// The next chunk, never an empty one; `None` at the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Aborted>>> {
        loop {
            let next = ready!(self.incoming.poll_recv(cx));
            // What was sent before the abort is not worth sending: the peer throws the answer away.
            if self.shared.aborted.load(Ordering::Acquire) {
                return Poll::Ready(Some(Err(Aborted)));
            }
            match next {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                other => return Poll::Ready(other),
            }
        }
    }

    /// What comes after the last chunk; once.
    pub(crate) fn take_trailers(&self) -> Option<HeaderMap> {
        self.shared.trailers.lock().take().map(|trailers| *trailers)
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.shared.gone.notify_one();
    }
}

impl BodySender {
    /// Writes now if there is room.
    pub fn try_send(&self, chunk: Bytes) -> Result<(), SendError> {
        self.chunks.try_send(Ok(chunk)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(Ok(chunk)) => SendError::Full(chunk),
            _ => SendError::Disconnected,
        })
    }

    /// Takes room for a chunk to be written later. `None`: there is none now.
    pub fn try_reserve(&self) -> Result<Option<Room>, SendError> {
        match self.chunks.clone().try_reserve_owned() {
            Ok(permit) => Ok(Some(Room(permit))),
            Err(mpsc::error::TrySendError::Full(_)) => Ok(None),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(SendError::Disconnected),
        }
    }

    /// Writes when there is room. Cancel-safe: cancelled, the chunk was not written.
    pub async fn send(&self, chunk: Bytes) -> Result<(), SendError> {
        self.chunks.send(Ok(chunk)).await.map_err(|_| SendError::Disconnected)
    }

    /// Writes when there is room, from a thread that may block.
    pub fn blocking_send(&self, chunk: Bytes) -> Result<(), SendError> {
        self.chunks.blocking_send(Ok(chunk)).map_err(|_| SendError::Disconnected)
    }

    /// Fields to send after the last chunk (RFC 9110 section 6.5). They are dropped where they cannot be sent: to a peer that did
    /// not say `TE: trailers`, without chunks, and where `Trailer` does not name them.
    pub fn set_trailers(&self, trailers: HeaderMap) {
        *self.shared.trailers.lock() = Some(Box::new(trailers));
    }

    /// Ready when nobody reads any more: the answer was sent whole, or the peer went away. For one waiter. Does not keep the answer open.
    pub fn reader_gone(&self) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move { shared.gone.notified().await }
    }

    /// Breaks the answer off: the peer sees a closed connection, never a short answer that looks whole.
    pub fn abort(self) {
        self.shared.aborted.store(true, Ordering::Release);
        // Only a wake-up: with a full channel the reader comes by anyway.
        let _ = self.chunks.try_send(Err(Aborted));
    }
}
