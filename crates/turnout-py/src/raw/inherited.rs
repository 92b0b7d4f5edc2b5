//! Descriptors that this process was started with.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// Takes over a descriptor whose number the parent process told, and closes it on exec from now on.
///
/// Refuses the standard three, and numbers that are not open. Call once for each number: the caller has it from a variable that is
/// removed after reading.
pub(crate) fn take(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "0, 1 and 2 have other uses"));
    }
    // Whether it is open at all: everything below relies on it.
    std::fs::symlink_metadata(format!("/proc/self/fd/{number}"))?;
    // SAFETY: the number is open (just seen) and was inherited: the parent opened it for this very use and told only us its
    // number, so no other object of this process owns it.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(&owned, FdFlags::CLOEXEC)?;
    Ok(owned)
}
