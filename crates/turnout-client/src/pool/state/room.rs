//! The limits: who may open a connection, who has to wait for that, what is closed for it.

use std::sync::Arc;

use tokio::time::Instant;

use super::{After, Kinds, REMEMBERED, Rested, State};
use crate::pool::host::Host;
use crate::pool::stats::Discard;

impl<K: Kinds> State<K> {
    /// Begins connects for those that wait with nothing under way for them, `most` at most, as far as the limits allow.
    pub(super) fn fill(&mut self, host: usize, most: usize, now: Instant, after: &mut After<K>) {
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

    /// Somebody waits for another host, for the limit of all, and has waited longer than `first`.
    pub(super) fn is_outwaited(&mut self, first: Option<usize>) -> bool {
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

    pub(super) fn gone(&mut self, host: usize, now: Instant, after: &mut After<K>) {
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
    pub(super) fn discard(&mut self, key: usize, reason: Discard, after: &mut After<K>) {
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

    pub(super) fn retire(&mut self, host: usize) {
        if self.hosts.len() > REMEMBERED && self.hosts.get(host).is_some_and(Host::is_unused) {
            let gone = self.hosts.remove(host);
            self.places.remove(&gone.place);
            if gone.starved {
                self.starved.retain(|&starved| starved != host);
            }
        }
    }
}
