//! How long one step works on a large value.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::super::loops;
use crate::reactor::EventLoop;

/// So long if nobody else wants the loop.
const LONGEST: Duration = Duration::from_micros(500);

/// After so long the network has a moment, and whoever came by it has the loop next. A request needs three turns of the loop (found in
/// its socket, answered, sent): with whole slices between it would be late by a millisecond and a half.
const LOOK: Duration = Duration::from_micros(100);

/// From its beginning on.
pub(super) struct Slice {
    until: Instant,
    /// `None`: there is no loop to ask.
    look: Option<Instant>,
}

impl Slice {
    /// Of a step of the loop.
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self { until: now + LONGEST, look: Some(now + LOOK) }
    }

    /// Of work that goes on whoever wants the loop: on another thread, or in the middle of a call.
    pub(super) fn alone() -> Self {
        Self { until: Instant::now() + LONGEST, look: None }
    }

    /// Whether its time is over, or somebody else wants the loop. To be asked each few microseconds, outside of all locks.
    pub(super) fn is_over(&mut self, py: Python<'_>) -> bool {
        let now = Instant::now();
        if now >= self.until {
            return true;
        }
        if self.look.is_none_or(|look| now < look) {
            return false;
        }
        let wanted = is_wanted(py);
        self.look = wanted.map(|_| Instant::now() + LOOK);
        wanted.unwrap_or(false)
    }
}

/// `None`: no loop of turnout's runs on this thread.
fn is_wanted(py: Python<'_>) -> Option<bool> {
    let running = loops::running(py).ok().flatten()?;
    running.cast::<EventLoop>().ok().map(|event_loop| event_loop.get().is_wanted(py))
}
