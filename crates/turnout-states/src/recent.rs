//! The last requests of one view, with what each waited for: what a prediction replays.
//!
//! Kept as words, one request after another, in blocks. To keep one more is a copy; blocks come and go whole and nearly all of them are of one size, so that the
//! room of one is room for the next, and what they take is known to the byte.

use std::collections::VecDeque;

use crate::times::Times;
use crate::waits::{MOST_WAITS, Wait};

/// So many of one view are kept, and so many bytes of them.
pub const MOST_KEPT: usize = 5000;
pub(crate) const MOST_BYTES_OF_A_VIEW: usize = 4 << 20;

/// Words of a view's first block, for most views are quiet ones, and of any after some.
const FIRST_BLOCK: usize = 64;
pub(crate) const BLOCK: usize = 8192;
/// When it began, how many waits it has, and the parts of its time; the waits follow.
const HEAD: usize = 2 + Times::PARTS;
const _: () = assert!(HEAD + MOST_WAITS * Wait::WORDS <= BLOCK, "one fits into a block");

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
    /// The oldest first. None of them is empty.
    blocks: VecDeque<Vec<u64>>,
    /// Where in the first of them the oldest request begins.
    first: usize,
    kept: usize,
    bytes: usize,
}

impl Recent {
    /// Keeps one more; the oldest give way.
    pub(crate) fn push(&mut self, kept: &Kept) {
        let words = kept.words();
        let room = self.blocks.back().map_or(0, |last| last.capacity() - last.len());
        if room < words {
            let last = self.blocks.back().map_or(FIRST_BLOCK / 2, Vec::capacity);
            self.add_block(words.max((last * 2).min(BLOCK)));
        }
        if let Some(last) = self.blocks.back_mut() {
            kept.write(last);
        }
        self.kept += 1;
        while self.kept > MOST_KEPT {
            self.forget();
        }
        while self.bytes > MOST_BYTES_OF_A_VIEW {
            self.forget_block();
        }
    }

    fn add_block(&mut self, words: usize) {
        let block = Vec::with_capacity(words);
        self.bytes += block.capacity() * size_of::<u64>();
        self.blocks.push_back(block);
    }

    /// Forgets the oldest.
    fn forget(&mut self) {
        let Some(block) = self.blocks.front() else { return };
        self.first += length(&block[self.first..]);
        self.kept -= 1;
        if self.first >= block.len() {
            self.drop_block();
        }
    }

    /// Forgets those of the oldest block.
    pub(crate) fn forget_block(&mut self) {
        let Some(block) = self.blocks.front() else { return };
        self.kept -= requests(&block[self.first..]).count();
        self.drop_block();
    }

    fn drop_block(&mut self) {
        self.first = 0;
        if let Some(block) = self.blocks.pop_front() {
            self.bytes -= block.capacity() * size_of::<u64>();
        }
    }

    /// How many bytes they take, with the room for more in the last block.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the oldest began; `None`: there is none.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.blocks.front().map(|block| block[self.first])
    }

    /// All of them, the oldest first.
    pub(crate) fn all(&self) -> Vec<Kept> {
        let starts = std::iter::once(self.first).chain(std::iter::repeat(0));
        self.blocks.iter().zip(starts).flat_map(|(block, start)| requests(&block[start..])).map(Kept::read).collect()
    }
}

/// Those of a block, each with its words.
fn requests(block: &[u64]) -> impl Iterator<Item = &[u64]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let (request, after) = (!rest.is_empty()).then(|| rest.split_at(length(rest)))?;
        rest = after;
        Some(request)
    })
}

/// How many words the request has that begins these.
fn length(words: &[u64]) -> usize {
    HEAD + words[1] as usize * Wait::WORDS
}

impl Kept {
    fn words(&self) -> usize {
        HEAD + self.waits.len() * Wait::WORDS
    }

    fn write(&self, into: &mut Vec<u64>) {
        into.extend([self.began, self.waits.len() as u64]);
        into.extend(self.times.parts());
        into.extend(self.waits.iter().flat_map(Wait::words));
    }

    fn read(words: &[u64]) -> Self {
        let (head, waits) = words.split_at(HEAD);
        let mut parts = [0; Times::PARTS];
        parts.copy_from_slice(&head[2..]);
        let waits = waits.chunks_exact(Wait::WORDS).filter_map(Wait::from_words).collect();
        Self { began: head[0], times: Times::from_parts(parts), waits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{AddressId, SiteId};
    use crate::waits::Kind;

    pub(crate) fn kept(began: u64, waits: usize) -> Kept {
        let wait = |number| Wait {
            kind: Kind::Http,
            address: AddressId::from_place(3),
            site: SiteId::default(),
            began: number,
            ended: number + 1,
        };
        let times = Times { io: began, ..Times::default() };
        Kept { began, times, waits: (0..waits as u64).map(wait).collect() }
    }

    fn began(recent: &Recent) -> Vec<u64> {
        recent.all().iter().map(|kept| kept.began).collect()
    }

    #[test]
    fn what_was_kept_is_told_as_it_was() {
        let mut recent = Recent::default();
        let all: Vec<_> = (0..3000).map(|began| kept(began, (began % 7) as usize)).collect();
        for one in &all {
            recent.push(one);
        }
        assert_eq!(recent.all(), all);
    }

    #[test]
    fn the_oldest_give_way_to_the_newest() {
        let mut recent = Recent::default();
        let last = MOST_KEPT as u64 + 10;
        for began in 0..last {
            recent.push(&kept(began, 0));
        }
        assert_eq!(began(&recent), (10..last).collect::<Vec<_>>());
        assert_eq!(recent.oldest(), Some(10));
        let needed = MOST_KEPT * HEAD * size_of::<u64>();
        assert!((needed..needed + 2 * BLOCK * size_of::<u64>()).contains(&recent.bytes()), "{}", recent.bytes());
    }

    #[test]
    fn room_is_taken_as_it_is_needed_up_to_a_limit() {
        let mut recent = Recent::default();
        recent.push(&kept(0, 1));
        assert!(recent.bytes() < 1024, "{}", recent.bytes());
        for began in 1..MOST_KEPT as u64 {
            recent.push(&kept(began, MOST_WAITS));
        }
        assert!(recent.bytes() <= MOST_BYTES_OF_A_VIEW, "{}", recent.bytes());
        // Nearly all of that is full.
        let found = began(&recent);
        let full = found.len() * kept(0, MOST_WAITS).words() * size_of::<u64>();
        assert!(full > MOST_BYTES_OF_A_VIEW * 19 / 20, "{full}");
        assert_eq!(found.last(), Some(&(MOST_KEPT as u64 - 1)));
        assert!(found.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }

    #[test]
    fn who_forgets_block_by_block_has_nothing_in_the_end() {
        let mut recent = Recent::default();
        for began in 0..1000 {
            recent.push(&kept(began, 3));
        }
        for _ in 0..100 {
            recent.forget_block();
            assert_eq!(recent.kept, recent.all().len());
        }
        assert_eq!((recent.bytes(), recent.oldest(), recent.kept), (0, None, 0));
        recent.push(&kept(7, 3));
        assert_eq!(began(&recent), [7]);
    }
}
