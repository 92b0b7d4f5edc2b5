//! A stream socket's bytes, straight from and into what Python holds: no copy, no Python frame.

use std::os::fd::{AsRawFd, RawFd};

use pyo3::buffer::PyUntypedBuffer;
use rustix::io::{Errno, Result};

use crate::raw::with_borrowed;

/// Sends what it can of a buffer of Python's. It must lie in one piece.
pub(crate) fn send(number: RawFd, buffer: &PyUntypedBuffer) -> Result<usize> {
    if !buffer.is_c_contiguous() {
        return Err(Errno::INVAL);
    }
    with_borrowed(number, |fd| {
        // SAFETY: the exporter keeps `len_bytes` bytes at `buf_ptr` in their place until the buffer is released, and it is
        // contiguous, as just asked. The kernel reads them; no Rust reference to them is made, so whoever writes into them
        // meanwhile without the GIL spoils his message alone.
        let sent = unsafe { libc::send(fd.as_raw_fd(), buffer.buf_ptr(), buffer.len_bytes(), libc::MSG_NOSIGNAL) };
        usize::try_from(sent).map_err(|_| last_error())
    })
}

/// Receives into a buffer of Python's. It must lie in one piece and be writable.
pub(crate) fn receive(number: RawFd, buffer: &PyUntypedBuffer) -> Result<usize> {
    if buffer.readonly() || !buffer.is_c_contiguous() {
        return Err(Errno::INVAL);
    }
    with_borrowed(number, |fd| {
        // SAFETY: as in `send`, and the exporter has let us write there. Any bytes are valid values of a Python buffer that
        // `recv_into` would fill too.
        let got = unsafe { libc::recv(fd.as_raw_fd(), buffer.buf_ptr(), buffer.len_bytes(), 0) };
        usize::try_from(got).map_err(|_| last_error())
    })
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
