//! Ending well: [`Drain::begin`], then [`Drain::finished`], and [`Drain::abort`] for who does not want to wait longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    Draining,
    Aborted,
}

/// The server's end, shared by everybody who has a part in it.
#[derive(Debug, Clone, Default)]
pub struct Drain(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    phase: AtomicU8,
    changed: Notify,
    /// Accept loops and connections that still live.
    live: AtomicUsize,
    ended: Notify,
}

/// Keeps [`Drain::finished`] waiting while it lives.
#[derive(Debug)]
pub(crate) struct Alive(Drain);

impl Drain {
    /// A server that has not begun to end.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops accepting, closes idle connections, and lets the others finish with `Connection: close`.
    pub fn begin(&self) {
        self.advance(Phase::Draining);
    }

    /// Drops every connection and what is being answered on it.
    pub fn abort(&self) {
        self.advance(Phase::Aborted);
    }

    /// Ready when the last connection is gone, once [`Drain::begin`] or [`Drain::abort`] was called. Cancel-safe.
    pub async fn finished(&self) {
        loop {
            let ended = self.0.ended.notified();
            let changed = self.0.changed.notified();
            if self.phase() != Phase::Serving && self.0.live.load(Ordering::Acquire) == 0 {
                return;
            }
            tokio::select! { () = ended => {}, () = changed => {} }
        }
    }

    /// Accept loops and connections that still live.
    pub fn live(&self) -> usize {
        self.0.live.load(Ordering::Acquire)
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.0.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            _ => Phase::Aborted,
        }
    }

    /// Wakes whoever polls it, once, when the phase changes.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.0.changed.notified()
    }

    pub(crate) fn alive(&self) -> Alive {
        self.0.live.fetch_add(1, Ordering::AcqRel);
        Alive(self.clone())
    }

    fn advance(&self, to: Phase) {
        if self.0.phase.fetch_max(to as u8, Ordering::AcqRel) < to as u8 {
            self.0.changed.notify_waiters();
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if self.0.0.live.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.0.ended.notify_waiters();
        }
    }
}
