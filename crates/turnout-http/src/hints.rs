//! Early hints (103, RFC 8297): written ahead of the answer, where hyper offers no way to.
//!
//! hyper's HTTP/1 server sends no informational answer but `100 Continue`, so ours go to the socket past it. That is safe only
//! at a moment when hyper holds nothing unsent of its own, or the hint would land inside another answer, and only until the
//! request has its answer; at any other moment a hint is dropped, which RFC 8297 section 2 leaves to us.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use http::HeaderValue;
use tokio::io::AsyncWrite;
use turnout_net::Stream;

use crate::wire::Wire;

/// Hints that a peer does not take in time are not worth more memory than this.
const MOST_BYTES: usize = 16 * 1024;

/// Sends hints for one request. Keeps no socket open, and does nothing once the request has its answer.
#[derive(Debug, Clone, Default)]
pub struct EarlyHints {
    wire: Weak<Wire>,
    request: u64,
}

impl EarlyHints {
    pub(crate) fn new(wire: &Arc<Wire>, request: u64) -> Self {
        Self { wire: Arc::downgrade(wire), request }
    }

    /// Whether the peer may be sent hints at all: HTTP/1.0 knows no informational answer (RFC 9110 section 15.2).
    pub fn can_be_sent(&self) -> bool {
        self.wire.strong_count() > 0
    }

    /// Writes one 103 with these values of `Link`, or drops it. Call it from inside the runtime.
    pub fn send(&self, links: &[HeaderValue]) {
        if let Some(wire) = self.wire.upgrade()
            && wire.is_answering(self.request)
        {
            let mut state = wire.lock();
            let state = &mut *state;
            state.hints.send(&state.stream, links);
        }
    }
}

/// The hints of one connection that are not written yet.
#[derive(Debug)]
pub(crate) struct Hints {
    waiting: BytesMut,
    /// hyper has handed all its bytes to the socket.
    flushed: bool,
}

impl Hints {
    pub(crate) fn new() -> Self {
        Self { waiting: BytesMut::new(), flushed: true }
    }

    /// hyper has bytes to write; what waits here was there before them. Ready when it may.
    pub(crate) fn before_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed = false;
        self.drain(stream, cx)
    }

    /// hyper has written all it had.
    pub(crate) fn after_flush(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed = true;
        self.drain(stream, cx)
    }

    fn drain(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, &self.waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, stream: &Stream, links: &[HeaderValue]) {
        if !self.flushed || links.is_empty() || self.waiting.len() > MOST_BYTES {
            return;
        }
        self.waiting.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\n");
        for link in links {
            self.waiting.extend_from_slice(b"link: ");
            self.waiting.extend_from_slice(link.as_bytes());
            self.waiting.extend_from_slice(b"\r\n");
        }
        self.waiting.extend_from_slice(b"\r\n");
        // What the socket does not take now goes with the head of the answer; a broken connection is found out there too.
        if let Ok(written) = stream.try_write(&self.waiting) {
            self.waiting.advance(written);
        }
    }
}
