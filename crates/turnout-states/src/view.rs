//! What is kept of all requests of one view.

use crate::histogram::{self, Histogram};
use crate::times::Times;
use crate::waits::KINDS;

/// Bins of [`View::stacked`]: nine to a power of ten, from 10 us to 1,000 s, one below and one above.
pub const BINS: usize = 8 * 9 + 2;

/// The requests whose time fell into one bin, and what they were made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bin {
    /// How many.
    pub requests: u64,
    /// Nanoseconds of each state: Processing, Waiting for CPU, Waiting for I/O.
    pub states: [u64; 3],
}

/// Sums and histograms since the worker began. 14 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Requests that have ended.
    pub requests: u64,
    /// Of those, answered with 500 or above, or not at all.
    pub failed: u64,
    /// Whose readings said more than there was time for, and were cut down to it.
    pub clamped: u64,
    /// Nanoseconds that two things of one request ran at once, and are counted once.
    pub overlap: u64,
    /// Nanoseconds, summed.
    pub times: Times,
    /// Nanoseconds that calls of each kind took (`Kind::ALL`), those of one request side by side counted once. What a call computed is in it, so this is
    /// not a part of Waiting for I/O to the letter.
    pub kinds: [u64; KINDS],
    /// Of the whole time, of Processing, of Waiting for CPU, of Waiting for I/O.
    pub histograms: [Histogram; 4],
    /// What the slow ones wait for: states by the whole time.
    pub stacked: [Bin; BINS],
}

impl Default for View {
    fn default() -> Self {
        Self {
            requests: 0,
            failed: 0,
            clamped: 0,
            overlap: 0,
            times: Times::default(),
            kinds: [0; KINDS],
            histograms: Default::default(),
            stacked: [Bin::default(); BINS],
        }
    }
}

/// One request that has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Where its time went, in nanoseconds.
    pub times: Times,
    /// See [`View::kinds`].
    pub kinds: [u64; KINDS],
    /// See [`View::overlap`].
    pub overlap: u64,
    /// See [`View::clamped`].
    pub clamped: bool,
    /// See [`View::failed`].
    pub failed: bool,
}

impl View {
    /// Counts one more.
    pub fn record(&mut self, ended: &Ended) {
        let Ended { times, kinds, overlap, clamped, failed } = ended;
        self.requests += 1;
        self.failed += u64::from(*failed);
        self.clamped += u64::from(*clamped);
        self.overlap += overlap;
        self.times = self.times.plus(times);
        for (sum, time) in self.kinds.iter_mut().zip(kinds) {
            *sum += time;
        }
        let wall = times.wall();
        let states = times.states();
        for (histogram, time) in self.histograms.iter_mut().zip([wall].into_iter().chain(states)) {
            histogram.record(time);
        }
        let bin = &mut self.stacked[bin(wall)];
        bin.requests += 1;
        for (sum, time) in bin.states.iter_mut().zip(states) {
            *sum += time;
        }
    }

    /// Adds what another worker, or an earlier one, has counted.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.clamped += other.clamped;
        self.overlap += other.overlap;
        self.times = self.times.plus(&other.times);
        for (sum, more) in self.kinds.iter_mut().zip(other.kinds) {
            *sum += more;
        }
        for (mine, theirs) in self.histograms.iter_mut().zip(&other.histograms) {
            mine.add(theirs);
        }
        for (mine, theirs) in self.stacked.iter_mut().zip(&other.stacked) {
            mine.requests += theirs.requests;
            for (sum, more) in mine.states.iter_mut().zip(theirs.states) {
                *sum += more;
            }
        }
    }

    /// What came since an earlier state of these figures. Numbers that went down are no change.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (mine, theirs) in [
            (&mut since.requests, earlier.requests),
            (&mut since.failed, earlier.failed),
            (&mut since.clamped, earlier.clamped),
            (&mut since.overlap, earlier.overlap),
        ] {
            *mine = mine.saturating_sub(theirs);
        }
        since.times = self.times.since(&earlier.times);
        for (mine, theirs) in since.kinds.iter_mut().zip(earlier.kinds) {
            *mine = mine.saturating_sub(theirs);
        }
        for (mine, theirs) in since.histograms.iter_mut().zip(&earlier.histograms) {
            *mine = mine.since(theirs);
        }
        for (mine, theirs) in since.stacked.iter_mut().zip(&earlier.stacked) {
            mine.requests = mine.requests.saturating_sub(theirs.requests);
            for (state, less) in mine.states.iter_mut().zip(theirs.states) {
                *state = state.saturating_sub(less);
            }
        }
        since
    }
}

/// Which bin a time of so many nanoseconds falls into.
pub fn bin(nanoseconds: u64) -> usize {
    let mut first = 1;
    let mut unit = 10_000;
    if nanoseconds < unit {
        return 0;
    }
    while nanoseconds >= unit * 10 {
        unit *= 10;
        first += 9;
        if first >= BINS - 1 {
            return BINS - 1;
        }
    }
    first + (nanoseconds / unit) as usize - 1
}

/// The shortest time of a bin, in nanoseconds.
pub fn bin_start(bin: usize) -> u64 {
    match bin.checked_sub(1) {
        None => 0,
        Some(above) => 10_000 * 10u64.pow((above / 9) as u32) * (above % 9 + 1) as u64,
    }
}

/// How many words [`View::words`] gives.
pub(crate) const WORDS: usize = 4 + Times::PARTS + KINDS + 4 * histogram::BUCKETS.div_ceil(2) + BINS * 4;

impl View {
    /// All of it, as numbers in a fixed order.
    pub(crate) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        let counts = self.histograms.iter().flat_map(|histogram| {
            histogram
                .counts()
                .chunks(2)
                .map(|pair| u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32)
        });
        let bins = self.stacked.iter().flat_map(|bin| [bin.requests].into_iter().chain(bin.states));
        [self.requests, self.failed, self.clamped, self.overlap]
            .into_iter()
            .chain(self.times.parts())
            .chain(self.kinds)
            .chain(counts)
            .chain(bins)
    }

    /// The other way round. `None`: there are too few.
    pub(crate) fn from_words(words: &[u64]) -> Option<Self> {
        let mut words = words.iter().copied();
        let mut next = || words.next();
        let mut view =
            Self { requests: next()?, failed: next()?, clamped: next()?, overlap: next()?, ..Self::default() };
        let mut parts = [0; Times::PARTS];
        for part in &mut parts {
            *part = next()?;
        }
        view.times = Times::from_parts(parts);
        for kind in &mut view.kinds {
            *kind = next()?;
        }
        for histogram in &mut view.histograms {
            for pair in histogram.counts_mut().chunks_mut(2) {
                let word = next()?;
                pair[0] = word as u32;
                if let Some(second) = pair.get_mut(1) {
                    *second = (word >> 32) as u32;
                }
            }
        }
        for bin in &mut view.stacked {
            bin.requests = next()?;
            for state in &mut bin.states {
                *state = next()?;
            }
        }
        Some(view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn some() -> View {
        let mut view = View::default();
        for milliseconds in [1, 2, 40, 900] {
            let io = milliseconds * 1_000_000;
            let times = Times { processing: 400_000, gil: 30_000, no_thread_io: 5_000, io, ..Times::default() };
            view.record(&Ended {
                times,
                kinds: [5, 0, 9, 0, 0, 0, 0, 0],
                overlap: 7,
                clamped: milliseconds == 2,
                failed: milliseconds == 900,
            });
        }
        view
    }

    #[test]
    fn bins_follow_one_another() {
        for place in 0..BINS {
            assert_eq!(bin(bin_start(place)), place);
            if place > 0 {
                assert_eq!(bin(bin_start(place) - 1), place - 1);
            }
        }
        assert_eq!(bin_start(BINS - 1), 1_000_000_000_000, "a thousand seconds");
        assert_eq!(bin(u64::MAX), BINS - 1);
    }

    #[test]
    fn sums_bins_and_histograms_tell_of_the_same_requests() {
        let view = some();
        assert_eq!((view.requests, view.failed, view.clamped, view.overlap), (4, 1, 1, 28));
        assert_eq!(view.kinds, [20, 0, 36, 0, 0, 0, 0, 0]);
        let [wall, processing, cpu, io] = &view.histograms;
        assert!([wall, processing, cpu, io].into_iter().all(|histogram| histogram.count() == 4));
        assert_eq!(view.stacked.iter().map(|bin| bin.requests).sum::<u64>(), 4);
        let sum = |state: usize| view.stacked.iter().map(|bin| bin.states[state]).sum::<u64>();
        assert_eq!(sum(0), view.times.processing);
        assert_eq!(sum(1), view.times.waiting_for_cpu());
        assert_eq!(sum(2), view.times.waiting_for_io());
    }

    #[test]
    fn numbers_in_a_row_are_the_view_again() {
        let view = some();
        let words: Vec<u64> = view.words().collect();
        assert_eq!(words.len(), WORDS);
        assert_eq!(View::from_words(&words), Some(view));
        assert_eq!(View::from_words(&words[1..]), None);
    }

    #[test]
    fn what_came_since_is_what_was_added() {
        let before = some();
        let mut now = before.clone();
        now.add(&some());
        assert_eq!(now.since(&before), some());
        assert_eq!(before.since(&now), View::default(), "numbers that went down are no change");
    }

    #[test]
    fn two_workers_add_up() {
        let mut sum = some();
        sum.add(&some());
        assert_eq!(sum.requests, 8);
        assert_eq!(sum.histograms[0].count(), 8);
        assert_eq!(sum.times.wall(), 2 * some().times.wall());
    }
}
