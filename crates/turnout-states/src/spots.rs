//! What the requests of one view waited for, and from where in its code.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::labels::{AddressId, SiteId};
use crate::waits::{KINDS, Kind, Wait};

/// So many are told apart; the others are "other", one for each kind.
const MOST_OF_A_VIEW: usize = 64;

/// What is waited for, where, and who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spot {
    /// What for.
    pub kind: Kind,
    /// Where.
    pub address: AddressId,
    /// From where in the project's code.
    pub site: SiteId,
}

/// What the requests of one view waited for at one spot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AtSpot {
    /// Calls; where none said so, looks that saw somebody wait.
    pub calls: u64,
    /// Nanoseconds, summed over the calls: those side by side each count.
    pub time: u64,
    /// Nanoseconds of the longest.
    pub longest: u64,
}

/// All spots of one view.
#[derive(Debug, Default)]
pub struct Spots {
    all: Mutex<FxHashMap<Spot, AtSpot>>,
    /// Something was added since [`Spots::if_changed`] last looked.
    changed: AtomicBool,
}

impl Spots {
    /// Somebody was seen waiting there, in so many looks that stand for about so many nanoseconds.
    pub fn saw(&self, spot: Spot, looks: u64, time: u64) {
        self.changed.store(true, Relaxed);
        let mut spots = self.all.lock();
        let spot = room_for(spot, &spots);
        let at = spots.entry(spot).or_default();
        at.calls += looks;
        at.time += time;
        at.longest = at.longest.max(time);
    }

    /// Adds a request's waits, in nanoseconds.
    pub fn add(&self, waits: &[Wait]) {
        if waits.is_empty() {
            return;
        }
        self.changed.store(true, Relaxed);
        let mut spots = self.all.lock();
        for Wait { kind, address, site, began, ended } in waits.iter().copied() {
            let spot = room_for(Spot { kind, address, site }, &spots);
            let time = ended.saturating_sub(began);
            let at = spots.entry(spot).or_default();
            at.calls += 1;
            at.time += time;
            at.longest = at.longest.max(time);
        }
    }

    /// What they came to, the most waited for first.
    pub fn all(&self) -> Vec<(Spot, AtSpot)> {
        let mut all: Vec<_> = self.all.lock().iter().map(|(spot, at)| (*spot, *at)).collect();
        all.sort_unstable_by_key(|(_, at)| std::cmp::Reverse(at.time));
        all
    }

    /// The same, if something was added since this was last asked.
    pub(crate) fn if_changed(&self) -> Option<Vec<(Spot, AtSpot)>> {
        self.changed.swap(false, Relaxed).then(|| self.all())
    }
}

/// The same, or, where there are too many, what stands for the others.
fn room_for(spot: Spot, spots: &FxHashMap<Spot, AtSpot>) -> Spot {
    if spots.len() < MOST_OF_A_VIEW || spots.contains_key(&spot) {
        return spot;
    }
    Spot { address: AddressId::default(), site: SiteId::default(), ..spot }
}

/// So many words has what [`words`] gives, at most.
pub(crate) const WORDS: usize = 1 + (MOST_OF_A_VIEW + KINDS) * 4;

impl Spot {
    /// As one number.
    pub(crate) fn word(self) -> u64 {
        self.kind as u64 | u64::from(self.address.place()) << 16 | u64::from(self.site.place()) << 32
    }

    /// The other way round. `None`: there is no such kind.
    pub(crate) fn of_word(word: u64) -> Option<Self> {
        let kind = *Kind::ALL.get(usize::from(word as u16))?;
        let (address, site) = (AddressId::from_place((word >> 16) as u16), SiteId::from_place((word >> 32) as u16));
        Some(Self { kind, address, site })
    }
}

/// All of a view's, as numbers.
pub(crate) fn words(spots: &[(Spot, AtSpot)]) -> Vec<u64> {
    let each = spots.iter().flat_map(|(spot, at)| [spot.word(), at.calls, at.time, at.longest]);
    [spots.len() as u64].into_iter().chain(each).collect()
}

/// The other way round.
pub(crate) fn of_words(words: &[u64]) -> Vec<(Spot, AtSpot)> {
    let Some((&count, words)) = words.split_first() else { return Vec::new() };
    let each = words.chunks_exact(4).take(count as usize);
    each.filter_map(|words| {
        let &[spot, calls, time, longest] = words else { return None };
        Some((Spot::of_word(spot)?, AtSpot { calls, time, longest }))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{Addresses, Sites};

    #[test]
    fn a_view_sums_by_address_and_site_within_its_limit() {
        let (addresses, sites, spots) = (Addresses::default(), Sites::default(), Spots::default());
        let address = addresses.id_of("10.0.0.5:443");
        let wait = |site, ended| Wait { kind: Kind::Http, address, site, began: 0, ended };
        for line in 0..100 {
            spots.add(&[wait(sites.id_of(&format!("views.py:{line} search")), 10)]);
        }
        let busiest = sites.id_of("views.py:7 search");
        spots.add(&[wait(busiest, 90_000)]);
        let all = spots.all();
        let expected = AtSpot { calls: 2, time: 90_010, longest: 90_000 };
        assert_eq!(all[0], (Spot { kind: Kind::Http, address, site: busiest }, expected));
        assert_eq!(all.len(), MOST_OF_A_VIEW + 1);
        assert_eq!(all.iter().map(|(_, at)| at.calls).sum::<u64>(), 101);
        let beyond = Spot { kind: Kind::Http, address: AddressId::default(), site: SiteId::default() };
        assert_eq!(all[1], (beyond, AtSpot { calls: 36, time: 360, longest: 10 }));
    }

    #[test]
    fn numbers_in_a_row_are_the_spots_again() {
        let (address, site) = (AddressId::from_place(900), SiteId::from_place(1999));
        let spot = |kind| Spot { kind, address, site };
        let all: Vec<_> = Kind::ALL.map(|kind| (spot(kind), AtSpot { calls: 1, time: 20, longest: 9 })).into();
        assert_eq!(of_words(&words(&all)), all);
        assert_eq!((of_words(&[]), of_words(&[1, u64::MAX, 0, 0, 0])), (vec![], vec![]));
    }
}
