//! One step of the loop: a callback that is ready.

use pyo3::intern;
use pyo3::prelude::*;

use crate::reactor::event_loop::EventLoop;
use crate::reactor::handles::Handle;

/// One step to be taken.
pub(super) struct Ready {
    pub(super) step: Step,
    /// Since when.
    pub(super) since: u64,
    pub(super) origin: Origin,
}

/// Where a step comes from. What one from outside makes ready was ready, for whoever waits for it, since that came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Another step, or a timer.
    Inside,
    /// Another thread.
    Thread,
    /// A descriptor was ready: whatever context it was registered in, it is nobody's alone. A connection of a pool was opened by one request
    /// and serves others.
    Descriptor,
}

pub(super) enum Step {
    Native(Py<Handle>),
    /// One of the stdlib's own handles (signals), or of somebody who makes them himself.
    Foreign(Py<PyAny>),
}

impl Step {
    pub(super) fn of(handle: Bound<'_, PyAny>) -> Self {
        match handle.cast_into::<Handle>() {
            Ok(handle) => Self::Native(handle.unbind()),
            Err(other) => Self::Foreign(other.into_inner().unbind()),
        }
    }

    pub(super) fn is_cancelled(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Self::Native(handle) => Ok(handle.get().is_cancelled()),
            Self::Foreign(handle) => handle.bind(py).getattr(intern!(py, "_cancelled"))?.is_truthy(),
        }
    }

    /// False if there was nothing to run.
    pub(super) fn run(self, event_loop: &Bound<'_, EventLoop>) -> PyResult<bool> {
        let py = event_loop.py();
        if self.is_cancelled(py)? {
            return Ok(false);
        }
        if event_loop.get().is_debug() {
            let handle = match self {
                Self::Native(handle) => handle.into_any(),
                Self::Foreign(handle) => handle,
            };
            event_loop.call_method1(intern!(py, "_run_in_debug_mode"), (handle,))?;
            return Ok(true);
        }
        match self {
            Self::Native(handle) => Handle::run(&handle.into_bound(py))?,
            Self::Foreign(handle) => drop(handle.bind(py).call_method0(intern!(py, "_run"))?),
        }
        Ok(true)
    }
}
