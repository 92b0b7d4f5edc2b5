//! The Python extension `turnout._turnout`.

use pyo3::prelude::*;

/// See `python/turnout/_turnout.pyi`.
#[pymodule]
mod _turnout {}
