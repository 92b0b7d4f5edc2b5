//! One `select`, without the Python of it: which way to look, when to keep the GIL, when to let go of it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use rustix::io::{Errno, Result};

use crate::reactor::descriptors::{Descriptors, Events, Ready};
use crate::reactor::engine::Engine;
use crate::reactor::shared::{AtWork, Parked, Shared};
use crate::states;

/// How long the loop thread waits for the standby to let go before it releases the GIL for that.
const HAND_OVER: Duration = Duration::from_micros(200);
/// With the GIL for this long while others want it, the loop thread offers it to them. Clients that answer at once would have it go on
/// until a thread that computes has waited a whole switch interval; that thread would get too little of the processor
/// (docs/decisions/0019-the-loop-offers-the-gil.md, 0021).
const HOLD: Duration = Duration::from_micros(500);
/// An offer stands for this long, and the 50 us that timers are late: a thread on another core needs about that to wake up.
const OFFER: Duration = Duration::from_micros(50);
/// After an offer that nobody took there is no other for so long, unless the loop thread had to queue.
const REFUSED: Duration = Duration::from_millis(10);
/// Back with the GIL only after this long: somebody else had it.
const CONTENDED: Duration = Duration::from_micros(200);

/// After so long in Python the network gets two passes: what the first one found in the sockets, the second one runs, so that a request does not
/// wait for another turn of that length. A second pass costs less than a hundredth of that.
const LONG_TURN: Duration = Duration::from_micros(150);

/// So many looks in a row that found nothing before a wait, and there is no more of them ...
const VAIN_LOOKS: u32 = 8;
/// ... until a wait was shorter than this: what ended it a look would have found.
const SHORT_WAIT: Duration = Duration::from_micros(50);

/// What only the thread inside `select` may touch.
pub(super) struct Driver {
    engine: Option<Engine>,
    descriptors: Descriptors,
    events: Events,
    shared: Arc<Shared>,
    held: Held,
    /// The one option of the reactor: see [`Driver::drive`].
    pub(super) try_before_release: bool,
    /// Looks before a wait that found nothing, since one that did.
    vain_looks: u32,
    pub(super) counts: Counts,
}

/// What the tests and benches look at.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) selects: u64,
    /// `select` calls that released the GIL to wait.
    pub(super) waits: u64,
    /// Times the standby had to hand the runtime back.
    pub(super) reclaims: u64,
}

/// The GIL, as the loop thread has it.
struct Held {
    /// When it last came back with it.
    since: Instant,
    /// It had to queue for it then.
    contended: bool,
    /// When nobody took it that was offered it.
    refused: Option<Instant>,
}

impl Held {
    fn again(&mut self, since: Instant, contended: bool, shared: &Shared) {
        self.since = since;
        self.contended = contended;
        if contended {
            shared.queued.fetch_add(1, Relaxed);
        }
    }

    /// Whether it is somebody else's turn. That it had to queue is not all there is to know: whom CPython made to let go in the
    /// middle of its code does not see that.
    fn long_enough(&self) -> bool {
        self.since.elapsed() >= HOLD
            && (self.contended || (AtWork::anybody() && self.refused.is_none_or(|at| at.elapsed() >= REFUSED)))
    }
}

/// What one `select` found.
pub(super) struct Found {
    /// Python's ready descriptors.
    pub(super) ready: Vec<Ready>,
    /// It let go of the GIL to wait for them.
    pub(super) waited: bool,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, descriptors: Descriptors) -> Self {
        Self {
            engine: None,
            descriptors,
            events: Events::default(),
            shared,
            held: Held { since: Instant::now(), contended: false, refused: None },
            try_before_release: true,
            vain_looks: 0,
            counts: Counts::default(),
        }
    }

    pub(super) fn has_runtime(&self) -> bool {
        self.engine.is_some()
    }

    pub(super) fn standby_turns(&self) -> u64 {
        self.engine.as_ref().map_or(0, Engine::standby_turns)
    }

    pub(super) fn start(&mut self) -> std::io::Result<()> {
        if self.engine.is_none() {
            self.engine = Some(Engine::new(&self.shared, &self.descriptors)?);
        }
        Ok(())
    }

    /// Ends the runtime, if there is one.
    pub(super) fn stop(&mut self) {
        self.engine = None;
    }

    /// What `select` is there for, up to the point where Python code runs.
    pub(super) fn select(&mut self, py: Python<'_>, timeout: Option<Duration>) -> std::io::Result<Found> {
        self.counts.selects += 1;
        let waits = self.counts.waits;
        if self.shared.turn.enter() {
            self.counts.reclaims += 1;
            reclaim(py, &self.shared);
        }
        let outcome = self.look(py, timeout);
        self.shared.clear_poke();
        self.shared.turn.leave();
        outcome?;
        Ok(Found { ready: self.events.take_ready(), waited: self.counts.waits != waits })
    }

    /// The runtime's bounded passes in the middle of a long turn of Python's, so that the standby need not step in. What it finds
    /// for Python waits for the next [`Driver::select`].
    pub(super) fn breathe(&mut self, py: Python<'_>) {
        let Some(engine) = self.engine.as_mut() else { return };
        if self.shared.turn.enter() {
            self.counts.reclaims += 1;
            reclaim(py, &self.shared);
        }
        engine.pass(2);
        self.shared.turn.leave();
    }

    fn look(&mut self, py: Python<'_>, timeout: Option<Duration>) -> std::io::Result<()> {
        if self.engine.is_none() && !self.shared.outbox.is_empty() {
            self.start()?;
        }
        if self.engine.is_none() {
            let Self { shared, descriptors, events, counts, .. } = self;
            return Ok(plain(py, shared, descriptors, events, timeout, counts)?);
        }
        let waits = self.counts.waits;
        self.drive(py, timeout)?;
        if self.counts.waits == waits && self.held.long_enough() {
            self.offer(py);
        }
        Ok(())
    }

    /// With a runtime. A pass that cannot wait keeps the GIL: it is bounded, and letting go of the GIL means to queue for it
    /// again behind every thread that computes. Before a wait the runtime is tried once with the GIL kept, for the same reason
    /// (under load the next request is already there); in a closed loop this shifts CPU time from pool threads to the loop, so
    /// it is an option. Where requests are rare it finds nothing, and costs two system calls a turn: then it is left out. The
    /// GIL is released only to sleep.
    fn drive(&mut self, py: Python<'_>, timeout: Option<Duration>) -> Result<()> {
        let Self { engine: Some(engine), shared, events, held, .. } = self else { return Ok(()) };
        // A set that had something at the last drain may have it still, and gives no new edge for it.
        engine.drain(events)?;
        if timeout == Some(Duration::ZERO) || !events.is_empty() || shared.wants_python() {
            engine.pass(if shared.turn.since_left() > LONG_TURN { 2 } else { 1 });
        } else {
            if self.try_before_release && (held.contended || self.vain_looks < VAIN_LOOKS) {
                // Two: what the first one found in the sockets, the second one runs.
                engine.pass(2);
                self.vain_looks += 1;
            }
            if engine.is_hot() || shared.wants_python() {
                self.vain_looks = 0;
            } else {
                self.counts.waits += 1;
                if let Some(timeout) = timeout {
                    engine.arm(timeout)?;
                }
                states::rests();
                let (began, over) = py.detach(|| {
                    let began = Instant::now();
                    engine.wait();
                    (began, Instant::now())
                });
                let back = Instant::now();
                let short = over - began < SHORT_WAIT;
                let queued = back - over > CONTENDED;
                if short {
                    self.vain_looks = 0;
                }
                // After less than that others have not woken up yet: it is as if the GIL had been kept.
                if queued || !short {
                    held.again(back, queued, shared);
                }
            }
        }
        if events.is_empty() { engine.drain(events) } else { Ok(()) }
    }

    /// Lets a thread have the GIL that waits for it; the network has a pass before this one asks for it again.
    ///
    /// Each time the GIL is let go of, whoever waits for it wakes up, and begins to count the switch interval anew when he comes too
    /// late. So there is no second offer after one that nobody took: then it is CPython's turn to make the switch.
    fn offer(&mut self, py: Python<'_>) {
        let Some(engine) = self.engine.as_mut() else { return };
        let began = Instant::now();
        states::rests();
        py.detach(|| {
            // On this core or another: who waits must have run before this thread asks again. Yielding is not enough.
            std::thread::sleep(OFFER);
            engine.pass(1);
        });
        let back = Instant::now();
        let taken = back - began > OFFER + CONTENDED;
        self.held.again(back, taken, &self.shared);
        self.held.refused = (!taken).then_some(back);
    }
}

/// No Rust task yet: one `epoll_wait`, as the stdlib's selector does it, but with the GIL kept if it cannot wait.
fn plain(
    py: Python<'_>,
    shared: &Shared,
    descriptors: &Descriptors,
    events: &mut Events,
    timeout: Option<Duration>,
    counts: &mut Counts,
) -> Result<()> {
    let outcome = if timeout == Some(Duration::ZERO) || shared.wants_python() {
        descriptors.drain(events, Some(Duration::ZERO), &shared.doorbell)
    } else {
        counts.waits += 1;
        states::rests();
        py.detach(|| {
            shared.park(Parked::Plain);
            // Looked at again after the announcement: see the module head.
            let nothing = !shared.wants_python() && shared.outbox.is_empty();
            let wait = if nothing { timeout } else { Some(Duration::ZERO) };
            let outcome = descriptors.drain(events, wait, &shared.doorbell);
            shared.park(Parked::Nobody);
            outcome
        })
    };
    match outcome {
        Err(Errno::INTR) => Ok(()), // the caller runs Python's signal handlers next
        other => other,
    }
}

/// Takes the runtime back from the standby.
fn reclaim(py: Python<'_>, shared: &Shared) {
    shared.wake_runtime();
    states::rests();
    if !shared.turn.wait_released(Some(HAND_OVER)) {
        py.detach(|| shared.turn.wait_released(None));
    }
}
