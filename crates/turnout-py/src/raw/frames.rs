//! What the calling thread is running: PyO3 has the type of a frame, but not the way to the first one.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyFrame;

/// The innermost frame of Python code on this thread. `None`: it runs none.
pub(crate) fn innermost_frame(py: Python<'_>) -> Option<Bound<'_, PyFrame>> {
    // SAFETY: `py` proves that this thread holds the GIL. The answer is a borrowed reference to the frame of running code, which lives
    // at least until that code goes on, or null; the share of it that is taken here at once keeps it beyond that.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) }
        // SAFETY: the documented answer is a frame.
        .map(|frame| unsafe { frame.cast_into_unchecked() })
}
