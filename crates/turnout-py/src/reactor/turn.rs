//! Who drives the runtime: one word, and the hand-over of it. The protocol is in the module head of [`crate::reactor`].

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::time::{ClockId, clock_gettime};

const LOOP: u64 = 0;
const STANDBY: u64 = 1;
const ENDED: u64 = 2;

/// What the standby sees when it looks.
pub(super) enum Seen {
    /// The loop thread is inside `select`.
    Loop,
    /// The loop thread has been in Python for this long; the stamp is the ticket for [`Turn::take_over`].
    Away(Duration, u64),
    /// The reactor is being closed.
    Ended,
}

pub(super) struct Turn {
    state: AtomicU64,
    /// The stamp of the last time the loop thread left `select`; only ever compared with itself.
    last_left: AtomicU64,
    /// The standby sleeps without a time limit.
    asleep: AtomicBool,
    standby: OnceLock<Thread>,
    /// Set by the standby when it has let go of the runtime, cleared by the loop thread.
    released: Mutex<bool>,
    release: Condvar,
}

impl Turn {
    pub(super) fn new() -> Self {
        Self {
            // From its making on, until the first `select`, the loop thread counts as away.
            state: AtomicU64::new(now()),
            last_left: AtomicU64::new(now()),
            asleep: AtomicBool::new(false),
            standby: OnceLock::new(),
            released: Mutex::new(false),
            release: Condvar::new(),
        }
    }

    // The loop thread's side.

    /// `select` is entered. True if the standby drives: then it must be woken, and [`Turn::wait_released`] be called.
    pub(super) fn enter(&self) -> bool {
        self.state.swap(LOOP, Ordering::SeqCst) == STANDBY
    }

    /// Waits until the standby let go of the runtime, at most `limit`. False if it has not yet.
    pub(super) fn wait_released(&self, limit: Option<Duration>) -> bool {
        let mut released = self.released.lock();
        while !*released {
            match limit {
                None => self.release.wait(&mut released),
                Some(limit) => {
                    if self.release.wait_for(&mut released, limit).timed_out() && !*released {
                        return false;
                    }
                }
            }
        }
        *released = false;
        true
    }

    /// `select` is left: from now on the loop thread is in Python.
    pub(super) fn leave(&self) {
        let stamp = now();
        self.last_left.store(stamp, Ordering::Relaxed);
        self.state.store(stamp, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.rouse();
        }
    }

    /// The reactor closes. True if the standby drives and must be woken.
    pub(super) fn end(&self) -> bool {
        let driving = self.state.swap(ENDED, Ordering::SeqCst) == STANDBY;
        self.rouse();
        driving
    }

    fn rouse(&self) {
        if self.asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.standby.get()
        {
            thread.unpark();
        }
    }

    // The standby's side.

    pub(super) fn announce(&self, standby: Thread) {
        let _ = self.standby.set(standby);
    }

    pub(super) fn look(&self) -> Seen {
        match self.state.load(Ordering::SeqCst) {
            LOOP => Seen::Loop,
            // Its own state: only `drive` runs then, and it does not look.
            STANDBY | ENDED => Seen::Ended,
            stamp => Seen::Away(Duration::from_nanos(now().saturating_sub(stamp)), stamp),
        }
    }

    /// How long ago the loop thread left `select`.
    pub(super) fn since_left(&self) -> Duration {
        Duration::from_nanos(now().saturating_sub(self.last_left()))
    }

    /// Differs from an earlier value exactly if the loop thread left `select` between.
    pub(super) fn last_left(&self) -> u64 {
        self.last_left.load(Ordering::Relaxed)
    }

    /// Takes the runtime if the loop thread has been away since `stamp` without a break.
    pub(super) fn take_over(&self, stamp: u64) -> bool {
        self.state.compare_exchange(stamp, STANDBY, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    pub(super) fn is_mine(&self) -> bool {
        self.state.load(Ordering::SeqCst) == STANDBY
    }

    /// The standby has let go of the runtime.
    pub(super) fn released(&self) {
        *self.released.lock() = true;
        self.release.notify_one();
    }

    /// Sleeps until the loop thread leaves `select` (or the end); returns at once if it is not in there.
    pub(super) fn sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        if self.state.load(Ordering::SeqCst) != LOOP {
            self.asleep.store(false, Ordering::SeqCst);
            return;
        }
        while self.asleep.load(Ordering::SeqCst) {
            std::thread::park();
        }
    }

    /// How long the loop thread has been out of `select`, for whoever wants to report a long step.
    pub(super) fn away(&self) -> Option<Duration> {
        match self.state.load(Ordering::SeqCst) {
            LOOP | ENDED => None,
            _ => Some(self.since_left()),
        }
    }
}

/// Nanoseconds of the monotonic clock: never one of the states above, later than the third nanosecond after boot.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
