//! `call_later` and `call_at`: what is due when.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::reactor::handles::Handle;

/// As the stdlib has it: cancelled timers stay until they are due, unless there are many timers and ...
const FEW: usize = 100;
/// ... at least this part of them (one in so many) is cancelled.
const CANCELLED_PART: usize = 2;

/// The loop is woken for timers at most once in so many seconds, so that those of a thousand sleepers are worked off in groups. The
/// stdlib rounds each of its waits up to a whole millisecond, so nobody can miss it; a lone timer is on time.
const APART: f64 = 0.001;

/// A heap by time, in the order of their making among equals.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Timer>,
    made: u64,
    /// How many of the heap are cancelled.
    cancelled: usize,
    /// When the loop was last woken for one of them.
    woken: f64,
}

struct Timer {
    when: f64,
    number: u64,
    handle: Py<Handle>,
}

impl Timers {
    pub(super) fn push(&mut self, when: f64, handle: Py<Handle>) {
        self.made += 1;
        self.heap.push(Timer { when, number: self.made, handle });
    }

    /// A timer that is in here was cancelled.
    pub(super) fn note_cancelled(&mut self) {
        self.cancelled += 1;
    }

    /// Takes out cancelled timers, as many as is worth it. To be dropped when no lock is held.
    pub(super) fn sweep(&mut self) -> Vec<Py<Handle>> {
        let mut swept = Vec::new();
        if self.heap.len() > FEW && self.cancelled * CANCELLED_PART > self.heap.len() {
            let (out, rest) = self.heap.drain().partition::<Vec<_>, _>(|timer| timer.handle.get().is_cancelled());
            self.heap = rest.into();
            swept.extend(out.into_iter().map(|timer| timer.handle));
            self.cancelled = 0;
        } else {
            while self.heap.peek().is_some_and(|timer| timer.handle.get().is_cancelled()) {
                swept.extend(self.heap.pop().map(|timer| timer.handle));
                self.cancelled = self.cancelled.saturating_sub(1);
            }
        }
        for handle in &swept {
            handle.get().leave_timers();
        }
        swept
    }

    /// When the first one is due.
    pub(super) fn next(&self) -> Option<f64> {
        self.heap.peek().map(|timer| timer.when)
    }

    /// Until when to sleep at `now`; a time that is past if not at all.
    pub(super) fn wake_up(&self, now: f64) -> Option<f64> {
        let due = self.next()?;
        Some(if due > now { due.max(self.woken + APART) } else { due })
    }

    /// The loop was woken at `now`, and one of them was due.
    pub(super) fn note_woken(&mut self, now: f64) {
        self.woken = now;
    }

    /// The first one if it is due before `end`.
    pub(super) fn pop_due(&mut self, end: f64) -> Option<(f64, Py<Handle>)> {
        self.heap.peek().filter(|timer| timer.when < end)?;
        let timer = self.heap.pop()?;
        timer.handle.get().leave_timers();
        if timer.handle.get().is_cancelled() {
            self.cancelled = self.cancelled.saturating_sub(1);
        }
        Some((timer.when, timer.handle))
    }

    pub(super) fn visit(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.heap.iter().try_for_each(|timer| visit.call(&timer.handle))
    }
}

// The greatest of a heap comes first, so the earliest is the greatest here.
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        other.when.total_cmp(&self.when).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timer {}
