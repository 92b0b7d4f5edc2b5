//! What is kept of one view over some time: sums, and how long its requests took.

use turnout_states::{Histogram, Times};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests that ended.
    pub requests: u64,
    /// Of those, answered with 500 or above, or not at all.
    pub failed: u64,
    /// Nanoseconds, summed.
    pub times: Times,
    /// Of the whole time of a request.
    pub wall: Histogram,
}

/// One minute, or what there was of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Minute {
    /// Its beginning, in seconds since 1970: a multiple of 60.
    pub start: i64,
    /// Seconds of it in which somebody counted.
    pub covered: f64,
    /// Views that requests ended of, by name.
    pub views: Vec<(Box<str>, Figures)>,
}

impl Figures {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failed = self.failed.saturating_add(other.failed);
        self.times = self.times.plus(&other.times);
        self.wall.add(&other.wall);
    }

    /// Milliseconds below which this part of the requests stayed.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        Some(self.wall.quantile(part)? as f64 / 1e6)
    }
}

/// Buckets that are not empty, as pairs of numbers: how far from the one before, how many. Seven bits of a number a byte, the lowest first.
pub(crate) fn pack(histogram: &Histogram) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut next = 0;
    for (bucket, count) in histogram.counts().iter().enumerate().filter(|(_, count)| **count > 0) {
        put(&mut bytes, (bucket - next) as u32);
        put(&mut bytes, *count);
        next = bucket + 1;
    }
    bytes
}

/// Adds what was packed. What a damaged file says beyond its buckets is not looked at.
pub(crate) fn unpack(bytes: &[u8], to: &mut Histogram) {
    let mut numbers = numbers(bytes);
    let mut next = 0_usize;
    while let (Some(gap), Some(count)) = (numbers.next(), numbers.next()) {
        let bucket = next.saturating_add(gap as usize);
        to.count_in(bucket, count);
        next = bucket.saturating_add(1);
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Ends at the end of the bytes, and at a number that is not whole.
fn numbers(mut bytes: &[u8]) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let mut number = 0_u64;
        // Five bytes hold 32 bits.
        for place in 0..5 {
            let (first, rest) = bytes.split_first()?;
            bytes = rest;
            number |= u64::from(first & 0x7f) << (7 * place);
            if first & 0x80 == 0 {
                return u32::try_from(number).ok();
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use turnout_states::BUCKETS;

    use super::*;

    #[test]
    fn a_histogram_is_the_same_when_it_is_unpacked() {
        let mut histogram = Histogram::default();
        for (bucket, count) in [(0, 1), (1, 127), (2, 128), (399, 70_000), (BUCKETS - 1, u32::MAX)] {
            histogram.count_in(bucket, count);
        }
        let packed = pack(&histogram);
        assert_eq!(packed.len(), 19);
        let mut again = Histogram::default();
        unpack(&packed, &mut again);
        assert_eq!(again, histogram);
        assert_eq!(pack(&Histogram::default()), [0_u8; 0]);
    }

    #[test]
    fn what_is_damaged_is_read_as_far_as_it_goes() {
        let mut histogram = Histogram::default();
        for bytes in [&[0xff; 40][..], &[5], &[5, 0x80], &[0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0, 1]] {
            unpack(bytes, &mut histogram);
        }
        assert_eq!(histogram, Histogram::default());
        unpack(&[5, 3, 0xff], &mut histogram);
        assert_eq!(histogram.counts()[5], 3);
    }
}
