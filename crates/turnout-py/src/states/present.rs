//! What a thread is at, and what it was seen to wait for meanwhile: for whoever looks from outside.
//!
//! The thread writes one number when a step of the loop, or a job of a pool, begins and ends; the sampler writes what it sees. Where it saw nothing, which is
//! nearly always so, nobody else is asked anything.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use turnout_states::Call;

use super::reasons::{Awaited, awaited};

/// So many different waits of one step or job are told apart; more add to the last.
const MOST_SIGHTS: usize = 64;
/// So many looks at one wait are kept one by one: ten seconds. A thread may wait for hours.
const MOST_LOOKS: usize = 1000;

/// See the module. A step or job is known by when it began, in ticks.
#[derive(Debug, Default)]
pub(crate) struct Present {
    /// 0: there is none.
    since: AtomicU64,
    on_loop: AtomicBool,
    /// It is in a call that tells of itself.
    told: AtomicBool,
    /// What [`Present::sights`] are of.
    seen: AtomicU64,
    sights: Mutex<Sights>,
}

/// What was seen of one step or job.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    of: u64,
    pub(crate) waits: Vec<Sight>,
    /// Where in the code it computed.
    pub(crate) computes: Place,
}

/// Where in the project's code something was seen.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// As `file:line function`; empty: nobody looked, or it was over by then.
    pub(crate) name: String,
    asked: bool,
}

/// One wait, seen in one look or in several that followed one another.
#[derive(Debug)]
pub(crate) struct Sight {
    call: Call,
    pub(crate) awaited: Awaited,
    pub(crate) place: Place,
    /// When it was seen, in ticks, and how many nanoseconds each look stands for.
    pub(crate) looks: Vec<(u64, u64)>,
}

impl Present {
    /// A step or job begins.
    #[inline]
    pub(super) fn begin(&self, at: u64, on_loop: bool) {
        self.on_loop.store(on_loop, Relaxed);
        self.since.store(at, Relaxed);
    }

    /// It is over.
    #[inline]
    pub(super) fn end(&self) {
        self.since.store(0, Relaxed);
    }

    /// From now on it is in a call that tells how long it took and for whom, or is not.
    pub(super) fn tells(&self, it_does: bool) {
        self.told.store(it_does, Relaxed);
    }

    /// Whether it is. What it waits for need not be looked at.
    pub(super) fn is_told(&self) -> bool {
        self.told.load(Relaxed)
    }

    /// What the thread is at; `None`: nothing. True beside it: a step of the loop.
    pub(super) fn now(&self) -> Option<(u64, bool)> {
        let since = self.since.load(Relaxed);
        (since != 0).then(|| (since, self.on_loop.load(Relaxed)))
    }

    /// It was seen waiting in this call.
    pub(super) fn saw(&self, of: u64, call: Call, at: u64, stands_for: u64) {
        let mut sights = self.sights.lock();
        sights.are_of(of);
        let full = sights.waits.len() >= MOST_SIGHTS;
        match sights.waits.last_mut() {
            // Who is in the same call still waits for the same: nothing else is asked again.
            Some(last) if last.call == call || full => last.look(at, stands_for),
            _ => sights.waits.push(Sight {
                call,
                awaited: awaited(call.reason()),
                place: Place::default(),
                looks: vec![(at, stands_for)],
            }),
        }
        drop(sights);
        self.seen.store(of, Relaxed);
    }

    /// Whether somebody should look where it is in this call, or where it computes: asked once of each.
    pub(super) fn wants_place(&self, of: u64, call: Option<Call>) -> bool {
        let mut sights = self.sights.lock();
        sights.are_of(of);
        sights.place_of(call).is_some_and(|place| !std::mem::replace(&mut place.asked, true))
    }

    /// It is here in this call, or computes here, if it is still at that.
    pub(super) fn is_at(&self, of: u64, call: Option<Call>, name: String) {
        let mut sights = self.sights.lock();
        sights.are_of(of);
        if let Some(place) = sights.place_of(call) {
            place.name = name;
        }
        drop(sights);
        self.seen.store(of, Relaxed);
    }

    /// What was seen of the step or job that began then. To be asked by the thread itself.
    #[inline]
    pub(super) fn take(&self, of: u64) -> Option<Sights> {
        (self.seen.load(Relaxed) == of).then(|| self.take_seen(of)).flatten()
    }

    #[cold]
    fn take_seen(&self, of: u64) -> Option<Sights> {
        self.seen.store(0, Relaxed);
        Some(std::mem::take(&mut *self.sights.lock())).filter(|sights| sights.of == of)
    }
}

impl Sight {
    fn look(&mut self, at: u64, stands_for: u64) {
        let full = self.looks.len() >= MOST_LOOKS;
        match self.looks.last_mut() {
            Some((_, sum)) if full => *sum += stands_for,
            _ => self.looks.push((at, stands_for)),
        }
    }
}

impl Sights {
    fn are_of(&mut self, of: u64) {
        if self.of != of {
            *self = Self { of, ..Self::default() };
        }
    }

    fn place_of(&mut self, call: Option<Call>) -> Option<&mut Place> {
        match call {
            None => Some(&mut self.computes),
            // The last of several alike: the one that it is in.
            Some(call) => self.waits.iter_mut().rfind(|sight| sight.call == call).map(|sight| &mut sight.place),
        }
    }

    /// What was seen most often.
    pub(crate) fn mostly(&self) -> Option<&Sight> {
        self.waits.iter().max_by_key(|sight| sight.looks.len())
    }
}
