//! A bound socket, and accepting from it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockRef, TcpKeepalive, Type};

use crate::Stream;

/// What may wait in the kernel without having been sent.
const UNSENT: u32 = 128 * 1024;
/// Silence after which the kernel asks whether the peer is still there.
const GONE_AFTER: Duration = Duration::from_secs(60);

/// A socket that listens: nonblocking, closed on exec unless the owner says otherwise.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    address: Address,
}

#[derive(Debug, Clone)]
enum Address {
    Tcp(SocketAddr),
    /// The path as text; empty for an unnamed or abstract socket.
    Unix(Arc<str>),
}

/// Accepts connections inside a tokio runtime.
#[derive(Debug)]
pub struct Acceptor {
    socket: Socket,
    address: Address,
}

#[derive(Debug)]
enum Socket {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// What is known of a connection when it is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The other end; `None` on a Unix socket.
    pub peer: Option<SocketAddr>,
    /// This end; `None` on a Unix socket.
    pub local: Option<SocketAddr>,
    /// The path of the Unix socket, when it is one.
    pub unix_path: Option<Arc<str>>,
}

impl TryFrom<OwnedFd> for Listener {
    type Error = io::Error;

    /// Takes over a descriptor, for example one inherited from the supervisor or from systemd.
    fn try_from(socket: OwnedFd) -> io::Result<Self> {
        let view = SockRef::from(&socket);
        if view.r#type()? != Type::STREAM || !view.is_listener()? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is not a listening stream socket"));
        }
        view.set_nonblocking(true)?;
        view.set_cloexec(true)?;
        let bound = view.local_addr()?;
        let address = if let Some(address) = bound.as_socket() {
            prepare(&view)?;
            Address::Tcp(address)
        } else if bound.domain() == Domain::UNIX {
            Address::Unix(bound.as_pathname().map(|path| path.display().to_string()).unwrap_or_default().into())
        } else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the descriptor is neither a TCP nor a Unix socket",
            ));
        };
        Ok(Self { socket, address })
    }
}

/// Options that accepted sockets inherit on Linux: a few calls here instead of a few for each connection.
fn prepare(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    // A slow reader is seen to make progress every so many bytes, and holds no megabytes of kernel memory.
    socket.set_tcp_notsent_lowat(UNSENT)?;
    // A peer that vanished (power, network) while an answer takes long is noticed within two minutes.
    let probes = TcpKeepalive::new().with_time(GONE_AFTER).with_interval(GONE_AFTER / 4).with_retries(4);
    socket.set_tcp_keepalive(&probes)
}

impl Listener {
    /// The address it is bound to; `None` for a Unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.address {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    /// The path it is bound to, when it is a Unix socket that has one.
    pub fn unix_path(&self) -> Option<&str> {
        match &self.address {
            Address::Unix(path) if !path.is_empty() => Some(path),
            _ => None,
        }
    }

    /// A second descriptor of the same socket.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, address: self.address.clone() })
    }

    /// Begins to accept. Call inside a tokio runtime.
    pub fn into_acceptor(self) -> io::Result<Acceptor> {
        let socket = match self.address {
            Address::Tcp(_) => Socket::Tcp(tokio::net::TcpListener::from_std(self.socket.into())?),
            Address::Unix(_) => Socket::Unix(tokio::net::UnixListener::from_std(self.socket.into())?),
        };
        Ok(Acceptor { socket, address: self.address })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        listener.socket
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp(address) => write!(to, "http://{address}"),
            Address::Unix(path) => write!(to, "unix:{path}"),
        }
    }
}

impl Acceptor {
    /// The next connection. Cancel-safe. Errors are of one connection or of the system (no descriptors left), never final.
    pub async fn accept(&self) -> io::Result<(Stream, Accepted)> {
        match (&self.socket, &self.address) {
            (Socket::Tcp(socket), Address::Tcp(bound)) => {
                let (stream, peer) = socket.accept().await?;
                let local = if bound.ip().is_unspecified() { stream.local_addr()? } else { *bound };
                let accepted = Accepted { peer: Some(peer), local: Some(local), unix_path: None };
                Ok((Stream::from(stream), accepted))
            }
            (Socket::Unix(socket), Address::Unix(path)) => {
                let (stream, _) = socket.accept().await?;
                Ok((Stream::from(stream), Accepted { peer: None, local: None, unix_path: Some(Arc::clone(path)) }))
            }
            _ => unreachable!("the socket was made from its address"),
        }
    }
}
