//! Times, counted in buckets of two decimal digits.

/// Below this many microseconds each has a bucket of its own; above, each power of ten has ninety.
const UNITS: u64 = 100;
/// Powers of ten above [`UNITS`]: up to 1,000 s, which is longer than any request lives.
const DECADES: usize = 7;
const STEPS: usize = 90;

/// How many buckets there are. The last one holds what is longer than all.
pub const BUCKETS: usize = UNITS as usize + DECADES * STEPS + 1;

/// See the module. 3 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram(Box<[u32; BUCKETS]>);

impl Default for Histogram {
    fn default() -> Self {
        Self(Box::new([0; BUCKETS]))
    }
}

impl Histogram {
    /// Counts one, of so many nanoseconds.
    #[inline]
    pub fn record(&mut self, nanoseconds: u64) {
        let bucket = &mut self.0[bucket(nanoseconds)];
        *bucket = bucket.saturating_add(1);
    }

    /// What was counted, by bucket.
    pub fn counts(&self) -> &[u32; BUCKETS] {
        &self.0
    }

    pub(crate) fn counts_mut(&mut self) -> &mut [u32; BUCKETS] {
        &mut self.0
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|&count| u64::from(count)).sum()
    }

    /// Counts so many in that bucket at once; nothing where there is no such bucket.
    pub fn count_in(&mut self, bucket: usize, count: u32) {
        if let Some(mine) = self.0.get_mut(bucket) {
            *mine = mine.saturating_add(count);
        }
    }

    /// Adds what another one has.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0.iter()) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// Takes away what an earlier state of this one had: what came since.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut difference = self.clone();
        for (mine, theirs) in difference.0.iter_mut().zip(earlier.0.iter()) {
            *mine = mine.saturating_sub(*theirs);
        }
        difference
    }

    /// Nanoseconds below which this part of all times lies: the middle of its bucket, so at most 5 % off. `None`: nothing was counted.
    #[expect(clippy::cast_sign_loss, reason = "neither is negative")]
    pub fn quantile(&self, part: f64) -> Option<u64> {
        let count = self.count();
        let rank = ((count as f64 * part).ceil() as u64).clamp(1, count.max(1));
        let mut below = 0;
        for (bucket, &count) in self.0.iter().enumerate() {
            below += u64::from(count);
            if below >= rank {
                return Some(lower_end(bucket).midpoint(lower_end(bucket + 1)));
            }
        }
        None
    }
}

/// The bucket of so many nanoseconds.
#[inline]
pub fn bucket(nanoseconds: u64) -> usize {
    let micros = nanoseconds / 1000;
    let mut unit = 1;
    let mut first = 0;
    // At most seven rounds, and two for most requests.
    while micros >= UNITS * unit {
        unit *= 10;
        first += STEPS;
        if first > DECADES * STEPS {
            return BUCKETS - 1;
        }
    }
    first + (micros / unit) as usize
}

/// The shortest time that is in a bucket, in nanoseconds. Of the one behind the last: where the last would end.
pub fn lower_end(bucket: usize) -> u64 {
    if bucket < UNITS as usize {
        return bucket as u64 * 1000;
    }
    let above = bucket - UNITS as usize;
    let unit = 10u64.pow((above / STEPS) as u32 + 1);
    (10 + (above % STEPS) as u64) * unit * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_begins_where_the_one_before_it_ends() {
        for place in 0..BUCKETS {
            assert_eq!(bucket(lower_end(place)), place, "{}", lower_end(place));
            if place > 0 {
                assert_eq!(bucket(lower_end(place) - 1), place - 1);
            }
        }
        assert_eq!(lower_end(BUCKETS - 1), 1_000_000_000_000, "a thousand seconds");
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn two_digits_are_kept() {
        for time in [123_456_u64, 7_891_011, 99_999_999, 1_000_000_001] {
            let place = bucket(time);
            let width = lower_end(place + 1) - lower_end(place);
            assert!(width * 10 <= time, "{time} is in a bucket of {width}");
        }
    }

    #[test]
    fn a_quantile_lies_in_the_bucket_of_its_time() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for milliseconds in 1..=100 {
            histogram.record(milliseconds * 1_000_000);
        }
        let near = |part: f64, milliseconds: u64| {
            let found = histogram.quantile(part).expect("something was counted");
            assert_eq!(bucket(found), bucket(milliseconds * 1_000_000), "{part}: {found}");
        };
        near(0.0, 1);
        near(0.5, 50);
        near(0.95, 95);
        near(1.0, 100);
    }

    #[test]
    fn counts_can_be_put_back_where_they_were() {
        let mut histogram = Histogram::default();
        histogram.count_in(bucket(5_000), 2);
        histogram.count_in(BUCKETS, 1);
        let mut recorded = Histogram::default();
        recorded.record(5_000);
        recorded.record(5_000);
        assert_eq!(histogram, recorded);
    }

    #[test]
    fn what_came_since_is_a_difference() {
        let mut histogram = Histogram::default();
        histogram.record(5_000);
        let before = histogram.clone();
        histogram.record(5_000);
        histogram.record(7_000);
        let since = histogram.since(&before);
        assert_eq!(since.count(), 2);
        let mut sum = before;
        sum.add(&since);
        assert_eq!(sum, histogram);
    }
}
