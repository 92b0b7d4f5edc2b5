//! One call on its way through the layers: what they share of it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::client::Client;
use crate::stats::Counters;

/// What each layer is given beside the call. The call itself may be replaced on its way, by one that validates or is redirected.
#[derive(Clone, Copy)]
pub(crate) struct Trip<'a> {
    pub(crate) client: &'a Client,
    pub(crate) counters: &'a Counters,
    pub(crate) progress: &'a Progress,
    pub(crate) until: Until<'a>,
}

/// When nobody waits for the outcome any more. The layers do not end a call then, whoever waits does; they only begin nothing that cannot
/// be finished.
#[derive(Clone, Copy)]
pub(crate) enum Until<'a> {
    /// One caller.
    At(Option<Instant>),
    /// Several, of whom new ones may come.
    Last(&'a Latest),
}

impl Until<'_> {
    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            Self::At(deadline) => deadline,
            Self::Last(latest) => *latest.0.lock(),
        }
    }

    /// So much time is left, at least.
    pub(crate) fn leaves(self, time: Duration) -> bool {
        self.deadline().is_none_or(|deadline| Instant::now() + time < deadline)
    }
}

/// The latest of several deadlines; `None` is later than all.
#[derive(Debug)]
pub(crate) struct Latest(Mutex<Option<Instant>>);

impl Latest {
    pub(crate) fn new(deadline: Option<Instant>) -> Self {
        Self(Mutex::new(deadline))
    }

    pub(crate) fn extend(&self, deadline: Option<Instant>) {
        let mut latest = self.0.lock();
        *latest = latest.zip(deadline).map(|(one, other)| one.max(other));
    }
}

/// How far a call has come: read when it is given up, and it cannot be asked any more.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// An attempt is, or was, where something of it may have reached the upstream.
    pub(crate) sent: AtomicBool,
    /// Nobody waits any more: nothing new is begun.
    pub(crate) is_abandoned: AtomicBool,
    /// Attempts begun.
    pub(crate) attempts: AtomicU32,
    /// Nanoseconds in queues of ours.
    queued: AtomicU64,
}

impl Progress {
    pub(crate) fn was_queued(&self, time: Duration) {
        if !time.is_zero() {
            self.queued.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        }
    }

    /// Another call was this one.
    pub(crate) fn copy(&self, other: &Self) {
        self.sent.store(other.sent.load(Relaxed), Relaxed);
        self.attempts.store(other.attempts.load(Relaxed), Relaxed);
        self.queued.store(other.queued.load(Relaxed), Relaxed);
    }

    pub(crate) fn queued(&self) -> Option<Duration> {
        let nanos = self.queued.load(Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }
}
