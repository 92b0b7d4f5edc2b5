//! How long a call may last because of what it belongs to.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The incoming request (or `http.deadline()` block) that calls are made for. Clones are the same scope.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Until when; a call's own deadline can only be earlier.
    pub deadline: Option<Instant>,
    /// Kept back from `deadline`: calls end so much earlier, so that their outcomes can still be made an answer of.
    pub reserve: Duration,
    /// Fired when the request is over: idempotent calls are dropped, others that were sent finish in the background.
    pub cancelled: CancellationToken,
}

impl Default for Scope {
    fn default() -> Self {
        Self { deadline: None, reserve: Duration::from_millis(20), cancelled: CancellationToken::new() }
    }
}

impl Scope {
    /// When its calls end.
    pub fn until(&self) -> Option<Instant> {
        self.deadline.map(|deadline| deadline.checked_sub(self.reserve).unwrap_or(deadline))
    }
}
