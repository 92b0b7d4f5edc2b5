//! What a load found, as figures.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::Plan;
use super::connection::{Answer, ExchangeError};

/// The result, ready for JSON.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Connections of the plan.
    pub connections: usize,
    /// Requests answered whole, whatever their status.
    pub requests: u64,
    /// Everything that went wrong, by kind; `total` is zero in a good run.
    pub errors: Errors,
    /// Requests that were out when the time was over: neither answered nor wrong.
    pub unfinished: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Requests a second.
    pub rps: f64,
    /// From before writing a request to its answer's last byte, in milliseconds.
    pub latency_ms: Latency,
    /// The numbers in the header that the plan samples, if any answer had one.
    pub sample: Option<Latency>,
    /// Of the bodies.
    pub body_bytes: Size,
    /// CPU time of the load itself.
    pub cpu_seconds: f64,
    /// The share of one core that the load used; above 0.85 it measured itself.
    pub busy: f64,
}

/// Milliseconds, or what a sampled header counts in.
#[derive(Debug, Serialize)]
pub struct Latency {
    /// The fastest.
    pub min: f64,
    /// The mean.
    pub mean: f64,
    /// Half were faster.
    pub p50: f64,
    /// Nine of ten were faster.
    pub p90: f64,
    /// 99 of 100 were faster.
    pub p99: f64,
    /// 999 of 1000 were faster.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

/// Bytes. Equal minimum and maximum say that all answers were alike.
#[derive(Debug, Serialize)]
pub struct Size {
    /// The smallest.
    pub min: u64,
    /// The largest.
    pub max: u64,
    /// Together.
    pub total: u64,
}

/// By kind.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Errors {
    /// All together.
    pub total: u64,
    /// No connection.
    pub connect: u64,
    /// The answer took longer than the plan's patience.
    pub timeout: u64,
    /// A status other than the expected.
    pub status: u64,
    /// The connection was closed or reset before the answer was whole.
    pub closed: u64,
    /// Not HTTP/1.1.
    pub malformed: u64,
    /// A fault of the load itself.
    pub lane: u64,
}

impl Errors {
    pub(super) fn count(&mut self, error: &ExchangeError) {
        match error {
            ExchangeError::Io(_) | ExchangeError::Closed => self.closed += 1,
            ExchangeError::Malformed => self.malformed += 1,
        }
    }

    fn add(&mut self, other: &Self) {
        self.connect += other.connect;
        self.timeout += other.timeout;
        self.status += other.status;
        self.closed += other.closed;
        self.malformed += other.malformed;
        self.lane += other.lane;
    }

    fn summed(self) -> Self {
        let total = self.connect + self.timeout + self.status + self.closed + self.malformed + self.lane;
        Self { total, ..self }
    }
}

/// The counts of one connection, or of all.
pub(super) struct Tally {
    pub(super) errors: Errors,
    pub(super) unfinished: u64,
    statuses: BTreeMap<u16, u64>,
    micros: Histogram<u64>,
    /// Thousandths.
    samples: Histogram<u64>,
    body: Option<Size>,
}

impl Tally {
    pub(super) fn new() -> Self {
        let histogram = || Histogram::new(PRECISION).expect("a precision between 0 and 5");
        Self {
            errors: Errors::default(),
            unfinished: 0,
            statuses: BTreeMap::new(),
            micros: histogram(),
            samples: histogram(),
            body: None,
        }
    }

    pub(super) fn answer(&mut self, answer: &Answer, took: Duration) {
        *self.statuses.entry(answer.status).or_default() += 1;
        // An auto-sizing histogram takes every value.
        let _ = self.micros.record(took.as_micros() as u64);
        if let Some(sample) = answer.sample.filter(|sample| sample.is_finite() && *sample >= 0.0) {
            let _ = self
                .samples
                .record(Duration::try_from_secs_f64(sample / 1000.0).unwrap_or_default().as_micros() as u64);
        }
        self.body_range(&Size { min: answer.body, max: answer.body, total: answer.body });
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.errors.add(&other.errors);
        self.unfinished += other.unfinished;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        let _ = self.micros.add(&other.micros);
        let _ = self.samples.add(&other.samples);
        if let Some(body) = &other.body {
            self.body_range(body);
        }
    }

    fn body_range(&mut self, other: &Size) {
        let body = self.body.get_or_insert(Size { min: u64::MAX, max: 0, total: 0 });
        body.min = body.min.min(other.min);
        body.max = body.max.max(other.max);
        body.total += other.total;
    }
}

/// Significant digits of a latency.
const PRECISION: u8 = 3;

impl Latency {
    /// Out of thousandths.
    fn of(found: &Histogram<u64>) -> Self {
        let at = |quantile| found.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            min: found.min() as f64 / 1000.0,
            mean: found.mean() / 1000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: found.max() as f64 / 1000.0,
        }
    }
}

impl Report {
    pub(super) fn new(plan: &Plan, tally: &Tally, took: Duration, cpu: Duration) -> Self {
        let seconds = took.as_secs_f64();
        let share = |part: f64| if seconds > 0.0 { part / seconds } else { 0.0 };
        Self {
            connections: plan.connections,
            requests: tally.micros.len(),
            errors: tally.errors.summed(),
            unfinished: tally.unfinished,
            statuses: tally.statuses.clone(),
            seconds,
            rps: share(tally.micros.len() as f64),
            latency_ms: Latency::of(&tally.micros),
            sample: (!tally.samples.is_empty()).then(|| Latency::of(&tally.samples)),
            body_bytes: tally.body.as_ref().map_or(Size { min: 0, max: 0, total: 0 }, |body| Size { ..*body }),
            cpu_seconds: cpu.as_secs_f64(),
            busy: share(cpu.as_secs_f64()),
        }
    }

    /// For people, in five lines.
    pub fn to_text(&self) -> String {
        let Self { connections, requests, errors, seconds, rps, latency_ms: latency, busy, .. } = self;
        let statuses: Vec<_> = self.statuses.iter().map(|(status, count)| format!("{status} x {count}")).collect();
        format!(
            "{requests} requests in {seconds:.2} s over {connections} connections: {rps:.0} a second\n\
             latency  p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, longest {:.2} ms\n\
             answers  {}\n\
             errors   {} (connect {}, timeout {}, status {}, closed {}, malformed {})\n\
             load     {:.0} % of a core\n",
            latency.p50,
            latency.p90,
            latency.p99,
            latency.max,
            statuses.join(", "),
            errors.total,
            errors.connect,
            errors.timeout,
            errors.status,
            errors.closed,
            errors.malformed,
            busy * 100.0,
        )
    }
}
