//! What came between, in a step of the loop: others had the GIL or the processor, or the step blocked.
//!
//! A short step is taken to have computed all the time it did not wait for the GIL, which is known for nothing. Only for a long one the thread's
//! clocks are asked: once at the beginning of each batch of steps, and at the end of each long one.

use turnout_states::{Interruptions, Reading};

use super::meter::Meter;
use super::rate::nanoseconds_a_tick;

/// In nanoseconds: what a step shorter than this may have been kept from is not worth two system calls.
const LONG: u64 = 50_000;

/// The loop thread's clocks around a batch of steps.
#[derive(Clone, Copy)]
pub(crate) struct Watch {
    meter: &'static Meter,
    /// [`LONG`] in ticks, and the rate it was reckoned with.
    long: u64,
    rate: f64,
    reading: Reading,
    gil: u64,
    /// Ticks of short steps since the reading.
    short: u64,
}

impl Watch {
    /// Around the steps that follow; `None` where nothing is accounted for.
    #[expect(clippy::cast_sign_loss, reason = "neither is negative")]
    pub(crate) fn begin() -> Option<Self> {
        super::views()?;
        let meter = Meter::of_this_thread()?;
        let rate = nanoseconds_a_tick();
        let long = (LONG as f64 / rate) as u64;
        Some(Self { meter, long, rate, reading: meter.clocks().read(), gil: meter.gil(), short: 0 })
    }

    /// A step has ended that took so many ticks.
    #[inline]
    pub(crate) fn step(&mut self, took: u64) -> Interruptions {
        if took < self.long {
            return self.short_step(took);
        }
        self.long_step(took)
    }

    fn short_step(&mut self, took: u64) -> Interruptions {
        self.short += took;
        let gil = self.meter.gil();
        if gil == self.gil {
            return Interruptions::default();
        }
        let waited = self.ticks(gil - self.gil).min(took);
        self.gil = gil;
        Interruptions { gil: waited, ..Interruptions::default() }
    }

    fn long_step(&mut self, took: u64) -> Interruptions {
        let (now, gil) = (self.meter.clocks().read(), self.meter.gil());
        let Reading { computed, queued } = now.since(self.reading);
        let computed = self.ticks(computed).saturating_sub(self.short);
        let waited = self.ticks(gil.saturating_sub(self.gil)).min(took);
        let missing = took.saturating_sub(computed + waited);
        let run_queue = self.ticks(queued).min(missing);
        let blocked = missing - run_queue;
        (self.reading, self.gil, self.short) = (now, gil, 0);
        // The two clocks are not read at one moment, and the kernel's own work for the thread is on neither.
        let blocked = if blocked < self.long { 0 } else { blocked };
        Interruptions { gil: waited, run_queue, blocked }
    }

    #[expect(clippy::cast_sign_loss, reason = "neither is negative")]
    fn ticks(&self, nanoseconds: u64) -> u64 {
        (nanoseconds as f64 / self.rate) as u64
    }
}
