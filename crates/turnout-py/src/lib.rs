//! The Python extension `turnout._turnout`.

mod lab;

use pyo3::prelude::*;

/// See `python/turnout/_turnout.pyi`.
#[pymodule]
mod _turnout {
    #[pymodule_export]
    use crate::lab::{LabLoad, LabUpstreams};
}
