//! Bodies: what comes in ([`RequestBody`]), what goes out ([`Body`], [`BodySender`]).

use std::fs::File;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::mpsc;

/// How many chunks of a streamed answer may wait for the socket: enough to keep it busy, few enough to push back.
const STREAM_DEPTH: usize = 4;

/// Why a request body could not be read. Each is the peer's doing.
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
}

/// The body of a request, pulled chunk by chunk: the socket is not read while nobody pulls.
#[derive(Debug, Default)]
pub struct RequestBody {
    // The server owns the real fields; a body without a stream is empty.
    stream: Option<mpsc::Receiver<Result<Bytes, BodyError>>>,
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
        self.stream.is_none()
    }

    /// The next chunk; `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        self.stream.as_mut()?.recv().await
    }

    /// Reads to the end: into memory up to `in_memory` bytes, then to a temporary file, written off the runtime's thread.
    pub async fn collect(mut self, in_memory: usize) -> Result<Collected, BodyError> {
        let _ = in_memory;
        let mut all = Vec::new();
        while let Some(chunk) = self.next().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(Collected::Memory(all.into()))
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
    Stream(mpsc::Receiver<Result<Bytes, Aborted>>),
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
pub struct BodySender(mpsc::Sender<Result<Bytes, Aborted>>);

impl Body {
    /// A streamed body and its writing end.
    pub fn channel() -> (BodySender, Self) {
        let (tx, rx) = mpsc::channel(STREAM_DEPTH);
        (BodySender(tx), Self::Stream(rx))
    }
}

impl BodySender {
    /// Writes now if there is room.
    pub fn try_send(&self, chunk: Bytes) -> Result<(), SendError> {
        self.0.try_send(Ok(chunk)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(Ok(chunk)) => SendError::Full(chunk),
            _ => SendError::Disconnected,
        })
    }

    /// Writes when there is room. Cancel-safe: cancelled, the chunk was not written.
    pub async fn send(&self, chunk: Bytes) -> Result<(), SendError> {
        self.0.send(Ok(chunk)).await.map_err(|_| SendError::Disconnected)
    }

    /// Writes when there is room, from a thread that may block.
    pub fn blocking_send(&self, chunk: Bytes) -> Result<(), SendError> {
        self.0.blocking_send(Ok(chunk)).map_err(|_| SendError::Disconnected)
    }

    /// Ready when nobody reads any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    /// Breaks the answer off: the peer sees a closed connection, never a short answer that looks whole.
    pub fn abort(self) {
        let _ = self.0.try_send(Err(Aborted));
    }
}
