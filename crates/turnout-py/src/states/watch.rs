//! What came between, in a step of the loop: others had the GIL or the processor, or the step blocked.
//!
//! A short step is taken to have computed all the time it did not wait for the GIL, which is known for nothing. Only for a long one the thread's
//! clock is asked: once at the beginning of each batch of steps, and at the end of each long one. Only if some of its time is missing there the run
//! queue is asked too, and for a while after that at the beginning of each batch as well, to have something to compare with.

use turnout_states::Interruptions;

use super::keeping::Keeping;
use super::meter::Meter;
use super::noticing::{self, WORTH};
use super::rate::ticks_in;

/// In nanoseconds: what a step shorter than this may have been kept from is not worth a system call.
const LONG: u64 = 50_000;
/// A step so many times as long is always looked at. Of those between, one in [`SAMPLED`] is as long as none was found that missed any time: most
/// that compute for 0.1 ms do nothing else.
const LONGER: u64 = 20;
const SAMPLED: u32 = 8;

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
        Some(Self {
            meter,
            long: ticks_in(LONG),
            computed: meter.clocks().computed(),
            queued,
            gil: meter.gil(),
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
        let (now, gil) = (self.meter.clocks().computed(), self.meter.gil());
        let computed = ticks_in(now.saturating_sub(self.computed)).saturating_sub(self.short);
        let waited = ticks_in(gil.saturating_sub(self.gil)).min(took);
        (self.computed, self.gil, self.short) = (now, gil, 0);
        let missing = took.saturating_sub(computed + waited);
        // The clocks are not read at one moment, and the kernel's own work for the thread is on neither.
        if missing < self.long {
            return Interruptions { gil: waited, ..Interruptions::default() };
        }
        let queued = self.meter.clocks().queued();
        let before = self.queued.replace(queued).unwrap_or(queued);
        self.meter.suspect();
        let run_queue = ticks_in(queued.saturating_sub(before)).min(missing);
        Interruptions { gil: waited, run_queue, blocked: missing - run_queue }
    }
}
