//! The last requests of one view, with what each waited for: what a prediction replays.

use std::collections::VecDeque;

use crate::times::Times;
use crate::waits::Wait;

/// So many of one view are kept, and so many bytes of them.
pub const MOST_KEPT: usize = 5000;
pub(crate) const MOST_BYTES_OF_A_VIEW: usize = 4 << 20;

/// One request that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// When its first byte came, in nanoseconds since 1970.
    pub began: u64,
    /// Where its time went.
    pub times: Times,
    /// Its waits as they ended, in nanoseconds since it began. Those that overlap went out together.
    pub waits: Box<[Wait]>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    kept: VecDeque<Kept>,
    bytes: usize,
}

impl Kept {
    fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.waits)
    }
}

impl Recent {
    /// Keeps one more; the oldest give way.
    pub(crate) fn push(&mut self, kept: Kept) {
        self.bytes += kept.bytes();
        self.kept.push_back(kept);
        while self.kept.len() > MOST_KEPT || self.bytes > MOST_BYTES_OF_A_VIEW {
            self.forget();
        }
    }

    /// Forgets the oldest.
    pub(crate) fn forget(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.bytes -= oldest.bytes();
        }
        // Room that a busy hour took is given back when it is not needed any more.
        if self.kept.len() * 4 < self.kept.capacity() {
            self.kept.shrink_to(self.kept.len() * 2);
        }
    }

    /// How many bytes they take, without the room that is kept for more.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the oldest began; `None`: there is none.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.kept.front().map(|kept| kept.began)
    }

    /// All of them, the oldest first.
    pub(crate) fn all(&self) -> Vec<Kept> {
        self.kept.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{AddressId, SiteId};
    use crate::waits::Kind;

    pub(crate) fn kept(began: u64, waits: usize) -> Kept {
        let wait =
            Wait { kind: Kind::Http, address: AddressId::default(), site: SiteId::default(), began: 0, ended: 1 };
        Kept { began, times: Times::default(), waits: vec![wait; waits].into() }
    }

    #[test]
    fn the_oldest_give_way_to_the_newest() {
        let mut recent = Recent::default();
        for began in 0..MOST_KEPT as u64 + 10 {
            recent.push(kept(began, 0));
        }
        assert_eq!((recent.all().len(), recent.oldest()), (MOST_KEPT, Some(10)));
        assert_eq!(recent.bytes(), MOST_KEPT * size_of::<Kept>());
    }

    #[test]
    fn waits_take_room_only_where_there_are_any() {
        let mut recent = Recent::default();
        for began in 0..MOST_KEPT as u64 {
            recent.push(kept(began, 64));
        }
        assert!(recent.bytes() <= MOST_BYTES_OF_A_VIEW, "{}", recent.bytes());
        assert!(recent.all().len() > MOST_BYTES_OF_A_VIEW / (2 * kept(0, 64).bytes()));
        assert_eq!(recent.all().last().map(|kept| kept.began), Some(MOST_KEPT as u64 - 1));
        while recent.oldest().is_some() {
            recent.forget();
        }
        assert_eq!(recent.bytes(), 0);
    }
}
