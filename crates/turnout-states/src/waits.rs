//! What a request waited for: by call, by kind, by address, by the place of the code that called.

use crate::labels::{AddressId, SiteId};
use crate::spots::Spot;

/// So many waits of one request are kept one by one; all of them are summed.
pub const MOST_WAITS: usize = 64;

/// What kind of thing was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A database.
    Database,
    /// An upstream.
    Http,
    /// A cache or another store.
    Cache,
    /// Something at the other end of a socket. From here on: no call said so, but a thread was seen to wait for it.
    Socket,
    /// Another thread.
    Lock,
    /// A time to be over.
    Sleep,
    /// A file.
    File,
    /// Something else: another process, say.
    Other,
}

/// How many kinds there are.
pub const KINDS: usize = 8;
/// So many of them, the first, are told by calls.
pub const CALLS: usize = 3;

impl Kind {
    /// All, in the order of their sums.
    pub const ALL: [Self; KINDS] =
        [Self::Database, Self::Http, Self::Cache, Self::Socket, Self::Lock, Self::Sleep, Self::File, Self::Other];

    /// In a word, for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "db",
            Self::Http => "http",
            Self::Cache => "cache",
            Self::Socket => "socket",
            Self::Lock => "lock",
            Self::Sleep => "sleep",
            Self::File => "file",
            Self::Other => "other",
        }
    }

    /// Whether it is told by calls, which know when they began and ended.
    pub fn is_of_calls(self) -> bool {
        matches!(self, Self::Database | Self::Http | Self::Cache)
    }

    /// The one with that word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// One call that waited, in the unit of the request's stamps, or in nanoseconds since it began. It is known when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// What for.
    pub kind: Kind,
    /// Where.
    pub address: AddressId,
    /// From where in the project's code.
    pub site: SiteId,
    /// When it was sent.
    pub began: u64,
    /// When its answer was there.
    pub ended: u64,
}

impl Wait {
    /// What and where it was.
    pub fn spot(&self) -> Spot {
        Spot { kind: self.kind, address: self.address, site: self.site }
    }

    /// How many words it has.
    pub(crate) const WORDS: usize = 3;

    /// All of it, as numbers.
    pub(crate) fn words(&self) -> [u64; Self::WORDS] {
        [self.spot().word(), self.began, self.ended]
    }

    /// The other way round.
    pub(crate) fn from_words(words: &[u64]) -> Option<Self> {
        let &[spot, began, ended] = words else { return None };
        let Spot { kind, address, site } = Spot::of_word(spot)?;
        Some(Self { kind, address, site, began, ended })
    }
}

/// Those of one request.
#[derive(Debug, Default)]
pub struct Waits {
    kept: Vec<Wait>,
    /// By kind: up to where it is summed, and the sum. Calls side by side are one wait.
    covered: [u64; KINDS],
    sums: [u64; KINDS],
    calls: [u32; KINDS],
}

impl Waits {
    /// One more is over.
    pub fn add(&mut self, wait: Wait) {
        let kind = wait.kind as usize;
        let from = wait.began.max(self.covered[kind]);
        self.sums[kind] += wait.ended.saturating_sub(from);
        self.covered[kind] = self.covered[kind].max(wait.ended);
        self.calls[kind] = self.calls[kind].saturating_add(1);
        if self.kept.len() < MOST_WAITS {
            self.kept.push(wait);
        }
    }

    /// Something was seen to be waited for, for about so long.
    pub fn saw(&mut self, kind: Kind, time: u64) {
        self.sums[kind as usize] += time;
    }

    /// Whether some call was waiting at that moment.
    pub fn has_at(&self, at: u64) -> bool {
        self.kept.iter().any(|wait| (wait.began..=wait.ended).contains(&at))
    }

    /// The first of them, as they ended.
    pub fn kept(&self) -> &[Wait] {
        &self.kept
    }

    /// The same in nanoseconds since `began`, `factor` nanoseconds a unit.
    #[expect(clippy::cast_sign_loss, reason = "neither is negative")]
    pub fn since(&self, began: u64, factor: f64) -> Box<[Wait]> {
        let at = |stamp: u64| (stamp.saturating_sub(began) as f64 * factor) as u64;
        self.kept.iter().map(|wait| Wait { began: at(wait.began), ended: at(wait.ended), ..*wait }).collect()
    }

    /// How many of each kind there were.
    pub fn calls(&self) -> [u32; KINDS] {
        self.calls
    }

    /// How long something of each kind was waited for.
    pub fn sums(&self) -> [u64; KINDS] {
        self.sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(kind: Kind, began: u64, ended: u64) -> Wait {
        Wait { kind, address: AddressId::default(), site: SiteId::default(), began, ended }
    }

    #[test]
    fn calls_side_by_side_are_one_wait_of_their_kind() {
        let mut waits = Waits::default();
        waits.add(wait(Kind::Http, 10, 30));
        waits.add(wait(Kind::Database, 0, 35));
        waits.add(wait(Kind::Http, 10, 40));
        waits.add(wait(Kind::Http, 100, 105));
        // One that was known late, and lies inside of others.
        waits.add(wait(Kind::Http, 101, 104));
        assert_eq!(waits.sums(), [35, 35, 0, 0, 0, 0, 0, 0]);
        assert_eq!(waits.calls(), [1, 4, 0, 0, 0, 0, 0, 0]);
        assert_eq!(waits.kept().len(), 5);
    }

    #[test]
    fn waits_beyond_the_limit_are_summed_and_not_kept() {
        let mut waits = Waits::default();
        for place in 0..2 * MOST_WAITS as u64 {
            waits.add(wait(Kind::Cache, 10 * place, 10 * place + 1));
        }
        assert_eq!((waits.kept().len(), waits.sums()[2]), (MOST_WAITS, 2 * MOST_WAITS as u64));
    }
}
