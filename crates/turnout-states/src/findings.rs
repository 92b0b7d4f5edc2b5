//! What was noticed while requests were served that somebody should know: a call that blocked the loop, calls one after another that could go
//! together.
//!
//! The same thing, noticed again, is the same finding, with its count and its worst case. What only figures of many requests show is found by whoever
//! reads the board.

use parking_lot::Mutex;

use crate::text;

/// So many are kept by a worker; the one that was not seen for longest gives way.
pub const MOST_FINDINGS: usize = 128;

/// What kind of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finding {
    /// A step of the loop waited for something else than a processor: `what` for, at `place`. `took`: how long.
    BlockedLoop,
    /// A step of the loop computed for long, at `place`. `took`: how long.
    LongStep,
    /// A request kept its thread, and `what` made it. `took`: how long.
    KeptThread,
    /// Calls to upstreams (`what`) went out one after another, the first at `place`. `number`: how many; `took`: what waiting for the longest alone would
    /// have saved.
    InSequence,
    /// Calls had to wait for a connection to `what`. `took`: how long one did.
    PoolQueue,
}

impl Finding {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::BlockedLoop, Self::LongStep, Self::KeptThread, Self::InSequence, Self::PoolQueue];

    /// In a word, for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::BlockedLoop => "blocked-loop",
            Self::LongStep => "long-step",
            Self::KeptThread => "kept-thread",
            Self::InSequence => "in-sequence",
            Self::PoolQueue => "pool-queue",
        }
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What kind of thing.
    pub finding: Finding,
    /// The place of the view that did it.
    pub view: usize,
    /// Where in its code, `file:line function`, or nothing.
    pub place: String,
    /// See [`Finding`].
    pub what: String,
    /// How often.
    pub count: u64,
    /// When first and last, in milliseconds since 1970.
    pub first: u64,
    /// See [`Found::first`].
    pub last: u64,
    /// Nanoseconds, summed.
    pub took: u64,
    /// Of the worst one.
    pub worst: u64,
    /// See [`Finding`]; the largest that was seen.
    pub number: u64,
}

/// Those of a worker.
#[derive(Debug, Default)]
pub struct Findings(Mutex<Vec<Slot>>);

#[derive(Debug)]
struct Slot {
    found: Found,
    changed: bool,
}

/// Bytes of [`Found::place`] and [`Found::what`]; longer ones are cut.
const LONGEST: usize = 160;
const NUMBERS: usize = 8;
const TEXT: usize = LONGEST / 8 + 1;
pub(crate) const WORDS: usize = NUMBERS + 2 * TEXT;

impl Findings {
    /// It happened (again), at `found.first`.
    pub fn found(&self, mut found: Found) {
        for text in [&mut found.place, &mut found.what] {
            text.truncate(text::cut(text, LONGEST).len());
        }
        let mut slots = self.0.lock();
        let same = slots.iter_mut().find(|slot| slot.found.is_same(&found));
        if let Some(Slot { found: known, changed }) = same {
            known.count += found.count;
            known.last = known.last.max(found.last);
            known.took += found.took;
            known.worst = known.worst.max(found.worst);
            known.number = known.number.max(found.number);
            if known.place.is_empty() {
                known.place = found.place;
            }
            *changed = true;
            return;
        }
        let slot = Slot { found, changed: true };
        if slots.len() < MOST_FINDINGS {
            slots.push(slot);
        } else if let Some(oldest) = slots.iter_mut().min_by_key(|slot| slot.found.last) {
            *oldest = slot;
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<Found> {
        self.0.lock().iter().map(|slot| slot.found.clone()).collect()
    }

    /// Hands those that have changed since this was last asked to `look`, with their places.
    pub(crate) fn changed<E>(&self, mut look: impl FnMut(usize, &Found) -> Result<(), E>) -> Result<(), E> {
        for (place, slot) in self.0.lock().iter_mut().enumerate().filter(|(_, slot)| slot.changed) {
            look(place, &slot.found)?;
            slot.changed = false;
        }
        Ok(())
    }
}

impl Found {
    /// One that happened once, then (milliseconds since 1970), and took so many nanoseconds.
    pub fn once(finding: Finding, view: usize, at: u64, took: u64) -> Self {
        let (place, what) = Default::default();
        Self { finding, view, place, what, count: 1, first: at, last: at, took, worst: took, number: 0 }
    }

    /// One whose place is not known may have been at any.
    fn is_same(&self, other: &Self) -> bool {
        let same_place = self.place == other.place || self.place.is_empty() || other.place.is_empty();
        self.finding == other.finding && self.view == other.view && same_place && self.what == other.what
    }

    pub(crate) fn words(&self) -> Vec<u64> {
        let numbers = [
            self.finding as u64,
            self.view as u64,
            self.count,
            self.first,
            self.last,
            self.took,
            self.worst,
            self.number,
        ];
        let mut words = numbers.to_vec();
        words.extend(text::words(&self.place, TEXT));
        words.extend(text::words(&self.what, TEXT));
        words
    }

    /// The other way round. `None`: there is none there.
    pub(crate) fn from_words(words: &[u64]) -> Option<Self> {
        let (numbers, texts) = words.split_at_checked(NUMBERS)?;
        let &[finding, view, count, first, last, took, worst, number] = numbers else { return None };
        let (place, what) = texts.split_at_checked(TEXT)?;
        if count == 0 {
            return None;
        }
        Some(Self {
            finding: *Finding::ALL.get(finding as usize)?,
            view: view as usize,
            place: text::of_words(place),
            what: text::of_words(what),
            count,
            first,
            last,
            took,
            worst,
            number,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(view: usize, at: u64, took: u64) -> Found {
        let once = Found::once(Finding::BlockedLoop, view, at, took);
        Found { place: "hotels/views.py:41 search".into(), what: "10.0.0.5:5432".into(), number: 1, ..once }
    }

    #[test]
    fn what_is_noticed_again_is_the_same_finding() {
        let findings = Findings::default();
        findings.found(blocked(1, 100, 7));
        findings.found(blocked(2, 100, 7));
        findings.found(Found { number: 4, ..blocked(1, 300, 5) });
        let all = findings.all();
        assert_eq!(all.len(), 2);
        let wanted = Found { count: 2, first: 100, last: 300, took: 12, worst: 7, number: 4, ..blocked(1, 0, 0) };
        assert_eq!(all[0], wanted);
    }

    #[test]
    fn a_place_that_is_not_known_may_be_any() {
        let findings = Findings::default();
        findings.found(Found { place: String::new(), ..blocked(1, 100, 7) });
        findings.found(blocked(1, 200, 7));
        findings.found(Found { place: String::new(), ..blocked(1, 300, 7) });
        findings.found(Found { place: "hotels/views.py:7 book".into(), ..blocked(1, 400, 7) });
        let counts: Vec<_> = findings.all().iter().map(|found| (found.place.clone(), found.count)).collect();
        assert_eq!(counts, [("hotels/views.py:41 search".into(), 3), ("hotels/views.py:7 book".into(), 1)]);
    }

    #[test]
    fn who_was_not_seen_for_longest_gives_way() {
        let findings = Findings::default();
        for view in 0..=MOST_FINDINGS {
            findings.found(blocked(view, 1000 + view as u64, 1));
            findings.found(blocked(0, 5000, 1));
        }
        let all = findings.all();
        assert_eq!(all.len(), MOST_FINDINGS);
        assert!(all.iter().any(|found| found.view == 0) && all.iter().all(|found| found.view != 1));
    }

    #[test]
    fn numbers_in_a_row_are_the_finding_again_and_long_texts_are_cut() {
        let findings = Findings::default();
        findings.found(Found { what: "ü".repeat(500), ..blocked(3, 100, 7) });
        let found = findings.all().remove(0);
        assert_eq!(found.what, "ü".repeat(LONGEST / 2));
        let words = found.words();
        assert_eq!(words.len(), WORDS);
        assert_eq!(Found::from_words(&words), Some(found));
        assert_eq!(Found::from_words(&[0; WORDS]), None);
    }
}
