//! First come, first served for jobs; last come, first served for threads, so that those not needed fall idle and end.
//!
//! Knows nothing of Python. One short lock guards all of it; no user code runs under it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    /// Told when a job had to wait: wakes the watcher.
    stirred: Notify,
    /// Told when the last thread has ended.
    ended: Condvar,
}

struct State<J> {
    waiting: VecDeque<(Instant, J)>,
    /// Threads with nothing to do, the most recently used last.
    idle: Vec<Arc<Seat<J>>>,
    threads: usize,
    closed: bool,
}

/// Where one idle thread waits and is handed its next job.
struct Seat<J> {
    handed: Mutex<Handed<J>>,
    told: Condvar,
}

enum Handed<J> {
    Nothing,
    Job(J),
    /// The queue was closed: go home.
    Dismissal,
}

impl<J> Seat<J> {
    fn hand(&self, what: Handed<J>) {
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
    fn job(self) -> Option<J> {
        match self {
            Self::Job(job) => Some(job),
            Self::Nothing | Self::Dismissal => None,
        }
    }
}

/// What became of a job that was pushed.
pub(super) enum Pushed<J> {
    /// An idle thread has it.
    Taken,
    /// It waits; so many threads live.
    Waits { threads: usize },
    /// The queue is closed.
    Closed(J),
}

impl<J> Queue<J> {
    pub(super) fn new() -> Self {
        let state = State { waiting: VecDeque::new(), idle: Vec::new(), threads: 0, closed: false };
        Self { state: Mutex::new(state), stirred: Notify::new(), ended: Condvar::new() }
    }

    pub(super) fn push(&self, job: J) -> Pushed<J> {
        let mut state = self.state.lock();
        if state.closed {
            return Pushed::Closed(job);
        }
        let Some(seat) = state.idle.pop() else {
            state.waiting.push_back((Instant::now(), job));
            return Pushed::Waits { threads: state.threads };
        };
        drop(state);
        seat.hand(Handed::Job(job));
        Pushed::Taken
    }

    /// The next job for the calling thread; `None` tells it to end: idle for too long, or closed.
    pub(super) fn next(&self, idle: Duration) -> Option<J> {
        let mut state = self.state.lock();
        if let Some((_, job)) = state.waiting.pop_front() {
            return Some(job);
        }
        if state.closed {
            return None;
        }
        let seat = Arc::new(Seat { handed: Mutex::new(Handed::Nothing), told: Condvar::new() });
        state.idle.push(seat.clone());
        drop(state);

        match seat.wait(Some(Instant::now() + idle)) {
            Some(handed) => handed.job(),
            None => self.leave(&seat),
        }
    }

    /// Gives up a seat, unless something was handed over at the very last moment.
    fn leave(&self, seat: &Arc<Seat<J>>) -> Option<J> {
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

    pub(super) fn dismiss_thread(&self) {
        let mut state = self.state.lock();
        state.threads -= 1;
        if state.threads == 0 {
            self.ended.notify_all();
        }
    }

    /// True when a thread that was told to end must not, because jobs came meanwhile and no other thread is left.
    pub(super) fn is_last_with_work(&self) -> bool {
        let state = self.state.lock();
        state.threads == 1 && !state.waiting.is_empty()
    }

    pub(super) fn threads(&self) -> usize {
        self.state.lock().threads
    }

    pub(super) fn queued(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Since when the job at the front has waited.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.state.lock().waiting.front().map(|(since, _)| *since)
    }

    /// Takes out the job at the front if it has waited since before `limit`.
    pub(super) fn pop_older_than(&self, limit: Instant) -> Option<J> {
        let mut state = self.state.lock();
        match state.waiting.front() {
            Some((since, _)) if *since <= limit => state.waiting.pop_front().map(|(_, job)| job),
            _ => None,
        }
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
