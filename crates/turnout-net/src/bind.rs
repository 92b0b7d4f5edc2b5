//! `HOST:PORT` or `unix:PATH`: read once, then bound, with errors that an operator can act on.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;

use crate::Listener;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// A host name or address, and a port; port 0 lets the system choose.
    Tcp {
        /// A name, an IPv4 address, or an IPv6 address without its brackets.
        host: String,
        /// 0 to 65535.
        port: u16,
    },
    /// A Unix socket of this path.
    Unix(PathBuf),
}

/// Why we cannot listen. Always the operator's to settle.
#[derive(Debug, Error)]
pub enum BindError {
    /// The text is neither form.
    #[error("`{0}` is not an address to listen on: give HOST:PORT, [IPV6]:PORT or unix:PATH")]
    Syntax(String),
    /// Somebody listens there already.
    #[error("{0} is in use: another process listens there")]
    InUse(Bind),
    /// The system forbids it.
    #[error("not allowed to listen on {bind}: {hint}")]
    Denied {
        /// What was asked for.
        bind: Bind,
        /// What to do about it.
        hint: &'static str,
    },
    /// The name has no address, or the address is not one of this machine's.
    #[error("cannot listen on {bind}: {source}")]
    Host {
        /// What was asked for.
        bind: Bind,
        /// What the system said.
        source: io::Error,
    },
    /// The path holds something else than a socket.
    #[error("cannot listen on {0}: the file exists and is not a socket")]
    NotASocket(Bind),
    /// Anything else.
    #[error("cannot listen on {bind}: {source}")]
    Other {
        /// What was asked for.
        bind: Bind,
        /// What the system said.
        source: io::Error,
    },
}

impl Bind {
    /// Reads `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`.
    pub fn parse(text: &str) -> Result<Self, BindError> {
        let wrong = || BindError::Syntax(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        // u16's own parser also takes "+80".
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let port = port.parse().map_err(|_| wrong())?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().map(|_| inner).map_err(|_| wrong())?,
            // Without brackets nobody can tell the last group from the port.
            None if host.contains([':', '[', ']', '/', ' ']) || host.is_empty() => return Err(wrong()),
            None => host,
        };
        Ok(Self::Tcp { host: host.to_owned(), port })
    }

    /// Binds and listens. With `reuse_port` several sockets may share a TCP address (`SO_REUSEPORT`).
    pub fn listen(&self, backlog: u32, reuse_port: bool) -> Result<Listener, BindError> {
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        match self {
            Self::Tcp { host, port } => self.listen_tcp(host, *port, backlog, reuse_port),
            Self::Unix(path) => self.listen_unix(path, backlog),
        }
    }

    fn listen_tcp(&self, host: &str, port: u16, backlog: i32, reuse_port: bool) -> Result<Listener, BindError> {
        let addresses =
            (host, port).to_socket_addrs().map_err(|source| BindError::Host { bind: self.clone(), source })?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        // A name may have addresses of a family this machine does not have; the first that works counts.
        for address in addresses {
            match bind_tcp(address, backlog, reuse_port) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = error,
            }
        }
        Err(self.explain(last))
    }

    fn listen_unix(&self, path: &Path, backlog: i32) -> Result<Listener, BindError> {
        match bind_unix(path, backlog) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            done => return done.map_err(|error| self.explain(error)),
        }
        let found = std::fs::symlink_metadata(path).map_err(|error| self.explain(error))?;
        if !found.file_type().is_socket() {
            return Err(BindError::NotASocket(self.clone()));
        }
        if somebody_listens(path).map_err(|error| self.explain(error))? {
            return Err(BindError::InUse(self.clone()));
        }
        // Left behind by a process that was killed: nobody can ever connect to it again.
        std::fs::remove_file(path).map_err(|error| self.explain(error))?;
        bind_unix(path, backlog).map_err(|error| self.explain(error))
    }

    fn explain(&self, source: io::Error) -> BindError {
        let bind = self.clone();
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(bind),
            io::ErrorKind::PermissionDenied => {
                let hint = match self {
                    Self::Tcp { .. } => "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE); choose a higher one",
                    Self::Unix(_) => "this user may not write to its folder",
                };
                BindError::Denied { bind, hint }
            }
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::NotFound => BindError::Host { bind, source },
            _ => BindError::Other { bind, source },
        }
    }
}

impl FromStr for Bind {
    type Err = BindError;

    fn from_str(text: &str) -> Result<Self, BindError> {
        Self::parse(text)
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(to, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(to, "{host}:{port}"),
            Self::Unix(path) => write!(to, "unix:{}", path.display()),
        }
    }
}

fn bind_tcp(address: SocketAddr, backlog: i32, reuse_port: bool) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // Without it a restart would have to wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Listener::try_from(std::os::fd::OwnedFd::from(socket))
}

fn bind_unix(path: &Path, backlog: i32) -> io::Result<Listener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(backlog)?;
    Listener::try_from(std::os::fd::OwnedFd::from(socket))
}

/// Not blocking: a live listener with a full queue answers EAGAIN, which is a yes.
fn somebody_listens(path: &Path) -> io::Result<bool> {
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(true),
    }
}
