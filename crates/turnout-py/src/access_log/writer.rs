//! A bounded heap of lines and the thread that writes it. Whoever pushes never waits for a file.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// What may wait to be written: some ten thousand lines, a second or more of a busy worker. Above it lines are dropped.
const MOST_WAITING: usize = 2 << 20;
/// Writes end at a line's end and are no larger where lines allow: a pipe keeps such writes of several workers apart (PIPE_BUF).
const PIECE: usize = 4096;
/// How often lost lines are mentioned.
const MENTION: Duration = Duration::from_secs(10);

/// Held by the log and by its thread; the thread lives as long as the process.
pub(super) struct Writer {
    state: Mutex<State>,
    /// Lines came.
    filled: Condvar,
    /// All were written.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines that the thread is writing at the moment.
    in_hand: u64,
    dropped: u64,
}

impl Writer {
    pub(super) fn start(file: File) -> io::Result<Arc<Self>> {
        let writer = Arc::new(Self { state: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new() });
        let own = Arc::clone(&writer);
        thread::Builder::new().name("turnout-log".into()).spawn(move || own.run(file))?;
        Ok(writer)
    }

    /// Adds a line, or counts it as lost. The lock is held for a copy of a few hundred bytes, never during a write.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.state.lock();
        if state.waiting.len() + line.len() > MOST_WAITING {
            state.dropped += 1;
            return;
        }
        state.waiting.extend_from_slice(line);
        let asleep = state.in_hand == 0;
        drop(state);
        if asleep {
            self.filled.notify_one();
        }
    }

    /// Waits until nothing is left to write, at most so long; what is left then is lost, and said.
    pub(super) fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut state = self.state.lock();
        while state.in_hand > 0 || !state.waiting.is_empty() {
            if self.emptied.wait_until(&mut state, deadline).timed_out() {
                let lost = state.dropped + state.in_hand + count(&state.waiting);
                drop(state);
                mention(lost);
                return;
            }
        }
    }

    fn run(&self, mut file: File) {
        let mut lines = Vec::new();
        let mut lost = 0;
        let mut mentioned = None;
        loop {
            let mut state = self.state.lock();
            state.in_hand = 0;
            if state.waiting.is_empty() {
                self.emptied.notify_all();
            }
            while state.waiting.is_empty() {
                self.filled.wait(&mut state);
            }
            std::mem::swap(&mut state.waiting, &mut lines);
            state.in_hand = count(&lines);
            lost += std::mem::take(&mut state.dropped);
            drop(state);
            lost += write(&mut file, &lines);
            lines.clear();
            if lost > 0 && mentioned.is_none_or(|at: Instant| at.elapsed() >= MENTION) {
                mention(lost);
                lost = 0;
                mentioned = Some(Instant::now());
            }
        }
    }
}

/// Writes whole lines; returns how many could not be written.
fn write(file: &mut File, lines: &[u8]) -> u64 {
    let mut rest = lines;
    while !rest.is_empty() {
        let end = match rest.get(..PIECE).and_then(|piece| memchr::memrchr(b'\n', piece)) {
            Some(last) => last + 1,
            // All that is left, or one line longer than a piece.
            None if rest.len() <= PIECE => rest.len(),
            None => memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1),
        };
        let (piece, after) = rest.split_at(end);
        if file.write_all(piece).is_err() {
            // A full disk, a closed pipe: what waits is lost, what comes later may not be.
            return count(rest);
        }
        rest = after;
    }
    0
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

#[expect(clippy::print_stderr, reason = "the log of a worker is its standard error")]
fn mention(lost: u64) {
    eprintln!("turnout: {lost} lines of the access log were dropped: they could not be written in time");
}
