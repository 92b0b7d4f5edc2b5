//! The runtime and how the loop thread drives it: a bounded pass, or a wait.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, Runtime};

use crate::raw::watch_readable;
use crate::reactor::descriptors::{Deadline, Descriptors, Events};
use crate::reactor::shared::{Parked, Shared};
use crate::reactor::standby::Standby;

/// How many tasks run before the runtime looks at its sockets and at Python again. At 8 a timer of Python's beside 256
/// busy connections is earlier by 0.4 ms and the throughput lower by 6 to 22 %; at 256 it is 1 ms later for nothing.
const EVENT_INTERVAL: u32 = 61;

/// Exists from the first Rust task on.
pub(super) struct Engine {
    // In the order in which they must go: the standby drives the runtime, the watch is registered in it.
    standby: Option<Standby>,
    python: Option<Arc<Watch>>,
    runtime: Option<Arc<Runtime>>,
    descriptors: Descriptors,
    deadline: Deadline,
    shared: Arc<Shared>,
    /// The edge of Python's set was seen and no empty drain since: it must be drained before anybody sleeps.
    hot: bool,
}

impl Engine {
    pub(super) fn new(shared: &Arc<Shared>, descriptors: &Descriptors) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build()?;
        let python = Arc::new(Watch { set: descriptors.share(), watch: Mutex::new(None) });
        let deadline = Deadline::new(descriptors)?;
        let waker = runtime.block_on(poll_fn(|context| Poll::Ready(context.waker().clone())));
        shared.connect(waker, runtime.handle().clone());
        let runtime = Arc::new(runtime);
        let standby =
            Standby::start(shared, Arc::clone(&runtime), Arc::clone(&python)).inspect_err(|_| shared.disconnect())?;
        Ok(Self {
            standby: Some(standby),
            python: Some(python),
            runtime: Some(runtime),
            descriptors: descriptors.clone(),
            deadline,
            shared: Arc::clone(shared),
            hot: true,
        })
    }

    /// One bounded turn of the runtime, `passes` times: queued tasks (at most [`EVENT_INTERVAL`]), then its sockets.
    pub(super) fn pass(&mut self, passes: usize) {
        let (runtime, python, shared) = (self.runtime.as_ref(), self.python.as_ref(), &self.shared);
        let (Some(runtime), Some(python)) = (runtime, python) else { return };
        let hot = &mut self.hot;
        let mut done = 0;
        runtime.block_on(poll_fn(|context| {
            if done > 0 {
                *hot |= python.saw_edge(context);
                if done == passes || *hot || shared.wants_python() {
                    return Poll::Ready(());
                }
            }
            done += 1;
            shared.flush();
            // Woken already, so the runtime will not sleep: it runs its queue, looks at its sockets and comes back here.
            // yield_now would do the same with four more atomic operations.
            context.waker().wake_by_ref();
            Poll::Pending
        }));
    }

    /// Drives until something waits for Python.
    pub(super) fn wait(&mut self) {
        let (runtime, python, shared) = (self.runtime.as_ref(), self.python.as_ref(), &self.shared);
        let (Some(runtime), Some(python)) = (runtime, python) else { return };
        let hot = &mut self.hot;
        runtime.block_on(poll_fn(|context| {
            shared.flush();
            *hot |= python.saw_edge(context);
            if *hot || shared.wants_python() {
                return Poll::Ready(());
            }
            shared.park(Parked::Loop);
            if !shared.outbox.is_empty() || shared.wants_python() {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        }));
        shared.park(Parked::Nobody);
    }

    /// Ends the next [`Engine::wait`] `after` from now at the latest.
    pub(super) fn arm(&mut self, after: Duration) -> rustix::io::Result<()> {
        self.deadline.arm(after)
    }

    /// Python's ready descriptors, if there can be any.
    pub(super) fn drain(&mut self, events: &mut Events) -> rustix::io::Result<()> {
        events.clear();
        if let (Some(runtime), Some(python)) = (&self.runtime, &self.python) {
            self.hot |= python.set_up(runtime);
        }
        if self.hot {
            self.descriptors.drain(events, Some(Duration::ZERO), &self.shared.doorbell)?;
            self.hot = !events.is_empty();
            self.deadline.observe(events);
        }
        Ok(())
    }

    pub(super) fn is_hot(&self) -> bool {
        self.hot
    }

    pub(super) fn standby_turns(&self) -> u64 {
        self.standby.as_ref().map_or(0, Standby::turns)
    }
}

impl Drop for Engine {
    /// Stops the standby, drops all tasks, closes all sockets. In a forked child nothing may be touched: the runtime's epoll
    /// set is the parent's too, and deregistering there would silence the parent.
    fn drop(&mut self) {
        if self.shared.is_foreign() {
            std::mem::forget((self.standby.take(), self.python.take(), self.runtime.take()));
            return;
        }
        drop(self.standby.take());
        if let Some(python) = self.python.take() {
            python.take_away();
        }
        if let Some(runtime) = self.runtime.take().and_then(Arc::into_inner) {
            runtime.shutdown_background();
        }
    }
}

/// tokio's watch of the set of Python's descriptors. Only whoever drives touches it.
///
/// The standby takes it away: every descriptor that becomes ready would wake it, once each, and it has no use for them. The
/// loop thread sets it up again when it is back.
pub(super) struct Watch {
    set: Arc<OwnedFd>,
    watch: Mutex<Option<AsyncFd<Arc<OwnedFd>>>>,
}

impl Watch {
    /// Sets the watch up if it is not. True if there was none: then what came meanwhile has made no edge.
    fn set_up(&self, runtime: &Runtime) -> bool {
        let mut watch = self.watch.lock();
        if watch.is_some() {
            return false;
        }
        let _inside = runtime.enter();
        // Without one every look finds an edge: slow, but nothing is lost, and the next look tries again.
        *watch = watch_readable(Arc::clone(&self.set)).ok();
        true
    }

    /// Takes note of an edge of the set, and asks to be woken by the next one. Inside the runtime's context.
    fn saw_edge(&self, context: &mut Context<'_>) -> bool {
        let watch = self.watch.lock();
        let Some(watch) = watch.as_ref() else { return true };
        match watch.poll_read_ready(context) {
            Poll::Ready(Ok(mut guard)) => {
                guard.clear_ready();
                // Cleared before the drain, so that what comes after it is a new edge. Registered again at once.
                let _ = watch.poll_read_ready(context);
                true
            }
            // The runtime is shutting down: nobody will be woken, so look.
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        }
    }

    /// Nobody is woken by Python's descriptors until the next look.
    pub(super) fn take_away(&self) {
        let watch = self.watch.lock().take();
        drop(watch);
    }
}
