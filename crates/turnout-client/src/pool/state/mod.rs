//! The books of the pool: which connections there are, who has them, who waits for one, and what happens next. No sockets, no lock, no
//! clock: whoever calls brings the time, and does what `After` says once the books are closed again.
//!
//! Every step is O(1), but for a sweep and for the failure of a connect that many waited for.

mod room;
mod shared;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use rustc_hash::FxHashMap;
use slab::Slab;
use tokio::time::Instant;

use crate::connect::Place;
use crate::error::Error;
use crate::options::Limits;
use crate::pool::chain::{Chain, Nodes};
use crate::pool::host::{Host, Protocol};
use crate::pool::stats::Discard;

/// Places that are remembered (their protocol, their counters) although nothing is open to them.
const REMEMBERED: usize = 256;

/// What the books are kept of: sockets, or numbers in tests.
pub(in crate::pool) trait Kinds {
    /// A connection for one call at a time.
    type Own;
    /// A connection for many.
    type Shared: Shareable;
    /// What it takes to begin a connect.
    type Start: Clone;
}

/// A connection that many calls use at once.
pub(crate) trait Shareable: Clone {
    /// So many at most, as the peer says now.
    fn streams(&self) -> usize;
    /// New calls may join.
    fn is_open(&self) -> bool;
}

/// See the module.
pub(in crate::pool) struct State<K: Kinds> {
    pub(in crate::pool) limits: Limits,
    pub(in crate::pool) hosts: Slab<Host<K::Shared>>,
    places: FxHashMap<Arc<Place>, usize>,
    pub(in crate::pool) resting: Nodes<Resting<K::Own>>,
    /// Of all hosts, the longest idle first.
    ages: Chain,
    waiters: Nodes<Waiter<K>>,
    /// Hosts that would open a connection but for the limit of all: they take turns.
    starved: VecDeque<usize>,
    /// Connections made or being made.
    pub(in crate::pool) open: usize,
    /// Somebody looks for what is idle too long.
    pub(in crate::pool) swept: bool,
    tickets: u64,
}

/// A connection that nobody uses.
pub(in crate::pool) struct Resting<C> {
    host: usize,
    expires: Instant,
    what: Rested<C>,
}

enum Rested<C> {
    Own(C),
    /// The key among the host's.
    Shared(usize),
}

struct Waiter<K: Kinds> {
    host: usize,
    ticket: u64,
    /// Since when a connect is under way that this one may expect.
    covered: Option<Instant>,
    granted: Option<Result<Grant<K>, Error>>,
    waker: Option<Waker>,
    start: K::Start,
}

/// What a waiter gets.
pub(in crate::pool) enum Grant<K: Kinds> {
    /// `true`: just made.
    Own(K::Own, bool),
    /// With its key among the host's.
    Shared(K::Shared, usize),
}

/// What a waiter sees.
pub(in crate::pool) enum Look<K: Kinds> {
    Granted(Result<Grant<K>, Error>),
    /// Since when a connect is under way for it.
    Waiting(Option<Instant>),
}

/// What is to be done outside the lock: it wakes, spawns and closes.
pub(in crate::pool) struct After<K: Kinds> {
    pub(in crate::pool) wake: Vec<Waker>,
    pub(in crate::pool) open: Vec<(usize, Arc<Place>, K::Start)>,
    pub(in crate::pool) close: Vec<K::Own>,
    pub(in crate::pool) leave: Vec<K::Shared>,
}

impl<K: Kinds> Default for After<K> {
    fn default() -> Self {
        Self { wake: Vec::new(), open: Vec::new(), close: Vec::new(), leave: Vec::new() }
    }
}

impl<K: Kinds> State<K> {
    pub(in crate::pool) fn new(limits: Limits) -> Self {
        Self {
            limits,
            hosts: Slab::new(),
            places: FxHashMap::default(),
            resting: Nodes::new(),
            ages: Chain::default(),
            waiters: Nodes::new(),
            starved: VecDeque::new(),
            open: 0,
            swept: false,
            tickets: 0,
        }
    }

    /// Calls are known to share connections there.
    pub(super) fn is_shared(&self, place: &Place) -> bool {
        self.places.get(place).is_some_and(|&key| self.hosts[key].protocol == Protocol::Shared)
    }

    /// The host's key; it stays as long as something is open to it or waits for it.
    pub(in crate::pool) fn host(&mut self, place: &Place) -> usize {
        if let Some(&key) = self.places.get(place) {
            return key;
        }
        let place = Arc::new(place.clone());
        let key = self.hosts.insert(Host::new(Arc::clone(&place)));
        self.places.insert(place, key);
        key
    }

    /// A connection that can be used now. `fresh`: none that was used before; the longest idle one makes room instead.
    pub(in crate::pool) fn take(
        &mut self,
        host: usize,
        fresh: bool,
        now: Instant,
        after: &mut After<K>,
    ) -> Option<Grant<K>> {
        if let Some(grant) = self.join(host, now, after) {
            return Some(grant);
        }
        if fresh {
            if let Some(&oldest) = self.hosts[host].idle.front() {
                self.discard(oldest, Discard::Stale, after);
            }
            return None;
        }
        while let Some(&newest) = self.hosts[host].idle.back() {
            if self.resting.get(newest).expires <= now {
                self.discard(newest, Discard::Aged, after);
                continue;
            }
            self.hosts[host].idle.pop_back();
            self.hosts[host].counts.reused += 1;
            if let Rested::Own(own) = self.resting.remove(&mut self.ages, newest).what {
                return Some(Grant::Own(own, false));
            }
        }
        None
    }

    /// A seat in the queue, and a connect if one is needed and allowed. `None`: the queue is full.
    pub(in crate::pool) fn wait(
        &mut self,
        host: usize,
        start: K::Start,
        now: Instant,
        after: &mut After<K>,
    ) -> Option<usize> {
        self.tickets += 1;
        let waiter = Waiter { host, ticket: self.tickets, covered: None, granted: None, waker: None, start };
        let this = &mut self.hosts[host];
        let key = self.waiters.push(&mut this.waiting, waiter);
        this.seats += 1;
        this.queued += 1;
        this.uncovered.get_or_insert(key);
        self.fill(host, usize::MAX, now, after);
        let this = &mut self.hosts[host];
        if this.queued > self.limits.max_queue && self.waiters.get(key).covered.is_none() {
            self.withdraw(key, now, after);
            return None;
        }
        this.counts.waited += 1;
        Some(key)
    }

    /// What a waiter has; a grant ends its seat. Else `waker` is kept.
    pub(in crate::pool) fn look(&mut self, key: usize, waker: &Waker) -> Look<K> {
        let waiter = self.waiters.get_mut(key);
        let Some(grant) = waiter.granted.take() else {
            match &mut waiter.waker {
                Some(kept) => kept.clone_from(waker),
                None => waiter.waker = Some(waker.clone()),
            }
            return Look::Waiting(waiter.covered);
        };
        let host = waiter.host;
        self.waiters.forget(key);
        self.hosts[host].seats -= 1;
        Look::Granted(grant)
    }

    /// The waiter went away. What it was granted goes to the next.
    pub(in crate::pool) fn withdraw(&mut self, key: usize, now: Instant, after: &mut After<K>) {
        if self.waiters.get(key).granted.is_none() {
            self.leave(key);
        }
        let waiter = self.waiters.forget(key);
        let host = waiter.host;
        self.hosts[host].seats -= 1;
        match waiter.granted {
            Some(Ok(Grant::Own(own, _))) => {
                let expires = now + self.limits.keepalive;
                self.put_back(host, own, expires, now, after);
            }
            Some(Ok(Grant::Shared(shared, stream))) => {
                after.leave.push(shared);
                self.ended(host, stream, now, after);
            }
            Some(Err(_)) | None => self.fill(host, usize::MAX, now, after),
        }
        self.retire(host);
    }

    /// A connection comes back, healthy and with nothing in it.
    pub(in crate::pool) fn put_back(
        &mut self,
        host: usize,
        own: K::Own,
        expires: Instant,
        now: Instant,
        after: &mut After<K>,
    ) {
        let first = self.hosts[host].waiting.first();
        if self.is_outwaited(first) {
            after.close.push(own);
            self.freed(host, Discard::Evicted, now, after);
        } else if let Some(first) = first {
            self.hosts[host].counts.reused += 1;
            self.grant(first, Ok(Grant::Own(own, false)), after);
            self.fill(host, usize::MAX, now, after);
        } else if self.limits.max_idle_per_host == 0 || expires <= now {
            after.close.push(own);
            let reason = if expires <= now { Discard::Aged } else { Discard::Surplus };
            self.freed(host, reason, now, after);
        } else {
            if self.hosts[host].idle.len() >= self.limits.max_idle_per_host
                && let Some(&oldest) = self.hosts[host].idle.front()
            {
                self.discard(oldest, Discard::Surplus, after);
            }
            let resting = Resting { host, expires, what: Rested::Own(own) };
            let key = self.resting.push(&mut self.ages, resting);
            self.hosts[host].idle.push_back(key);
        }
    }

    /// A connect succeeded: for one call at a time.
    pub(in crate::pool) fn opened_own(
        &mut self,
        host: usize,
        own: K::Own,
        expires: Instant,
        now: Instant,
        after: &mut After<K>,
    ) {
        let this = &mut self.hosts[host];
        this.connecting -= 1;
        this.counts.made += 1;
        this.protocol = Protocol::Own;
        match this.waiting.first() {
            Some(first) => self.grant(first, Ok(Grant::Own(own, true)), after),
            None => self.put_back(host, own, expires, now, after),
        }
        self.fill(host, usize::MAX, now, after);
    }

    /// A connect failed, or was given up with its runtime. Who waited for this one gets the error; where one connect stands for many, all do.
    pub(in crate::pool) fn failed(&mut self, host: usize, error: &Error, now: Instant, after: &mut After<K>) {
        let this = &mut self.hosts[host];
        this.connecting -= 1;
        this.counts.failed += 1;
        let affected = this.calls_per_connect();
        for _ in 0..affected.min(this.waiting.len()) {
            let Some(first) = self.hosts[host].waiting.first() else { break };
            self.grant(first, Err(error.clone()), after);
        }
        self.gone(host, now, after);
    }

    /// A connection is closed, or about to be.
    pub(in crate::pool) fn freed(&mut self, host: usize, reason: Discard, now: Instant, after: &mut After<K>) {
        self.hosts[host].counts.discarded[reason as usize] += 1;
        self.gone(host, now, after);
    }

    /// Closes what was idle too long. When to come again; `None` ends the sweeping, in the same step in which nothing was left.
    pub(in crate::pool) fn sweep(&mut self, now: Instant, after: &mut After<K>) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for key in self.resting.keys(&self.ages) {
            let expires = self.resting.get(key).expires;
            if expires <= now {
                self.discard(key, Discard::Aged, after);
            } else {
                next = Some(next.map_or(expires, |next| next.min(expires)));
            }
        }
        self.swept &= next.is_some();
        next
    }

    /// Closes all that is idle.
    pub(in crate::pool) fn clear(&mut self, after: &mut After<K>) {
        for key in self.resting.keys(&self.ages) {
            self.discard(key, Discard::Evicted, after);
        }
    }

    pub(in crate::pool) fn waiting(&self) -> usize {
        self.hosts.iter().map(|(_, host)| host.waiting.len()).sum()
    }

    /// Nobody here would have to wait because this connection is still busy with what nobody wants.
    pub(in crate::pool) fn is_calm(&self, host: usize) -> bool {
        self.hosts[host].waiting.is_empty() && self.starved.is_empty()
    }

    fn grant(&mut self, key: usize, grant: Result<Grant<K>, Error>, after: &mut After<K>) {
        self.leave(key);
        let waiter = self.waiters.get_mut(key);
        waiter.granted = Some(grant);
        after.wake.extend(waiter.waker.take());
    }

    /// Out of its host's queue.
    fn leave(&mut self, key: usize) {
        let waiter = self.waiters.get(key);
        let this = &mut self.hosts[waiter.host];
        if waiter.covered.is_none() {
            this.queued -= 1;
            if this.uncovered == Some(key) {
                this.uncovered = self.waiters.after(key);
            }
        }
        self.waiters.unlink(&mut this.waiting, key);
    }
}

#[cfg(test)]
mod tests;
