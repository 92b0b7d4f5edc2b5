//! The books of the pool: which connections there are, who has them, who waits for one, and what happens next. No sockets, no lock, no
//! clock: whoever calls brings the time, and does what `After` says once the books are closed again.
//!
//! Every step is O(1), but for a sweep and for the failure of a connect that many waited for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use rustc_hash::FxHashMap;
use slab::Slab;
use tokio::time::Instant;

use super::chain::{Chain, Nodes};
use super::host::{Host, Protocol, Shared};
use super::stats::Discard;
use crate::connect::Place;
use crate::error::Error;
use crate::options::Limits;

/// Places that are remembered (their protocol, their counters) although nothing is open to them.
const REMEMBERED: usize = 256;

/// What the books are kept of: sockets, or numbers in tests.
pub(super) trait Kinds {
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
pub(super) struct State<K: Kinds> {
    pub(super) limits: Limits,
    pub(super) hosts: Slab<Host<K::Shared>>,
    places: FxHashMap<Arc<Place>, usize>,
    pub(super) resting: Nodes<Resting<K::Own>>,
    /// Of all hosts, the longest idle first.
    ages: Chain,
    waiters: Nodes<Waiter<K>>,
    /// Hosts that would open a connection but for the limit of all: they take turns.
    starved: VecDeque<usize>,
    /// Connections made or being made.
    pub(super) open: usize,
    /// Somebody looks for what is idle too long.
    pub(super) swept: bool,
    tickets: u64,
}

/// A connection that nobody uses.
pub(super) struct Resting<C> {
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
pub(super) enum Grant<K: Kinds> {
    /// `true`: just made.
    Own(K::Own, bool),
    /// With its key among the host's.
    Shared(K::Shared, usize),
}

/// What a waiter sees.
pub(super) enum Look<K: Kinds> {
    Granted(Result<Grant<K>, Error>),
    /// Since when a connect is under way for it.
    Waiting(Option<Instant>),
}

/// What is to be done outside the lock: it wakes, spawns and closes.
pub(super) struct After<K: Kinds> {
    pub(super) wake: Vec<Waker>,
    pub(super) open: Vec<(usize, Arc<Place>, K::Start)>,
    pub(super) close: Vec<K::Own>,
    pub(super) leave: Vec<K::Shared>,
}

impl<K: Kinds> Default for After<K> {
    fn default() -> Self {
        Self { wake: Vec::new(), open: Vec::new(), close: Vec::new(), leave: Vec::new() }
    }
}

impl<K: Kinds> State<K> {
    pub(super) fn new(limits: Limits) -> Self {
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

    /// The host's key; it stays as long as something is open to it or waits for it.
    pub(super) fn host(&mut self, place: &Place) -> usize {
        if let Some(&key) = self.places.get(place) {
            return key;
        }
        let place = Arc::new(place.clone());
        let key = self.hosts.insert(Host::new(Arc::clone(&place)));
        self.places.insert(place, key);
        key
    }

    /// A connection that can be used now. `fresh`: none that was used before; the longest idle one makes room instead.
    pub(super) fn take(&mut self, host: usize, fresh: bool, now: Instant, after: &mut After<K>) -> Option<Grant<K>> {
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
    pub(super) fn wait(&mut self, host: usize, start: K::Start, now: Instant, after: &mut After<K>) -> Option<usize> {
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
    pub(super) fn look(&mut self, key: usize, waker: &Waker) -> Look<K> {
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
    pub(super) fn withdraw(&mut self, key: usize, now: Instant, after: &mut After<K>) {
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
    pub(super) fn put_back(&mut self, host: usize, own: K::Own, expires: Instant, now: Instant, after: &mut After<K>) {
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
    pub(super) fn opened_own(
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

    /// A connect succeeded: for many calls. What `closing` is to be told.
    pub(super) fn opened_shared(
        &mut self,
        host: usize,
        shared: K::Shared,
        now: Instant,
        after: &mut After<K>,
    ) -> (usize, u64) {
        self.tickets += 1;
        let serial = self.tickets;
        let this = &mut self.hosts[host];
        this.connecting -= 1;
        this.counts.made += 1;
        this.protocol = Protocol::Shared;
        let key = this.shared.insert(Shared { connection: shared, serial, streams: 0, listed: true, resting: None });
        this.roomy.push(key);
        self.admit(host, now, after);
        self.rest(host, key, now);
        self.fill(host, usize::MAX, now, after);
        (key, serial)
    }

    /// A connect failed, or was given up with its runtime. Who waited for this one gets the error; where one connect stands for many, all do.
    pub(super) fn failed(&mut self, host: usize, error: &Error, now: Instant, after: &mut After<K>) {
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
    pub(super) fn freed(&mut self, host: usize, reason: Discard, now: Instant, after: &mut After<K>) {
        self.hosts[host].counts.discarded[reason as usize] += 1;
        self.gone(host, now, after);
    }

    /// No new call may join this connection; those on it go on. It is gone when `freed` says so.
    pub(super) fn closing(&mut self, host: usize, (key, serial): (usize, u64), now: Instant, after: &mut After<K>) {
        let this = &mut self.hosts[host];
        // It may have been forgotten before, and its key given to another.
        if let Some(shared) = this.shared.get_mut(key)
            && shared.serial == serial
        {
            shared.listed = false;
            this.roomy.retain(|&roomy| roomy != key);
            if this.shared[key].streams == 0 {
                self.forget_shared(host, key, after);
            }
        }
        self.fill(host, usize::MAX, now, after);
    }

    /// A call on a shared connection is over.
    pub(super) fn ended(&mut self, host: usize, key: usize, now: Instant, after: &mut After<K>) {
        let this = &mut self.hosts[host];
        let shared = &mut this.shared[key];
        shared.streams -= 1;
        if !shared.connection.is_open() {
            shared.listed = false;
            this.roomy.retain(|&roomy| roomy != key);
            if this.shared[key].streams == 0 {
                self.forget_shared(host, key, after);
            }
            return;
        }
        if !shared.listed {
            shared.listed = true;
            this.roomy.push(key);
        }
        self.admit(host, now, after);
        if self.hosts[host].shared.get(key).is_some_and(|shared| shared.streams == 0) {
            let first = self.hosts[host].waiting.first();
            if self.is_outwaited(first) {
                self.forget_shared(host, key, after);
            } else {
                self.rest(host, key, now);
            }
        }
    }

    /// Closes what was idle too long. When to come again.
    pub(super) fn sweep(&mut self, now: Instant, after: &mut After<K>) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for key in self.resting.keys(&self.ages) {
            let expires = self.resting.get(key).expires;
            if expires <= now {
                self.discard(key, Discard::Aged, after);
            } else {
                next = Some(next.map_or(expires, |next| next.min(expires)));
            }
        }
        next
    }

    /// Closes all that is idle.
    pub(super) fn clear(&mut self, after: &mut After<K>) {
        for key in self.resting.keys(&self.ages) {
            self.discard(key, Discard::Evicted, after);
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.hosts.iter().map(|(_, host)| host.waiting.len()).sum()
    }

    /// Nobody here would have to wait because this connection is still busy with what nobody wants.
    pub(super) fn is_calm(&self, host: usize) -> bool {
        self.hosts[host].waiting.is_empty() && self.starved.is_empty()
    }

    /// A stream of a shared connection that has room.
    fn join(&mut self, host: usize, now: Instant, after: &mut After<K>) -> Option<Grant<K>> {
        let this = &mut self.hosts[host];
        while let Some(&key) = this.roomy.last() {
            let shared = &mut this.shared[key];
            if !shared.connection.is_open() || shared.streams >= shared.connection.streams() {
                shared.listed = false;
                this.roomy.pop();
                continue;
            }
            if let Some(resting) = shared.resting.take() {
                let expired = self.resting.remove(&mut self.ages, resting).expires <= now;
                if expired && shared.streams == 0 {
                    this.roomy.pop();
                    this.counts.discarded[Discard::Aged as usize] += 1;
                    after.leave.push(this.shared.remove(key).connection);
                    continue;
                }
            }
            shared.streams += 1;
            this.counts.reused += 1;
            return Some(Grant::Shared(shared.connection.clone(), key));
        }
        None
    }

    /// Waiters onto shared connections that have room.
    fn admit(&mut self, host: usize, now: Instant, after: &mut After<K>) {
        while let Some(first) = self.hosts[host].waiting.first() {
            let Some(grant) = self.join(host, now, after) else { break };
            self.grant(first, Ok(grant), after);
        }
    }

    /// Begins connects for those that wait with nothing under way for them, `most` at most, as far as the limits allow.
    fn fill(&mut self, host: usize, most: usize, now: Instant, after: &mut After<K>) {
        let mut begun = 0;
        loop {
            let this = &self.hosts[host];
            let expected = this.connecting.saturating_mul(this.calls_per_connect());
            if this.waiting.len() <= expected || this.open >= self.limits.max_connections_per_host.max(1) {
                break;
            }
            let full = self.open >= self.limits.max_connections.max(1) && !self.evict(after);
            if full || begun == most {
                if !self.hosts[host].starved {
                    self.hosts[host].starved = true;
                    self.starved.push_back(host);
                }
                break;
            }
            let this = &mut self.hosts[host];
            let Some(lead) = this.uncovered.or(this.waiting.first()) else { break };
            this.open += 1;
            this.connecting += 1;
            self.open += 1;
            begun += 1;
            after.open.push((host, Arc::clone(&this.place), self.waiters.get(lead).start.clone()));
        }
        self.cover(host, now, after);
    }

    /// Tells as many waiters as there are connects under way that theirs is one of them.
    fn cover(&mut self, host: usize, now: Instant, after: &mut After<K>) {
        let this = &mut self.hosts[host];
        let expected = this.connecting.saturating_mul(this.calls_per_connect());
        while this.waiting.len() - this.queued < expected
            && let Some(key) = this.uncovered
        {
            this.uncovered = self.waiters.after(key);
            this.queued -= 1;
            let waiter = self.waiters.get_mut(key);
            waiter.covered = Some(now);
            after.wake.extend(waiter.waker.take());
        }
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

    /// Somebody waits for another host, for the limit of all, and has waited longer than `first`.
    fn is_outwaited(&mut self, first: Option<usize>) -> bool {
        // Those whose callers have all gone are in nobody's way.
        while let Some(&host) = self.starved.front()
            && self.hosts[host].waiting.is_empty()
        {
            self.hosts[host].starved = false;
            self.starved.pop_front();
        }
        let other = self.starved.front().and_then(|&host| self.hosts[host].waiting.first());
        match (other, first) {
            (Some(other), Some(first)) => self.waiters.get(other).ticket < self.waiters.get(first).ticket,
            (other, _) => other.is_some(),
        }
    }

    fn gone(&mut self, host: usize, now: Instant, after: &mut After<K>) {
        self.hosts[host].open -= 1;
        self.open -= 1;
        let first = self.hosts[host].waiting.first();
        if self.is_outwaited(first) {
            self.feed(now, after);
        }
        self.fill(host, usize::MAX, now, after);
        self.feed(now, after);
        self.retire(host);
    }

    /// One connect each for the hosts that the limit of all kept waiting, in turns, while there is room.
    fn feed(&mut self, now: Instant, after: &mut After<K>) {
        while self.open < self.limits.max_connections.max(1)
            && let Some(host) = self.starved.pop_front()
        {
            self.hosts[host].starved = false;
            self.fill(host, 1, now, after);
        }
    }

    /// Makes room by closing what has been idle longest, wherever that is. `false`: there is none yet.
    fn evict(&mut self, after: &mut After<K>) -> bool {
        if let Some(oldest) = self.ages.first() {
            self.discard(oldest, Discard::Evicted, after);
        }
        self.open < self.limits.max_connections.max(1)
    }

    /// Closes an idle connection. A shared one is gone only when its driver has ended.
    fn discard(&mut self, key: usize, reason: Discard, after: &mut After<K>) {
        let host = self.resting.get(key).host;
        match self.resting.remove(&mut self.ages, key).what {
            Rested::Own(own) => {
                let this = &mut self.hosts[host];
                // At one end, unless a sweep meets a connection whose peer keeps it shorter than its elders.
                if this.idle.back() == Some(&key) {
                    this.idle.pop_back();
                } else if this.idle.front() == Some(&key) {
                    this.idle.pop_front();
                } else {
                    this.idle.retain(|&idle| idle != key);
                }
                this.open -= 1;
                this.counts.discarded[reason as usize] += 1;
                self.open -= 1;
                after.close.push(own);
            }
            Rested::Shared(shared) => {
                self.hosts[host].shared[shared].resting = None;
                self.hosts[host].counts.discarded[reason as usize] += 1;
                self.forget_shared(host, shared, after);
            }
        }
    }

    fn forget_shared(&mut self, host: usize, key: usize, after: &mut After<K>) {
        let this = &mut self.hosts[host];
        this.roomy.retain(|&roomy| roomy != key);
        let shared = this.shared.remove(key);
        if let Some(resting) = shared.resting {
            self.resting.remove(&mut self.ages, resting);
        }
        after.leave.push(shared.connection);
    }

    fn rest(&mut self, host: usize, key: usize, now: Instant) {
        let expires = now + self.limits.keepalive;
        let shared = &mut self.hosts[host].shared[key];
        if shared.streams == 0 && shared.resting.is_none() {
            let resting = Resting { host, expires, what: Rested::Shared(key) };
            shared.resting = Some(self.resting.push(&mut self.ages, resting));
        }
    }

    fn retire(&mut self, host: usize) {
        if self.hosts.len() > REMEMBERED && self.hosts.get(host).is_some_and(Host::is_unused) {
            let gone = self.hosts.remove(host);
            self.places.remove(&gone.place);
            if gone.starved {
                self.starved.retain(|&starved| starved != host);
            }
        }
    }
}
