//! What the requests of each view waited for: at which address, from which place in the project's code.
//!
//! Summed over all workers and those that have ended, second by second.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use turnout_states::{AtSpot, Board, Kind, OTHER, Spot};

use crate::store::called::Called;
use crate::store::read::ByWorker;
use crate::store::seconds::Seconds;

/// So many spots are told apart, in all views and workers there ever were; what comes later is "other". A name is up to 240 bytes.
const MOST: usize = 8000;
/// So many pairs of a view and a spot have a longest call.
const MOST_LONGEST: usize = 4 * MOST;
/// Above it the oldest seconds give way. Fifty views with ten spots each, busy every second, take half.
const MOST_BYTES: usize = 16 << 20;

/// A spot by its names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Named {
    pub(crate) kind: Kind,
    pub(crate) address: Arc<str>,
    /// `None`: not known.
    pub(crate) site: Option<Arc<str>>,
}

/// What one view waited for at a spot in some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Waited<'a> {
    pub(crate) spot: &'a Named,
    pub(crate) calls: u64,
    /// Seconds; calls side by side each count.
    pub(crate) time: f64,
    /// Nanoseconds of the longest since the server started.
    pub(crate) longest: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Spots {
    list: Vec<Named>,
    places: FxHashMap<Named, u16>,
    longest: FxHashMap<(u16, u16), u64>,
    /// By the worker's place of a view.
    workers: ByWorker<FxHashMap<Spot, AtSpot>>,
    seconds: Seconds<Came>,
    /// By view and spot: what came since the last second ended.
    fresh: FxHashMap<(u16, u16), (u64, u64)>,
}

/// One view at one spot in one second.
#[derive(Debug, Clone, Copy)]
struct Came {
    view: u16,
    spot: u16,
    calls: u32,
    seconds: f32,
}

impl Default for Spots {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            places: FxHashMap::default(),
            longest: FxHashMap::default(),
            workers: ByWorker::default(),
            seconds: Seconds::of(MOST_BYTES),
            fresh: FxHashMap::default(),
        }
    }
}

impl Spots {
    /// Takes in what a worker has told since this was last asked. `views`: how many it has; `view` gives the server's number of one.
    pub(super) fn collect(
        &mut self,
        (board, index): (&Board, usize),
        process: (u64, u64),
        called: &mut Called,
        views: impl Iterator<Item = (usize, u16)>,
    ) {
        for (place, view) in views {
            let Ok(version) = board.spots_version(index, place) else { continue };
            let read = self.workers.of(index, process);
            if read.has(place, version) {
                continue;
            }
            let Ok(told) = board.spots(index, place) else { continue };
            let before = read.put(place, version, told.iter().copied().collect());
            for (spot, now) in told {
                let before = before.get(&spot).copied().unwrap_or_default();
                let calls = now.calls.saturating_sub(before.calls);
                if calls == 0 {
                    continue;
                }
                let Spot { kind, address, site } = spot;
                let (address, site) = (called.address(board, index, address), called.site(board, index, site));
                let key = (view, self.place_of(Named { kind, address, site }));
                let (sum, time) = self.fresh.entry(key).or_default();
                *sum += calls;
                *time += now.time.saturating_sub(before.time);
                if self.longest.len() < MOST_LONGEST || self.longest.contains_key(&key) {
                    let longest = self.longest.entry(key).or_default();
                    *longest = now.longest.max(*longest);
                }
            }
        }
    }

    /// A second is over, or whatever `span` is.
    pub(super) fn push(&mut self, span: f64) {
        let came = self.fresh.drain().map(|((view, spot), (calls, time))| Came {
            view,
            spot,
            calls: calls as u32,
            seconds: (time as f64 / 1e9) as f32,
        });
        let came = came.collect();
        self.seconds.push(span, came);
    }

    /// What views waited for in the last so many seconds, by the view's number and the most waited for first. `view`: only this one.
    pub(super) fn of(&self, view: Option<u16>, seconds: f64) -> Vec<(u16, Waited<'_>)> {
        let mut sums: FxHashMap<(u16, u16), (u64, f64)> = FxHashMap::default();
        for (_, came) in self.seconds.window(seconds) {
            for came in came.iter().filter(|came| view.is_none_or(|view| came.view == view)) {
                let (calls, time) = sums.entry((came.view, came.spot)).or_default();
                *calls += u64::from(came.calls);
                *time += f64::from(came.seconds);
            }
        }
        let mut found: Vec<_> = sums
            .into_iter()
            .map(|((view, spot), (calls, time))| {
                let longest = self.longest.get(&(view, spot)).copied().unwrap_or(0);
                (view, Waited { spot: &self.list[usize::from(spot)], calls, time, longest })
            })
            .collect();
        found.sort_by(|(one, first), (other, second)| {
            one.cmp(other)
                .then_with(|| second.time.total_cmp(&first.time))
                .then_with(|| first.spot.site.cmp(&second.spot.site))
        });
        found
    }

    fn place_of(&mut self, named: Named) -> u16 {
        if let Some(place) = self.places.get(&named) {
            return *place;
        }
        let full = self.list.len() >= MOST;
        let named = if full { Named { address: OTHER.into(), site: None, ..named } } else { named };
        *self.places.entry(named).or_insert_with_key(|named| {
            self.list.push(named.clone());
            (self.list.len() - 1) as u16
        })
    }
}
