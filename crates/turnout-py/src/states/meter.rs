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
use crate::raw::{self, Woken, fork_generation, ticks};

/// A thread's clocks, and its waits for the GIL. The thread's own, but for the sums, which anybody may read.
#[derive(Debug)]
pub(crate) struct Meter {
    clocks: Clocks,
    /// The system's number of the thread.
    thread: u32,
    /// In a child that its thread has forked the clocks are the parent's.
    generation: u64,
    /// Nanoseconds of waiting for the GIL, without what of it the thread was on a processor.
    gil: AtomicU64,
    /// So many of them it had been woken already and waited for a processor, as far as that can be seen.
    late: AtomicU64,
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
/// Batches of steps, or jobs, after one that blocked; and after one of which that is not known, for the run queue was not asked before it.
const SUSPICIOUS: u32 = 256;
const UNCERTAIN: u32 = 4;
/// Nanoseconds that a job may miss before the run queue is asked, and how many jobs in a row may not ask it.
const MISSED: u64 = 20_000;
const UNASKED: u32 = 8;
/// A job of fewer nanoseconds may be trusted.
const TRUSTED: u64 = 1_000_000;
/// Nanoseconds of computing in one wait for the GIL: a system call and the way there and back.
const WAIT_COSTS: u64 = 3_000;
/// Nanoseconds: who was woken and had no processor for longer waits where processors are scarce.
const SCARCE: u64 = 5_000_000;
/// So many waits for the GIL ask the run queue then.
const ASKING: u32 = 64;

/// How many of them are left. Of all threads: where one must wait for a processor, others must.
static ASKED: AtomicU32 = AtomicU32::new(0);

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
    late: u64,
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
            late: AtomicU64::new(0),
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

    /// A wait for the GIL begins. Called by the thread itself, as is [`Self::end_wait`].
    pub(crate) fn begin_wait(&self) -> BegunWait {
        if ASKED.load(Relaxed) == 0 {
            return BegunWait { at: ticks(), queued: None };
        }
        let (looked, queued) = self.queued_now();
        BegunWait { at: looked.end, queued: Some(queued) }
    }

    /// It is over. When it was woken says how long it then had no processor; where those are scarce, the run queue says it.
    pub(crate) fn end_wait(&self, begun: BegunWait, woken: Woken) {
        let (ended, late) = if let Some(before) = begun.queued {
            let (looking, queued) = self.queued_now();
            (looking.start, queued.saturating_sub(before))
        } else {
            let now = ticks();
            (now, woken.nanoseconds_ago(begun.at, now))
        };
        if late > SCARCE {
            ask_for_a_while();
        } else if begun.queued.is_some() {
            // Two threads that count at once count one less: it is no matter.
            ASKED.store(ASKED.load(Relaxed).saturating_sub(1), Relaxed);
        }
        let took = nanoseconds_in(ended.saturating_sub(begun.at)).saturating_sub(WAIT_COSTS);
        let late = late.min(took);
        // Nobody else writes, so this needs no atomic addition.
        self.gil.store(self.gil() + took, Relaxed);
        self.late.store(self.late() + late, Relaxed);
        self.gil_waits.store(self.gil_waits() + 1, Relaxed);
        GIL_WAITS.count.fetch_add(1, Relaxed);
        GIL_WAITS.time.fetch_add(took - late, Relaxed);
    }

    /// The run queue, and from when to when it was read: of one moment. A thread whose quota is used up is stopped just at the end of a system call,
    /// and would take what comes then for a part of what it is about to measure.
    fn queued_now(&self) -> (Range<u64>, u64) {
        at_one_moment(|| self.clocks.queued())
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

    /// Perhaps it is: nobody knows what that step missed.
    pub(super) fn wonder(&self) {
        self.suspicious.store(self.suspicious.load(Relaxed).max(UNCERTAIN), Relaxed);
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

    /// Of those, how many it had been woken already and had no processor, as far as that is known.
    pub(crate) fn late(&self) -> u64 {
        self.late.load(Relaxed)
    }

    /// How it stands now. To be called by the thread itself.
    pub(crate) fn mark(&self) -> Mark {
        let (looked, reading) = at_one_moment(|| self.clocks.read());
        self.mark_of(looked.end, reading)
    }

    /// The same at the end of a job that was taken then, after `before`. A short one is trusted, as a short step of the loop is (see [`super::Watch`]), as
    /// long as none of this thread missed time; one in nine is looked at. Of the others the processor's clock is asked, and the run queue only
    /// if some time is missing.
    pub(crate) fn mark_after(&self, before: &Mark, taken: u64) -> Mark {
        let suspicious = self.is_suspicious();
        if !suspicious && let Some(mark) = self.trusted(before, taken) {
            return mark;
        }
        let (mut mark, missing) = self.look_after(before, taken.min(before.at));
        // Who had no processor for a moment may be trusted all the same: what waits for one for long is no short job.
        let queued = mark.reading.since(before.reading).queued.saturating_sub(mark.late.saturating_sub(before.late));
        if missing.saturating_sub(queued) > MISSED {
            self.suspect();
        } else if suspicious && !self.suspects() {
            // The first one after a suspicion is looked at before any is trusted again.
            mark.unasked = UNASKED;
        }
        mark
    }

    /// The same at the end of a call that began with `before`, which is looked at in any case: most calls that are given to threads wait.
    pub(crate) fn mark_after_call(&self, before: &Mark) -> Mark {
        // If the last one did, both clocks are wanted.
        if self.is_suspicious() {
            return self.mark();
        }
        let (mark, missing) = self.look_after(before, before.at);
        if missing > MISSED {
            self.wonder();
        }
        mark
    }

    /// The processor's clock, and the run queue if some time since then is missing: so many nanoseconds.
    fn look_after(&self, before: &Mark, since: u64) -> (Mark, u64) {
        let computed = self.clocks.computed();
        let at = ticks();
        let known = computed.saturating_sub(before.reading.computed) + self.gil().saturating_sub(before.gil);
        let missing = nanoseconds_in(at.saturating_sub(since)).saturating_sub(known);
        if missing > MISSED || before.unasked >= UNASKED {
            return (self.mark(), missing);
        }
        let mark = self.mark_of(at, self.unasked(before, computed));
        (Mark { unasked: before.unasked + 1, ..mark }, missing)
    }

    /// As if it had computed all the time in which it did not wait for the GIL, if it was short. What that misses the next look finds.
    fn trusted(&self, before: &Mark, taken: u64) -> Option<Mark> {
        let at = ticks();
        if before.unasked >= UNASKED || at.saturating_sub(taken.min(before.at)) >= ticks_in(TRUSTED) {
            return None;
        }
        let waited = self.gil().saturating_sub(before.gil);
        let computed = before.reading.computed + nanoseconds_in(at.saturating_sub(before.at)).saturating_sub(waited);
        Some(Mark { unasked: before.unasked + 1, ..self.mark_of(at, self.unasked(before, computed)) })
    }

    /// The run queue is not asked: it kept this thread as long as was seen of the waits for the GIL.
    fn unasked(&self, before: &Mark, computed: u64) -> Reading {
        Reading { computed, queued: before.reading.queued + self.late().saturating_sub(before.late) }
    }

    fn mark_of(&self, at: u64, reading: Reading) -> Mark {
        let (gil, late, gil_waits) = (self.gil(), self.late(), self.gil_waits());
        Mark { at, thread: self.thread, reading, gil, late, gil_waits, unasked: 0 }
    }
}

/// What a wait for the GIL is measured from.
pub(crate) struct BegunWait {
    /// [`ticks`].
    at: u64,
    /// The run queue, where it is asked.
    queued: Option<u64>,
}

impl Woken {
    /// How long that was before `now`, if it was in a wait that began then.
    fn nanoseconds_ago(self, began: u64, now: u64) -> u64 {
        match self {
            Self::ByClock(nanoseconds) => nanoseconds,
            Self::ByHolder(at) if at >= began => nanoseconds_in(now.saturating_sub(at)),
            // What it waited for was another thread's taking of the GIL, which nobody stamps.
            Self::ByHolder(_) => 0,
        }
    }
}

/// Reads something of the kernel's, and between which ticks: close ones, if that is possible.
fn at_one_moment<T>(read: impl Fn() -> T) -> (Range<u64>, T) {
    let mut looks = 0;
    loop {
        let start = ticks();
        let found = read();
        let end = ticks();
        looks += 1;
        if end.saturating_sub(start) < LONG_LOOK || looks == LOOKS {
            return (start..end, found);
        }
    }
}

/// Processors are scarce.
fn ask_for_a_while() {
    ASKED.store(ASKING, Relaxed);
}

impl Mark {
    /// What a thread did from `taken` on, in ticks, by this mark and one around then: not long before, while it did next to nothing, or a little later,
    /// when it woke up. True beside it: see [`OnThread::split`].
    pub(crate) fn split(&self, earlier: &Self, taken: u64) -> (OnThread, bool) {
        let Reading { computed, queued } = self.reading.since(earlier.reading);
        // What of a wait for the GIL was one for a processor is in the run queue too.
        let late = self.late.saturating_sub(earlier.late).min(queued);
        if queued - late > SCARCE {
            ask_for_a_while();
        }
        // Marked before it took this: it looked for work until then. Marked after: it was on its way to a processor.
        let looked = taken.saturating_sub(earlier.at);
        let woke = earlier.at.saturating_sub(taken);
        OnThread::split(
            self.at.saturating_sub(taken),
            ticks_in(computed).saturating_sub(looked),
            ticks_in(queued) + woke,
            ticks_in(self.gil.saturating_sub(earlier.gil + late)),
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
