//! Times, counted in buckets that grow with what they hold. Recording takes no lock and no memory.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Buckets to a doubling: a percentile is at most an eighth too high.
const STEPS: u64 = 8;
/// The finest difference; the coarsest bucket then begins at more than two minutes.
const UNIT_MICROS: u64 = 2;
const DOUBLINGS: usize = 24;
const BUCKETS: usize = DOUBLINGS * STEPS as usize;

/// See the module. The last bucket holds what is longer than all.
#[derive(Debug)]
pub(crate) struct Histogram([AtomicU32; BUCKETS]);

/// What most times were below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// Times recorded.
    pub count: u64,
    /// Half.
    pub p50: Duration,
    /// 95 of 100.
    pub p95: Duration,
    /// 99 of 100.
    pub p99: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self([const { AtomicU32::new(0) }; BUCKETS])
    }
}

impl Histogram {
    pub(crate) fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0[bucket(micros / UNIT_MICROS)].fetch_add(1, Relaxed);
    }

    /// Something that takes longer than any time that could be recorded.
    pub(crate) fn record_endless(&self) {
        self.0[BUCKETS - 1].fetch_add(1, Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|bucket| u64::from(bucket.load(Relaxed))).sum()
    }

    pub(crate) fn clear(&self) {
        for bucket in &self.0 {
            bucket.store(0, Relaxed);
        }
    }

    /// `None`: nothing was recorded.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        let count = self.count();
        let at = |quantile| quantile_of(&[self], quantile).unwrap_or(Duration::MAX);
        (count > 0).then(|| Percentiles { count, p50: at(0.5), p95: at(0.95), p99: at(0.99) })
    }
}

/// The upper end of the bucket below which lies this part of all times together. `None`: there are none, or it is endless.
pub(crate) fn quantile_of(histograms: &[&Histogram], quantile: f64) -> Option<Duration> {
    let count: u64 = histograms.iter().map(|histogram| histogram.count()).sum();
    #[expect(clippy::cast_sign_loss, reason = "neither is negative")]
    let rank = ((count as f64 * quantile).ceil() as u64).max(1);
    let mut below = 0;
    for bucket in 0..BUCKETS - 1 {
        below += histograms.iter().map(|histogram| u64::from(histogram.0[bucket].load(Relaxed))).sum::<u64>();
        if below >= rank {
            return Some(Duration::from_micros(upper_end(bucket) * UNIT_MICROS));
        }
    }
    None
}

/// Below `STEPS` each unit has its bucket; above, each doubling has `STEPS` of them.
fn bucket(units: u64) -> usize {
    if units < STEPS {
        return units as usize;
    }
    let doubling = u64::from(units.ilog2() - STEPS.ilog2());
    let step = (units >> doubling) - STEPS;
    (((doubling + 1) * STEPS + step) as usize).min(BUCKETS - 1)
}

/// The first unit that is not in the bucket any more.
fn upper_end(bucket: usize) -> u64 {
    let (doubling, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    match doubling {
        0 => step + 1,
        doubling => (STEPS + step + 1) << (doubling - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_at_most_an_eighth_below_the_end_of_its_bucket() {
        for units in (0..100_000).chain((0..20).map(|shift| (1 << shift) - 1)) {
            let end = upper_end(bucket(units));
            assert!(units < end && end - units <= units / STEPS + 1, "{units} ends at {end}");
        }
    }

    #[test]
    fn a_percentile_lies_just_above_that_part_of_the_times() {
        let histogram = Histogram::default();
        for milliseconds in 1..=100 {
            histogram.record(Duration::from_millis(milliseconds));
        }
        let found = quantile_of(&[&histogram], 0.95).expect("something was recorded");
        assert!(found >= Duration::from_millis(95) && found < Duration::from_millis(108), "{found:?}");
        for _ in 0..10 {
            histogram.record_endless();
        }
        assert_eq!(quantile_of(&[&histogram], 0.95), None, "a tenth never ended");
    }
}
