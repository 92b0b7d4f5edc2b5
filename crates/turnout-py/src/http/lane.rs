//! The client's share of a runtime that also serves: all its tasks together are one task of the runtime, which takes so many steps and then
//! lets the others have their turn. Without it a client with a thousand calls in flight takes a thousand turns to each one of a server.
//!
//! Whoever drops the lane drops the tasks in it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use slab::Slab;
use tokio::task::yield_now;
use turnout_client::gave_way;

/// Steps in a row. A server that is as busy as the client has as many connections ready; a step of a call is about as long as one of theirs.
const STEPS: usize = 8;

/// So long the lane goes on before the runtime looks at its sockets: a turn comes sixty times before that if nobody else wants one. Looked at
/// after each turn, for small steps that are cut off in the middle of their eight cost a fan-out 4 % of its requests. A step that ended in the
/// middle of a large body ends its turn: the runtime looks at once.
const LONGEST: Duration = Duration::from_micros(100);

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// See the module. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Lane(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

/// As large as there are calls in flight.
#[derive(Default)]
struct State {
    /// Tasks that are to have a step, each at most once.
    ready: VecDeque<Arc<Task>>,
    all: Slab<Arc<Task>>,
    /// Of the runtime's task, while it sleeps.
    driver: Option<Waker>,
    /// The runtime has one.
    driven: bool,
    /// The runtime has ended.
    closed: bool,
    /// Of the first turn since the runtime looked at its sockets.
    since: Option<Instant>,
}

struct Task {
    /// `None`: over, or in the middle of a step.
    work: Mutex<Option<Work>>,
    queued: AtomicBool,
    key: usize,
    lane: Weak<Shared>,
}

impl Lane {
    /// What the runtime has to run; `None` if it does.
    pub(super) fn driver(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        if mem::replace(&mut self.0.state.lock().driven, true) {
            return None;
        }
        let driver = Driver(Arc::clone(&self.0));
        Some(async move { poll_fn(|context| driver.0.turn(context)).await })
    }

    /// Makes `work` a task of the lane; from any thread. Dropped if the runtime has ended.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let work: Work = Box::pin(work);
        let mut state = self.0.state.lock();
        if state.closed {
            drop(state);
            drop(work); // which tells who waits for it
            return;
        }
        let entry = state.all.vacant_entry();
        let (work, queued, key, lane) =
            (Mutex::new(Some(work)), AtomicBool::new(true), entry.key(), Arc::downgrade(&self.0));
        let task = Arc::new(Task { work, queued, key, lane });
        entry.insert(Arc::clone(&task));
        drop(state);
        self.0.push(task);
    }
}

/// Held by the runtime's task: dropped with the runtime, it drops all tasks, whatever they wait for.
struct Driver(Arc<Shared>);

impl Drop for Driver {
    fn drop(&mut self) {
        let (ready, all) = {
            let mut state = self.0.state.lock();
            state.closed = true;
            (mem::take(&mut state.ready), mem::take(&mut state.all))
        };
        for (_, task) in &all {
            let work = task.work.lock().take();
            drop(work);
        }
        drop((ready, all));
    }
}

impl Shared {
    fn push(&self, task: Arc<Task>) {
        let driver = {
            let mut state = self.state.lock();
            state.ready.push_back(task);
            state.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    fn turn(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut large = false;
        for _ in 0..STEPS {
            let task = {
                let mut state = self.state.lock();
                let Some(task) = state.ready.pop_front() else {
                    state.driver = Some(context.waker().clone());
                    state.since = None;
                    return Poll::Pending;
                };
                task
            };
            if task.step() {
                let over = self.state.lock().all.try_remove(task.key);
                drop(over);
            }
            large = gave_way();
            if large {
                break;
            }
        }
        let long = {
            let mut state = self.state.lock();
            let now = Instant::now();
            let long = large || now - *state.since.get_or_insert(now) > LONGEST;
            state.since.take_if(|_| long);
            long
        };
        if long {
            // Woken once the runtime has looked.
            return pin!(yield_now()).poll(context);
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Task {
    /// True when it is over. Called by the driver alone, so never twice at a time.
    fn step(self: &Arc<Self>) -> bool {
        // First, so that what happens from here on is a reason for another step.
        self.queued.store(false, SeqCst);
        let Some(mut work) = self.work.lock().take() else { return false };
        let waker = Waker::from(Arc::clone(self));
        let mut context = Context::from_waker(&waker);
        // A panic ends this call and no other; the panic hook has told of it.
        let step = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut context)));
        if !matches!(step, Ok(Poll::Pending)) {
            return true;
        }
        *self.work.lock() = Some(work);
        false
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, SeqCst)
            && let Some(lane) = self.lane.upgrade()
        {
            lane.push(self);
        }
    }
}
