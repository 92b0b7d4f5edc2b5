//! The life of one pool thread: attached to the interpreter once, detached only while it waits for work.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use pyo3::intern;
use pyo3::prelude::*;
use turnout_states::{Look, Probe};

use super::queue::Taken;
use super::{IDLE, Job, Pool};
use crate::raw::{self, ticks};
use crate::reactor::AtWork;
use crate::states::{self, Doing, Keeping, Mark, Meter, ticks_in};

/// Nanoseconds from one job to the next within which the clocks of the job before will do. It takes a few microseconds.
const BETWEEN_JOBS: u64 = 20_000;

/// A thread of the pool, as the others see it.
pub(super) struct Member {
    /// `None` where `/proc` cannot be read: then the pool grows by waiting time alone.
    probe: Option<Probe>,
    /// It has a job, or is about to take one.
    busy: Arc<AtomicBool>,
    /// The number of the job it took last.
    pub(super) took: AtomicU64,
}

impl Member {
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Relaxed)
    }

    /// True when it has a job and is on a processor, ready to be, or waiting for the GIL.
    pub(super) fn is_computing(&self) -> bool {
        matches!(self.look(), Some(Look::Computing | Look::WaitingForGil))
    }

    /// What it does with its job. `None`: it has none, or that cannot be read.
    pub(super) fn look(&self) -> Option<Look> {
        static INTERPRETER: OnceLock<Range<usize>> = OnceLock::new();
        let interpreter = INTERPRETER.get_or_init(|| raw::py_runtime_range().unwrap_or(0..0));
        let probe = self.probe.as_ref().filter(|_| self.is_busy());
        probe.and_then(|probe| probe.look(interpreter).ok())
    }
}

/// Runs jobs until there are none for a while, or the pool closes. The thread's whole life.
pub(super) fn live(pool: &Arc<Pool>, name: &str) {
    let member = Arc::new(Member {
        probe: Probe::for_this_thread().ok(),
        busy: Arc::new(AtomicBool::new(true)),
        took: AtomicU64::new(u64::MAX),
    });
    pool.members.lock().push(member.clone());
    let spare = Python::attach(|py| {
        introduce(py, name);
        let spare = work(py, pool, &member);
        say_goodbye(py, pool);
        spare
    });
    pool.members.lock().retain(|other| !Arc::ptr_eq(other, &member));
    pool.queue.dismiss_thread(spare);
    // A job that came while this one was leaving, and no other thread to do it.
    if pool.queue.threads() == 0 && pool.queue.queued() > 0 {
        pool.start_thread();
    }
}

/// Until it is needed no more; true when there were more threads than there may be.
fn work(py: Python<'_>, pool: &Arc<Pool>, member: &Arc<Member>) -> bool {
    let mut timed = Timed::new();
    loop {
        if pool.queue.has_more_than(pool.most_threads()) {
            return true;
        }
        let next = py.detach(|| {
            let next = pool.queue.next(IDLE, &member.busy, || pool.is_crowded(member))?;
            // On a processor again, and about to ask for the GIL.
            timed.began(next.slept);
            Some(next)
        });
        let Some(Taken { view, job, at, .. }) = next else { return false };
        member.took.store(pool.taken.fetch_add(1, Relaxed), Relaxed);
        let keeping = job.keeping();
        if let Some(keeping) = &keeping {
            keeping.begin_on_thread(at, &pool.crowd);
            timed.doing(at);
        }
        if !job.is_abandoned() {
            let _at_work = AtWork::begin();
            run(py, job);
        }
        timed.ended(keeping.as_deref(), at, pool);
        pool.queue.done(view);
    }
}

/// What its clocks say of its jobs.
struct Timed {
    /// `None` where nothing is accounted for.
    meter: Option<&'static Meter>,
    /// At the end of the job before, or when it woke up for this one.
    mark: Option<Mark>,
}

impl Timed {
    fn new() -> Self {
        Self { meter: states::views().and_then(|_| Meter::of_this_thread()), mark: None }
    }

    fn began(&mut self, slept: bool) {
        // One that was stopped between two jobs was stopped in neither.
        let late = |mark: &Mark| ticks().saturating_sub(mark.at) > ticks_in(BETWEEN_JOBS);
        if slept || self.mark.as_ref().is_none_or(late) {
            self.mark = self.meter.map(Meter::mark);
        }
    }

    /// For whoever asks in the middle of the job that was taken then.
    fn doing(&self, taken: u64) {
        self.mark.map_or(Doing::Nothing, |mark| Doing::Job(taken, mark)).begin();
    }

    fn ended(&mut self, keeping: Option<&Keeping>, taken: u64, pool: &Pool) {
        Doing::Nothing.begin();
        let Some(keeping) = keeping else {
            // The next job must not have this one's time.
            self.mark = None;
            return;
        };
        let (Some(meter), Some(before)) = (self.meter, &self.mark) else { return };
        let now = meter.mark_after(before, taken);
        keeping.end_on_thread(taken, before, &now, &pool.crowd);
        self.mark = Some(now);
    }
}

/// One panic is one failed job, never a lost thread. What a job owes its client it owes by dropping: see the interfaces.
fn run(py: Python<'_>, job: Box<dyn Job>) {
    if catch_unwind(AssertUnwindSafe(|| job.run(py))).is_err() {
        let logged = py
            .import(intern!(py, "logging"))
            .and_then(|logging| logging.call_method1(intern!(py, "getLogger"), ("turnout",)))
            .and_then(|logger| logger.call_method1(intern!(py, "critical"), ("a job of the sync pool panicked",)));
        if let Err(error) = logged {
            error.write_unraisable(py, None);
        }
    }
}

/// Makes the thread one of Python's, for log records, tracebacks and children.
fn introduce(py: Python<'_>, name: &str) {
    let introduced = py
        .import(intern!(py, "threading"))
        .and_then(|threading| threading.call_method0(intern!(py, "current_thread")))
        .and_then(|thread| {
            thread.setattr(intern!(py, "name"), name)?;
            may_fork(&thread)
        });
    if let Err(error) = introduced {
        error.write_unraisable(py, None);
    }
}

/// In a child that this thread forks it is the main thread, which before Python 3.13 must have a lock that only threads of
/// Python's own making get: without one every child of `multiprocessing` ended with status 1.
fn may_fork(thread: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = thread.py();
    match thread.getattr_opt(intern!(py, "_tstate_lock"))? {
        Some(lock) if lock.is_none() => thread.call_method0(intern!(py, "_set_tstate_lock")).map(drop),
        _ => Ok(()),
    }
}

fn say_goodbye(py: Python<'_>, pool: &Pool) {
    let callback = pool.on_thread_end.lock().as_ref().map(|callback| callback.clone_ref(py));
    if let Some(Err(error)) = callback.as_ref().map(|callback| callback.call0(py)) {
        error.write_unraisable(py, callback.as_ref().map(|callback| callback.bind(py)));
    }
}
