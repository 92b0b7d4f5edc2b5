//! What came between, in a step of the loop: others had the GIL or the processor, or the step blocked.
//!
//! A short step is taken to have computed all the time it did not wait for the GIL, which is known for nothing. Only for a long one the thread's
//! clock is asked: at the beginning of a batch of steps, if the thread has rested since it was asked last, and at the end of each long one. Only if
//! some of its time is missing there the run queue is asked too, and for a while after that at the beginning of each batch as well, to have
//! something to compare with.

use std::cell::Cell;

use turnout_states::Interruptions;

use super::keeping::Keeping;
use super::meter::Meter;
use super::noticing::{self, WORTH};
use super::rate::{nanoseconds_in, ticks_in};
use crate::raw::ticks;

/// In nanoseconds: what a step shorter than this may have been kept from is not worth a system call.
const LONG: u64 = 50_000;
/// A step so many times as long is always looked at. Of those between, one in [`SAMPLED`] is as long as none was found that missed any time: most
/// that compute for 0.1 ms do nothing else.
const LONGER: u64 = 20;
const SAMPLED: u32 = 8;
/// A part of a step that is smaller than one in so many is small.
const SMALL: u64 = 4;
/// In nanoseconds: so old a reading of the clock may be. Who has not rested since has computed since, or waited for the GIL; others may have had the
/// processor, which the next reading finds.
const OLD: u64 = 2_000_000;

/// The loop thread's clocks at one moment.
#[derive(Clone, Copy)]
struct Base {
    /// [`ticks`].
    at: u64,
    computed: u64,
    gil: u64,
}

thread_local! {
    /// When they were last read; `None`: the thread has rested since.
    static LAST: Cell<Option<Base>> = const { Cell::new(None) };
}

/// The calling thread is about to wait for something.
pub(crate) fn rests() {
    LAST.set(None);
}

/// The loop thread's clocks around a batch of steps.
#[derive(Clone, Copy)]
pub(crate) struct Watch {
    meter: &'static Meter,
    /// [`LONG`] in ticks.
    long: u64,
    computed: u64,
    /// Where it was read lately.
    queued: Option<u64>,
    gil: u64,
    /// What of that was waiting for a processor, at the last reading.
    late: u64,
    /// Ticks of short steps since the reading.
    short: u64,
    /// [`WORTH`] in ticks.
    worth: u64,
}

impl Watch {
    /// Around the steps that follow; `None` where nothing is accounted for.
    pub(crate) fn begin() -> Option<Self> {
        super::views()?;
        let meter = Meter::of_this_thread()?;
        let queued = meter.is_suspicious().then(|| meter.clocks().queued());
        let known = LAST.get().filter(|_| queued.is_none()).and_then(|last| last.go_on(meter));
        let Base { computed, gil, .. } = known.unwrap_or_else(|| Base::read(meter));
        Some(Self {
            meter,
            long: ticks_in(LONG),
            computed,
            queued,
            gil,
            late: meter.late(),
            short: 0,
            worth: ticks_in(WORTH),
        })
    }

    /// A step has ended that took so many ticks.
    #[inline]
    pub(crate) fn step(&mut self, took: u64) -> Interruptions {
        let trusted = took < self.long * LONGER && self.queued.is_none();
        if took < self.long || (trusted && !self.meter.is_turn(SAMPLED)) {
            self.short_step(took)
        } else {
            self.long_step(took)
        }
    }

    /// What the thread is at.
    #[inline]
    pub(super) fn begins(&self, at: u64) {
        self.meter.present().begin(at, true);
    }

    /// It is at nothing.
    pub(crate) fn no_step(&self) {
        self.meter.present().end();
    }

    /// A step of that request has ended: between these moments, and this came between. Says so if it was long.
    #[inline]
    pub(crate) fn ended(&self, owner: Option<&Keeping>, [began, ended]: [u64; 2], between: Interruptions) {
        self.meter.present().end();
        if ended.saturating_sub(began) >= self.worth {
            noticing::long_step(self.meter, owner, [began, ended], between, self.queued.is_some());
        }
    }

    fn short_step(&mut self, took: u64) -> Interruptions {
        self.short += took;
        let gil = self.meter.gil();
        if gil == self.gil {
            return Interruptions::default();
        }
        let waited = ticks_in(gil - self.gil).min(took);
        self.gil = gil;
        Interruptions { gil: waited, ..Interruptions::default() }
    }

    fn long_step(&mut self, took: u64) -> Interruptions {
        let Base { computed: now, gil, .. } = Base::read(self.meter);
        let late = self.meter.late();
        let computed = ticks_in(now.saturating_sub(self.computed)).saturating_sub(self.short);
        let waited = ticks_in(gil.saturating_sub(self.gil)).min(took);
        let late = ticks_in(late.saturating_sub(std::mem::replace(&mut self.late, late)));
        (self.computed, self.gil, self.short) = (now, gil, 0);
        let missing = took.saturating_sub(computed + waited);
        // The clocks are not read at one moment, and the kernel's own work for the thread is on neither.
        if missing < self.long {
            return Interruptions { gil: waited, ..Interruptions::default() };
        }
        let Some(before) = self.queued else { return self.unexplained(took, waited, missing) };
        let queued = self.meter.clocks().queued();
        self.queued = Some(queued);
        let queued = ticks_in(queued.saturating_sub(before));
        // What of a wait for the GIL was one for a processor is in the run queue too.
        let late = late.min(queued).min(waited);
        let run_queue = (queued - late).min(missing);
        let blocked = missing - run_queue;
        if blocked >= self.long {
            self.meter.suspect();
        }
        Interruptions { gil: waited - late, run_queue: run_queue + late, blocked }
    }

    /// Time of a step is missing, and the run queue was not asked before it. Who misses a small part of a step was kept from the processor for a moment, as
    /// a rule; if it is another thing each time, it is found out soon.
    #[cold]
    fn unexplained(&mut self, took: u64, waited: u64, missing: u64) -> Interruptions {
        let is_small = missing < took / SMALL;
        if !is_small || self.meter.is_turn(SAMPLED) {
            self.meter.wonder();
            self.queued = Some(self.meter.clocks().queued());
        }
        let (run_queue, blocked) = if is_small { (missing, 0) } else { (0, missing) };
        Interruptions { gil: waited, run_queue, blocked }
    }
}

impl Base {
    fn read(meter: &Meter) -> Self {
        let base = Self { computed: meter.clocks().computed(), at: ticks(), gil: meter.gil() };
        LAST.set(Some(base));
        base
    }

    /// As it must be by now; `None`: that is too long ago.
    fn go_on(self, meter: &Meter) -> Option<Self> {
        let at = ticks();
        let passed = nanoseconds_in(at.saturating_sub(self.at));
        let gil = meter.gil();
        let computed = self.computed + passed.saturating_sub(gil.saturating_sub(self.gil));
        (passed <= OLD).then_some(Self { at, computed, gil })
    }
}
