//! Seconds of one view, added up.

use turnout_states::{BINS, Histogram, KINDS, Times};

use crate::store::change::{Slice, states};

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) clamped: u64,
    pub(crate) times: Times,
    pub(crate) kinds: [u64; KINDS],
    wall: Histogram,
}

impl Sum {
    pub(crate) fn add(&mut self, slice: &Slice) {
        self.requests += u64::from(slice.requests);
        self.failed += u64::from(slice.failed);
        self.clamped += u64::from(slice.clamped);
        self.times = self.times.plus(&slice.times);
        for (sum, more) in self.kinds.iter_mut().zip(slice.kinds) {
            *sum = sum.saturating_add(more);
        }
        for (bucket, count) in &slice.wall {
            self.wall.count_in((*bucket).into(), *count);
        }
    }

    /// Seconds of each state.
    pub(crate) fn states(&self) -> [f64; 3] {
        states(&self.times)
    }

    /// Milliseconds below which this part of the requests stayed.
    pub(crate) fn quantile(&self, part: f64) -> Option<f64> {
        Some(self.wall.quantile(part)? as f64 / 1e6)
    }
}

/// Requests by their whole time, and seconds of each state of those.
pub(crate) type Bins = [(u64, [f64; 3]); BINS];

/// Adds what a second has.
pub(crate) fn add_bins(bins: &mut Bins, slice: &Slice) {
    for bin in &slice.bins {
        let Some((requests, states)) = bins.get_mut(usize::from(bin.place)) else { continue };
        *requests += u64::from(bin.requests);
        for (sum, more) in states.iter_mut().zip(bin.states) {
            *sum += f64::from(more);
        }
    }
}
