//! How long a call may last because of what it belongs to.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The incoming request (or `http.deadline()` block) that calls are made for. Clones are the same scope.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Until when; a call's own deadline can only be earlier.
    pub deadline: Option<Instant>,
    /// Fired when the request is over: idempotent calls are dropped, others finish in the background.
    pub cancelled: CancellationToken,
}
