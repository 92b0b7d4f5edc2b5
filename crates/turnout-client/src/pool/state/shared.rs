//! Connections that many calls share.

use tokio::time::Instant;

use super::{After, Grant, Kinds, Rested, Resting, Shareable, State};
use crate::pool::host::{Protocol, Shared};
use crate::pool::stats::Discard;

impl<K: Kinds> State<K> {
    /// A connect succeeded: for many calls. What `closing` is to be told.
    pub(in crate::pool) fn opened_shared(
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

    /// No new call may join this connection; those on it go on. It is gone when `freed` says so.
    pub(in crate::pool) fn closing(
        &mut self,
        host: usize,
        (key, serial): (usize, u64),
        now: Instant,
        after: &mut After<K>,
    ) {
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
    pub(in crate::pool) fn ended(&mut self, host: usize, key: usize, now: Instant, after: &mut After<K>) {
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

    /// A stream of a shared connection that has room.
    pub(super) fn join(&mut self, host: usize, now: Instant, after: &mut After<K>) -> Option<Grant<K>> {
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

    pub(super) fn forget_shared(&mut self, host: usize, key: usize, after: &mut After<K>) {
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
}
