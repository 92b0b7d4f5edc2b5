//! What one thread is measured by, and one look at it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use turnout_states::{Activity, Clocks, OnThread, Probe, Reading};

use super::rungs::{self, GilRung};
use crate::raw::{self, fork_generation, ticks};

/// A thread's clocks, and its waits for the GIL. The thread's own, but for the sums, which anybody may read.
#[derive(Debug)]
pub(crate) struct Meter {
    clocks: Clocks,
    /// In a child that its thread has forked the clocks are the parent's.
    generation: u64,
    /// Nanoseconds of waiting for the GIL, without what of it the thread waited for a processor or was on one.
    gil: AtomicU64,
    /// How many there were.
    gil_waits: AtomicU64,
    /// How others see what it does; `None` where that cannot be read.
    probe: Option<Probe>,
}

/// A look at the clocks that took so many ticks was broken off by somebody who wanted the processor: then they and the stamp are not of one moment. A
/// few microseconds are what it takes.
const LONG_LOOK: u64 = 20_000;
/// So often it is tried.
const LOOKS: u32 = 3;

/// Those of all threads that have one. Looked through when one comes or goes, and a hundred times a second where waits are sampled.
static ALL: Mutex<Vec<Weak<Meter>>> = Mutex::new(Vec::new());

/// How it stood with a thread at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    /// [`ticks`].
    pub(crate) at: u64,
    reading: Reading,
    gil: u64,
}

impl Meter {
    fn new() -> Self {
        Self {
            clocks: Clocks::for_this_thread(),
            generation: fork_generation(),
            gil: AtomicU64::new(0),
            gil_waits: AtomicU64::new(0),
            probe: Probe::for_this_thread().ok(),
        }
    }

    /// The calling thread's, made now if it has none. `None`: the system has no room for one, or this is a forked child.
    pub(crate) fn of_this_thread<'a>() -> Option<&'a Self> {
        let meter = raw::meter_of_this_thread().or_else(|| {
            let made = Arc::new(Self::new());
            {
                let mut all = ALL.lock();
                all.retain(|meter| meter.strong_count() > 0);
                all.push(Arc::downgrade(&made));
            }
            raw::set_meter(made);
            raw::meter_of_this_thread()
        });
        meter.filter(|meter| meter.generation == fork_generation())
    }

    pub(crate) fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// Adds one wait for the GIL, and what the thread's clocks said of that time. Called by the thread itself.
    pub(crate) fn waited(&self, wall: Duration, meanwhile: Reading) {
        let net = (wall.as_nanos() as u64).saturating_sub(meanwhile.computed + meanwhile.queued);
        // Nobody else writes, so this needs no atomic addition.
        self.gil.store(self.gil.load(Relaxed) + net, Relaxed);
        self.gil_waits.store(self.gil_waits.load(Relaxed) + 1, Relaxed);
    }

    /// Adds so much waiting for the GIL, where it is only looked for. Called by one thread for all.
    pub(crate) fn add_gil(&self, waited: Duration) {
        self.gil.fetch_add(waited.as_nanos() as u64, Relaxed);
    }

    /// What the thread does now; `None` if it has ended, or cannot be looked at.
    pub(crate) fn activity(&self, interpreter: &Range<usize>) -> Option<Activity> {
        self.probe.as_ref()?.read(interpreter).ok()
    }

    /// Nanoseconds of waiting for the GIL so far.
    pub(crate) fn gil(&self) -> u64 {
        self.gil.load(Relaxed)
    }

    /// How many waits that were.
    pub(crate) fn gil_waits(&self) -> u64 {
        self.gil_waits.load(Relaxed)
    }

    /// How it stands now. To be called by the thread itself.
    pub(crate) fn mark(&self) -> Mark {
        let mut before = ticks();
        for _ in 0..LOOKS {
            let reading = self.clocks.read();
            let at = ticks();
            if at.saturating_sub(before) < LONG_LOOK {
                return Mark { at, reading, gil: self.gil() };
            }
            before = at;
        }
        let reading = self.clocks.read();
        Mark { at: ticks(), reading, gil: self.gil() }
    }
}

impl Mark {
    /// What a thread did from `taken` on, in ticks, by this mark and one around then: not long before, while it did next to nothing, or a little later,
    /// when it woke up. True beside it: see [`OnThread::split`].
    #[expect(clippy::cast_sign_loss, reason = "neither is negative")]
    pub(crate) fn split(&self, earlier: &Self, taken: u64, rate: f64) -> (OnThread, bool) {
        let in_ticks = |nanoseconds: u64| (nanoseconds as f64 / rate) as u64;
        let Reading { computed, queued } = self.reading.since(earlier.reading);
        // Marked before it took this: it looked for work until then. Marked after: it was on its way to a processor.
        let looked = taken.saturating_sub(earlier.at);
        let woke = earlier.at.saturating_sub(taken);
        OnThread::split(
            self.at.saturating_sub(taken),
            in_ticks(computed).saturating_sub(looked),
            in_ticks(queued) + woke,
            in_ticks(self.gil.saturating_sub(earlier.gil)),
            in_ticks(tolerated()),
        )
    }
}

/// Those of all threads.
pub(super) fn all() -> Vec<Arc<Meter>> {
    ALL.lock().iter().filter_map(Weak::upgrade).collect()
}

/// Nanoseconds by which clocks may say more than there was: they are not read at one moment, and where waits are only looked for each look
/// stands for the time since the one before.
fn tolerated() -> u64 {
    match rungs::found().map(|rungs| &rungs.gil) {
        Some(GilRung::Sampled(_)) => u64::MAX / 4,
        _ => 20_000,
    }
}
