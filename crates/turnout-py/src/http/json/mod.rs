//! JSON as Python sees it: made into objects, or kept as bytes and looked into.

mod build;
mod document;
mod merge;
mod slice;
mod steps;

use bytes::Bytes;
use pyo3::prelude::*;
use turnout_client::json::{Lazy, Limits};

use super::errors;

pub(crate) use build::Hidden;
pub(crate) use build::{Builder, build};
pub(crate) use document::HttpJson;
pub(crate) use merge::{merge_json, select_of};
pub(crate) use steps::HttpJsonSteps;

/// Up to here a text is read with the GIL held: 30 us at most, and getting the GIL back may take 5 ms where others compute.
const WITH_GIL: usize = 32 << 10;

/// Reads a text, without the GIL if it is large.
pub(crate) fn parse(py: Python<'_>, text: Bytes) -> PyResult<Lazy> {
    let limits = Limits::default();
    let read = if text.len() <= WITH_GIL { Lazy::parse(text, limits) } else { py.detach(|| Lazy::parse(text, limits)) };
    read.map_err(|error| errors::raised(py, &error, None))
}
