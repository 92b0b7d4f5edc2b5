//! Records in a file that one process writes while others read them.
//!
//! Around each record stand two numbers, of the write that was begun last and of the one that was done last: where they differ it was read in
//! the middle of a write, and is read again.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::{pread, pwrite};

const WORD: usize = size_of::<u64>();
/// A record that is being written is read again so many times.
const TRIES: usize = 50;

/// So many records of so many words each, and where they begin in a stretch.
pub(super) struct Region {
    start: usize,
    words: usize,
    count: usize,
}

impl Region {
    pub(super) const fn first(words: usize, count: usize) -> Self {
        Self { start: 0, words, count }
    }

    /// On a page of its own, so that clearing and writing keep out of one another's way.
    pub(super) const fn after(before: &Self, words: usize, count: usize) -> Self {
        Self { start: before.end(), words, count }
    }

    /// The first byte behind it.
    pub(super) const fn end(&self) -> usize {
        (self.start + self.count * self.size()).next_multiple_of(4096)
    }

    const fn size(&self) -> usize {
        (self.words + 2) * WORD
    }

    fn at(&self, stretch: usize, place: usize) -> Option<usize> {
        (place < self.count).then(|| stretch + self.start + place * self.size())
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Records(pub(super) OwnedFd);

impl Records {
    /// Says that it begins, writes, says that it is done: in this order, each for itself. What is left of the record becomes 0.
    pub(super) fn put(&self, region: &Region, stretch: usize, place: usize, mut words: Vec<u64>) -> io::Result<()> {
        let at = region.at(stretch, place).ok_or(io::ErrorKind::InvalidInput)?;
        let (done, begun) = (at, at + region.size() - WORD);
        let number = self.number(done)?.wrapping_add(1);
        words.resize(region.words, 0);
        let content: Vec<u8> = words.into_iter().flat_map(u64::to_ne_bytes).collect();
        self.write_all(begun, &number.to_ne_bytes())?;
        self.write_all(at + WORD, &content)?;
        self.write_all(done, &number.to_ne_bytes())
    }

    /// Reads the two numbers in the other order: if they are equal, no write began before the content was read. `None`: there is no such place.
    pub(super) fn take(&self, region: &Region, stretch: usize, place: usize) -> io::Result<Option<Vec<u64>>> {
        let Some(at) = region.at(stretch, place) else { return Ok(None) };
        let mut content = vec![0; region.words * WORD];
        for _ in 0..TRIES {
            let done = self.number(at)?;
            if pread(&self.0, content.as_mut_slice(), (at + WORD) as u64)? != content.len() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            if self.number(at + region.size() - WORD)? == done {
                let words = content.chunks_exact(WORD).map(|word| word.try_into().map_or(0, u64::from_ne_bytes));
                return Ok(Some(words.collect()));
            }
            std::thread::yield_now();
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the record is always being written"))
    }

    /// The number of the write that was done last; 0: there was none, or there is no such place.
    pub(super) fn version(&self, region: &Region, stretch: usize, place: usize) -> io::Result<u64> {
        region.at(stretch, place).map_or(Ok(0), |at| self.number(at))
    }

    fn number(&self, at: usize) -> io::Result<u64> {
        let mut word = [0; WORD];
        pread(&self.0, &mut word, at as u64)?;
        Ok(u64::from_ne_bytes(word))
    }

    fn write_all(&self, at: usize, bytes: &[u8]) -> io::Result<()> {
        let written = pwrite(&self.0, bytes, at as u64)?;
        if written == bytes.len() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::WriteZero)) }
    }
}
