//! Who computed in a worker while others of it waited for a processor: by second, worker and view.
//!
//! A request's times are known when it has ended, so a second has what ended in it.

use rustc_hash::FxHashMap;
use turnout_states::Times;

use crate::store::seconds::Seconds;

/// Above it the oldest seconds give way. Fifty views that are busy every second in eight workers take a third.
const MOST_BYTES: usize = 16 << 20;

/// One view in one worker in one second: seconds of Processing and of Waiting for CPU.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Share {
    worker: u16,
    view: u16,
    processing: f32,
    cpu: f32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Beside {
    /// By worker.
    seconds: Seconds<Share>,
    /// What came since the last second ended.
    fresh: FxHashMap<(u16, u16), (f32, f32)>,
}

impl Default for Beside {
    fn default() -> Self {
        Self { seconds: Seconds::of(MOST_BYTES), fresh: FxHashMap::default() }
    }
}

/// What one view did while another one waited for a processor in the same worker.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Neighbour {
    /// Its place.
    pub(crate) view: u16,
    /// Of the other one's Waiting for CPU, in seconds: divided among those that computed, by how much they did.
    pub(crate) cpu: f64,
    /// Its Processing in those seconds, in seconds.
    pub(crate) processing: f64,
}

/// Who was beside a view.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Neighbours {
    /// Seconds that it waited for a processor.
    pub(crate) cpu: f64,
    /// How long a time this is of, in seconds.
    pub(crate) covered: f64,
    /// Who computed meanwhile, itself among them; who computed most comes first.
    pub(crate) views: Vec<Neighbour>,
}

impl Beside {
    /// This came to a view in a worker.
    pub(super) fn add(&mut self, worker: usize, view: u16, times: &Times) {
        let (processing, cpu) = self.fresh.entry((worker as u16, view)).or_default();
        *processing += (times.processing as f64 / 1e9) as f32;
        *cpu += (times.waiting_for_cpu() as f64 / 1e9) as f32;
    }

    /// A second is over, or whatever `span` is.
    pub(super) fn push(&mut self, span: f64) {
        let shares = self.fresh.drain();
        let mut shares: Vec<_> = shares
            .map(|((worker, view), (processing, cpu))| Share { worker, view, processing, cpu })
            .filter(|share| share.processing > 0.0 || share.cpu > 0.0)
            .collect();
        shares.sort_unstable_by_key(|share| (share.worker, share.view));
        self.seconds.push(span, shares);
    }

    /// Of the last so many seconds.
    pub(super) fn of(&self, view: u16, seconds: f64) -> Neighbours {
        let mut found = Neighbours::default();
        let mut views: FxHashMap<u16, Neighbour> = FxHashMap::default();
        for (span, shares) in self.seconds.window(seconds) {
            found.covered += span;
            for of_worker in shares.chunk_by(|one, other| one.worker == other.worker) {
                let Some(own) = of_worker.iter().find(|share| share.view == view && share.cpu > 0.0) else { continue };
                let waited = f64::from(own.cpu);
                found.cpu += waited;
                let computed: f64 = of_worker.iter().map(|share| f64::from(share.processing)).sum();
                for share in of_worker.iter().filter(|share| share.processing > 0.0) {
                    let processing = f64::from(share.processing);
                    let neighbour =
                        views.entry(share.view).or_insert(Neighbour { view: share.view, ..Default::default() });
                    neighbour.cpu += waited * processing / computed;
                    neighbour.processing += processing;
                }
            }
        }
        found.views = views.into_values().collect();
        found.views.sort_by(|one, other| other.cpu.total_cmp(&one.cpu).then(one.view.cmp(&other.view)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn times(processing: u64, gil: u64) -> Times {
        Times { processing: processing * MS, gil: gil * MS, io: 999 * MS, ..Times::default() }
    }

    fn told(neighbours: &Neighbours) -> Vec<(u16, i64, i64)> {
        let milliseconds = |seconds: f64| (seconds * 1e3).round() as i64;
        let views = neighbours.views.iter();
        views.map(|one| (one.view, milliseconds(one.cpu), milliseconds(one.processing))).collect()
    }

    #[test]
    fn who_computes_in_the_same_worker_in_the_same_second_is_a_neighbour() {
        let mut beside = Beside::default();
        // In worker 0 view 1 waits while 2 computes thrice as much as itself.
        beside.add(0, 1, &times(100, 200));
        beside.add(0, 2, &times(300, 0));
        // In worker 1 view 3 computes, but view 1 waits for nobody there.
        beside.add(1, 1, &times(50, 0));
        beside.add(1, 3, &times(900, 0));
        beside.push(1.0);
        // A second later 4 computes alone.
        beside.add(0, 4, &times(900, 0));
        beside.push(1.0);
        let found = beside.of(1, 60.0);
        assert_eq!(told(&found), [(2, 150, 300), (1, 50, 100)]);
        assert_eq!((found.covered, (found.cpu * 1e3).round()), (2.0, 200.0));
        assert_eq!(told(&beside.of(4, 60.0)), [], "it did not wait");
    }

    #[test]
    fn only_what_lies_in_the_window_counts() {
        let mut beside = Beside::default();
        for second in 0..100 {
            beside.add(0, 1, &times(1, 1));
            beside.add(0, if second < 90 { 2 } else { 3 }, &times(1, 0));
            beside.push(1.0);
        }
        assert_eq!(told(&beside.of(1, 10.0)), [(1, 5, 10), (3, 5, 10)]);
        assert_eq!(beside.of(1, 900.0).views.len(), 3);
    }
}
