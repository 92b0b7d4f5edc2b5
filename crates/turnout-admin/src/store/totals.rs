//! One view's sums since the server started, over all workers there ever were: what a collector of metrics reads.

use std::sync::LazyLock;

use turnout_states::{BUCKETS, Histogram, KINDS, Times, View, lower_end};

/// Upper ends of the buckets that metrics show, in seconds. A collector keeps a series for each of them, each view and each state: the
/// workers' own buckets are forty times as many.
pub(crate) const LIMITS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Which of [`LIMITS`] a bucket of [`Histogram`] lies below; one more: none.
static LIMIT_OF: LazyLock<[u8; BUCKETS]> = LazyLock::new(|| {
    std::array::from_fn(|bucket| {
        let end = lower_end(bucket + 1) as f64 / 1e9;
        LIMITS.iter().position(|limit| end <= limit * 1.000_001).unwrap_or(LIMITS.len()) as u8
    })
});

/// See the module. Of the four histograms of [`View`], in its order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) clamped: u64,
    pub(crate) times: Times,
    pub(crate) kinds: [u64; KINDS],
    counts: [[u64; LIMITS.len() + 1]; 4],
}

impl Totals {
    pub(super) fn add(&mut self, change: &View) {
        for (sum, more) in [
            (&mut self.requests, change.requests),
            (&mut self.failed, change.failed),
            (&mut self.clamped, change.clamped),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.times = self.times.plus(&change.times);
        for (sum, more) in self.kinds.iter_mut().zip(change.kinds) {
            *sum = sum.saturating_add(more);
        }
        for (counts, histogram) in self.counts.iter_mut().zip(&change.histograms) {
            add_counts(counts, histogram);
        }
    }

    /// How many lie below each of [`LIMITS`], and last how many there are.
    pub(crate) fn cumulated(&self, histogram: usize) -> [u64; LIMITS.len() + 1] {
        let mut sum = 0;
        let mut counts = self.counts[histogram].map(|count| {
            sum += count;
            sum
        });
        // A worker's buckets end at four billion; its number of requests does not.
        counts[LIMITS.len()] = self.requests.max(counts[LIMITS.len() - 1]);
        counts
    }
}

fn add_counts(counts: &mut [u64; LIMITS.len() + 1], histogram: &Histogram) {
    for (count, limit) in histogram.counts().iter().zip(LIMIT_OF.iter()).filter(|(count, _)| **count > 0) {
        counts[usize::from(*limit)] += u64::from(*count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turnout_states::{Ended, bucket};

    #[test]
    fn each_limit_is_the_end_of_a_bucket() {
        for (place, limit) in LIMITS.iter().enumerate() {
            let nanoseconds = format!("{:.0}", limit * 1e9).parse().expect("a whole number");
            let first_above = bucket(nanoseconds);
            assert_eq!(lower_end(first_above), nanoseconds, "{limit} s lies inside a bucket");
            assert_eq!(usize::from(LIMIT_OF[first_above - 1]), place, "{limit}");
            assert_eq!(usize::from(LIMIT_OF[first_above]), place + 1, "{limit}");
        }
    }

    #[test]
    fn counts_grow_to_the_number_of_requests() {
        let mut view = View::default();
        for milliseconds in [0, 3, 3, 700, 100_000] {
            let times = Times { io: milliseconds * 1_000_000, ..Times::default() };
            view.record(&Ended { times, ..Ended::default() });
        }
        let mut totals = Totals::default();
        totals.add(&view);
        totals.add(&view);
        assert_eq!(totals.cumulated(0), [2, 2, 6, 6, 6, 6, 6, 6, 6, 8, 8, 8, 8, 8, 8, 10]);
        assert_eq!(totals.cumulated(1)[0], 10, "nothing was computed");
    }
}
