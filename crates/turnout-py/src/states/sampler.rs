//! Looks at the GIL and at threads a hundred times a second: how much of the time somebody has it, and, where waiting for it cannot be timed, who waits.
//!
//! A thread of its own that never takes the GIL. A look at the GIL is two reads of memory; a look at a thread is a system call of 2 us, and only
//! threads that have a [`Meter`] are looked at.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use turnout_states::Activity;

use super::meter::{self, Meter};
use super::rungs::{GilRung, Rungs};
use crate::raw::{self, Gil};

const PERIOD: Duration = Duration::from_millis(10);

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
        GilRung::Sampled(_) | GilRung::Unknown(_) => None,
    };
    let threads = match &rungs.gil {
        GilRung::Sampled(runtime) => Some(runtime.clone()),
        GilRung::Exact(_) | GilRung::Unknown(_) => None,
    };
    if gil.is_none() && threads.is_none() {
        return;
    }
    // Without it the figures say less, and requests are served all the same.
    let _ = std::thread::Builder::new().name("turnout-sampler".into()).spawn(move || {
        let mut last = Instant::now();
        let generation = raw::fork_generation();
        while raw::fork_generation() == generation {
            std::thread::sleep(PERIOD);
            let now = Instant::now();
            if let Some(gil) = gil {
                look_at(gil);
            }
            if let Some(runtime) = &threads {
                look_at_threads(runtime, now - last);
            }
            last = now;
        }
    });
}

fn look_at(gil: Gil) {
    LOOKS.all.fetch_add(1, Relaxed);
    LOOKS.held.fetch_add(u64::from(gil.is_locked()), Relaxed);
    LOOKS.switches.store(gil.switches(), Relaxed);
}

/// Who waits for the GIL now has done so since the last look, and who does not has not.
fn look_at_threads(runtime: &Range<usize>, since: Duration) {
    let meters: Vec<Arc<Meter>> = meter::all();
    for meter in meters {
        if meter.activity(runtime) == Some(Activity::WaitingForGil) {
            meter.add_gil(since);
        }
    }
}
