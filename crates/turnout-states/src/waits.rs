//! What a request waited for: by call, by kind, by address.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::names::Names;
use crate::views::OTHER;

/// So many waits of one request are kept one by one; all of them are summed.
pub const MOST_WAITS: usize = 64;
/// So many addresses are told apart in a worker, and so many in one view; the others are "other".
pub(crate) const MOST_ADDRESSES: usize = 1000;
const MOST_OF_A_VIEW: usize = 64;

/// What kind of thing was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A database.
    Database,
    /// An upstream.
    Http,
    /// A cache or another store.
    Cache,
}

/// How many kinds there are.
pub const KINDS: usize = 3;

impl Kind {
    /// All, in the order of their sums.
    pub const ALL: [Self; KINDS] = [Self::Database, Self::Http, Self::Cache];

    /// In a word, for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "db",
            Self::Http => "http",
            Self::Cache => "cache",
        }
    }
}

/// The place of an address among [`Addresses`]. 0 is for those beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AddressId(u16);

impl AddressId {
    /// As a number, for whoever keeps it in numbers.
    pub fn number(self) -> u64 {
        self.0.into()
    }

    /// From a number that [`AddressId::number`] gave.
    pub fn from_number(number: u64) -> Self {
        Self(number as u16)
    }
}

/// One call that waited, in the unit of the request's stamps, or in nanoseconds since it began. It is known when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// What for.
    pub kind: Kind,
    /// Where.
    pub address: AddressId,
    /// When it was sent.
    pub began: u64,
    /// When its answer was there.
    pub ended: u64,
}

/// Those of one request.
#[derive(Debug, Default)]
pub struct Waits {
    kept: Vec<Wait>,
    /// By kind: up to where it is summed, and the sum. Calls side by side are one wait.
    covered: [u64; KINDS],
    sums: [u64; KINDS],
}

impl Waits {
    /// One more is over.
    pub fn add(&mut self, wait: Wait) {
        let kind = wait.kind as usize;
        let from = wait.began.max(self.covered[kind]);
        self.sums[kind] += wait.ended.saturating_sub(from);
        self.covered[kind] = self.covered[kind].max(wait.ended);
        if self.kept.len() < MOST_WAITS {
            self.kept.push(wait);
        }
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

    /// How long something of each kind was waited for.
    pub fn sums(&self) -> [u64; KINDS] {
        self.sums
    }
}

/// Names of addresses: `host:port`, or what else says where.
#[derive(Debug)]
pub struct Addresses {
    names: Names<str>,
    told: AtomicUsize,
}

impl Default for Addresses {
    fn default() -> Self {
        Self { names: Names::new(MOST_ADDRESSES, OTHER.into()), told: AtomicUsize::new(0) }
    }
}

impl Addresses {
    /// The place of a name, given now if it has none.
    pub fn id_of(&self, name: &str) -> AddressId {
        AddressId(self.names.place_of(name, |name| name.into()))
    }

    /// The name at a place.
    pub fn name(&self, id: AddressId) -> Arc<str> {
        self.names.at(id.0)
    }

    /// Those that this has not given before, with their places. To be asked by one.
    pub(crate) fn fresh(&self) -> Vec<(usize, Arc<str>)> {
        let told = self.told.load(Relaxed);
        let fresh = self.names.since(told);
        self.told.store(told + fresh.len(), Relaxed);
        (told..).zip(fresh).collect()
    }
}

/// What the requests of one view waited for at one address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AtAddress {
    /// Calls.
    pub calls: u64,
    /// Nanoseconds, summed over the calls: those side by side each count.
    pub time: u64,
    /// Nanoseconds of the longest.
    pub longest: u64,
}

/// All addresses of one view.
#[derive(Debug, Default)]
pub struct ByAddress(Mutex<FxHashMap<(Kind, AddressId), AtAddress>>);

impl ByAddress {
    /// Adds a request's waits, in nanoseconds.
    pub fn add(&self, waits: &[Wait]) {
        if waits.is_empty() {
            return;
        }
        let mut places = self.0.lock();
        for wait in waits {
            let mut key = (wait.kind, wait.address);
            if places.len() >= MOST_OF_A_VIEW && !places.contains_key(&key) {
                key.1 = AddressId::default();
            }
            let time = wait.ended.saturating_sub(wait.began);
            let place = places.entry(key).or_default();
            place.calls += 1;
            place.time += time;
            place.longest = place.longest.max(time);
        }
    }

    /// What they came to, the most waited for first.
    pub fn all(&self) -> Vec<(Kind, AddressId, AtAddress)> {
        let places = self.0.lock();
        let mut all: Vec<_> = places.iter().map(|((kind, address), at)| (*kind, *address, *at)).collect();
        drop(places);
        all.sort_unstable_by_key(|(_, _, at)| std::cmp::Reverse(at.time));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(kind: Kind, began: u64, ended: u64) -> Wait {
        Wait { kind, address: AddressId::default(), began, ended }
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
        assert_eq!(waits.sums(), [35, 35, 0]);
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

    #[test]
    fn addresses_keep_their_places_and_have_a_limit() {
        let addresses = Addresses::default();
        let first = addresses.id_of("10.0.0.5:5432");
        for number in 0..2 * MOST_ADDRESSES {
            addresses.id_of(&format!("10.0.0.5:{number}"));
        }
        assert_eq!(addresses.id_of("10.0.0.5:5432"), first);
        assert_eq!(&*addresses.name(first), "10.0.0.5:5432");
        assert_eq!(&*addresses.name(addresses.id_of("late")), "other");
    }

    #[test]
    fn a_view_sums_by_address_within_its_limit() {
        let addresses = Addresses::default();
        let by_address = ByAddress::default();
        for number in 0..100 {
            let address = addresses.id_of(&format!("10.0.0.5:{number}"));
            by_address.add(&[Wait { kind: Kind::Http, address, began: 0, ended: 20 }]);
        }
        let busiest = addresses.id_of("10.0.0.5:7");
        by_address.add(&[Wait { kind: Kind::Http, address: busiest, began: 0, ended: 180_000 }]);
        let all = by_address.all();
        assert_eq!(all[0], (Kind::Http, busiest, AtAddress { calls: 2, time: 180_020, longest: 180_000 }));
        assert_eq!(all.len(), MOST_OF_A_VIEW + 1);
        assert_eq!(all.iter().map(|(_, _, at)| at.calls).sum::<u64>(), 101);
    }
}
