//! One view's row: what the live table and the view's page have in common.

use serde::Serialize;
use turnout_states::{Kind, Times};

use crate::store::Sum;

/// Mean milliseconds a request of each part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Parts {
    processing: f64,
    run_queue: f64,
    gil: f64,
    loop_queue: f64,
    no_thread_cpu: f64,
    no_thread_io: f64,
    client: f64,
    io: f64,
}

/// Mean milliseconds a request of calls, by what they were for, those of one request side by side counted once; then of what no call says, by what threads were seen to
/// wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Waits {
    db: f64,
    http: f64,
    cache: f64,
    socket: f64,
    lock: f64,
    sleep: f64,
    file: f64,
    other: f64,
}

/// Parts of the whole; they sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Shares {
    pub(crate) processing: f64,
    pub(crate) cpu: f64,
    pub(crate) io: f64,
}

/// A row. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) requests: u64,
    rps: f64,
    failed: u64,
    clamped: u64,
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    mean: Option<f64>,
    pub(crate) seconds_a_minute: f64,
    parts: Parts,
    waits: Waits,
    pub(crate) shares: Shares,
    knee: Option<f64>,
    pub(crate) trend: Vec<[f64; 3]>,
}

impl Row {
    /// Of what came in so many seconds.
    pub(crate) fn new(name: &str, sum: &Sum, covered: f64, trend: Vec<[f64; 3]>) -> Self {
        let states = sum.states();
        let [processing, _, io] = states;
        let wall: f64 = states.iter().sum();
        let covered = covered.max(1.0);
        let any = sum.requests > 0;
        let each = sum.requests.max(1) as f64;
        let calls = |kind: Kind| rounded(sum.kinds[kind as usize] as f64 / 1e6 / each);
        Self {
            name: name.to_owned(),
            requests: sum.requests,
            rps: rounded(sum.requests as f64 / covered),
            failed: sum.failed,
            clamped: sum.clamped,
            p50: sum.quantile(0.5),
            p95: sum.quantile(0.95),
            p99: sum.quantile(0.99),
            mean: any.then(|| rounded(wall * 1e3 / each)),
            seconds_a_minute: rounded(wall * 60.0 / covered),
            parts: Parts::mean(&sum.times, sum.requests),
            waits: Waits {
                db: calls(Kind::Database),
                http: calls(Kind::Http),
                cache: calls(Kind::Cache),
                socket: calls(Kind::Socket),
                lock: calls(Kind::Lock),
                sleep: calls(Kind::Sleep),
                file: calls(Kind::File),
                other: calls(Kind::Other),
            },
            shares: Shares::of(states),
            knee: (processing > 0.0).then(|| rounded(1.0 + io / processing)),
            trend,
        }
    }
}

impl Parts {
    /// Of so many requests.
    pub(crate) fn mean(times: &Times, requests: u64) -> Self {
        let each = requests.max(1) as f64;
        let [processing, run_queue, gil, loop_queue, no_thread_cpu, no_thread_io, client, io] =
            times.parts().map(|part| rounded(part as f64 / 1e6 / each));
        Self { processing, run_queue, gil, loop_queue, no_thread_cpu, no_thread_io, client, io }
    }
}

impl Shares {
    /// Of seconds of each state. Where there was no time at all it was spent computing, as far as anybody can tell.
    pub(crate) fn of(states: [f64; 3]) -> Self {
        let wall: f64 = states.iter().sum();
        let [processing, cpu, io] = if wall > 0.0 { states.map(|state| state / wall) } else { [1.0, 0.0, 0.0] };
        Self { processing: fine(processing), cpu: fine(cpu), io: fine(io) }
    }
}

/// Nanoseconds as milliseconds.
pub(crate) fn milliseconds(nanoseconds: u64) -> f64 {
    rounded(nanoseconds as f64 / 1e6)
}

/// Three digits behind the point: a microsecond of what is in milliseconds.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// Six digits, for parts of 1.
pub(crate) fn fine(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}
