//! What happens, in words for the operator. The caller of [`run`](crate::run) prints them.

use std::fmt;
use std::time::Duration;

use crate::pace::YOUNG;

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault in turnout.
    Debug,
    /// All is well.
    Info,
    /// Somebody should look.
    Warning,
    /// It does not work.
    Error,
}

/// Something the operator may want to know. Workers are counted from 1 in its words.
#[derive(Debug)]
pub enum Event<'a> {
    /// The first worker that is ready describes the project.
    Banner(&'a str),
    /// A worker died and nobody had asked it to.
    Died {
        /// Which.
        worker: usize,
        /// Its process.
        pid: i32,
        /// "was killed by SIGSEGV".
        how: String,
        /// Until the next one starts.
        pause: Duration,
        /// Young deaths in a row.
        young_deaths: u32,
    },
    /// The end began.
    Draining {
        /// What asked for it.
        signal: String,
        /// How long it may take.
        limit: Duration,
    },
    /// A worker said why it could not start.
    Failed {
        /// Which.
        worker: usize,
        /// Its own words.
        message: &'a str,
    },
    /// A worker's process has ended, for whatever reason. Comes before anything else is said of it, and before another one starts in its place.
    Gone {
        /// Which.
        worker: usize,
        /// Its process.
        pid: i32,
    },
    /// A worker is about to be killed because its GIL was held too long.
    Hung {
        /// Which.
        worker: usize,
        /// Its process.
        pid: i32,
        /// For how long.
        still: Duration,
    },
    /// A worker did not end in time and is about to be killed.
    Overdue {
        /// Which.
        worker: usize,
        /// Its process.
        pid: i32,
    },
    /// Every worker is ready for the first time.
    Ready {
        /// Their processes.
        pids: &'a [i32],
    },
    /// A worker that replaced a dead one is ready.
    Replaced {
        /// Which.
        worker: usize,
        /// Its process.
        pid: i32,
    },
    /// A worker process was started.
    Started {
        /// Which.
        worker: usize,
        /// Its process.
        pid: i32,
    },
    /// A worker process could not even be started.
    Unstartable {
        /// Which.
        worker: usize,
        /// What the system says.
        error: &'a std::io::Error,
    },
}

impl Event<'_> {
    /// How much it matters.
    pub fn level(&self) -> Level {
        match self {
            Self::Gone { .. } | Self::Started { .. } => Level::Debug,
            Self::Banner(_) | Self::Draining { .. } | Self::Ready { .. } | Self::Replaced { .. } => Level::Info,
            Self::Died { .. } | Self::Hung { .. } | Self::Overdue { .. } => Level::Warning,
            Self::Failed { .. } | Self::Unstartable { .. } => Level::Error,
        }
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Banner(text) => f.write_str(text),
            Self::Died { worker, pid, how, pause, .. } if pause.is_zero() => {
                write!(f, "worker {worker} (pid {pid}) {how}: starting another")
            }
            Self::Died { worker, pid, how, pause, young_deaths } => write!(
                f,
                "worker {worker} (pid {pid}) {how}: {young_deaths} in a row died within {YOUNG:?} of starting, the next one starts in {pause:?}"
            ),
            Self::Draining { signal, limit } => {
                write!(f, "{signal}: draining, requests in flight have {limit:?}; a second signal ends at once")
            }
            Self::Failed { message, .. } => f.write_str(message),
            Self::Gone { worker, pid } => write!(f, "worker {worker} (pid {pid}) has ended"),
            Self::Hung { worker, pid, still } => {
                write!(
                    f,
                    "worker {worker} (pid {pid}): no thread could take its GIL for {} s (--hang-limit): killing it",
                    still.as_secs()
                )
            }
            Self::Overdue { worker, pid } => write!(f, "worker {worker} (pid {pid}) did not end in time: killing it"),
            Self::Ready { pids } => {
                let pids: Vec<_> = pids.iter().map(ToString::to_string).collect();
                let noun = if pids.len() == 1 { "worker" } else { "workers" };
                write!(f, "ready: {} {noun} (pid {})", pids.len(), pids.join(", "))
            }
            Self::Replaced { worker, pid } => write!(f, "worker {worker} is ready again (pid {pid})"),
            Self::Started { worker, pid } => write!(f, "worker {worker} started (pid {pid})"),
            Self::Unstartable { worker, error } => write!(f, "worker {worker} could not be started: {error}"),
        }
    }
}
