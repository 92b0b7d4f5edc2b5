//! How long an upstream's good answers take lately. What was cut short is known to have taken longer, and counts as endless: left out, or counted
//! as long as it had run, it would make the upstream look quicker the more of its slow answers are cut short.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::histogram::{Histogram, quantile_of};

/// What is known is of this long at least, and of twice as long at most.
const GENERATION: Duration = Duration::from_secs(60);
/// Percentiles are looked up again after so many times.
const EVERY: u64 = 16;
/// A percentile that is endless, or of which nothing is known.
const UNKNOWN: u64 = u64::MAX;

/// See the module.
#[derive(Debug)]
pub(crate) struct Latencies {
    /// The one that is filled, and the one before.
    generations: [Histogram; 2],
    current: AtomicUsize,
    turned: Mutex<Instant>,
    recorded: AtomicU64,
    quantile: f64,
    min_samples: u64,
    /// Microseconds, as they were when last looked up.
    p50: AtomicU64,
    p99: AtomicU64,
    at_quantile: AtomicU64,
}

impl Latencies {
    /// `quantile` is what [`Latencies::at_quantile`] gives, from `min_samples` on.
    pub(crate) fn new(quantile: f64, min_samples: u64) -> Self {
        Self {
            generations: [Histogram::default(), Histogram::default()],
            current: AtomicUsize::new(0),
            turned: Mutex::new(Instant::now()),
            recorded: AtomicU64::new(0),
            quantile,
            min_samples,
            p50: AtomicU64::new(UNKNOWN),
            p99: AtomicU64::new(UNKNOWN),
            at_quantile: AtomicU64::new(UNKNOWN),
        }
    }

    /// Half of the answers take no longer; zero as long as nothing is known.
    pub(crate) fn p50(&self) -> Duration {
        known(&self.p50).unwrap_or_default()
    }

    /// As [`Latencies::p50`].
    pub(crate) fn p99(&self) -> Duration {
        known(&self.p99).unwrap_or_default()
    }

    /// `None`: too little is known, or it is endless.
    pub(crate) fn at_quantile(&self) -> Option<Duration> {
        known(&self.at_quantile)
    }

    /// Of a good answer.
    pub(crate) fn record(&self, time: Duration) {
        self.generations[self.current.load(Relaxed)].record(time);
        self.recorded();
    }

    /// Cut short after `time`. Below the median that says nothing.
    fn record_censored(&self, time: Duration) {
        if known(&self.p50).is_some_and(|p50| time >= p50) {
            self.generations[self.current.load(Relaxed)].record_endless();
            self.recorded();
        }
    }

    /// An attempt begins.
    pub(crate) fn watch(&self) -> Watch<'_> {
        Watch { latencies: self, started: Some(Instant::now()) }
    }

    fn recorded(&self) {
        let recorded = self.recorded.fetch_add(1, Relaxed) + 1;
        if recorded.is_multiple_of(EVERY) || recorded == self.min_samples {
            self.look_up();
        }
    }

    fn look_up(&self) {
        // Whoever holds it does just this.
        let Some(mut turned) = self.turned.try_lock() else { return };
        if turned.elapsed() >= GENERATION {
            *turned = Instant::now();
            let next = 1 - self.current.load(Relaxed);
            self.generations[next].clear();
            self.current.store(next, Relaxed);
        }
        let [one, other] = &self.generations;
        let both = [one, other];
        let micros = |quantile| quantile_of(&both, quantile).map_or(UNKNOWN, |time| time.as_micros() as u64);
        self.p50.store(micros(0.5), Relaxed);
        self.p99.store(micros(0.99), Relaxed);
        let is_enough = one.count() + other.count() >= self.min_samples;
        self.at_quantile.store(if is_enough { micros(self.quantile) } else { UNKNOWN }, Relaxed);
    }
}

fn known(micros: &AtomicU64) -> Option<Duration> {
    Some(micros.load(Relaxed)).filter(|micros| *micros != UNKNOWN).map(Duration::from_micros)
}

/// An attempt whose time is taken. Dropped without an end: it was cut short.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    latencies: &'a Latencies,
    started: Option<Instant>,
}

impl Watch<'_> {
    /// Only good answers tell how long good answers take.
    pub(crate) fn end(mut self, is_good: bool) {
        if let Some(started) = self.started.take().filter(|_| is_good) {
            self.latencies.record(started.elapsed());
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(started) = self.started {
            self.latencies.record_censored(started.elapsed());
        }
    }
}
