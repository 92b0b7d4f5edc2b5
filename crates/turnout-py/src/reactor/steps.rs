//! What the steps of a loop cost: when each was ready, when it began, when it ended, summed.
//!
//! A step is one callback of the loop: a task's way from one `await` to the next, or a plain callback. Written by the loop
//! thread with the GIL held, read from anywhere.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::states::{nanoseconds_in, ticks_in};

/// Sums since the loop was made.
pub(super) struct Steps {
    count: AtomicU64,
    /// Ticks between ready and begin: the step waited for others.
    queued: AtomicU64,
    /// Ticks between begin and end.
    ran: AtomicU64,
    longest: AtomicU64,
    /// Ticks of steps that were no request's, as far as that is accounted for.
    overhead: AtomicU64,
}

/// [`Steps`] at one moment, in nanoseconds.
pub(super) struct Sums {
    pub(super) count: u64,
    pub(super) queued: u64,
    pub(super) ran: u64,
    pub(super) longest: u64,
    pub(super) overhead: u64,
}

impl Steps {
    pub(super) fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            ran: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            overhead: AtomicU64::new(0),
        }
    }

    /// One step, by its stamps of [`crate::raw::ticks`]. They may come from different processors: see there.
    #[inline]
    pub(super) fn add(&self, ready: u64, begun: u64, ended: u64) {
        let ran = ended.saturating_sub(begun);
        grow(&self.count, 1);
        grow(&self.queued, begun.saturating_sub(ready));
        grow(&self.ran, ran);
        if ran > self.longest.load(Relaxed) {
            self.longest.store(ran, Relaxed);
        }
    }

    /// A step of so many ticks was no request's.
    #[inline]
    pub(super) fn add_overhead(&self, ran: u64) {
        grow(&self.overhead, ran);
    }

    /// The stamp of a moment `seconds` before `now`.
    pub(super) fn before(now: u64, seconds: f64) -> u64 {
        now.saturating_sub(ticks_in(whole(seconds * 1e9)))
    }

    pub(super) fn sums(&self) -> Sums {
        let nanoseconds = |sum: &AtomicU64| nanoseconds_in(sum.load(Relaxed));
        Sums {
            count: self.count.load(Relaxed),
            queued: nanoseconds(&self.queued),
            ran: nanoseconds(&self.ran),
            longest: nanoseconds(&self.longest),
            overhead: nanoseconds(&self.overhead),
        }
    }
}

/// The GIL keeps other writers away, so this needs no atomic addition.
fn grow(sum: &AtomicU64, by: u64) {
    sum.store(sum.load(Relaxed) + by, Relaxed);
}

#[expect(clippy::cast_sign_loss, reason = "a little below zero is zero, which is what the cast makes of it")]
fn whole(count: f64) -> u64 {
    count as u64
}
