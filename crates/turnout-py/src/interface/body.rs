//! A request body that is complete, as Python reads it: a real file object, in memory or on disk.

use std::os::fd::IntoRawFd;

use bytes::Bytes;
use http::StatusCode;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};
use turnout_http::{BodyError, Collected, Response};

/// `io.BytesIO` or a binary file at its start.
pub(super) fn to_file(py: Python<'_>, body: Collected) -> PyResult<Bound<'_, PyAny>> {
    static BYTES_IO: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match body {
        Collected::Memory(bytes) => BYTES_IO.import(py, "io", "BytesIO")?.call1((PyBytes::new(py, &bytes),)),
        Collected::File(file, _) => {
            // From here on the descriptor is Python's, closed with the file object; if opening fails it is closed too.
            let descriptor = file.into_raw_fd();
            py.import(intern!(py, "io"))?.call_method1(intern!(py, "open"), (descriptor, "rb"))
        }
    }
}

/// How many bytes there are.
pub(super) fn length(body: &Collected) -> u64 {
    match body {
        Collected::Memory(bytes) => bytes.len() as u64,
        Collected::File(_, length) => *length,
    }
}

/// A body of nothing.
pub(super) fn empty() -> Collected {
    Collected::Memory(Bytes::new())
}

/// The answer to a request whose body could not be read: the client's doing, each with its own status.
pub(super) fn refusal(error: &BodyError) -> Response {
    match error {
        BodyError::TooLarge => Response::plain(StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large.\n"),
        BodyError::TooSlow => Response::plain(StatusCode::REQUEST_TIMEOUT, "The request body arrived too slowly.\n"),
        _ => Response::plain(StatusCode::BAD_REQUEST, "The request body is not valid.\n"),
    }
}
