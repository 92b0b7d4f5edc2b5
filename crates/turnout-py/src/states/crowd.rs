//! What the threads of a pool do with their jobs: whether who waits for one of them waits for a processor, or for what they wait for.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use turnout_states::OnThread;

/// Ticks of jobs that have ended.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    /// Computing, or waiting for the GIL or a processor.
    computing: AtomicU64,
    /// Waiting for anything else.
    waiting: AtomicU64,
}

impl Crowd {
    pub(crate) const fn new() -> Self {
        Self { computing: AtomicU64::new(0), waiting: AtomicU64::new(0) }
    }

    /// A job has ended.
    pub(crate) fn add(&self, call: &OnThread) {
        self.computing.fetch_add(call.processing + call.run_queue + call.gil, Relaxed);
        self.waiting.fetch_add(call.io, Relaxed);
    }

    /// The sums.
    pub(crate) fn now(&self) -> [u64; 2] {
        [self.computing.load(Relaxed), self.waiting.load(Relaxed)]
    }

    /// The part of the threads' time that was not spent waiting, since those sums; where no job has ended since, from the beginning.
    pub(crate) fn computing_since(&self, earlier: [u64; 2]) -> f32 {
        let now = self.now();
        let mut came = [now[0].saturating_sub(earlier[0]), now[1].saturating_sub(earlier[1])];
        if came == [0, 0] {
            came = now;
        }
        let all = came[0] + came[1];
        if all == 0 { 0.0 } else { came[0] as f32 / all as f32 }
    }
}
