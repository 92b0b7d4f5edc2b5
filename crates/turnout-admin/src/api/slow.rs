//! `/api/v1/slow`: slow requests, and one of them whole.

use serde::Serialize;
use turnout_states::{MOST_WAITS, Span};

use crate::api::numbers::{Parts, Shares, milliseconds};
use crate::store::{Slow, Store, states};

/// So many are listed: more than anybody reads.
const MOST: usize = 500;

/// Those that are kept, the slowest first.
#[derive(Debug, Serialize)]
pub(crate) struct List {
    version: u32,
    time: f64,
    /// How many there are, with those that are not listed.
    kept: usize,
    requests: Vec<Line>,
}

/// One of them. Times are milliseconds.
#[derive(Debug, Serialize)]
struct Line {
    id: String,
    view: String,
    worker: usize,
    process: u64,
    gone: bool,
    began: f64,
    status: Option<u16>,
    wall: f64,
    shares: Shares,
    calls: usize,
}

/// One whole.
#[derive(Debug, Serialize)]
pub(crate) struct Whole {
    version: u32,
    time: f64,
    #[serde(flatten)]
    line: Line,
    parts: Parts,
    /// There may have been more calls than are kept.
    more_waits: bool,
    waits: Vec<Wait>,
    spans: Vec<Stretch>,
    dropped: u32,
}

/// Milliseconds since the request began.
#[derive(Debug, Serialize)]
struct Wait {
    kind: &'static str,
    address: String,
    site: Option<String>,
    began: f64,
    ended: f64,
}

/// The same; the states are how much of it.
#[derive(Debug, Serialize)]
struct Stretch {
    thread: Option<u32>,
    ready: f64,
    began: f64,
    ended: f64,
    processing: f64,
    cpu: f64,
    io: f64,
}

/// Of one view, or of all.
pub(crate) fn list(store: &Store, view: Option<u16>) -> List {
    let mut kept: Vec<_> = store.slow().filter(|(slow, _)| view.is_none_or(|view| slow.view == view)).collect();
    kept.sort_by_key(|(slow, _)| (std::cmp::Reverse(slow.times.wall()), slow.id));
    let requests = kept.iter().take(MOST).map(|(slow, gone)| Line::of(store, slow, *gone)).collect();
    List { version: 1, time: store.at, kept: kept.len(), requests }
}

/// That one.
pub(crate) fn one(store: &Store, slow: &Slow, gone: bool) -> Whole {
    let waits = slow.calls.iter().map(|call| Wait {
        kind: call.kind.word(),
        address: call.address.to_string(),
        site: call.site.as_deref().map(str::to_owned),
        began: milliseconds(call.began),
        ended: milliseconds(call.ended),
    });
    Whole {
        version: 1,
        time: store.at,
        line: Line::of(store, slow, gone),
        parts: Parts::mean(&slow.times, 1),
        more_waits: slow.calls.len() >= MOST_WAITS,
        waits: waits.collect(),
        spans: slow.spans.iter().map(Stretch::of).collect(),
        dropped: slow.dropped,
    }
}

/// What a path names; `None`: that is no id.
pub(crate) fn id(text: &str) -> Option<u64> {
    // In one spelling only: what is asked for becomes the name of a file.
    let number = u64::from_str_radix(text, 16).ok()?;
    (spelled(number) == text).then_some(number)
}

fn spelled(id: u64) -> String {
    format!("{id:016x}")
}

impl Line {
    fn of(store: &Store, slow: &Slow, gone: bool) -> Self {
        Self {
            id: spelled(slow.id),
            view: store.name(slow.view).to_owned(),
            worker: slow.worker,
            process: slow.process,
            gone,
            began: slow.began as f64 / 1e9,
            status: (slow.status != 0).then_some(slow.status),
            wall: milliseconds(slow.times.wall()),
            shares: Shares::of(states(&slow.times)),
            calls: slow.calls.len(),
        }
    }
}

impl Stretch {
    fn of(span: &Span) -> Self {
        let whole = span.ended.saturating_sub(span.began);
        let cpu = span.waiting_for_cpu.min(whole);
        let io = span.waiting_for_io.min(whole - cpu);
        Self {
            thread: (span.thread != 0).then_some(span.thread),
            ready: milliseconds(span.ready),
            began: milliseconds(span.began),
            ended: milliseconds(span.ended),
            processing: milliseconds(whole - cpu - io),
            cpu: milliseconds(cpu),
            io: milliseconds(io),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!(id(&spelled(0x18ab_c0de)), Some(0x18ab_c0de));
        for other in ["", "18abc0de", "+000000018abc0de", "0000000018ABC0DE", "00000000018abc0de", "../../etc/passwd"] {
            assert_eq!(id(other), None, "{other}");
        }
    }
}
