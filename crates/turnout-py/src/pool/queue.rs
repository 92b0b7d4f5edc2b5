//! Jobs to threads: in the order of [`super::lines`] for jobs; last come, first served for threads, so that those not needed fall idle and end.
//!
//! Knows nothing of Python. One short lock guards all of it; no user code runs under it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Notify;

use super::lines::{Lines, View};
use crate::raw::ticks;

pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    /// Told when a job had to wait: wakes the watcher.
    stirred: Notify,
    /// Told when the last thread has ended.
    ended: Condvar,
}

struct State<J> {
    lines: Lines<J>,
    /// Threads with nothing to do, the most recently used last.
    idle: Vec<Arc<Seat<J>>>,
    threads: usize,
    /// So many of them are about to end because there were too many.
    spare: usize,
    /// Threads that have a job.
    busy: usize,
    /// When a thread last took a job.
    moved: Instant,
    closed: bool,
}

impl<J> State<J> {
    fn take(&mut self) -> Option<Taken<J>> {
        let now = Instant::now();
        let (view, job) = self.lines.take(now)?;
        self.busy += 1;
        self.moved = now;
        Some(Taken { view, job, at: ticks(), slept: false })
    }
}

/// A job, as a thread has it.
pub(super) struct Taken<J> {
    pub(super) view: View,
    pub(super) job: J,
    /// When it left the line: a stamp of [`ticks`].
    pub(super) at: u64,
    /// The thread had to be woken for it.
    pub(super) slept: bool,
}

/// Where one idle thread waits and is handed its next job.
struct Seat<J> {
    handed: Mutex<Handed<J>>,
    told: Condvar,
    /// The thread's: set before it is woken, for it may be long until it gets a processor.
    busy: Arc<AtomicBool>,
}

enum Handed<J> {
    Nothing,
    Job(Taken<J>),
    /// The queue was closed: go home.
    Dismissal,
}

impl<J> Seat<J> {
    fn new(busy: &Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self { handed: Mutex::new(Handed::Nothing), told: Condvar::new(), busy: busy.clone() })
    }

    fn hand(&self, what: Handed<J>) {
        self.busy.store(true, Relaxed);
        *self.handed.lock() = what;
        self.told.notify_one();
    }

    /// What was handed over, once it is; `None` at the deadline.
    fn wait(&self, deadline: Option<Instant>) -> Option<Handed<J>> {
        let mut handed = self.handed.lock();
        while matches!(*handed, Handed::Nothing) {
            match deadline {
                None => self.told.wait(&mut handed),
                Some(deadline) if self.told.wait_until(&mut handed, deadline).timed_out() => return None,
                Some(_) => {}
            }
        }
        Some(std::mem::replace(&mut *handed, Handed::Nothing))
    }
}

impl<J> Handed<J> {
    fn job(self) -> Option<Taken<J>> {
        match self {
            Self::Job(taken) => Some(Taken { slept: true, ..taken }),
            Self::Nothing | Self::Dismissal => None,
        }
    }
}

/// Jobs wait: how it stands with them, looked at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// The next one; `None` when none of them may be taken now.
    pub(super) next: Option<Standing>,
    pub(super) threads: usize,
    pub(super) idle: usize,
}

/// The job that is next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// How long it has waited.
    pub(super) waited: Duration,
    /// For how long of that no thread has taken any.
    pub(super) stood: Duration,
}

/// What became of a job that was pushed.
pub(super) enum Pushed<J> {
    /// An idle thread has it.
    Taken,
    /// It waits.
    Waits,
    /// The queue is closed.
    Closed(J),
}

impl<J> Queue<J> {
    /// For at most so many threads.
    pub(super) fn new(threads: usize) -> Self {
        let state = State {
            lines: Lines::new(threads),
            idle: Vec::new(),
            threads: 0,
            spare: 0,
            busy: 0,
            moved: Instant::now(),
            closed: false,
        };
        Self { state: Mutex::new(state), stirred: Notify::new(), ended: Condvar::new() }
    }

    /// Hands the job to an idle thread if no thread has one; with busy threads it waits until one of them is free or [`Queue::activate`] wakes another.
    pub(super) fn push(&self, view: View, job: J) -> Pushed<J> {
        let mut state = self.state.lock();
        if state.closed {
            return Pushed::Closed(job);
        }
        state.lines.push(view, job);
        if state.busy > 0 || state.lines.waiting() > 1 || !Self::hand_over(state) {
            return Pushed::Waits;
        }
        Pushed::Taken
    }

    /// Wakes an idle thread for the next job; false when there is no such thread, or no job that may be taken.
    pub(super) fn activate(&self) -> bool {
        Self::hand_over(self.state.lock())
    }

    fn hand_over(mut state: MutexGuard<'_, State<J>>) -> bool {
        if state.idle.is_empty() {
            return false;
        }
        let Some(taken) = state.take() else { return false };
        let seat = state.idle.pop().expect("there is one");
        drop(state);
        seat.hand(Handed::Job(taken));
        true
    }

    /// The calling thread's job is done.
    pub(super) fn done(&self, view: View) {
        let mut state = self.state.lock();
        state.busy -= 1;
        state.lines.done(view);
    }

    /// The next job for the calling thread; `None` tells it to end: idle for too long, or closed. With jobs waiting it sits down
    /// all the same if others should have its turn: `crowded` tells, and is asked without the lock.
    /// `busy` is the thread's flag for others to see.
    pub(super) fn next(&self, idle: Duration, busy: &Arc<AtomicBool>, crowded: impl Fn() -> bool) -> Option<Taken<J>> {
        loop {
            let has_work = self.state.lock().lines.next_since().is_some();
            let sits = has_work && crowded();
            let mut state = self.state.lock();
            if (!sits || state.closed)
                && let Some(taken) = state.take()
            {
                return Some(taken);
            }
            if state.closed {
                return None;
            }
            let seat = Seat::new(busy);
            busy.store(false, Relaxed);
            state.idle.push(seat.clone());
            drop(state);
            match seat.wait(Some(Instant::now() + idle)) {
                Some(handed @ Handed::Job(_)) => return handed.job(),
                Some(_) => {} // closed: what waits is still done
                None => return self.leave(&seat),
            }
        }
    }

    /// Gives up a seat, unless something was handed over at the very last moment.
    fn leave(&self, seat: &Arc<Seat<J>>) -> Option<Taken<J>> {
        let mut state = self.state.lock();
        let before = state.idle.len();
        state.idle.retain(|other| !Arc::ptr_eq(other, seat));
        let was_seated = state.idle.len() < before;
        drop(state);
        // Whoever took the seat off the list hands something over within a few instructions.
        if was_seated { None } else { seat.wait(None)?.job() }
    }

    /// Room for one more thread? Counts it at once, so that two callers cannot both take the last place.
    pub(super) fn admit_thread(&self, most: usize) -> bool {
        let mut state = self.state.lock();
        let room = state.threads < most;
        state.threads += usize::from(room);
        room
    }

    /// Whether the calling thread is one too many; if so it counts as leaving, and ends.
    pub(super) fn has_more_than(&self, most: usize) -> bool {
        let mut state = self.state.lock();
        let spare = !state.closed && state.threads - state.spare > most;
        state.spare += usize::from(spare);
        spare
    }

    /// A thread has ended; `spare`: because it was one too many.
    pub(super) fn dismiss_thread(&self, spare: bool) {
        let mut state = self.state.lock();
        state.threads -= 1;
        state.spare -= usize::from(spare);
        if state.threads == 0 {
            self.ended.notify_all();
        }
    }

    pub(super) fn threads(&self) -> usize {
        self.state.lock().threads
    }

    pub(super) fn queued(&self) -> usize {
        self.state.lock().lines.waiting()
    }

    /// How the line stands; `None` when nobody waits.
    pub(super) fn line(&self) -> Option<Line> {
        let state = self.state.lock();
        if state.lines.waiting() == 0 {
            return None;
        }
        let now = Instant::now();
        let next = state.lines.next_since().map(|since| Standing {
            waited: now.duration_since(since),
            stood: now.duration_since(state.moved.max(since)),
        });
        Some(Line { next, threads: state.threads, idle: state.idle.len() })
    }

    /// Takes out the job at the front if it has waited since before `limit`.
    pub(super) fn pop_older_than(&self, limit: Instant) -> Option<J> {
        self.state.lock().lines.pop_older_than(limit)
    }

    pub(super) fn stir(&self) {
        self.stirred.notify_one();
    }

    pub(super) async fn stirred(&self) {
        self.stirred.notified().await;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.lines.keep_none();
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        for seat in idle {
            seat.hand(Handed::Dismissal);
        }
        self.stirred.notify_one();
    }

    pub(super) fn wait_for_end(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        while state.threads > 0 {
            if self.ended.wait_until(&mut state, deadline).timed_out() {
                return state.threads == 0;
            }
        }
        true
    }
}
