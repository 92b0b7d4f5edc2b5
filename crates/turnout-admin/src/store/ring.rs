//! The last 15 minutes, second by second.

use std::collections::VecDeque;

use crate::store::change::Slice;

/// The longest window there is, in seconds.
pub(crate) const LONGEST: u32 = 900;
/// Above it the oldest seconds give way: what is shown of the past gets shorter then, and stays right. Fifty views that are all busy every second
/// take about half.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// What came in one second, or however long it took to look again.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Its end, in seconds since 1970.
    pub(crate) at: f64,
    /// Seconds.
    pub(crate) span: f64,
    /// Views with requests that ended in it, by their places.
    pub(crate) views: Vec<(u16, Slice)>,
}

impl Sample {
    /// What came to one view.
    pub(crate) fn view(&self, place: u16) -> Option<&Slice> {
        let found = self.views.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        Some(&self.views[found].1)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.views.iter().map(|(_, slice)| slice.bytes()).sum::<usize>()
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ring {
    samples: VecDeque<Sample>,
    bytes: usize,
}

impl Ring {
    pub(super) fn push(&mut self, sample: Sample) {
        self.bytes += sample.bytes();
        self.samples.push_back(sample);
        while self.samples.len() > LONGEST as usize || (self.bytes > MOST_BYTES && self.samples.len() > 1) {
            let oldest = self.samples.pop_front().expect("there is more than one");
            self.bytes -= oldest.bytes();
        }
    }

    /// Counted back by how long each took, not by its time of day: a clock that is set does not change how long ago something was.
    pub(super) fn window(&self, seconds: f64) -> impl Iterator<Item = &Sample> {
        let mut covered = 0.0;
        let count = self.samples.iter().rev().take_while(|sample| {
            let inside = covered < seconds - 0.5;
            covered += sample.span;
            inside
        });
        let first = self.samples.len() - count.count();
        self.samples.range(first..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turnout_states::Times;

    fn sample(at: f64, views: u16, buckets: usize) -> Sample {
        let slice = Slice {
            requests: 1,
            failed: 0,
            clamped: 0,
            times: Times::default(),
            kinds: [0; turnout_states::KINDS],
            wall: vec![(0, 1); buckets].into(),
            bins: Box::default(),
        };
        Sample { at, span: 1.0, views: (0..views).map(|place| (place, slice.clone())).collect() }
    }

    #[test]
    fn fifteen_minutes_are_kept_and_a_window_is_their_end() {
        let mut ring = Ring::default();
        for second in 0..1000 {
            ring.push(sample(f64::from(second), 0, 0));
        }
        assert_eq!(ring.window(900.0).count(), 900);
        let ends: Vec<_> = ring.window(5.0).map(|sample| sample.at).collect();
        assert_eq!(ends, [995.0, 996.0, 997.0, 998.0, 999.0]);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_give_way() {
        let mut ring = Ring::default();
        for second in 0..900 {
            ring.push(sample(f64::from(second), 500, 100));
        }
        let held: usize = ring.samples.iter().map(Sample::bytes).sum();
        assert_eq!(held, ring.bytes);
        assert!(held <= MOST_BYTES && held > MOST_BYTES / 2, "{held}");
        assert_eq!(ring.window(900.0).last().map(|sample| sample.at), Some(899.0));
    }
}
