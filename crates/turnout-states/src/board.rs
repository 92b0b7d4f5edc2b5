//! What the workers tell, where everybody in the server can look it up: a file that exists in memory only.
//!
//! Each worker has a stretch of it: a record about itself, then one for each view, all of a fixed size. Written by that worker ten times a second,
//! what has changed; read by whoever serves the figures, at any time. With pwrite and pread, so no memory is shared and a worker that dies
//! leaves what it wrote last. Around each record stand two numbers, of the write that was begun last and of the one that was done last: where they
//! differ it was read in the middle of a write, and is read again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::{pread, pwrite};

use crate::view::{View, WORDS};
use crate::views::{LONGEST_NAME, MOST_VIEWS, Views};

/// Words of [`Worker`], of a name, and of the two numbers around a record.
const WORKER_WORDS: usize = 24;
const NAME_WORDS: usize = LONGEST_NAME / 8 + 1;
const WORD: usize = size_of::<u64>();

/// A worker's own record: a page.
const OWN: usize = 4096;
/// A view's record.
const RECORD: usize = (WORDS + NAME_WORDS + 2) * WORD;
/// All of one worker's. Room that was never written takes no memory.
const STRETCH: usize = OWN + (MOST_VIEWS + 1) * RECORD;
/// A record that is being written is read again so many times.
const TRIES: usize = 50;

/// What a worker says of itself. Sums are since it began, times in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worker {
    /// Its process; 0: there is none, or it has not written yet.
    pub process: u64,
    /// When it began and when it wrote this, in milliseconds since 1970.
    pub began: u64,
    /// See [`Worker::began`].
    pub written: u64,
    /// Requests accepted and not yet answered.
    pub in_flight: u64,
    /// Threads of the sync pool: alive, at work, the most there may be; and the requests in line for one.
    pub threads: u64,
    /// See [`Worker::threads`].
    pub threads_busy: u64,
    /// See [`Worker::threads`].
    pub threads_most: u64,
    /// See [`Worker::threads`].
    pub queued: u64,
    /// Steps of the loop: how many, how long they ran, how long they were ready before, the longest.
    pub steps: u64,
    /// See [`Worker::steps`].
    pub steps_ran: u64,
    /// See [`Worker::steps`].
    pub steps_queued: u64,
    /// See [`Worker::steps`].
    pub steps_longest: u64,
    /// Steps that belonged to no request: how long they ran.
    pub overhead: u64,
    /// How long the loop thread has been in its present step, 0 if it waits.
    pub step_now: u64,
    /// How often the interpreter's lock was looked at, how often somebody had it, how often it changed hands.
    pub gil_looks: u64,
    /// See [`Worker::gil_looks`].
    pub gil_held: u64,
    /// See [`Worker::gil_looks`].
    pub gil_switches: u64,
    /// Processor time of the process.
    pub cpu: u64,
    /// Resident memory, in bytes.
    pub memory: u64,
    /// What stands on which rung of accounting: see the extension.
    pub rungs: u64,
    /// How many views have a record, "other" among them.
    pub views: u64,
}

impl Worker {
    fn words(&self) -> [u64; WORKER_WORDS] {
        let mut words = [0; WORKER_WORDS];
        let fields = [
            self.process,
            self.began,
            self.written,
            self.in_flight,
            self.threads,
            self.threads_busy,
            self.threads_most,
            self.queued,
            self.steps,
            self.steps_ran,
            self.steps_queued,
            self.steps_longest,
            self.overhead,
            self.step_now,
            self.gil_looks,
            self.gil_held,
            self.gil_switches,
            self.cpu,
            self.memory,
            self.rungs,
            self.views,
        ];
        words[..fields.len()].copy_from_slice(&fields);
        words
    }

    fn from_words(words: &[u64]) -> Self {
        let at = |place: usize| words.get(place).copied().unwrap_or(0);
        Self {
            process: at(0),
            began: at(1),
            written: at(2),
            in_flight: at(3),
            threads: at(4),
            threads_busy: at(5),
            threads_most: at(6),
            queued: at(7),
            steps: at(8),
            steps_ran: at(9),
            steps_queued: at(10),
            steps_longest: at(11),
            overhead: at(12),
            step_now: at(13),
            gil_looks: at(14),
            gil_held: at(15),
            gil_switches: at(16),
            cpu: at(17),
            memory: at(18),
            rungs: at(19),
            views: at(20),
        }
    }
}

/// The file, with a stretch for each worker.
#[derive(Debug)]
pub struct Board {
    file: OwnedFd,
    workers: usize,
}

impl Board {
    /// An empty one for so many workers.
    pub fn create(workers: usize) -> io::Result<Self> {
        let file = memfd_create("turnout-states", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, (workers * STRETCH) as u64)?;
        Ok(Self { file, workers })
    }

    /// One that another process created.
    pub fn open(file: OwnedFd, workers: usize) -> Self {
        Self { file, workers }
    }

    /// How many workers it has room for.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// A worker writes what it says of itself, and of its views what has changed since it last did. To be called by one thread at a time.
    pub fn write(&self, index: usize, worker: &Worker, views: &Views) -> io::Result<()> {
        let start = index * STRETCH;
        let places = views.all();
        for (place, view) in places.iter().enumerate() {
            let changed = view.if_changed(|view| view.words().collect::<Vec<u64>>());
            if let Some(words) = changed {
                let name = view.name.as_bytes();
                let mut padded = [0; LONGEST_NAME];
                padded[..name.len()].copy_from_slice(name);
                let name_words = padded.chunks_exact(WORD).map(|chunk| chunk.try_into().map_or(0, u64::from_le_bytes));
                let content = [name.len() as u64].into_iter().chain(name_words).chain(words);
                self.put(start + OWN + place * RECORD, RECORD, content)?;
            }
        }
        let worker = Worker { views: places.len() as u64, ..*worker };
        self.put(start, (WORKER_WORDS + 2) * WORD, worker.words())
    }

    /// What a worker last wrote of itself; `None` if it has not written.
    pub fn worker(&self, index: usize) -> io::Result<Option<Worker>> {
        let words = self.take(index * STRETCH, (WORKER_WORDS + 2) * WORD)?;
        Ok(Some(Worker::from_words(&words)).filter(|worker| worker.process != 0))
    }

    /// The name and the figures of one of its views, by place; `None` if nothing was counted for it.
    pub fn view(&self, index: usize, place: usize) -> io::Result<Option<(String, View)>> {
        if place > MOST_VIEWS {
            return Ok(None);
        }
        let words = self.take(index * STRETCH + OWN + place * RECORD, RECORD)?;
        let Some((&length, rest)) = words.split_first().filter(|(length, _)| **length > 0) else { return Ok(None) };
        let (name, view) = rest.split_at(NAME_WORDS - 1);
        let bytes: Vec<u8> = name.iter().flat_map(|word| word.to_le_bytes()).take(length as usize).collect();
        Ok(View::from_words(view).map(|view| (String::from_utf8_lossy(&bytes).into_owned(), view)))
    }

    /// A number that is another one after each write of that view's record: whoever has read it asks this before it is read again. 0: never
    /// written.
    pub fn version(&self, index: usize, place: usize) -> io::Result<u64> {
        if place > MOST_VIEWS {
            return Ok(0);
        }
        self.number(index * STRETCH + OWN + place * RECORD)
    }

    /// All views of one worker that have figures.
    pub fn views(&self, index: usize) -> io::Result<Vec<(String, View)>> {
        let count = self.worker(index)?.map_or(0, |worker| worker.views as usize);
        (0..count).filter_map(|place| self.view(index, place).transpose()).collect()
    }

    /// Forgets a worker that is gone: whoever wants to keep its sums has read them before.
    pub fn clear(&self, index: usize) -> io::Result<()> {
        let count = self.worker(index)?.map_or(0, |worker| worker.views as usize);
        for place in 0..count {
            pwrite(&self.file, &[0; RECORD], (index * STRETCH + OWN + place * RECORD) as u64)?;
        }
        pwrite(&self.file, &[0; OWN], (index * STRETCH) as u64)?;
        Ok(())
    }

    /// Says that it begins, writes, says that it is done: in this order, each for itself.
    fn put(&self, at: usize, size: usize, words: impl IntoIterator<Item = u64>) -> io::Result<()> {
        let (done, begun) = (at, at + size - WORD);
        let number = self.number(done)?.wrapping_add(1);
        let mut content = Vec::with_capacity(size - 2 * WORD);
        content.extend(words.into_iter().flat_map(u64::to_ne_bytes));
        content.resize(size - 2 * WORD, 0);
        self.write_all(begun, &number.to_ne_bytes())?;
        self.write_all(at + WORD, &content)?;
        self.write_all(done, &number.to_ne_bytes())
    }

    /// Reads the two numbers in the other order: if they are equal, no write began before the content was read.
    fn take(&self, at: usize, size: usize) -> io::Result<Vec<u64>> {
        let mut content = vec![0; size - 2 * WORD];
        for _ in 0..TRIES {
            let done = self.number(at)?;
            if pread(&self.file, content.as_mut_slice(), (at + WORD) as u64)? != content.len() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            if self.number(at + size - WORD)? == done {
                return Ok(content
                    .chunks_exact(WORD)
                    .map(|word| word.try_into().map_or(0, u64::from_ne_bytes))
                    .collect());
            }
            std::thread::yield_now();
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the record is always being written"))
    }

    fn number(&self, at: usize) -> io::Result<u64> {
        let mut word = [0; WORD];
        pread(&self.file, &mut word, at as u64)?;
        Ok(u64::from_ne_bytes(word))
    }

    fn write_all(&self, at: usize, bytes: &[u8]) -> io::Result<()> {
        let written = pwrite(&self.file, bytes, at as u64)?;
        if written == bytes.len() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::WriteZero)) }
    }
}

impl AsFd for Board {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;
    use crate::times::Times;
    use crate::view::Ended;

    fn request(milliseconds: u64) -> Ended {
        let times = Times { processing: 1_000_000, io: milliseconds * 1_000_000, ..Times::default() };
        Ended { times, ..Ended::default() }
    }

    #[test]
    fn what_a_worker_wrote_is_read_and_stays_when_it_dies() {
        let board = Board::create(2).expect("memfd");
        assert_eq!(board.worker(1).expect("read"), None);
        let views = Views::default();
        let id = views.place_of("hotels.views.süche");
        views.record(id, &request(40), &[], 1.0);
        let worker = Worker { process: 7, threads: 3, gil_switches: 12, ..Worker::default() };
        board.write(1, &worker, &views).expect("written");
        assert_eq!(board.worker(0).expect("read"), None, "the other one's stretch is its own");
        assert_eq!(board.worker(1).expect("read"), Some(Worker { views: 2, ..worker }));
        let read = board.views(1).expect("read");
        assert_eq!(read, [("hotels.views.süche".to_owned(), views.all()[id.place()].view())]);
        let version = |place| board.version(1, place).expect("read");
        let before = (version(0), version(id.place()), version(MOST_VIEWS + 1));
        views.record(id, &request(40), &[], 1.0);
        board.write(1, &worker, &views).expect("written");
        assert_eq!((version(0), version(MOST_VIEWS + 1)), (before.0, 0), "nothing new there");
        assert_ne!(version(id.place()), before.1);
        board.clear(1).expect("written");
        assert_eq!((board.worker(1).expect("read"), board.view(1, 1).expect("read")), (None, None));
    }

    #[test]
    fn a_record_is_never_read_in_the_middle_of_a_write() {
        let board = Board::create(1).expect("memfd");
        let views = Views::default();
        let id = views.place_of("a");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..500 {
                    views.record(id, &request(2), &[], 1.0);
                    board.write(0, &Worker { process: 1, ..Worker::default() }, &views).expect("written");
                }
                over.store(true, Relaxed);
            });
            while !over.load(Relaxed) {
                let Some((_, view)) = board.view(0, id.place()).expect("read") else { continue };
                assert_eq!(view.times.processing, view.requests * 1_000_000);
                assert_eq!(view.histograms[3].count(), view.requests);
                assert_eq!(view.stacked.iter().map(|bin| bin.requests).sum::<u64>(), view.requests);
            }
        });
        assert_eq!(board.view(0, id.place()).expect("read").expect("it is there").1.requests, 500);
    }
}
