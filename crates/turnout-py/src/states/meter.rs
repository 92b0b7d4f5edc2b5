//! What one thread is measured by, and one look at it.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use turnout_states::{Clocks, Look, OnThread, Probe, Reading};

use super::present::Present;
use super::rate::{nanoseconds_in, ticks_in};
use super::rungs::{self, GilRung};
use crate::raw::{self, fork_generation, ticks};

/// A thread's clocks, and its waits for the GIL. The thread's own, but for the sums, which anybody may read.
#[derive(Debug)]
pub(crate) struct Meter {
    clocks: Clocks,
    /// The system's number of the thread.
    thread: u32,
    /// In a child that its thread has forked the clocks are the parent's.
    generation: u64,
    /// Nanoseconds of waiting for the GIL, without what of it the thread waited for a processor or was on one.
    gil: AtomicU64,
    /// How many there were.
    gil_waits: AtomicU64,
    /// So many batches of the loop's steps, or jobs of a pool's thread, are looked at: one that missed some time was there not long ago.
    suspicious: AtomicU32,
    turns: AtomicU32,
    /// How others see what it does; `None` where that cannot be read.
    probe: Option<Probe>,
    present: Present,
}

/// Waits for the GIL of all threads there ever were: how many, and nanoseconds.
#[derive(Debug)]
pub(crate) struct GilWaits {
    pub(crate) count: AtomicU64,
    pub(crate) time: AtomicU64,
}

/// Since the process began. Only where each is timed.
pub(crate) static GIL_WAITS: GilWaits = GilWaits { count: AtomicU64::new(0), time: AtomicU64::new(0) };

/// A look at the clocks that took so many ticks was broken off by somebody who wanted the processor: then they and the stamp are not of one moment. A
/// few microseconds are what it takes.
const LONG_LOOK: u64 = 20_000;
/// So often it is tried.
const LOOKS: u32 = 4;
/// Batches of steps, or jobs.
const SUSPICIOUS: u32 = 256;
/// Nanoseconds that a job may miss before the run queue is asked, and how many jobs in a row may not ask it.
const MISSED: u64 = 20_000;
const UNASKED: u32 = 8;
/// A job of fewer nanoseconds may be trusted.
const TRUSTED: u64 = 1_000_000;
/// Nanoseconds of computing in one wait for the GIL: a system call and the way there and back.
const WAIT_COSTS: u64 = 3_000;

/// Those of all threads that have one. Looked through when one comes or goes, and a hundred times a second where waits are sampled.
static ALL: Mutex<Vec<Weak<Meter>>> = Mutex::new(Vec::new());

/// How it stood with a thread at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    /// [`ticks`].
    pub(crate) at: u64,
    /// The system's number of the thread.
    pub(crate) thread: u32,
    reading: Reading,
    gil: u64,
    gil_waits: u64,
    /// The run queue was last asked so many marks ago.
    unasked: u32,
}

impl Meter {
    fn new() -> Self {
        Self {
            clocks: Clocks::for_this_thread(),
            thread: rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs(),
            generation: fork_generation(),
            gil: AtomicU64::new(0),
            gil_waits: AtomicU64::new(0),
            suspicious: AtomicU32::new(0),
            turns: AtomicU32::new(0),
            probe: Probe::for_this_thread().ok(),
            present: Present::default(),
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

    /// Adds one wait for the GIL, and for how much of it the thread was in the run queue. Called by the thread itself.
    pub(crate) fn waited(&self, wall: Duration, queued: u64) {
        let net = (wall.as_nanos() as u64).saturating_sub(queued + WAIT_COSTS);
        // Nobody else writes, so this needs no atomic addition.
        self.gil.store(self.gil.load(Relaxed) + net, Relaxed);
        self.gil_waits.store(self.gil_waits.load(Relaxed) + 1, Relaxed);
        GIL_WAITS.count.fetch_add(1, Relaxed);
        GIL_WAITS.time.fetch_add(net, Relaxed);
    }

    /// Time of a step is missing: see [`super::Watch`].
    pub(super) fn suspect(&self) {
        self.suspicious.store(SUSPICIOUS, Relaxed);
    }

    /// Whether that was not long ago. Asked once a batch, or job.
    pub(super) fn is_suspicious(&self) -> bool {
        let left = self.suspicious.load(Relaxed);
        if left > 0 {
            self.suspicious.store(left - 1, Relaxed);
        }
        left > 0
    }

    fn suspects(&self) -> bool {
        self.suspicious.load(Relaxed) > 0
    }

    /// One time in so many.
    pub(super) fn is_turn(&self, of: u32) -> bool {
        let count = self.turns.load(Relaxed).wrapping_add(1);
        self.turns.store(count, Relaxed);
        count.is_multiple_of(of)
    }

    /// Adds so much waiting for the GIL, where it is only looked for. Called by one thread for all.
    pub(crate) fn add_gil(&self, waited: Duration) {
        self.gil.fetch_add(waited.as_nanos() as u64, Relaxed);
    }

    /// What the thread does now; `None` if it has ended, or cannot be looked at.
    pub(super) fn look(&self, interpreter: &Range<usize>) -> Option<Look> {
        self.probe.as_ref()?.look(interpreter).ok()
    }

    /// Whether others can look at what it does.
    pub(super) fn can_be_seen(&self) -> bool {
        self.probe.is_some()
    }

    /// What the thread is at.
    pub(crate) fn present(&self) -> &Present {
        &self.present
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
        let mut looks = 0;
        loop {
            let reading = self.clocks.read();
            let at = ticks();
            looks += 1;
            if at.saturating_sub(before) < LONG_LOOK || looks == LOOKS {
                return self.mark_of(at, reading);
            }
            before = at;
        }
    }

    /// The same at the end of a job that was taken then, after `before`. A short one is trusted, as a short step of the loop is (see [`super::Watch`]), as
    /// long as none of this thread missed time; one in nine is looked at. Of the others the processor's clock is asked, and the run queue only
    /// if some time is missing.
    pub(crate) fn mark_after(&self, before: &Mark, taken: u64) -> Mark {
        let suspicious = self.is_suspicious();
        if !suspicious && let Some(mark) = self.trusted(before, taken) {
            return mark;
        }
        let computed = self.clocks.computed();
        let at = ticks();
        let known = computed.saturating_sub(before.reading.computed) + self.gil().saturating_sub(before.gil);
        let missing = nanoseconds_in(at.saturating_sub(taken.min(before.at))).saturating_sub(known);
        let mut mark = if missing > MISSED || before.unasked >= UNASKED {
            self.mark()
        } else {
            let reading = Reading { computed, queued: before.reading.queued };
            Mark { unasked: before.unasked + 1, ..self.mark_of(at, reading) }
        };
        // Who had no processor for a moment may be trusted all the same: what waits for one for long is no short job.
        if missing.saturating_sub(mark.reading.since(before.reading).queued) > MISSED {
            self.suspect();
        } else if suspicious && !self.suspects() {
            // The first one after a suspicion is looked at before any is trusted again.
            mark.unasked = UNASKED;
        }
        mark
    }

    /// As if it had computed all the time in which it did not wait for the GIL, if it was short. What that misses the next look finds.
    fn trusted(&self, before: &Mark, taken: u64) -> Option<Mark> {
        let at = ticks();
        if before.unasked >= UNASKED || at.saturating_sub(taken.min(before.at)) >= ticks_in(TRUSTED) {
            return None;
        }
        let waited = self.gil().saturating_sub(before.gil);
        let computed = before.reading.computed + nanoseconds_in(at.saturating_sub(before.at)).saturating_sub(waited);
        let reading = Reading { computed, queued: before.reading.queued };
        Some(Mark { unasked: before.unasked + 1, ..self.mark_of(at, reading) })
    }

    fn mark_of(&self, at: u64, reading: Reading) -> Mark {
        Mark { at, thread: self.thread, reading, gil: self.gil(), gil_waits: self.gil_waits(), unasked: 0 }
    }
}

impl Mark {
    /// What a thread did from `taken` on, in ticks, by this mark and one around then: not long before, while it did next to nothing, or a little later,
    /// when it woke up. True beside it: see [`OnThread::split`].
    pub(crate) fn split(&self, earlier: &Self, taken: u64) -> (OnThread, bool) {
        let Reading { computed, queued } = self.reading.since(earlier.reading);
        // Marked before it took this: it looked for work until then. Marked after: it was on its way to a processor.
        let looked = taken.saturating_sub(earlier.at);
        let woke = earlier.at.saturating_sub(taken);
        OnThread::split(
            self.at.saturating_sub(taken),
            ticks_in(computed).saturating_sub(looked),
            ticks_in(queued) + woke,
            ticks_in(self.gil.saturating_sub(earlier.gil)),
            ticks_in(tolerated() + WAIT_COSTS * self.gil_waits.saturating_sub(earlier.gil_waits)),
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
        Some(GilRung::Sampled) => u64::MAX / 4,
        _ => 20_000,
    }
}
