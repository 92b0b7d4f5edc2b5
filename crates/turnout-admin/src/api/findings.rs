//! `/api/v1/findings`: what was noticed, and what to do about it.

use serde::Serialize;

use crate::api::numbers::rounded;
use crate::findings::Entry;
use crate::store::Store;

/// The whole answer.
#[derive(Debug, Serialize)]
pub(crate) struct Noticed {
    version: u32,
    time: f64,
    findings: Vec<One>,
}

/// Times of day are seconds since 1970, others milliseconds.
#[derive(Debug, Serialize)]
struct One {
    id: String,
    kind: &'static str,
    view: String,
    other_view: String,
    place: String,
    what: String,
    count: u64,
    first: f64,
    last: f64,
    worst: f64,
    typical: f64,
    number: u64,
    active: bool,
    text: String,
    advice: String,
}

/// All, or those of one view.
pub(crate) fn findings(store: &Store, view: Option<&str>) -> Noticed {
    let all = store.findings.all().into_iter();
    let wanted =
        |entry: &&Entry| view.is_none_or(|view| [&*entry.about.view, &*entry.about.other_view].contains(&view));
    Noticed { version: 1, time: store.at, findings: all.filter(wanted).map(|entry| One::of(entry, store.at)).collect() }
}

impl One {
    fn of(entry: &Entry, at: f64) -> Self {
        let about = &entry.about;
        Self {
            id: entry.id(),
            kind: about.kind.word(),
            view: about.view.to_string(),
            other_view: about.other_view.to_string(),
            place: about.place.to_string(),
            what: about.what.to_string(),
            count: entry.count,
            first: entry.first,
            last: entry.last,
            worst: rounded(entry.worst as f64 / 1e6),
            typical: rounded(entry.typical() as f64 / 1e6),
            number: entry.number,
            active: entry.is_active(at),
            text: entry.text(),
            advice: entry.advice(),
        }
    }
}
