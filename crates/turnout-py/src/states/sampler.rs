//! Looks at the GIL and at threads a hundred times a second: how much of the time somebody has it, what threads wait for, and, where waiting for the GIL cannot be
//! timed, who waits for it.
//!
//! A thread of its own that never takes the GIL. A look at the GIL is two reads of memory; a look at a thread is a system call of 2 us. Looked at are threads
//! that have a [`Meter`] and are in a request, but in no call that tells of itself, [`MOST_LOOKS`] at a time; the loop's only while it is in a long step.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use turnout_states::{Call, Look};

use super::meter::{self, Meter};
use super::noticing::{COMPUTED, WORTH};
use super::rate::ticks_in;
use super::rungs::{GilRung, Rungs};
use crate::raw::{self, Gil, ticks};

const PERIOD: Duration = Duration::from_millis(10);
/// So many threads are looked at in a period: 30 times 2.6 us a hundred times a second, and what the period itself costs, is 0.95 % of a core. If there are
/// more they take turns.
const MOST_LOOKS: usize = 30;

/// What the looks at the GIL came to.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    pub(crate) all: AtomicU64,
    pub(crate) held: AtomicU64,
    pub(crate) switches: AtomicU64,
}

/// Since the process began.
pub(crate) static LOOKS: Looks = Looks { all: AtomicU64::new(0), held: AtomicU64::new(0), switches: AtomicU64::new(0) };

/// Begins, where there is something to look at. Ends with the process.
pub(super) fn start(rungs: &Rungs) {
    let gil = match &rungs.gil {
        GilRung::Exact(gil) => Some(*gil),
        GilRung::Sampled | GilRung::Unknown(_) => None,
    };
    let sampled = matches!(rungs.gil, GilRung::Sampled);
    // Where the GIL is not known from other locks, nothing can be said of what waits for a lock.
    let runtime = raw::py_runtime_range();
    // Without it the figures say less, and requests are served all the same.
    let _ = std::thread::Builder::new().name("turnout-sampler".into()).spawn(move || {
        let mut last = Instant::now();
        let generation = raw::fork_generation();
        for turn in 0_usize.. {
            std::thread::sleep(PERIOD);
            if raw::fork_generation() != generation {
                break;
            }
            let now = Instant::now();
            if let Some(gil) = gil {
                look_at(gil);
            }
            if let Some(runtime) = &runtime {
                let meters = meter::all();
                if sampled {
                    look_for_gil(&meters, runtime, now - last);
                }
                look_at_threads(&meters, runtime, turn, now - last);
            }
            last = now;
        }
    });
}

/// Who is to be told that the place of a step is wanted: the watchdog, which may take the GIL.
static READER: Mutex<Option<Box<dyn Fn() + Send>>> = Mutex::new(None);

/// From now on it is this one: called on the sampler's thread, briefly.
pub(crate) fn set_place_reader(reader: impl Fn() + Send + 'static) {
    *READER.lock() = Some(Box::new(reader));
}

/// A step whose place is wanted.
struct Wanted {
    meter: Arc<Meter>,
    step: u64,
    /// What it was seen waiting in; `None`: it computes.
    call: Option<Call>,
}

static WANTED: Mutex<Option<Wanted>> = Mutex::new(None);

/// The place of a step of the loop is wanted: `read` is asked for it, with the GIL, if the step goes on.
pub(crate) fn tell_place(read: impl FnOnce() -> Option<String>) {
    let Some(Wanted { meter, step, call }) = WANTED.lock().take() else { return };
    let Some(runtime) = raw::py_runtime_range() else { return };
    // Whoever has the GIL here keeps it where it is, but it may have gone on before: then it would be told with a place where it never waited.
    let goes_on = || {
        let is_there = meter.present().now().is_some_and(|(since, _)| since == step);
        is_there && call.is_none_or(|call| meter.look(&runtime) == Some(Look::Waiting(call)))
    };
    if goes_on()
        && let Some(place) = read()
        && goes_on()
    {
        meter.present().is_at(step, call, place);
    }
}

fn look_at(gil: Gil) {
    LOOKS.all.fetch_add(1, Relaxed);
    LOOKS.held.fetch_add(u64::from(gil.is_locked()), Relaxed);
    LOOKS.switches.store(gil.switches(), Relaxed);
}

/// Who waits for the GIL now has done so since the last look, and who does not has not.
fn look_for_gil(meters: &[Arc<Meter>], runtime: &Range<usize>, since: Duration) {
    for meter in meters {
        if meter.look(runtime) == Some(Look::WaitingForGil) {
            meter.add_gil(since);
        }
    }
}

/// What those wait for that are in a request, or in a long step of the loop.
fn look_at_threads(meters: &[Arc<Meter>], runtime: &Range<usize>, turn: usize, since_last: Duration) {
    let long = ticks_in(WORTH);
    let now = ticks();
    let at_work: Vec<_> = meters
        .iter()
        .filter_map(|meter| Some((meter, meter.present().now()?)))
        .filter(
            |(meter, (since, on_loop))| {
                if *on_loop { now.saturating_sub(*since) >= long } else { !meter.present().is_told() }
            },
        )
        .collect();
    let groups = at_work.len().div_ceil(MOST_LOOKS).max(1);
    // A look that comes late has missed more than it can speak for.
    let stands_for = since_last.min(PERIOD * 2).as_nanos() as u64 * groups as u64;
    for (meter, (since, on_loop)) in at_work.into_iter().skip(turn % groups).step_by(groups) {
        let present = meter.present();
        let (wants_place, call) = match meter.look(runtime) {
            Some(Look::Waiting(call)) => {
                present.saw(since, call, ticks(), stands_for);
                (on_loop, Some(call))
            }
            // What computes keeps the GIL: to look at it costs it a moment.
            Some(Look::Computing | Look::WaitingForGil) => {
                (on_loop && now.saturating_sub(since) >= ticks_in(COMPUTED), None)
            }
            None => (false, None),
        };
        if wants_place && present.wants_place(since, call) {
            *WANTED.lock() = Some(Wanted { meter: Arc::clone(meter), step: since, call });
            if let Some(reader) = &*READER.lock() {
                reader();
            }
        }
    }
}
