//! What a system call waits for, for people: whose the other end of a descriptor is.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketAddrUnix, getpeername};
use turnout_states::{Kind, Reason};

use crate::raw;

/// A kind of thing, and which one, if that can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Awaited {
    pub(crate) kind: Kind,
    pub(crate) address: String,
}

impl Awaited {
    /// In a word or an address.
    pub(crate) fn name(&self) -> &str {
        if self.address.is_empty() { self.kind.word() } else { &self.address }
    }
}

/// Asked from another thread than the one that waits: what its descriptor is, is so as long as that thread waits.
pub(super) fn awaited(reason: Reason) -> Awaited {
    let plain = |kind| Awaited { kind, address: String::new() };
    match reason {
        Reason::Sleep => plain(Kind::Sleep),
        Reason::Lock => plain(Kind::Lock),
        Reason::File => plain(Kind::File),
        Reason::Process | Reason::Other => plain(Kind::Other),
        Reason::Descriptor(number) => match raw::with_borrowed(number, peer) {
            Ok(address) => Awaited { kind: Kind::Socket, address },
            Err(Errno::NOTSOCK) => plain(Kind::File),
            Err(_) => plain(Kind::Socket),
        },
    }
}

/// Who is at the other end.
fn peer(descriptor: BorrowedFd<'_>) -> rustix::io::Result<String> {
    let Some(address) = getpeername(descriptor)? else { return Ok(String::new()) };
    Ok(named(address))
}

fn named(address: SocketAddrAny) -> String {
    if let Ok(address) = SocketAddr::try_from(address.clone()) {
        return address.to_string();
    }
    let unix = SocketAddrUnix::try_from(address).ok();
    let path = unix.as_ref().and_then(SocketAddrUnix::path);
    path.map_or_else(String::new, |path| format!("unix:{}", path.to_string_lossy()))
}
