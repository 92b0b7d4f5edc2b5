//! The Python extension `turnout._turnout`.

mod access_log;
mod command;
mod lab;
mod raw;
mod reactor;

use pyo3::prelude::*;

/// See `python/turnout/_turnout.pyi`.
#[pymodule]
mod _turnout {
    #[pymodule_export]
    use crate::command::{WorkerLink, command};
    #[pymodule_export]
    use crate::lab::{LabLoad, LabUpstreams};
    #[pymodule_export]
    use crate::reactor::Reactor;
}
