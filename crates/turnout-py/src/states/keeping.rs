//! The account of one request of this worker, from its first byte to the line in the table of views.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::prelude::*;
use turnout_states::{
    Account, Ended, Finished, Interruptions, KINDS, Kind, MOST_WAITS, Seen, Span, Spans, Times, ViewId, Views, Wait,
    Waits, Witness,
};

use super::crowd::Crowd;
use super::doing::{DOING, Doing};
use super::kept::Kept;
use super::meter::{Mark, Meter};
use super::noticing;
use super::present::Sights;
use super::rate::{nanoseconds_a_tick, nanoseconds_in, scaled, ticks_at, ticks_in, unix_time_of};
use super::seen::Accounted;
use super::waiter::Caller;
use super::witness::WITNESSES;
use crate::raw::{self, ticks};

/// No place in the table of views.
const NO_VIEW: u16 = u16::MAX;
/// What is shown as the view of requests that came to none.
const NOWHERE: &str = "(no view)";

/// See the module. Locked for some arithmetic, never across a call into Python; nearly always by whoever has the GIL.
#[derive(Debug)]
pub(crate) struct Keeping {
    views: &'static Views,
    story: Mutex<Story>,
    /// What it waited for, as far as that is known.
    waits: Mutex<Waits>,
    view: AtomicU16,
    status: AtomicU16,
    clamped: AtomicBool,
    /// How it stood with the threads when it got in line for one.
    crowd: [AtomicU64; 2],
    /// Since when it is in line for a thread; 0: it is not.
    in_line: AtomicU64,
    /// When a thread of the hop pool was found for it that has not begun yet; 0: none.
    assigned: AtomicU64,
    /// When whoever works for it said that it is done; 0: not yet. The account ends with that step, or that job.
    left: AtomicU64,
    /// Who is told when it ends.
    witnesses: Vec<Arc<Witness>>,
}

/// What was done for it.
#[derive(Debug)]
struct Story {
    account: Account,
    spans: Spans,
    kept: Option<Kept>,
}

impl Keeping {
    /// Of a request whose head came between these moments; `None` where nothing is accounted for.
    pub(crate) fn begin([began, received]: [Instant; 2]) -> Option<Self> {
        let views = super::views()?;
        let first = ticks_at(began);
        let mut account = Account::new(first);
        if received > began {
            account.received(first + ticks_in((received - began).as_nanos() as u64), true);
        }
        Some(Self {
            views,
            story: Mutex::new(Story { account, spans: Spans::default(), kept: None }),
            waits: Mutex::default(),
            view: AtomicU16::new(NO_VIEW),
            status: AtomicU16::new(0),
            clamped: AtomicBool::new(false),
            crowd: [const { AtomicU64::new(0) }; 2],
            in_line: AtomicU64::new(0),
            assigned: AtomicU64::new(0),
            left: AtomicU64::new(0),
            witnesses: WITNESSES.of_a_request(),
        })
    }

    /// All of it is here. `waited`: for its client.
    pub(crate) fn received(&self, waited: bool) {
        self.story.lock().account.received(ticks(), waited);
    }

    /// The name of the view that it turned out to be for.
    pub(crate) fn is_for(&self, view: &str) {
        self.view.store(self.views.place_of(view).place() as u16, Relaxed);
    }

    /// A call of it was over at `ended`, which waited since `began` for something at this address.
    pub(crate) fn waited(&self, kind: Kind, address: &str, caller: Caller, began: u64, ended: u64) {
        let address = self.views.addresses.id_of(address);
        self.waits.lock().add(Wait { kind, address, site: caller.0, began, ended });
    }

    /// Whether one more wait would be kept by itself.
    pub(crate) fn keeps_waits(&self) -> bool {
        self.waits.lock().kept().len() < MOST_WAITS
    }

    /// How long it has waited for each kind of thing so far, in nanoseconds.
    pub(crate) fn kinds(&self) -> [u64; KINDS] {
        self.waits.lock().sums().map(nanoseconds_in)
    }

    /// From now on it keeps a thread that it does not use: see [`Kept`].
    pub(crate) fn keeps(&self, what: &str, between_calls: bool) {
        let mut story = self.story.lock();
        story.kept = Some(Kept::begin(story.kept.take(), what, between_calls, ticks()));
    }

    /// No longer.
    pub(crate) fn lets_go(&self) {
        if let Some(kept) = &mut self.story.lock().kept {
            kept.is_over(ticks());
        }
    }

    /// What a thread was seen to wait for that worked for it.
    #[cold]
    fn saw(&self, sights: &Sights) {
        // A thread that waits for the loop waits for what the loop waits for.
        let waits_for_the_loop = self.story.lock().kept.as_ref().is_some_and(|kept| !kept.between_calls);
        if !waits_for_the_loop {
            noticing::waits(self.views, self.view_id(), &mut self.waits.lock(), sights);
        }
    }

    /// A call of it that came from there waited so long for a connection, and took that long in all.
    pub(super) fn waited_for_connection(
        &self,
        what: impl FnOnce() -> String,
        caller: Caller,
        waited: Duration,
        call: Duration,
    ) {
        if noticing::is_worth_a_queue(waited, call) {
            noticing::queue_for_connection(self.views, self.view_id(), what(), caller.0, waited);
        }
    }

    /// The view that it is for.
    pub(super) fn view_id(&self) -> ViewId {
        let view = ViewId::from_place(self.view.load(Relaxed).into());
        view.unwrap_or_else(|| self.views.place_of(NOWHERE))
    }

    /// How it was answered.
    pub(crate) fn answered(&self, status: u16) {
        self.status.store(status, Relaxed);
    }

    /// Gets in line for a thread.
    pub(crate) fn queue(&self, crowd: &Crowd) {
        let now = self.look_at(crowd);
        self.story.lock().account.queue(now);
    }

    /// The same, from code that runs for it: in the middle of a step of the loop, as a rule.
    pub(super) fn queue_from_code(&self, crowd: &Crowd) {
        let now = self.look_at(crowd);
        let account = &mut self.story.lock().account;
        match DOING.get() {
            Doing::Step(ready, ..) => account.queue_in_step(ready),
            Doing::Job(..) | Doing::Nothing => account.queue(now),
        }
    }

    /// How it stands with the threads whose line it is in from now on.
    fn look_at(&self, crowd: &Crowd) -> u64 {
        for (kept, sum) in self.crowd.iter().zip(crowd.now()) {
            kept.store(sum, Relaxed);
        }
        let now = ticks();
        self.in_line.store(now, Relaxed);
        now
    }

    /// Leaves that line without a thread.
    pub(crate) fn give_up(&self) {
        self.in_line.store(0, Relaxed);
        self.story.lock().account.give_up(ticks());
    }

    /// A thread of the hop pool was found for it, and is being woken.
    pub(crate) fn assigned(&self) {
        self.assigned.store(ticks(), Relaxed);
    }

    /// When that was, once.
    pub(crate) fn take_assigned(&self) -> Option<u64> {
        Some(self.assigned.swap(0, Relaxed)).filter(|at| *at != 0)
    }

    /// A thread took it at `taken`.
    pub(crate) fn begin_on_thread(&self, taken: u64, crowd: &Crowd) {
        let computing = crowd.computing_since(self.crowd.each_ref().map(|sum| sum.load(Relaxed)));
        let mut story = self.story.lock();
        if let Some(kept) = story.kept.as_mut().filter(|kept| kept.between_calls) {
            kept.is_over(taken);
        }
        story.account.begin_on_thread(taken, computing);
    }

    /// The thread that took it at `taken` is done: `before` and `now` are its marks around that.
    pub(crate) fn end_on_thread(&self, taken: u64, before: &Mark, now: &Mark, crowd: &Crowd) {
        let (call, clamped) = now.split(before, taken);
        if clamped {
            self.clamped.store(true, Relaxed);
        }
        crowd.add(&call);
        let ready = Some(self.in_line.swap(0, Relaxed)).filter(|since| *since != 0).unwrap_or(taken);
        {
            let mut story = self.story.lock();
            story.account.end_on_thread(taken, now.at, call);
            story.spans.add(Span {
                thread: now.thread,
                ready: ready.min(taken),
                began: taken,
                ended: now.at,
                waiting_for_cpu: call.run_queue + call.gil,
                waiting_for_io: call.io,
            });
        }
        if let Some(sights) = Meter::of_this_thread().and_then(|meter| meter.present().take(taken)) {
            self.saw(&sights);
        }
        self.end_if_left(now.at);
    }

    /// A step of the loop was its.
    #[inline]
    pub(crate) fn step(&self, ready: u64, began: u64, ended: u64, between: Interruptions) {
        {
            let mut story = self.story.lock();
            story.account.step(ready, began, ended, between);
            story.spans.add(Span {
                thread: 0,
                ready,
                began,
                ended,
                waiting_for_cpu: between.gil + between.run_queue,
                waiting_for_io: between.blocked,
            });
        }
        self.end_if_left(ended);
    }

    #[inline]
    fn end_if_left(&self, now: u64) {
        if self.left.load(Relaxed) != 0 {
            self.end(now);
        }
    }

    /// Whoever works for it is done: its account ends with the present step or job.
    pub(crate) fn leave(&self) {
        let _ = self.left.compare_exchange(0, ticks(), Relaxed, Relaxed);
    }

    /// Brings it to the table of views.
    fn end(&self, now: u64) {
        let mut story = self.story.lock();
        let account = &mut story.account;
        if account.is_over() {
            return;
        }
        account.end(now);
        let (rate, began) = (nanoseconds_a_tick(), account.began());
        let status = self.status.load(Relaxed);
        let (kinds, calls, waits) = {
            let waits = self.waits.lock();
            (waits.sums().map(|sum| scaled(sum, rate)), waits.calls(), waits.since(began, rate))
        };
        let ended = Ended {
            times: account.times().scaled(rate),
            kinds,
            overlap: scaled(account.overlap(), rate),
            clamped: self.clamped.load(Relaxed),
            failed: status >= 500,
        };
        let view = self.view_id();
        for witness in &self.witnesses {
            let view = self.views.name(view);
            witness.saw(Seen { view, status, times: ended.times, kinds, calls });
        }
        let finished = Finished { ended, began: unix_time_of(began), status, waits };
        noticing::sequence(self.views, view, &finished);
        if let Some(mut kept) = story.kept.take() {
            kept.is_over(now);
            noticing::kept_thread(self.views, view, &kept, &finished);
        }
        self.views.record(view, finished, || {
            let spans = &story.spans;
            (spans.kept().iter().map(|span| span.since(began, rate)).collect(), spans.dropped())
        });
    }

    /// How it stands, in nanoseconds, with what of the present step or job has passed so far.
    pub(crate) fn times(&self) -> Times {
        let mut account = self.story.lock().account.clone();
        if !account.is_over() {
            match DOING.get() {
                Doing::Job(taken, before) => {
                    if let Some(now) = Meter::of_this_thread().map(Meter::mark) {
                        account.end_on_thread(taken, now.at, now.split(&before, taken).0);
                    }
                }
                Doing::Step(since, began, mut watch) => {
                    let now = ticks();
                    account.step(since, began, now, watch.step(now.saturating_sub(began)));
                }
                Doing::Nothing => account.end(ticks()),
            }
        }
        account.times().scaled(nanoseconds_a_tick())
    }
}

impl Drop for Keeping {
    /// One that was left outside of its own steps and jobs.
    fn drop(&mut self) {
        let left = self.left.load(Relaxed);
        if left != 0 {
            self.end(left);
        }
        if !self.story.get_mut().account.is_over() {
            for witness in &self.witnesses {
                witness.lost();
            }
        }
    }
}

/// The account of the request that the running code is for. Asked after each step of the loop.
#[inline]
pub(crate) fn current(py: Python<'_>) -> Option<Arc<Keeping>> {
    super::views()?;
    let variable = variable(py)?;
    raw::value_of(variable.bind(py))?.cast::<Accounted>().ok()?.get().0.clone()
}

/// `turnout.incoming.current_scope`.
fn variable(py: Python<'_>) -> Option<&'static Py<PyAny>> {
    use pyo3::sync::PyOnceLock;
    static VARIABLE: PyOnceLock<Option<Py<PyAny>>> = PyOnceLock::new();
    VARIABLE.get_or_init(py, || incoming(py, "current_scope")).as_ref()
}

/// A variable of `turnout.incoming`.
pub(super) fn incoming(py: Python<'_>, name: &str) -> Option<Py<PyAny>> {
    py.import("turnout.incoming").and_then(|module| module.getattr(name)).ok().map(Bound::unbind)
}
