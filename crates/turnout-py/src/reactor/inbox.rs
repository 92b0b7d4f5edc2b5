//! What waits for the loop thread: work of the server's, and outcomes of outbound calls.
//!
//! In one line a view with many calls would have all requests wait behind its outcomes: each of them costs the loop as much as a request. So
//! there are two, and while both are long the loop takes eight from the first for one of the second. An outcome lets one request
//! end, which lets its client send the next: with one for one the new requests would soon be the longer line again, of the same clients.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::shared::Deliver;
use crate::raw::ticks;

/// So many of the server's for one outcome.
const SHARE: u32 = 8;

/// See the module. Bounded by what feeds it: requests and calls in flight, each of which has a limit of its own.
#[derive(Default)]
pub(super) struct Inbox {
    lines: Mutex<Lines>,
    /// Beside the lock, so that an empty inbox costs a look.
    length: AtomicUsize,
}

#[derive(Default)]
struct Lines {
    server: VecDeque<Waiting>,
    outcomes: VecDeque<Waiting>,
    /// Taken from `server` since an outcome was taken.
    since: u32,
}

/// One thing, and since when it waits: a stamp of [`ticks`].
pub(super) struct Waiting {
    pub(super) item: Box<dyn Deliver>,
    pub(super) since: u64,
}

impl Lines {
    fn len(&self) -> usize {
        self.server.len() + self.outcomes.len()
    }

    fn next(&mut self) -> Option<Waiting> {
        if (self.since < SHARE || self.outcomes.is_empty())
            && let Some(item) = self.server.pop_front()
        {
            self.since = (self.since + 1).min(SHARE);
            return Some(item);
        }
        self.since = 0;
        self.outcomes.pop_front()
    }
}

impl Inbox {
    /// True if the inbox was empty.
    pub(super) fn push(&self, item: Box<dyn Deliver>) -> bool {
        let since = ticks();
        self.add(|lines| lines.server.push_back(Waiting { item, since }))
    }

    /// The same for what came of an outbound call.
    pub(super) fn push_outcome(&self, item: Box<dyn Deliver>) -> bool {
        let since = ticks();
        self.add(|lines| lines.outcomes.push_back(Waiting { item, since }))
    }

    fn add(&self, add: impl FnOnce(&mut Lines)) -> bool {
        let mut lines = self.lines.lock();
        add(&mut lines);
        self.length.store(lines.len(), Ordering::SeqCst);
        lines.len() == 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length.load(Ordering::SeqCst) == 0
    }

    /// The next ones, at most so many.
    pub(super) fn take(&self, most: u32) -> Vec<Waiting> {
        let mut lines = self.lines.lock();
        let taken = std::iter::from_fn(|| lines.next()).take(most as usize).collect();
        self.length.store(lines.len(), Ordering::SeqCst);
        taken
    }

    /// Puts what was taken and not delivered before everything else.
    pub(super) fn put_back(&self, first: impl DoubleEndedIterator<Item = Waiting>) {
        let mut lines = self.lines.lock();
        for item in first.rev() {
            lines.server.push_front(item);
        }
        self.length.store(lines.len(), Ordering::SeqCst);
    }

    /// All of it, to be dropped outside of the lock: drops may push again.
    pub(super) fn clear(&self) -> impl Sized + use<> {
        let lines = std::mem::take(&mut *self.lines.lock());
        self.length.store(0, Ordering::SeqCst);
        lines
    }
}
