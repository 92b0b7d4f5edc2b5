//! What a call holds of the pool.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::{Duration, Instant};

use super::Shared;
use super::state::Grant;
use super::stats::Discard;
use crate::exchange::{Http1, Http2};

/// Abandoned answers that are read to their end at one time: enough for a wide gather's losers, too few to be a load.
const LINGERING: usize = 256;

/// A connection or a part of one, for one call.
pub(crate) enum Held {
    Own(Lease),
    Shared(Stream),
}

/// A connection of one's own. Dropped, it is closed; `back` keeps it.
pub(crate) struct Lease {
    /// `None` only while it is dropped or given back.
    own: Option<Box<Http1>>,
    shared: Arc<Shared>,
    host: usize,
    /// Was used before.
    pub(crate) used: bool,
    /// Why it will have been closed.
    pub(crate) reason: Discard,
}

/// A stream of a shared connection.
pub(crate) struct Stream {
    pub(crate) connection: Http2,
    shared: Arc<Shared>,
    host: usize,
    key: usize,
}

impl Held {
    pub(super) fn new(grant: Grant<super::Net>, shared: &Arc<Shared>, host: usize) -> Self {
        let shared = Arc::clone(shared);
        match grant {
            Grant::Own(own, new) => {
                Self::Own(Lease { own: Some(own), shared, host, used: !new, reason: Discard::Abandoned })
            }
            Grant::Shared(connection, key) => Self::Shared(Stream { connection, shared, host, key }),
        }
    }
}

impl Lease {
    pub(crate) fn connection(&mut self) -> &mut Http1 {
        self.own.as_mut().expect("a lease has its connection until it ends")
    }

    /// For the next call, if that comes within `keepalive`, or within what the pool allows if that is less.
    pub(crate) fn back(mut self, keepalive: Option<Duration>) {
        let Some(own) = self.own.take() else { return };
        let runtime = own.runtime().clone();
        let (shared, host) = (Arc::clone(&self.shared), self.host);
        let unswept = shared.change(|state, now: Instant, after| {
            let limit = state.limits.keepalive;
            state.put_back(host, own, now + keepalive.map_or(limit, |learned| learned.min(limit)), now, after);
            !state.swept
        });
        if unswept {
            shared.keep_swept(&runtime);
        }
    }

    /// May an answer that nobody wants be read to its end? Not while somebody waits for the room.
    pub(crate) fn linger(&self) -> Option<Lingering> {
        if !self.shared.state.lock().is_calm(self.host) {
            return None;
        }
        let lingering = Lingering(Arc::clone(&self.shared));
        (self.shared.lingering.fetch_add(1, Ordering::Relaxed) < LINGERING).then_some(lingering)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(own) = self.own.take() else { return };
        drop(own);
        let (host, reason) = (self.host, self.reason);
        self.shared.change(|state, now, after| state.freed(host, reason, now, after));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let (host, key) = (self.host, self.key);
        self.shared.change(|state, now, after| state.ended(host, key, now, after));
        if !self.shared.state.lock().swept {
            self.shared.keep_swept(self.connection.runtime());
        }
    }
}

/// One of the answers that are read to their end.
pub(crate) struct Lingering(Arc<Shared>);

impl Drop for Lingering {
    fn drop(&mut self) {
        self.0.lingering.fetch_sub(1, Ordering::Relaxed);
    }
}
