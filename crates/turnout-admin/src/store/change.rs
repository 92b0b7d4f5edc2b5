//! What came to a view between two looks, and how a second of it is kept: small, for there are many.

use turnout_history::Figures;
use turnout_states::{Bin, KINDS, Times, View, bin_start};

/// Seconds of each state.
pub(crate) fn states(times: &Times) -> [f64; 3] {
    times.states().map(|state| state as f64 / 1e9)
}

/// One view in one second.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slice {
    pub(crate) requests: u32,
    pub(crate) failed: u32,
    pub(crate) clamped: u32,
    pub(crate) times: Times,
    /// Nanoseconds of calls, by kind.
    pub(crate) kinds: [u64; KINDS],
    /// Buckets of the histogram of the whole time, where there is anything.
    pub(crate) wall: Box<[(u16, u32)]>,
    /// Bins by the whole time, where there is anything.
    pub(crate) bins: Box<[SmallBin]>,
}

/// As [`Bin`], in a third of its room: seven digits are enough for shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SmallBin {
    pub(crate) place: u16,
    pub(crate) requests: u32,
    /// Seconds.
    pub(crate) states: [f32; 3],
}

impl Slice {
    pub(super) fn of(view: &View) -> Self {
        let small = |(place, bin): (usize, &Bin)| SmallBin {
            place: place as u16,
            requests: bin.requests as u32,
            states: bin.states.map(|state| (state as f64 / 1e9) as f32),
        };
        let counts = view.histograms[0].counts().iter().enumerate();
        Self {
            requests: view.requests as u32,
            failed: view.failed as u32,
            clamped: view.clamped as u32,
            times: view.times,
            kinds: view.kinds,
            wall: counts.filter(|(_, count)| **count > 0).map(|(bucket, count)| (bucket as u16, *count)).collect(),
            bins: view.stacked.iter().enumerate().filter(|(_, bin)| bin.requests > 0).map(small).collect(),
        }
    }

    /// Its part of a longer time.
    pub(super) fn add_to(&self, figures: &mut Figures) {
        figures.requests += u64::from(self.requests);
        figures.failed += u64::from(self.failed);
        figures.times = figures.times.plus(&self.times);
        for (bucket, count) in &self.wall {
            figures.wall.count_in((*bucket).into(), *count);
        }
    }

    /// The room it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<(u16, Self)>() + size_of_val(&*self.wall) + size_of_val(&*self.bins)
    }
}

impl SmallBin {
    /// Where it begins and ends, in milliseconds.
    pub(crate) fn ends(place: usize) -> (f64, f64) {
        (bin_start(place) as f64 / 1e6, bin_start(place + 1) as f64 / 1e6)
    }
}
