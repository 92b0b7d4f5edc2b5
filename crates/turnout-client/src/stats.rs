//! What happened to calls, counted by upstream. Counting takes no lock; reading takes a snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::answer::Answer;
use crate::call::Call;
use crate::error::{Error, Kind};
use crate::histogram::{Histogram, Percentiles};
use crate::timings::Timings;
use crate::upstreams::Upstreams;

/// Upstreams counted apart (about 8 KiB each); those above are counted together, as `other`.
const MOST_UPSTREAMS: usize = 256;

/// All counters of a client.
#[derive(Debug)]
pub(crate) struct Stats(Upstreams<Counters>);

impl Default for Stats {
    fn default() -> Self {
        Self(Upstreams::new(MOST_UPSTREAMS, Counters::new("other".into())))
    }
}

impl Stats {
    pub(crate) fn of(&self, call: &Call) -> Arc<Counters> {
        self.0.of(call, Counters::new)
    }

    /// As they are now, by name; without upstreams that were never called.
    pub(crate) fn snapshot(&self) -> Vec<Snapshot> {
        let mut all: Vec<_> = self.0.all().iter().map(|counters| counters.snapshot()).collect();
        all.retain(|snapshot| snapshot.started > 0);
        all.sort_by(|one, other| one.upstream.cmp(&other.upstream));
        all
    }
}

macro_rules! counters {
    ($($(#[doc = $text:literal])+ $name:ident,)+) => {
        /// Of one upstream.
        #[derive(Debug)]
        pub(crate) struct Counters {
            pub(crate) name: Arc<str>,
            in_flight: AtomicI64,
            classes: [AtomicU64; 5],
            errors: [AtomicU64; Kind::ALL.len()],
            queued: Histogram,
            pool: Histogram,
            dns: Histogram,
            connect: Histogram,
            tls: Histogram,
            first_byte: Histogram,
            body: Histogram,
            decode: Histogram,
            total: Histogram,
            $(pub(crate) $name: AtomicU64,)+
        }

        /// The counters of one upstream as they were at one moment.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Snapshot {
            /// As configured, or `host:port`; `other` for those that are too many to be counted apart.
            pub upstream: Arc<str>,
            /// Begun and not yet over.
            pub in_flight: u64,
            /// Answers, from 1xx to 5xx.
            pub classes: [u64; 5],
            /// Calls without an answer, by kind; those that never happened are left out.
            pub errors: Vec<(Kind, u64)>,
            /// Where the time of answered calls went, by the names of [`Timings`]'s fields; phases that never happened are left out.
            pub times: Vec<(&'static str, Percentiles)>,
            $($(#[doc = $text])+ pub $name: u64,)+
        }

        impl Counters {
            pub(crate) fn new(name: Arc<str>) -> Self {
                Self {
                    name,
                    in_flight: AtomicI64::new(0),
                    classes: Default::default(),
                    errors: [const { AtomicU64::new(0) }; Kind::ALL.len()],
                    queued: Histogram::default(),
                    pool: Histogram::default(),
                    dns: Histogram::default(),
                    connect: Histogram::default(),
                    tls: Histogram::default(),
                    first_byte: Histogram::default(),
                    body: Histogram::default(),
                    decode: Histogram::default(),
                    total: Histogram::default(),
                    $($name: AtomicU64::new(0),)+
                }
            }

            fn snapshot(&self) -> Snapshot {
                let errors = Kind::ALL.iter().map(|kind| (*kind, self.errors[*kind as usize].load(Relaxed)));
                let times = [
                    ("queued", &self.queued),
                    ("pool", &self.pool),
                    ("dns", &self.dns),
                    ("connect", &self.connect),
                    ("tls", &self.tls),
                    ("first_byte", &self.first_byte),
                    ("body", &self.body),
                    ("decode", &self.decode),
                    ("total", &self.total),
                ];
                Snapshot {
                    upstream: Arc::clone(&self.name),
                    in_flight: u64::try_from(self.in_flight.load(Relaxed)).unwrap_or(0),
                    classes: std::array::from_fn(|class| self.classes[class].load(Relaxed)),
                    errors: errors.filter(|(_, count)| *count > 0).collect(),
                    times: times.into_iter().filter_map(|(name, times)| Some((name, times.percentiles()?))).collect(),
                    $($name: self.$name.load(Relaxed),)+
                }
            }
        }

        impl Snapshot {
            /// The plain counters and their names.
            pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Calls.
    started,
    /// Answered with 2xx or 3xx, by the network or the cache.
    ok,
    /// Given up by their callers before they had an outcome.
    given_up,
    /// Finished although nobody waited any more: sent, and not idempotent.
    unawaited,
    /// Attempts handed to the pool or the transport.
    attempts,
    /// Attempts that were tries again.
    retries,
    /// Retries that the budget forbade.
    retries_refused,
    /// Attempts made beside another.
    hedges,
    /// Of these, those that were first.
    hedges_won,
    /// Hedges that the budget forbade.
    hedges_refused,
    /// Calls that shared another's answer.
    coalesced,
    /// Answered from the cache.
    cache_hits,
    /// Asked of the upstream, for the cache had nothing.
    cache_misses,
    /// Answered from the cache after the upstream had said "not modified".
    cache_validated,
    /// Answered from the cache although it was too old.
    cache_stale,
    /// How often the circuit opened.
    circuit_opened,
}

impl Counters {
    /// A call begins.
    pub(crate) fn begin(&self) -> Begun<'_> {
        self.started.fetch_add(1, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        Begun { counters: self, is_over: false }
    }

    fn answered(&self, answer: &Answer) {
        let status = answer.head.status.as_u16();
        if (200..400).contains(&status) {
            self.ok.fetch_add(1, Relaxed);
        }
        if let Some(class) = self.classes.get(usize::from(status / 100).saturating_sub(1)) {
            class.fetch_add(1, Relaxed);
        }
        self.time(&answer.timings);
    }

    fn time(&self, timings: &Timings) {
        let phases = [
            (&self.queued, timings.queued),
            (&self.pool, timings.pool),
            (&self.dns, timings.dns),
            (&self.connect, timings.connect),
            (&self.tls, timings.tls),
            (&self.first_byte, timings.first_byte),
            (&self.body, timings.body),
            (&self.decode, timings.decode),
            (&self.total, Some(timings.total)),
        ];
        for (histogram, time) in phases {
            if let Some(time) = time {
                histogram.record(time);
            }
        }
    }

    /// What happened after the answer's head: JSON was read.
    pub(crate) fn decoded(&self, time: Duration) {
        self.decode.record(time);
    }
}

/// A call that counts as in flight. Dropped without an outcome, it was given up.
pub(crate) struct Begun<'a> {
    counters: &'a Counters,
    is_over: bool,
}

impl Begun<'_> {
    pub(crate) fn end(mut self, outcome: &Result<Answer, Error>) {
        self.is_over = true;
        match outcome {
            Ok(answer) => self.counters.answered(answer),
            Err(error) => drop(self.counters.errors[error.kind() as usize].fetch_add(1, Relaxed)),
        }
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.counters.in_flight.fetch_sub(1, Relaxed);
        if !self.is_over {
            self.counters.given_up.fetch_add(1, Relaxed);
        }
    }
}
