//! Requests one by one, for the tests of a project: each that begins while somebody watches is told to them when it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::times::Times;
use crate::waits::KINDS;

/// So many requests are kept one by one: 20 MiB. Those that come later are only counted.
const MOST_SEEN: usize = 100_000;

/// One request that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The name of its view.
    pub view: Box<str>,
    /// 0: it was not answered.
    pub status: u16,
    /// Nanoseconds.
    pub times: Times,
    /// Nanoseconds that calls of each kind took, those side by side counted once.
    pub kinds: [u64; KINDS],
    /// How many calls of each kind there were.
    pub calls: [u32; KINDS],
}

/// Whoever watches. Requests hold on to it until they end.
#[derive(Debug, Default)]
pub struct Witness {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Requests that have begun and not ended.
    open: usize,
    seen: Vec<Seen>,
    /// Those beyond [`MOST_SEEN`].
    more: u64,
}

impl Witness {
    fn begins(&self) {
        self.state.lock().open += 1;
    }

    /// A request that has begun has ended like this.
    pub fn saw(&self, seen: Seen) {
        let mut state = self.state.lock();
        if state.seen.len() < MOST_SEEN {
            state.seen.push(seen);
        } else {
            state.more += 1;
        }
        drop(state);
        self.lost();
    }

    /// A request that has begun has ended, and nobody knows how.
    pub fn lost(&self) {
        self.state.lock().open -= 1;
        self.changed.notify_all();
    }

    /// Waits until no request is open any more, so long at most. How many are.
    pub fn wait(&self, most: Duration) -> usize {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| state.open > 0, most);
        state.open
    }

    /// Those that have ended, as they did; and how many more there were than are kept.
    pub fn seen(&self) -> (Vec<Seen>, u64) {
        let state = self.state.lock();
        (state.seen.clone(), state.more)
    }
}

/// All who watch now.
#[derive(Debug, Default)]
pub struct Witnesses {
    /// Asked for each request: nearly always nobody watches.
    any: AtomicBool,
    all: Mutex<Vec<Arc<Witness>>>,
}

impl Witnesses {
    /// Nobody.
    pub const fn new() -> Self {
        Self { any: AtomicBool::new(false), all: Mutex::new(Vec::new()) }
    }

    /// One more watches from now on.
    pub fn join(&self) -> Arc<Witness> {
        let witness = Arc::new(Witness::default());
        let mut all = self.all.lock();
        all.push(witness.clone());
        self.any.store(true, Relaxed);
        witness
    }

    /// It watches no more. It is still told how requests end that have begun.
    pub fn leave(&self, witness: &Arc<Witness>) {
        let mut all = self.all.lock();
        all.retain(|one| !Arc::ptr_eq(one, witness));
        self.any.store(!all.is_empty(), Relaxed);
    }

    /// A request begins: who is to be told how it ends.
    #[inline]
    pub fn of_a_request(&self) -> Vec<Arc<Witness>> {
        if !self.any.load(Relaxed) {
            return Vec::new();
        }
        let all = self.all.lock().clone();
        for witness in &all {
            witness.begins();
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16) -> Seen {
        Seen { view: "a".into(), status, times: Times::default(), kinds: [0; KINDS], calls: [0; KINDS] }
    }

    #[test]
    fn who_watches_is_told_of_requests_that_begin_meanwhile() {
        let witnesses = Witnesses::new();
        let before = witnesses.of_a_request();
        let first = witnesses.join();
        let one = witnesses.of_a_request();
        let second = witnesses.join();
        let both = witnesses.of_a_request();
        witnesses.leave(&first);
        witnesses.leave(&second);
        let after = witnesses.of_a_request();
        assert_eq!([before.len(), one.len(), both.len(), after.len()], [0, 1, 2, 0]);
        for (watching, status) in [(one, 200), (both, 404)] {
            for witness in watching {
                witness.saw(seen(status));
            }
        }
        assert_eq!(first.seen(), (vec![seen(200), seen(404)], 0));
        assert_eq!(second.seen(), (vec![seen(404)], 0));
    }

    #[test]
    fn who_waits_is_told_how_many_are_open() {
        let witnesses = Witnesses::new();
        let witness = witnesses.join();
        assert_eq!(witness.wait(Duration::ZERO), 0);
        let [one, other] = [witnesses.of_a_request(), witnesses.of_a_request()];
        assert_eq!(witness.wait(Duration::ZERO), 2);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                one[0].saw(seen(200));
                other[0].lost();
            });
            assert_eq!(witness.wait(Duration::from_secs(30)), 0);
        });
        assert_eq!(witness.seen().0.len(), 1);
    }

    #[test]
    fn requests_beyond_the_limit_are_counted() {
        let witnesses = Witnesses::new();
        let witness = witnesses.join();
        for _ in 0..MOST_SEEN + 3 {
            witnesses.of_a_request()[0].saw(seen(200));
        }
        let (kept, more) = witness.seen();
        assert_eq!((kept.len(), more), (MOST_SEEN, 3));
    }
}
