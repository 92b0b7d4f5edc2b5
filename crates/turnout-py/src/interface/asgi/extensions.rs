//! Which extensions of the specification one request has: announced in its scope exactly when they work.

use http::Version;
use http::header::TE;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::interface::head::Head;

/// What the app may send besides head and body, and besides `http.response.pathsend`, which always works.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extensions {
    /// `http.response.early_hint`: HTTP/1.0 knows no informational answers.
    pub(super) early_hint: bool,
    /// `http.response.trailers`: only to a client that says it takes them (RFC 9110 section 6.5.1).
    pub(super) trailers: bool,
    /// `http.response.debug`: for who reads a log of level `debug`.
    pub(super) debug: bool,
}

impl Extensions {
    pub(super) fn of(head: &Head, debug: bool) -> Self {
        let trailers = head.version == Version::HTTP_11 && takes_trailers(head);
        Self { early_hint: head.hints.can_be_sent(), trailers, debug }
    }

    /// `scope["extensions"]`.
    pub(super) fn announce(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let announced = PyDict::new(py);
        announced.set_item(intern!(py, "http.response.pathsend"), PyDict::new(py))?;
        if self.early_hint {
            announced.set_item(intern!(py, "http.response.early_hint"), PyDict::new(py))?;
        }
        if self.trailers {
            announced.set_item(intern!(py, "http.response.trailers"), PyDict::new(py))?;
        }
        if self.debug {
            announced.set_item(intern!(py, "http.response.debug"), PyDict::new(py))?;
        }
        Ok(announced)
    }
}

fn takes_trailers(head: &Head) -> bool {
    let values = head.headers.get_all(TE).iter();
    let mut codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}
