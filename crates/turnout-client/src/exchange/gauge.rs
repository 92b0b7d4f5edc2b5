//! What hyper does not tell about its connection: bytes read and written, whether writing is stuck, whether the socket is quiet.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connect::Stream;

/// Read by the exchange, written by [`Gauged`] and by the request's body. Only one task at a time has any of them.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    read: AtomicU64,
    written: AtomicU64,
    /// The upstream takes no more at the moment.
    blocked: AtomicBool,
    /// More of the request's body will come.
    unfinished: AtomicBool,
    /// The next read looks at the socket first.
    probing: AtomicBool,
    /// There is something on the socket, if only its end.
    stirred: AtomicBool,
}

impl Gauge {
    pub(super) fn read(&self) -> u64 {
        self.read.load(Relaxed)
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }

    pub(super) fn is_unfinished(&self) -> bool {
        self.unfinished.load(Relaxed)
    }

    pub(super) fn set_unfinished(&self, unfinished: bool) {
        self.unfinished.store(unfinished, Relaxed);
    }

    /// Runs `poll`, which reads, and tells whether the socket had nothing to say.
    pub(super) fn is_quiet(&self, poll: impl FnOnce()) -> bool {
        self.stirred.store(false, Relaxed);
        self.probing.store(true, Relaxed);
        poll();
        self.probing.store(false, Relaxed);
        !self.stirred.load(Relaxed)
    }
}

/// A stream whose gauge is kept.
#[derive(Debug)]
pub(super) struct Gauged {
    stream: Stream,
    gauge: Arc<Gauge>,
}

impl Gauged {
    pub(super) fn new(stream: Stream, gauge: Arc<Gauge>) -> Self {
        Self { stream, gauge }
    }

    /// The kernel's own word. tokio only knows what its driver has seen, and that may have been some time ago.
    fn is_stirred(&self) -> bool {
        let peeked = SockRef::from(self.stream.socket()).peek(&mut [MaybeUninit::uninit()]);
        !peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        match polled {
            Poll::Ready(Ok(count)) => {
                self.gauge.written.fetch_add(*count as u64, Relaxed);
                self.gauge.blocked.store(false, Relaxed);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.gauge.blocked.store(true, Relaxed),
        }
    }
}

impl AsyncRead for Gauged {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.gauge.probing.load(Relaxed) && self.is_stirred() {
            self.gauge.stirred.store(true, Relaxed);
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let count = buffer.filled().len() - before;
        self.gauge.read.fetch_add(count as u64, Relaxed);
        polled
    }
}

impl AsyncWrite for Gauged {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        // TLS takes more than the socket does. Asked only when everything has been taken.
        self.gauge.blocked.store(polled.is_pending(), Relaxed);
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
