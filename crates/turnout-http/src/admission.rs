//! How many requests may be in flight, and when to leave accepting to the neighbours.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// How often a full worker looks whether its neighbours have filled up too.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The other workers that accept from the same sockets.
pub trait Neighbours: Send + Sync {
    /// Tells them whether this worker is at its limit.
    fn set_full(&self, full: bool);
    /// True while at least one of them is not.
    fn any_has_room(&self) -> bool;
}

/// Counts the requests in flight: accepted, not yet answered.
pub struct Admission {
    in_flight: AtomicUsize,
    max: usize,
    neighbours: Option<Box<dyn Neighbours>>,
    freed: Notify,
    filled: Notify,
}

/// One request in flight. Dropped when its answer is whole, or when it is given up.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Admission>);

impl Admission {
    /// At most `max` in flight; `neighbours` is `None` for a worker that is alone.
    pub fn new(max: usize, neighbours: Option<Box<dyn Neighbours>>) -> Self {
        Self {
            in_flight: AtomicUsize::new(0),
            max: max.max(1),
            neighbours,
            freed: Notify::new(),
            filled: Notify::new(),
        }
    }

    /// How many are in flight now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// A permit, or `None` at the limit: then 503.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Permit> {
        // Only the thread that drives the runtime enters; permits may be dropped elsewhere.
        let before = self.in_flight.fetch_add(1, Ordering::AcqRel);
        if before >= self.max {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        if before + 1 == self.max
            && let Some(neighbours) = &self.neighbours
        {
            neighbours.set_full(true);
            self.filled.notify_waiters();
        }
        Some(Permit(Arc::clone(self)))
    }

    /// Wakes whoever waits for a connection when this worker fills up and has neighbours. Cancel-safe.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Waits while this worker is full and a neighbour is not: the next connection is for that one. Cancel-safe.
    pub(crate) async fn room(&self) {
        let Some(neighbours) = &self.neighbours else { return };
        while self.in_flight() >= self.max && neighbours.any_has_room() {
            tokio::select! {
                () = self.freed.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let admission = &self.0;
        let before = admission.in_flight.fetch_sub(1, Ordering::AcqRel);
        if before == admission.max
            && let Some(neighbours) = &admission.neighbours
        {
            neighbours.set_full(false);
            admission.freed.notify_waiters();
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Admission")
            .field("in_flight", &self.in_flight())
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}
