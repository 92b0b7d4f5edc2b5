//! What the loop thread, the standby, tasks and pool threads share: the two queues and who must be woken.

use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::Mutex;
use pyo3::prelude::*;
use rustix::event::{EventfdFlags, eventfd};

use crate::raw;
use crate::reactor::inbox::Inbox;
use crate::reactor::turn::Turn;
use crate::states::Keeping;

/// Something for Python, run on the loop thread with the GIL, inside `select` but after the runtime was left.
///
/// Must hold no `Py<T>`: it may be dropped on any thread, without the GIL, when the loop closes before its turn.
pub(crate) trait Deliver: Send {
    /// Does it. An exception goes to the loop's exception handler; `KeyboardInterrupt` and `SystemExit` leave `select`.
    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()>;

    /// The account of the request whose time it takes.
    fn keeping(&self) -> Option<Arc<Keeping>> {
        None
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The way into the reactor for everything that is not Python. Cheap to clone; outlives the loop harmlessly.
#[derive(Clone)]
pub(crate) struct Handle(pub(super) Arc<Shared>);

impl Handle {
    /// Runtime (or any thread) to Python. Dropped if the loop is closed.
    ///
    /// From a task driven by the loop thread this makes no system call, and what a burst of tasks delivers reaches Python
    /// in few crossings: see [`crate::reactor::pace`].
    pub(crate) fn deliver(&self, item: Box<dyn Deliver>) {
        self.hand(item, Inbox::push);
    }

    /// The same for what came of an outbound call: of those only so many come between two things of the server's, see
    /// [`crate::reactor::inbox`].
    pub(crate) fn deliver_outcome(&self, item: Box<dyn Deliver>) {
        self.hand(item, Inbox::push_outcome);
    }

    fn hand(&self, item: Box<dyn Deliver>, push: impl FnOnce(&Inbox, Box<dyn Deliver>) -> bool) {
        let shared = &self.0;
        if shared.is_dead() {
            return;
        }
        // Not the first: whoever pushed that one wakes the loop, or found that it will look by itself.
        if push(&shared.inbox, item) {
            shared.wake_loop();
        }
    }

    /// Python or pool thread to runtime: `job` is run by whoever drives next, inside the runtime's context and without the
    /// GIL. Must not block and must never take the GIL. Dropped if the loop is closed.
    pub(crate) fn complete(&self, job: Box<dyn FnOnce() + Send>) {
        let shared = &self.0;
        if shared.is_dead() {
            return;
        }
        if shared.outbox.push(job) || shared.unannounced.swap(false, Ordering::SeqCst) {
            shared.wake_driver();
        }
    }

    /// As [`Handle::complete`], but wakes nobody while `will_look` is true: then a task has promised to set it to false and to
    /// call [`Handle::look`] afterwards, soon. Saves a system call and a change of threads for each of a line of answers.
    pub(crate) fn complete_lazily(&self, job: Box<dyn FnOnce() + Send>, will_look: &AtomicBool) {
        let shared = &self.0;
        if shared.is_dead() {
            return;
        }
        shared.unannounced.store(true, Ordering::SeqCst);
        shared.outbox.push(job);
        // Pushed first, read afterwards: if the promise still stands now, its look comes later and finds the job.
        if !will_look.load(Ordering::SeqCst) && shared.unannounced.swap(false, Ordering::SeqCst) {
            shared.wake_driver();
        }
    }

    /// From a task: whoever drives looks at the outbox before it sleeps again.
    pub(crate) fn look(&self) {
        if !self.0.outbox.is_empty() {
            self.0.wake_runtime();
        }
    }

    /// False once the loop was closed, and in a forked child.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.is_dead()
    }

    /// How often the loop thread has had to queue for the GIL so far.
    pub(crate) fn times_queued(&self) -> u64 {
        self.0.queued.load(Ordering::Relaxed)
    }

    /// Makes `future` a task of the runtime, which the next `select` creates if there is none yet. From any thread.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let runtime = self.0.link.lock().as_ref().map(|link| link.runtime.clone());
        match runtime {
            Some(runtime) if !self.0.is_dead() => drop(runtime.spawn(future)),
            _ => self.complete(Box::new(move || drop(tokio::spawn(future)))),
        }
    }
}

static AT_WORK: AtomicUsize = AtomicUsize::new(0);

/// A thread runs Python code and may want the GIL, for as long as this lives. Of the whole process, as the GIL is.
pub(crate) struct AtWork(());

impl AtWork {
    pub(crate) fn begin() -> Self {
        AT_WORK.fetch_add(1, Ordering::Relaxed);
        Self(())
    }

    pub(super) fn anybody() -> bool {
        AT_WORK.load(Ordering::Relaxed) > 0
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        AT_WORK.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who sleeps, and by what it is woken.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Parked {
    /// Nobody: whoever drives next looks at the queues first.
    Nobody,
    /// The loop thread, in the runtime.
    Loop,
    /// The loop thread, in `epoll_wait`: there is no runtime yet.
    Plain,
    /// The standby, in the runtime; the loop thread is in Python.
    Standby,
}

impl Parked {
    fn from_byte(byte: u8) -> Self {
        [Self::Nobody, Self::Loop, Self::Plain, Self::Standby][usize::from(byte & 3)]
    }
}

/// What exists only once there is a runtime, and no longer than it.
struct Link {
    /// Of the future whoever drives is blocked on: the same one for the loop thread and the standby.
    waker: Waker,
    runtime: tokio::runtime::Handle,
}

/// See the module. Lives as long as any [`Handle`].
pub(super) struct Shared {
    pub(super) inbox: Inbox,
    pub(super) outbox: Queue<Job>,
    pub(super) turn: Turn,
    /// Wakes the loop thread out of a plain `epoll_wait`.
    pub(super) doorbell: OwnedFd,
    poked: AtomicBool,
    /// The outbox has jobs whose pusher left the waking to somebody else.
    unannounced: AtomicBool,
    parked: AtomicU8,
    closed: AtomicBool,
    generation: u64,
    link: Mutex<Option<Link>>,
    /// How often the loop thread had to queue for the GIL.
    pub(super) queued: AtomicU64,
    /// System calls made to wake somebody, for the tests and benches.
    pub(super) wakes: AtomicU64,
}

impl Shared {
    pub(super) fn new() -> io::Result<Self> {
        raw::watch_forks()?;
        Ok(Self {
            inbox: Inbox::default(),
            outbox: Queue::default(),
            turn: Turn::new(),
            doorbell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            poked: AtomicBool::new(false),
            unannounced: AtomicBool::new(false),
            parked: AtomicU8::new(Parked::Nobody as u8),
            closed: AtomicBool::new(false),
            generation: raw::fork_generation(),
            link: Mutex::new(None),
            queued: AtomicU64::new(0),

            wakes: AtomicU64::new(0),
        })
    }

    /// True in a forked child: every lock in here may be held by a thread that does not exist any more.
    pub(super) fn is_foreign(&self) -> bool {
        self.generation != raw::fork_generation()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn is_dead(&self) -> bool {
        self.is_foreign() || self.is_closed()
    }

    pub(super) fn connect(&self, waker: Waker, runtime: tokio::runtime::Handle) {
        *self.link.lock() = Some(Link { waker, runtime });
    }

    /// Lets go of the runtime.
    pub(super) fn disconnect(&self) {
        let link = self.link.lock().take();
        drop(link);
    }

    /// The first step of closing: nothing gets in any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// The last step of closing, when nobody drives any more (the standby had to be woken until then): drops what waits, and
    /// the hold on the runtime. The items are dropped outside the locks, for their drops may push again.
    pub(super) fn discard(&self) {
        self.disconnect();
        drop(self.inbox.clear());
        drop(self.outbox.take());
    }

    /// `call_soon_threadsafe` and signal handlers: the loop thread must look at Python's own queue.
    pub(super) fn poke(&self) {
        if !self.poked.swap(true, Ordering::SeqCst) {
            self.wake_loop();
        }
    }

    /// Called before Python's queue is looked at: a poke from here on counts for the next `select`.
    pub(super) fn clear_poke(&self) {
        if self.poked.load(Ordering::Relaxed) {
            self.poked.store(false, Ordering::SeqCst);
        }
    }

    /// Something waits for the loop thread.
    pub(super) fn wants_python(&self) -> bool {
        !self.inbox.is_empty() || self.poked.load(Ordering::SeqCst)
    }

    pub(super) fn park(&self, who: Parked) {
        self.parked.store(who as u8, Ordering::SeqCst);
    }

    /// Runs one batch of what Python and the pools pushed. Called by whoever drives, inside the runtime's context.
    pub(super) fn flush(&self) {
        if self.outbox.is_empty() {
            return;
        }
        for job in self.outbox.take() {
            // A panic is reported by the panic hook; it must not take the other jobs, or the driver, with it.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn wake_loop(&self) {
        match self.parked() {
            Parked::Loop => self.wake_runtime(),
            Parked::Plain => self.ring(),
            Parked::Nobody | Parked::Standby => {}
        }
    }

    fn wake_driver(&self) {
        match self.parked() {
            Parked::Loop | Parked::Standby => self.wake_runtime(),
            Parked::Plain => self.ring(),
            Parked::Nobody => {}
        }
    }

    fn parked(&self) -> Parked {
        Parked::from_byte(self.parked.load(Ordering::SeqCst))
    }

    /// Costs a system call, unless this is a task of the very runtime (or somebody just did the same).
    pub(super) fn wake_runtime(&self) {
        if let Some(link) = self.link.lock().as_ref() {
            self.wakes.fetch_add(1, Ordering::Relaxed);
            link.waker.wake_by_ref();
        }
    }

    fn ring(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        // Full (EAGAIN) means that it rings already.
        let _ = rustix::io::write(&self.doorbell, &1_u64.to_ne_bytes());
    }
}

/// A list under a lock with its length beside it, so that an empty one costs a look.
///
/// Bounded by what feeds it: requests in flight and pool threads. Each of them has a limit of its own.
pub(super) struct Queue<T> {
    items: Mutex<Vec<T>>,
    length: AtomicUsize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { items: Mutex::new(Vec::new()), length: AtomicUsize::new(0) }
    }
}

impl<T> Queue<T> {
    /// True if the queue was empty.
    pub(super) fn push(&self, item: T) -> bool {
        let mut items = self.items.lock();
        items.push(item);
        self.length.store(items.len(), Ordering::SeqCst);
        items.len() == 1
    }

    pub(super) fn take(&self) -> Vec<T> {
        let mut items = self.items.lock();
        self.length.store(0, Ordering::SeqCst);
        mem::take(&mut *items)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length.load(Ordering::SeqCst) == 0
    }
}
