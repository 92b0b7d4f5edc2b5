//! What a worker tells of itself: ten times a second, on the board that the supervisor created.
//!
//! A task of the reactor's runtime, so it goes on while Python computes or blocks, and says so. Takes no GIL.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{MissedTickBehavior, interval};
use turnout_http::Admission;
use turnout_states::{Board, Views, Worker};

use crate::pool::Pool;
use crate::reactor::Figures;
use crate::states::{self, GIL_WAITS, LOOKS};

/// Soon enough for an eye; a write costs some tens of microseconds and what has changed.
const EVERY: Duration = Duration::from_millis(100);
/// Memory is asked for once in so many times: the kernel adds it up anew each time.
const MEMORY_EVERY: u32 = 10;

/// What there is to tell of views where nothing is accounted for.
static NONE: LazyLock<Views> = LazyLock::new(Views::default);

/// This worker's part of the board.
pub(crate) struct Place {
    pub(crate) board: Board,
    pub(crate) index: usize,
}

/// Whom it asks. Dropped with the runtime; holds nothing of Python's up.
pub(crate) struct Telling {
    pub(crate) place: Place,
    pub(crate) admission: Arc<Admission>,
    pub(crate) pool: Weak<Pool>,
    pub(crate) figures: Figures,
}

/// The same while it is done. The last requests of a drain end after it was written for the last time: what they took is written when this is dropped,
/// with the runtime.
struct Told {
    telling: Telling,
    began: u64,
    memory: u64,
}

impl Told {
    fn write(&self) {
        let Self { telling, began, memory } = self;
        let worker = Worker { began: *began, memory: *memory, ..telling.worker() };
        // Only if memory is used up: what was written last stays, and says how old it is.
        let _ = telling.place.board.write(telling.place.index, &worker, states::views().unwrap_or(&NONE));
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.write();
    }
}

impl Telling {
    /// Writes until the runtime ends, and once more then.
    pub(crate) async fn go_on(self) {
        let mut told = Told { telling: self, began: now_millis(), memory: 0 };
        let mut times = interval(EVERY);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for count in 0_u32.. {
            times.tick().await;
            if count % MEMORY_EVERY == 0 {
                told.memory = resident().unwrap_or(told.memory);
            }
            told.write();
        }
    }

    fn worker(&self) -> Worker {
        let steps = self.figures.read();
        let pool = self.pool.upgrade().map(|pool| pool.figures()).unwrap_or_default();
        Worker {
            process: std::process::id().into(),
            written: now_millis(),
            in_flight: self.admission.in_flight() as u64,
            threads: pool.threads as u64,
            threads_busy: pool.busy as u64,
            threads_most: pool.most as u64,
            queued: pool.queued as u64,
            steps: steps.count,
            steps_ran: steps.ran,
            steps_queued: steps.queued,
            steps_longest: steps.longest,
            overhead: steps.overhead,
            step_now: steps.now,
            gil_looks: LOOKS.all.load(Relaxed),
            gil_held: LOOKS.held.load(Relaxed),
            gil_switches: LOOKS.switches.load(Relaxed),
            gil_waits: GIL_WAITS.count.load(Relaxed),
            gil_waited: GIL_WAITS.time.load(Relaxed),
            gil_interval: states::switch_interval(),
            cpu: processor_time(),
            rungs: states::number(),
            ..Worker::default()
        }
    }
}

fn now_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Of all threads, in nanoseconds.
fn processor_time() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Resident memory in bytes.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
