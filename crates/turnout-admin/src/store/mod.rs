//! What is kept of what the workers tell: sums since the server started, and the last 15 minutes second by second.
//!
//! Read once a second from the board, and once more when a worker has ended, before its stretch is cleared: so nothing that it told is
//! lost. Called by the thread that serves, and by the supervisor.

mod beside;
mod called;
mod change;
mod machine;
mod past;
mod read;
mod ring;
mod seat;
mod seconds;
mod slow;
mod spots;
mod sum;
mod totals;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use turnout_history::History;
use turnout_states::{Board, MOST_VIEWS, OTHER, View};

use crate::findings::{self, Ledger};
use beside::Beside;
use change::Slice;
pub(crate) use machine::Machine;
use past::Past;
use ring::Ring;
use slow::SlowOnes;
use spots::Spots;

pub(crate) use beside::Neighbours;
pub(crate) use change::{SmallBin, states};
pub(crate) use machine::Context;
pub(crate) use ring::{LONGEST as LONGEST_WINDOW, Sample};
pub(crate) use seat::{Seat, State, rates};
pub(crate) use slow::{Call, Slow};
pub(crate) use spots::Waited;
pub(crate) use sum::{Bins, Sum, add_bins};
pub(crate) use totals::{LIMITS, Totals};

/// How far the server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not every worker was ready yet.
    Starting,
    /// They were.
    Serving,
    /// It was told to end.
    Draining,
}

/// What does not change.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Program and version.
    pub(crate) title: String,
    /// Cores this server may use.
    pub(crate) cores: u32,
    /// When it started, in seconds since 1970.
    pub(crate) started: f64,
    /// Puts [`Worker::rungs`](turnout_states::Worker::rungs) into words.
    pub(crate) rungs: fn(u64) -> Vec<String>,
}

/// See the module. Its memory is bounded: 14 KiB for each view that a living worker has counted anything for, 64 MiB for the seconds
/// ([`ring::MOST_BYTES`]), 16 MiB for who computed beside whom and 16 for what was waited for, 1 KiB of sums for each of [`MOST_VIEWS`] views, 1.5 MiB of
/// slow requests for each worker and as much for those that have ended, and 3 KiB for each view that has had requests in this minute, where a history is
/// kept.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) facts: Facts,
    pub(crate) phase: Phase,
    /// Workers that ended although nobody had told the server to.
    pub(crate) deaths: u64,
    /// When it was looked last, in seconds since 1970.
    pub(crate) at: f64,
    pub(crate) seats: Vec<Seat>,
    board: Arc<Board>,
    names: Names,
    totals: Vec<Totals>,
    ring: Ring,
    past: Option<Past>,
    beside: Beside,
    slow: SlowOnes,
    spots: Spots,
    machine: Machine,
    /// What was noticed.
    pub(crate) findings: Ledger,
    /// What came since the last second ended.
    fresh: FxHashMap<u16, View>,
}

/// Places for names, in the order in which they were told, behind "other".
#[derive(Debug)]
struct Names {
    list: Vec<Box<str>>,
    places: FxHashMap<Box<str>, u16>,
}

impl Default for Names {
    fn default() -> Self {
        Self { list: vec![OTHER.into()], places: [(OTHER.into(), 0)].into_iter().collect() }
    }
}

impl Names {
    /// Workers that replace one another may have other names each time: what is too much is "other", as it is in a worker.
    fn place_of(&mut self, name: &str) -> u16 {
        let name = if self.list.len() > MOST_VIEWS && !self.places.contains_key(name) { OTHER } else { name };
        *self.places.entry(name.into()).or_insert_with(|| {
            self.list.push(name.into());
            (self.list.len() - 1) as u16
        })
    }
}

/// What a worker is called where people read of it: counted from 1, as in the server's log.
pub(crate) fn number(index: usize) -> usize {
    index + 1
}

impl Store {
    pub(crate) fn new(board: Arc<Board>, facts: Facts, machine: Machine, history: Option<Arc<History>>) -> Self {
        Self {
            at: facts.started,
            facts,
            phase: Phase::Starting,
            deaths: 0,
            seats: (0..board.workers()).map(|_| Seat::default()).collect(),
            board,
            names: Names::default(),
            totals: Vec::new(),
            ring: Ring::default(),
            past: history.map(Past::new),
            beside: Beside::default(),
            slow: SlowOnes::default(),
            spots: Spots::default(),
            machine,
            findings: Ledger::default(),
            fresh: FxHashMap::default(),
        }
    }

    /// A second is over, or whatever `span` is: at this time, in seconds since 1970. Gives lines for the log.
    pub(crate) fn tick(&mut self, at: f64, span: f64) -> Vec<String> {
        for index in 0..self.seats.len() {
            self.collect(index);
        }
        for seat in &mut self.seats {
            seat.remember(at);
        }
        self.machine.look();
        self.at = at;
        let mut views: Vec<_> = self.fresh.drain().map(|(place, view)| (place, Slice::of(&view))).collect();
        views.sort_unstable_by_key(|(place, _)| *place);
        if let Some(past) = &mut self.past {
            past.add(at, span, &views, &self.names.list);
        }
        self.ring.push(Sample { at, span, views });
        self.beside.push(span);
        self.spots.push(span);
        let symptoms = findings::symptoms(self);
        self.findings.judge(symptoms, at);
        self.findings.lines(span)
    }

    /// Every worker is ready for the first time.
    pub(crate) fn all_ready(&mut self) {
        self.phase = Phase::Serving;
        for seat in &mut self.seats {
            seat.ready = true;
        }
    }

    /// A worker that replaced another one is ready.
    pub(crate) fn ready(&mut self, index: usize) {
        if let Some(seat) = self.seats.get_mut(index) {
            seat.ready = true;
        }
    }

    /// A worker's process has ended: what it told last is taken in, and its stretch of the board cleared. Both before anybody else looks,
    /// who would take the stretch for that of another worker and count it twice.
    pub(crate) fn gone(&mut self, index: usize) {
        self.collect(index);
        self.slow.gone(index);
        // Only if memory cannot be written; the next worker writes over it.
        let _ = self.board.clear(index);
        self.deaths += u64::from(self.phase != Phase::Draining);
        if let Some(seat) = self.seats.get_mut(index) {
            *seat = Seat::default();
        }
    }

    /// The end has begun.
    pub(crate) fn draining(&mut self) {
        self.phase = Phase::Draining;
    }

    /// The end is here: what came since the last second ended goes into the history too.
    pub(crate) fn end(&mut self, at: f64) {
        self.tick(at, (at - self.at).clamp(0.0, 60.0));
        if let Some(past) = &mut self.past {
            past.hand_over(&self.names.list);
        }
    }

    /// Whether requests should be sent here.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Serving && self.seats.iter().any(|seat| seat.ready)
    }

    /// Whether what is counted here is kept for longer.
    pub(crate) fn keeps_history(&self) -> bool {
        self.past.is_some()
    }

    /// What the machine says of itself.
    pub(crate) fn context(&self) -> Context {
        self.machine.context()
    }

    /// Every view that has answered a request, with its sums.
    pub(crate) fn totals(&self) -> impl Iterator<Item = (&str, &Totals)> {
        let all = self.names.list.iter().map(|name| &**name).zip(&self.totals);
        all.filter(|(_, totals)| totals.requests > 0)
    }

    /// A view's place, if it has answered a request.
    pub(crate) fn place(&self, name: &str) -> Option<u16> {
        let place = self.names.places.get(name).copied()?;
        (self.totals.get(usize::from(place))?.requests > 0).then_some(place)
    }

    /// The name of a place.
    pub(crate) fn name(&self, place: u16) -> &str {
        self.names.list.get(usize::from(place)).map_or(OTHER, |name| name)
    }

    /// The seconds of the last so many, the oldest first.
    pub(crate) fn window(&self, seconds: f64) -> impl Iterator<Item = &Sample> {
        self.ring.window(seconds)
    }

    /// Who computed while a view waited for a processor, in the last so many seconds.
    pub(crate) fn neighbours(&self, view: u16, seconds: f64) -> Neighbours {
        self.beside.of(view, seconds)
    }

    /// What views waited for in the last so many seconds, by the view's place and the most waited for first. `view`: only this one.
    pub(crate) fn spots(&self, view: Option<u16>, seconds: f64) -> Vec<(u16, Waited<'_>)> {
        self.spots.of(view, seconds)
    }

    /// Slow requests, and whether their workers have ended.
    pub(crate) fn slow(&self) -> impl Iterator<Item = (&Arc<Slow>, bool)> {
        self.slow.all()
    }

    /// Takes in what one worker has told since it was looked at last.
    fn collect(&mut self, index: usize) {
        // Of a worker that died while it wrote, what it was about to say is lost: what it had said is here already.
        let (Some(seat), Ok(Some(worker))) = (self.seats.get_mut(index), self.board.worker(index)) else { return };
        seat.notice(worker);
        for place in 0..(worker.views as usize).min(MOST_VIEWS + 1) {
            let Ok(version) = self.board.version(index, place) else { continue };
            if seat.read.has(place, version) {
                continue;
            }
            let Ok(Some((name, view))) = self.board.view(index, place) else { continue };
            let counted = (view.requests > 0).then(|| Box::new(view.clone()));
            let change = match seat.read.put(place, version, counted) {
                Some(before) => view.since(&before),
                None => view,
            };
            let number = self.names.place_of(&name);
            seat.is_called(place, number);
            if self.totals.len() <= usize::from(number) {
                self.totals.resize_with(usize::from(number) + 1, Totals::default);
            }
            if change.requests == 0 {
                // Its name, for what was noticed of it.
                continue;
            }
            self.totals[usize::from(number)].add(&change);
            self.fresh.entry(number).or_default().add(&change);
            self.beside.add(index, number, &change.times);
        }
        let (board, process) = (&*self.board, (worker.process, worker.began));
        let (numbers, called) = seat.names();
        self.slow.collect((board, index), process, called, |place| numbers.get(place).copied().flatten());
        let views = numbers.iter().enumerate().filter_map(|(place, number)| Some((place, (*number)?)));
        self.spots.collect((board, index), process, called, views);
        if let Ok(told) = board.findings(index) {
            let (numbers, heard) = seat.hears();
            let number = |place: usize| numbers.get(place).copied().flatten();
            let names = &self.names.list;
            self.findings.hear(heard, told, |place| Some(names[usize::from(number(place)?)].to_string()));
        }
    }
}

#[cfg(test)]
mod tests;
