//! One connection, TCP or Unix.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connection.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What lies in the socket's receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// At least one byte.
    Bytes,
    /// The peer's FIN, and nothing before it.
    Fin,
    /// Nothing yet.
    Nothing,
    /// The connection is broken (RST or worse).
    Broken,
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self(Kind::Tcp(stream))
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self(Kind::Unix(stream))
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Kind::Tcp(stream) => stream.as_fd(),
            Kind::Unix(stream) => stream.as_fd(),
        }
    }
}

/// The same call on whichever socket it is.
macro_rules! on {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self {
            Kind::Tcp($stream) => $call,
            Kind::Unix($stream) => $call,
        }
    };
}

impl Stream {
    /// Sends our FIN; reading goes on.
    pub fn shutdown_write(&self) -> io::Result<()> {
        socket2::SockRef::from(self).shutdown(std::net::Shutdown::Write)
    }

    /// Makes the coming close a RST: the peer must not take what it got for the whole.
    pub fn close_with_reset(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Tcp(_) => socket2::SockRef::from(self).set_linger(Some(std::time::Duration::ZERO)),
            Kind::Unix(_) => Ok(()),
        }
    }

    /// Asks the kernel, not tokio's memory of its last visit: a process that was held up sees what came in the meantime.
    pub fn waiting(&self) -> Waiting {
        let mut byte = [0_u8; 1];
        match rustix::net::recv(self, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Waiting::Fin,
            Ok(_) => Waiting::Bytes,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Waiting::Nothing,
            Err(_) => Waiting::Broken,
        }
    }

    /// Writes what the socket takes at once. Whoever waits to write is not disturbed.
    pub fn try_write(&self, from: &[u8]) -> io::Result<usize> {
        on!(&self.0, stream => stream.try_write(from))
    }

    /// A future that is ready when the connection breaks, also after the peer's FIN was read. It owns what it needs.
    pub fn breakage(&self) -> io::Result<impl Future<Output = ()> + Send + 'static> {
        // A descriptor of its own, so that it can be waited for whatever else waits for the connection.
        let descriptor = self.as_fd().try_clone_to_owned()?;
        let watched = match &self.0 {
            Kind::Tcp(_) => Kind::Tcp(TcpStream::from_std(descriptor.into())?),
            Kind::Unix(_) => Kind::Unix(UnixStream::from_std(descriptor.into())?),
        };
        Ok(async move {
            // Ready for errors alone; a FIN in one direction is none.
            let _ = on!(&watched, stream => stream.ready(Interest::ERROR).await);
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on!(&mut self.get_mut().0, stream => Pin::new(stream).poll_read(cx, into))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        on!(&mut self.get_mut().0, stream => Pin::new(stream).poll_write(cx, from))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on!(&mut self.get_mut().0, stream => Pin::new(stream).poll_write_vectored(cx, from))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(&mut self.get_mut().0, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(&mut self.get_mut().0, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
