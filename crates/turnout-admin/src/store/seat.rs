//! One worker, as it was told of: what it said last, what it said in the last seconds, and what has been read of its views.

use std::collections::VecDeque;

use turnout_states::{View, Worker};

use crate::findings::Heard;
use crate::store::called::Called;
use crate::store::read::Read;

/// Rates are of so many seconds: fewer jump about, more are late.
const RATES_OVER: usize = 10;
/// A worker writes ten times a second: one that has not for so long (seconds) cannot, or does not get a processor.
const SILENT_AFTER: f64 = 2.0;
/// Seconds of one step of the loop after which it is blocked.
const BLOCKED_AFTER: f64 = 1.0;

/// How a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It writes, and its loop turns.
    Serving,
    /// Its loop has been in one step for long.
    Blocked,
    /// It has not written for long.
    Silent,
    /// There is no process, or it has not written yet.
    Gone,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::Serving, Self::Blocked, Self::Silent, Self::Gone];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Blocked => "blocked",
            Self::Silent => "silent",
            Self::Gone => "gone",
        }
    }
}

/// See the module. A worker's place outlives its process.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    /// It accepts connections.
    pub(crate) ready: bool,
    last: Option<Worker>,
    /// What it said when, the oldest first.
    recent: VecDeque<(f64, Worker)>,
    /// What it has noticed, as far as it was read.
    heard: Heard,
    /// Its views.
    pub(super) read: Read<Option<Box<View>>>,
    /// By place: the place that the server has for a view of that name.
    numbers: Vec<Option<u16>>,
    called: Called,
}

impl Seat {
    /// This is what the worker says of itself now.
    pub(super) fn notice(&mut self, worker: Worker) {
        let same = self.last.is_some_and(|last| (last.process, last.began) == (worker.process, worker.began));
        if !same {
            // Another process: it counts from nothing.
            self.recent.clear();
            self.read = Read::default();
            self.numbers.clear();
            self.called = Called::default();
            self.heard = Heard::default();
        }
        self.last = Some(worker);
    }

    /// Keeps what was noticed last, for rates.
    pub(super) fn remember(&mut self, at: f64) {
        let Some(worker) = self.last else { return };
        // One that is silent says the same again: its rates are those of when it spoke.
        if self.recent.back().is_some_and(|(_, last)| last.written == worker.written) {
            return;
        }
        self.recent.push_back((at, worker));
        if self.recent.len() > RATES_OVER + 1 {
            self.recent.pop_front();
        }
    }

    /// The server knows one of its views by this number.
    pub(super) fn is_called(&mut self, place: usize, number: u16) {
        if self.numbers.len() <= place {
            self.numbers.resize(place + 1, None);
        }
        self.numbers[place] = Some(number);
    }

    /// Its views' numbers, by place, and its names of other things.
    pub(super) fn names(&mut self) -> (&[Option<u16>], &mut Called) {
        (&self.numbers, &mut self.called)
    }

    /// Its views' numbers, by place, and what it has noticed.
    pub(super) fn hears(&mut self) -> (&[Option<u16>], &mut Heard) {
        (&self.numbers, &mut self.heard)
    }

    /// What it said last.
    pub(crate) fn last(&self) -> Option<&Worker> {
        self.last.as_ref()
    }

    /// How it does, at this time.
    pub(crate) fn state(&self, at: f64) -> State {
        match &self.last {
            None => State::Gone,
            Some(worker) if at - worker.written as f64 / 1e3 > SILENT_AFTER => State::Silent,
            Some(worker) if worker.step_now as f64 / 1e9 > BLOCKED_AFTER => State::Blocked,
            Some(_) => State::Serving,
        }
    }

    /// What it said in the last seconds, the oldest first.
    pub(crate) fn recent(&self) -> impl Iterator<Item = &Worker> {
        self.recent.iter().map(|(_, worker)| worker)
    }

    /// What it said first and last of the last seconds, if it said anything twice.
    pub(crate) fn ends(&self) -> Option<(&Worker, &Worker)> {
        let (first, last) = (&self.recent.front()?.1, &self.recent.back()?.1);
        (last.written > first.written).then_some((first, last))
    }
}

/// What a worker did in the last seconds, a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rates {
    /// Part of the time that the loop was in steps.
    pub(crate) loop_utilisation: f64,
    /// Milliseconds that a step was ready before it ran.
    pub(crate) loop_queue: f64,
    /// Part of the time in steps of no request.
    pub(crate) overhead: f64,
    /// Part of the looks at the interpreter's lock that found it taken; `None`: nobody looks.
    pub(crate) gil_utilisation: Option<f64>,
    /// How often it changed hands; `None`: nobody looks.
    pub(crate) gil_switches: Option<f64>,
    /// Processors used.
    pub(crate) cpu: f64,
}

/// See [`Rates`].
pub(crate) fn rates(seat: &Seat) -> Rates {
    let Some((first, last)) = seat.ends() else { return Rates::default() };
    let seconds = (last.written - first.written) as f64 / 1e3;
    let more = |of: fn(&Worker) -> u64| of(last).saturating_sub(of(first)) as f64;
    let share = |nanoseconds: f64| (nanoseconds / 1e9 / seconds).clamp(0.0, 1.0);
    let steps = more(|worker| worker.steps);
    let looks = more(|worker| worker.gil_looks);
    let looked = looks > 0.0;
    Rates {
        // The step that is not over yet is in no sum.
        loop_utilisation: share(more(|worker| worker.steps_ran.saturating_add(worker.step_now))),
        loop_queue: if steps > 0.0 { more(|worker| worker.steps_queued) / 1e6 / steps } else { 0.0 },
        overhead: share(more(|worker| worker.overhead)),
        gil_utilisation: looked.then(|| (more(|worker| worker.gil_held) / looks).clamp(0.0, 1.0)),
        gil_switches: looked.then(|| more(|worker| worker.gil_switches) / seconds),
        cpu: more(|worker| worker.cpu) / 1e9 / seconds,
    }
}
