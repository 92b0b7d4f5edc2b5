//! Counters of the upstreams: how many calls are out now, at most, in all. Read from other threads while the upstreams run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use super::profile::Profile;

/// All counters; the generic echo is counted in the whole only.
pub struct Stats {
    all: Counter,
    connections: Counter,
    by_name: Vec<(&'static str, Counter)>,
}

/// One moment of [`Stats`].
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// All upstreams and the echo.
    #[serde(flatten)]
    pub all: Counts,
    /// Connections instead of calls.
    pub connections: Counts,
    /// Each upstream.
    pub upstreams: BTreeMap<&'static str, Counts>,
}

/// One counter's moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Counts {
    /// Calls that wait for their answer now, or open connections.
    pub in_flight: u64,
    /// The most there were at once, since the start or the last reset.
    pub most_in_flight: u64,
    /// All, since the start or the last reset.
    pub total: u64,
}

#[derive(Default)]
struct Counter {
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
    total: AtomicU64,
}

impl Stats {
    /// Counters for these upstreams.
    pub fn new(profiles: &[Profile]) -> Self {
        Self {
            all: Counter::default(),
            connections: Counter::default(),
            by_name: profiles.iter().map(|profile| (profile.name, Counter::default())).collect(),
        }
    }

    /// How many calls wait for their answer now.
    pub fn in_flight(&self) -> u64 {
        self.all.in_flight.load(Relaxed)
    }

    /// Everything, now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            all: self.all.counts(),
            connections: self.connections.counts(),
            upstreams: self.by_name.iter().map(|(name, counter)| (*name, counter.counts())).collect(),
        }
    }

    /// Forgets totals and maxima; what is in flight stays counted.
    pub fn reset(&self) {
        [&self.all, &self.connections].into_iter().chain(self.by_name.iter().map(|(_, counter)| counter)).for_each(
            |counter| {
                counter.total.store(0, Relaxed);
                counter.most_in_flight.store(counter.in_flight.load(Relaxed), Relaxed);
            },
        );
    }

    /// Counts a connection until the value is dropped.
    pub(super) fn connection(&self) -> Call<'_> {
        self.connections.begin();
        Call { all: &self.connections, named: None }
    }

    /// Counts a call until the value is dropped, also when the caller goes away first.
    pub(super) fn call(&self, upstream: Option<usize>) -> Call<'_> {
        self.all.begin();
        let named = upstream.and_then(|index| self.by_name.get(index)).map(|(_, counter)| counter);
        if let Some(counter) = named {
            counter.begin();
        }
        Call { all: &self.all, named }
    }
}

/// See [`Stats::call`].
pub(super) struct Call<'a> {
    all: &'a Counter,
    named: Option<&'a Counter>,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.all.end();
        if let Some(counter) = self.named {
            counter.end();
        }
    }
}

impl Counter {
    fn begin(&self) {
        self.total.fetch_add(1, Relaxed);
        let now = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Relaxed);
    }

    fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    fn counts(&self) -> Counts {
        Counts {
            in_flight: self.in_flight.load(Relaxed),
            most_in_flight: self.most_in_flight.load(Relaxed),
            total: self.total.load(Relaxed),
        }
    }
}
