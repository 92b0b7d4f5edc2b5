//! The thread that drives the runtime while the loop thread is in Python. It never takes the GIL.

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::reactor::engine::Watch;
use crate::reactor::shared::{Parked, Shared};
use crate::reactor::turn::Seen;

/// How long the loop thread may stay in Python before the network goes on without it. Most steps are far shorter, and a
/// hand-over costs some tens of microseconds; a person or an upstream does not notice 2 ms.
const PATIENCE: Duration = Duration::from_millis(2);

/// A running standby. Dropping it stops the thread and waits for it: the runtime has no other driver left then.
pub(super) struct Standby {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    turns: Arc<AtomicU64>,
}

impl Standby {
    pub(super) fn start(shared: &Arc<Shared>, runtime: Arc<Runtime>, python: Arc<Watch>) -> io::Result<Self> {
        let turns = Arc::new(AtomicU64::new(0));
        let (theirs, counter) = (Arc::clone(shared), Arc::clone(&turns));
        let thread = thread::Builder::new().name("turnout-standby".into()).spawn(move || {
            theirs.turn.announce(thread::current());
            watch(&theirs, &runtime, &python, &counter);
        })?;
        Ok(Self { shared: Arc::clone(shared), thread: Some(thread), turns })
    }

    /// How often it drove.
    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        if self.shared.is_foreign() {
            return; // forked child: the thread is not here
        }
        if self.shared.turn.end() {
            self.shared.wake_runtime();
        }
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn watch(shared: &Shared, runtime: &Runtime, python: &Watch, turns: &AtomicU64) {
    let mut last_left = shared.turn.last_left();
    loop {
        match shared.turn.look() {
            Seen::Ended => return,
            Seen::Away(since, stamp) if since >= PATIENCE => {
                if shared.turn.take_over(stamp) {
                    turns.fetch_add(1, Ordering::Relaxed);
                    drive(shared, runtime, python);
                }
            }
            // Woken early or late: it looks again, nothing depends on the nap's length.
            Seen::Away(since, _) => thread::park_timeout(PATIENCE.saturating_sub(since)),
            // Busy: a nap costs less than making the loop thread wake us at every step.
            Seen::Loop if last_left != shared.turn.last_left() => {
                last_left = shared.turn.last_left();
                thread::park_timeout(PATIENCE);
            }
            Seen::Loop => shared.turn.sleep(),
        }
    }
}

/// Drives until the loop thread (or the end) wants the runtime back.
fn drive(shared: &Shared, runtime: &Runtime, python: &Watch) {
    python.take_away();
    // Tasks and jobs have nets of their own; should tokio itself panic, the loop thread must still get its turn.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(poll_fn(|context| {
            shared.flush();
            if !shared.turn.is_mine() {
                return Poll::Ready(());
            }
            shared.park(Parked::Standby);
            if !shared.outbox.is_empty() {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        }));
    }));
    shared.park(Parked::Nobody);
    shared.turn.released();
}
