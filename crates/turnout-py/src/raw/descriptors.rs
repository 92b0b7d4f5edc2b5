//! Descriptors: Python's, which it names by number, and ours, as tokio watches them.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lends `number` to one system call. A number nobody has open is the kernel's to refuse (`EBADF`).
pub(crate) fn with_borrowed<T>(
    number: RawFd,
    call: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    if number < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: the number is not -1, the one value `BorrowedFd` may not hold. The borrow ends with this call, and the
    // callers hand it to `epoll_ctl`, `fcntl(F_DUPFD_CLOEXEC)`, `recv`, `send`, `sendmsg` and `getpeername`, which read a number: were Python to close it
    // meanwhile on another thread, the call would fail or use what took the number's place, exactly as `select.epoll` and
    // `os.dup` do; no memory of ours depends on it being open.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    call(descriptor)
}

/// Another descriptor of what `number` names, closed on exec: ours, whatever becomes of Python's.
pub(crate) fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    Ok(with_borrowed(number, |descriptor| rustix::io::fcntl_dupfd_cloexec(descriptor, 0))?)
}

/// Watches an epoll set of ours for becoming readable. Inside a runtime's context.
pub(crate) fn watch_readable(descriptor: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the registration lives as long as the `AsyncFd`, which owns a share of the descriptor: it cannot be closed,
    // and its number not be given to another one, before the registration ends.
    let watch = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    Ok(watch?)
}
