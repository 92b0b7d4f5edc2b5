//! From a place to a connection: names, addresses, proxies, TLS. Knows no HTTP but what a proxy's CONNECT needs.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::error::{Error, Kind};
use crate::options::Http2;

/// Which certificates are believed and shown.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Tls {}

/// Through which proxies.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Proxies {}

/// Which addresses may be connected to.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct AddressPolicy {}

/// All that makes two connections interchangeable: the pool's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// `https`.
    pub secure: bool,
    /// As in the URL: a name in ASCII, or an address.
    pub host: Arc<str>,
    /// Explicit, or the scheme's.
    pub port: u16,
    /// What is believed and shown.
    pub tls: Arc<Tls>,
    /// Through what.
    pub proxies: Arc<Proxies>,
    /// Whereto at all.
    pub addresses: Arc<AddressPolicy>,
    /// Spoken there.
    pub http2: Http2,
}

/// A connection just made.
#[derive(Debug)]
pub struct Connected {
    /// The bytes.
    pub stream: Stream,
    /// HTTP/2 was agreed upon.
    pub http2: bool,
    /// Requests need the absolute form of the target: there is a plain proxy in between. Its `Proxy-Authorization`, if it wants one.
    pub forward: Option<Option<http::HeaderValue>>,
    /// The peer: the proxy's address if there is one.
    pub remote: SocketAddr,
    /// Name to addresses.
    pub dns: Duration,
    /// Until an address took it.
    pub connect: Duration,
    /// The handshake.
    pub tls: Option<Duration>,
}

/// Plain or encrypted bytes.
pub enum Stream {
    /// TCP.
    Plain(TcpStream),
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Stream")
    }
}

impl Stream {
    /// The socket below, to be looked at: whether it can be read although nothing is expected.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

/// Makes a connection to `place`. Dropped early, it leaves nothing behind. The caller limits the time.
pub async fn connect(place: &Place) -> Result<Connected, Error> {
    let started = tokio::time::Instant::now();
    let socket = TcpStream::connect((&*place.host, place.port))
        .await
        .map_err(|error| Error::new(Kind::Connect, format!("no connection to {}", place.host)).caused_by(error))?;
    let _ = socket.set_nodelay(true);
    let remote = socket
        .peer_addr()
        .map_err(|error| Error::new(Kind::Connect, format!("{} hung up", place.host)).caused_by(error))?;
    Ok(Connected {
        stream: Stream::Plain(socket),
        http2: place.http2 == Http2::Only,
        forward: None,
        remote,
        dns: Duration::ZERO,
        connect: started.elapsed(),
        tls: None,
    })
}
