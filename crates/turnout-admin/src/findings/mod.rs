//! What was noticed, over all workers there ever were: what they told, and what only the sums of many requests show.
//!
//! [`Ledger`] keeps it, [`rules`] looks at the sums, [`words`] says it. Asked once a second, by the store that it is a part of.

mod rules;
mod words;

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};
use turnout_states::{Finding, Found};

pub(crate) use rules::symptoms;

/// So many are kept; the one that was not seen for longest gives way.
const MOST: usize = 512;
/// Lines in the log: so many at once, and one more in so many seconds.
const MOST_LINES: f64 = 5.0;
const SECONDS_A_LINE: f64 = 10.0;
/// Seconds since it was last seen within which a finding is of now.
const NOW: f64 = 60.0;

/// What kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A worker noticed it.
    Told(Finding),
    /// A view that computes, and one that waits for CPU meanwhile.
    HungryNeighbour,
    /// Threads wait for the interpreter's lock, each time about as long as it takes to get it from one that computes.
    GilConvoy,
    /// Requests are in line while all threads wait.
    TooFewThreads,
}

impl Kind {
    /// In a word, for programs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Told(finding) => finding.word(),
            Self::HungryNeighbour => "hungry-neighbour",
            Self::GilConvoy => "gil-convoy",
            Self::TooFewThreads => "too-few-threads",
        }
    }
}

/// What it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct About {
    pub(crate) kind: Kind,
    /// See docs/guide/admin.md; empty where it is of none.
    pub(crate) view: Box<str>,
    pub(crate) other_view: Box<str>,
    pub(crate) place: Box<str>,
    pub(crate) what: Box<str>,
}

impl About {
    /// One whose place is not known may have been at any.
    fn is(&self, other: &Self) -> bool {
        let same_place = self.place == other.place || self.place.is_empty() || other.place.is_empty();
        let one = (self.kind, &self.view, &self.other_view, &self.what);
        same_place && one == (other.kind, &other.view, &other.other_view, &other.what)
    }
}

/// One finding. Times of day in seconds since 1970, the others in nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) about: About,
    pub(crate) count: u64,
    pub(crate) first: f64,
    pub(crate) last: f64,
    took: u64,
    pub(crate) worst: u64,
    pub(crate) number: u64,
    is_said: bool,
}

impl Entry {
    /// The mean of how long it took.
    pub(crate) fn typical(&self) -> u64 {
        self.took / self.count.max(1)
    }

    /// Whether it is of now.
    pub(crate) fn is_active(&self, at: f64) -> bool {
        at - self.last <= NOW
    }

    /// The same as long as it is kept.
    pub(crate) fn id(&self) -> String {
        let About { kind, view, other_view, what, .. } = &self.about;
        let mut hasher = FxHasher::default();
        // Not its place, which may come to be known later: when it was first seen tells two of them apart.
        (kind.word(), view, other_view, what, self.first.to_bits()).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

/// What the sums of the last seconds show.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Symptom {
    pub(crate) about: About,
    /// By how much it is above what makes it a finding.
    pub(crate) strength: f64,
    /// Nanoseconds, typically.
    pub(crate) took: u64,
    pub(crate) number: u64,
}

/// What a worker had told of a finding when it was read last.
#[derive(Debug, Clone)]
struct Read {
    finding: Finding,
    view: usize,
    what: String,
    first: u64,
    count: u64,
    took: u64,
}

/// What one worker's process has told, by the place of the finding.
#[derive(Debug, Default)]
pub(crate) struct Heard(Vec<Read>);

/// See the module.
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    totals: FxHashMap<(Kind, Box<str>), u64>,
    /// Lines that may be said.
    lines: f64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { entries: Vec::new(), totals: FxHashMap::default(), lines: MOST_LINES }
    }
}

impl Ledger {
    /// All, the one that was seen last first.
    pub(crate) fn all(&self) -> Vec<&Entry> {
        let mut all: Vec<_> = self.entries.iter().collect();
        all.sort_by(|one, other| other.last.total_cmp(&one.last));
        all
    }

    /// How often each kind of thing was found of each view, since the server started.
    pub(crate) fn totals(&self) -> Vec<(&'static str, &str, u64)> {
        let mut totals: Vec<_> =
            self.totals.iter().map(|((kind, view), count)| (kind.word(), &**view, *count)).collect();
        totals.sort_unstable();
        totals
    }

    /// All that a worker has noticed; `name` gives the name of a view, if it has told that yet.
    pub(crate) fn hear(&mut self, heard: &mut Heard, told: Vec<Found>, name: impl Fn(usize) -> Option<String>) {
        for (place, found) in told.into_iter().enumerate() {
            let before =
                heard.0.get(place).filter(|read| read.is(&found)).map_or((0, 0), |read| (read.count, read.took));
            let read = Read::of(&found, before);
            if let Some(count) = found.count.checked_sub(before.0).filter(|count| *count > 0)
                && let Some(view) = name(found.view)
            {
                let took = found.took.saturating_sub(before.1);
                self.add_found(found, view, count, took);
                heard.put(place, Read { count: read.count + count, took: read.took + took, ..read });
            } else {
                heard.put(place, read);
            }
        }
    }

    fn add_found(&mut self, found: Found, view: String, count: u64, took: u64) {
        let about = About {
            kind: Kind::Told(found.finding),
            view: view.into(),
            other_view: "".into(),
            place: found.place.into(),
            what: found.what.into(),
        };
        let at = |milliseconds: u64| milliseconds as f64 / 1e3;
        self.add(Entry {
            about,
            count,
            first: at(found.first),
            last: at(found.last),
            took,
            worst: found.worst,
            number: found.number,
            is_said: false,
        });
    }

    /// What the sums show now, at this time. A finding begins where they are strong enough, and goes on until they are half as strong.
    pub(crate) fn judge(&mut self, symptoms: Vec<Symptom>, at: f64) {
        for Symptom { about, strength, took, number } in symptoms {
            let lasts = self.entries.iter().any(|entry| entry.about == about && at - entry.last < 2.5);
            if strength >= 1.0 || (lasts && strength >= 0.5) {
                let (first, last) = (at, at);
                self.add(Entry { about, count: 1, first, last, took, worst: took, number, is_said: false });
            }
        }
    }

    fn add(&mut self, new: Entry) {
        *self.totals.entry((new.about.kind, new.about.view.clone())).or_default() += new.count;
        let Some(known) = self.entries.iter_mut().find(|entry| entry.about.is(&new.about)) else {
            if self.entries.len() < MOST {
                self.entries.push(new);
            } else if let Some(oldest) = self.entries.iter_mut().min_by(|one, other| one.last.total_cmp(&other.last)) {
                *oldest = new;
            }
            return;
        };
        known.count += new.count;
        known.first = known.first.min(new.first);
        known.last = known.last.max(new.last);
        known.took = known.took.saturating_add(new.took);
        known.worst = known.worst.max(new.worst);
        known.number = known.number.max(new.number);
        if known.about.place.is_empty() {
            known.about.place = new.about.place;
        }
    }

    /// Lines for the log: each finding once, not many at a time. `span`: seconds since this was last asked.
    pub(crate) fn lines(&mut self, span: f64) -> Vec<String> {
        self.lines = (self.lines + span / SECONDS_A_LINE).min(MOST_LINES);
        let mut lines = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| !entry.is_said) {
            if self.lines < 1.0 {
                break;
            }
            self.lines -= 1.0;
            entry.is_said = true;
            lines.push(entry.text());
        }
        lines
    }
}

impl Heard {
    fn put(&mut self, place: usize, read: Read) {
        if place < self.0.len() {
            self.0[place] = read;
        } else {
            self.0.push(read);
        }
    }
}

impl Read {
    fn of(found: &Found, (count, took): (u64, u64)) -> Self {
        let Found { finding, view, what, first, .. } = found;
        Self { finding: *finding, view: *view, what: what.clone(), first: *first, count, took }
    }

    /// Whether that place still has the finding that it had then: another one may have taken it.
    fn is(&self, found: &Found) -> bool {
        let one = (self.finding, self.view, self.first);
        one == (found.finding, found.view, found.first) && self.what == found.what && self.count <= found.count
    }
}

#[cfg(test)]
mod tests;
