//! What came back.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use url::Url;

use crate::error::Error;
use crate::timings::Timings;

/// A response: its head, its body, and how it was come by.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and any two may hold at once")]
pub struct Answer {
    /// Status line and fields.
    pub head: Head,
    /// Decoded, unless `Options::decode` is off.
    pub body: AnswerBody,
    /// Where the time went.
    pub timings: Timings,
    /// How many attempts it took, this one included; 0 when it came from the cache.
    pub attempts: u32,
    /// The peer; `None` from the cache or a transport without sockets.
    pub remote: Option<SocketAddr>,
    /// Answered by the cache, without a call or after one that said "not modified".
    pub from_cache: bool,
    /// From the cache although it was stale: the upstream failed, or is asked for a newer one meanwhile.
    pub stale: bool,
    /// Another call's answer, shared.
    pub coalesced: bool,
    /// A hedge won.
    pub hedged: bool,
    /// The answers that redirected here, first to last, without their bodies.
    pub history: Vec<Head>,
}

impl Answer {
    /// Of one attempt, with no detour: what more is true of it is set by whoever knows.
    pub fn new(head: Head, body: AnswerBody) -> Self {
        Self {
            head,
            body,
            timings: Timings::default(),
            attempts: 1,
            remote: None,
            from_cache: false,
            stale: false,
            coalesced: false,
            hedged: false,
            history: Vec::new(),
        }
    }
}

/// Status line and fields of a response, and where it is from.
#[derive(Clone, Debug)]
pub struct Head {
    /// Of the request that this answers: after redirects, not the caller's.
    pub url: Url,
    /// 200 to 999: interim answers (1xx) are read past.
    pub status: StatusCode,
    /// As received; without `Content-Encoding` and `Content-Length` where the body was decoded.
    pub headers: HeaderMap,
    /// As spoken on the connection.
    pub version: Version,
}

/// A response's body.
pub enum AnswerBody {
    /// Collected, within `Options::max_body`.
    Whole(Bytes),
    /// Still coming; the same caps apply to it.
    Stream(BodyStream),
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(formatter, "Whole({} bytes)", bytes.len()),
            Self::Stream(_) => formatter.write_str("Stream"),
        }
    }
}

/// Bytes that come in pieces, in either direction. Dropping it early ends it: an HTTP/1.1 connection is closed, an HTTP/2 stream is reset.
pub struct BodyStream(Pin<Box<dyn Chunks>>);

/// See [`BodyStream`]. Never an empty piece.
pub trait Chunks: Send + Sync {
    /// The next piece; `None` at the end.
    fn poll_chunk(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>>;
}

impl BodyStream {
    /// From anything that yields pieces.
    pub fn new(chunks: impl Chunks + 'static) -> Self {
        Self(Box::pin(chunks))
    }

    /// The next piece; `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`BodyStream::next`].
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        self.0.as_mut().poll_chunk(context)
    }
}

impl fmt::Debug for BodyStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BodyStream")
    }
}
