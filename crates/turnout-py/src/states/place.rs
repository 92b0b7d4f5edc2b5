//! Where another thread is, by its frame.

use pyo3::prelude::*;
use pyo3::types::PyFrame;

use super::site;

/// The innermost frame of the project's own code from this one on, as `file:line function`. `None`: there is none.
pub(crate) fn place_of(innermost: Bound<'_, PyAny>) -> Option<String> {
    let views = super::views()?;
    let site = site::of(innermost.cast_into::<PyFrame>().ok(), &views.sites);
    (!site.is_unknown()).then(|| views.sites.name(site).to_string())
}
