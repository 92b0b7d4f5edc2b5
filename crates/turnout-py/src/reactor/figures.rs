//! What the loop does, for whoever tells of it: read from any thread, without the GIL.

use std::sync::Arc;

use crate::reactor::shared::Shared;
use crate::reactor::steps::{Steps, Sums};

/// Outlives the loop harmlessly.
pub(crate) struct Figures {
    pub(super) shared: Arc<Shared>,
    pub(super) steps: Arc<Steps>,
}

/// Sums over all steps of the loop, in nanoseconds.
pub(crate) struct StepFigures {
    pub(crate) count: u64,
    pub(crate) ran: u64,
    pub(crate) queued: u64,
    pub(crate) longest: u64,
    /// Of steps that were no request's.
    pub(crate) overhead: u64,
    /// How long the loop thread has been in Python; 0 while it waits.
    pub(crate) now: u64,
}

impl Figures {
    pub(crate) fn read(&self) -> StepFigures {
        let sums = self.steps.sums();
        let now = self.shared.turn.away().map_or(0, |away| away.as_nanos() as u64);
        let Sums { count, queued, ran, longest, overhead } = sums;
        StepFigures { count, ran, queued, longest, overhead, now }
    }
}
