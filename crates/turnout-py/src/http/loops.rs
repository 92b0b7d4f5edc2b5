//! Event loops that wait for calls: how a result reaches the thread of each without anybody else taking the GIL.
//!
//! A turnout loop is told through its reactor. Any other has an eventfd among its readers: whoever finishes a call queues it and
//! rings, and the loop works off the queue. A loop that was closed meanwhile never looks, which is all that happens.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyWeakrefReference};
use rustc_hash::{FxBuildHasher, FxHashMap};
use rustix::event::{EventfdFlags, eventfd};

use super::ticket;
use crate::raw;
use crate::reactor::{self, Deliver, EventLoop};

/// How to reach the thread of one event loop.
#[derive(Clone)]
pub(super) enum Way {
    Reactor(reactor::Handle),
    Bell(Arc<Bell>),
}

impl Way {
    /// From any thread, without the GIL. Dropped if the loop is closed, now or before it looked.
    pub(super) fn deliver(&self, item: Box<dyn Deliver>) {
        match self {
            Self::Reactor(handle) => handle.deliver_outcome(item),
            Self::Bell(bell) => bell.push(item),
        }
    }
}

/// The queue of a loop that knows nothing of turnout.
pub(super) struct Bell {
    /// As many as there are calls that this loop waits for.
    queue: Mutex<Vec<Box<dyn Deliver>>>,
    descriptor: OwnedFd,
}

impl Bell {
    fn push(&self, item: Box<dyn Deliver>) {
        let mut queue = self.queue.lock();
        queue.push(item);
        if queue.len() == 1 {
            // Full (EAGAIN) means that it rings already.
            let _ = rustix::io::write(&self.descriptor, &1_u64.to_ne_bytes());
        }
    }
}

/// The reader of a [`Bell`].
#[pyclass(frozen, module = "turnout._turnout")]
pub(super) struct HttpBell {
    bell: Arc<Bell>,
    event_loop: Py<PyWeakrefReference>,
}

#[pymethods]
impl HttpBell {
    /// It rang.
    fn __call__(&self, py: Python<'_>) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell.descriptor, &mut count);
        // Silent by now: what comes from here on rings again.
        let items = std::mem::take(&mut *self.bell.queue.lock());
        for item in items {
            if let Err(error) = item.deliver(py) {
                self.report(py, error);
            }
        }
    }
}

impl HttpBell {
    fn report(&self, py: Python<'_>, error: PyErr) {
        let told = self.event_loop.bind(py).upgrade().map(|event_loop| {
            let context = PyDict::new(py);
            context.set_item(intern!(py, "message"), "turnout.http: exception while a call was finished")?;
            context.set_item(intern!(py, "exception"), error.value(py))?;
            event_loop.call_method1(intern!(py, "call_exception_handler"), (context,))
        });
        if !matches!(told, Some(Ok(_))) {
            error.write_unraisable(py, None);
        }
    }
}

struct Known {
    event_loop: Py<PyWeakrefReference>,
    bell: Arc<Bell>,
}

struct Table {
    generation: u64,
    /// By the address of the loop.
    known: FxHashMap<usize, Known>,
}

/// Taken with the GIL only, never across a call into Python.
static TABLE: Mutex<Table> = Mutex::new(Table { generation: 0, known: FxHashMap::with_hasher(FxBuildHasher) });

/// The loop that runs on this thread.
pub(super) fn running(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let running = GET.import(py, "asyncio.events", "_get_running_loop")?.call0()?;
    Ok(if running.is_none() { None } else { Some(running) })
}

/// How to reach this loop, which runs on this thread.
pub(super) fn way_to(event_loop: &Bound<'_, PyAny>) -> PyResult<Way> {
    if let Ok(native) = event_loop.cast::<EventLoop>()
        && let Some(reactor) = native.get().reactor()
    {
        return Ok(Way::Reactor(reactor.handle()));
    }
    match known(event_loop) {
        Some(bell) => Ok(Way::Bell(bell)),
        None => meet(event_loop).map(Way::Bell),
    }
}

fn known(event_loop: &Bound<'_, PyAny>) -> Option<Arc<Bell>> {
    let mut table = TABLE.lock();
    let generation = raw::fork_generation();
    if table.generation != generation {
        // The parent's bells ring in the parent.
        std::mem::forget(std::mem::take(&mut table.known));
        table.generation = generation;
    }
    let known = table.known.get(&address(event_loop))?;
    // Another loop may have the address of one that is gone.
    let same = known.event_loop.bind(event_loop.py()).upgrade().is_some_and(|known| known.is(event_loop));
    same.then(|| Arc::clone(&known.bell))
}

fn meet(event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Bell>> {
    let py = event_loop.py();
    forget_closed(py)?;
    let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(std::io::Error::from)?;
    let bell = Arc::new(Bell { queue: Mutex::default(), descriptor });
    let weak = PyWeakrefReference::new(event_loop)?;
    let reader = Bound::new(py, HttpBell { bell: Arc::clone(&bell), event_loop: weak.clone().unbind() })?;
    event_loop.call_method1(intern!(py, "add_reader"), (bell.descriptor.as_raw_fd(), reader))?;
    let known = Known { event_loop: weak.unbind(), bell: Arc::clone(&bell) };
    let before = TABLE.lock().known.insert(address(event_loop), known);
    drop(before);
    Ok(bell)
}

/// Lets go of loops that are closed or gone, and of what waited there. Whenever a new one is met, so there are never many.
fn forget_closed(py: Python<'_>) -> PyResult<()> {
    let known: Vec<(usize, Py<PyWeakrefReference>)> = {
        let table = TABLE.lock();
        table.known.iter().map(|(address, known)| (*address, known.event_loop.clone_ref(py))).collect()
    };
    for (address, weak) in known {
        let closed = match weak.bind(py).upgrade() {
            Some(event_loop) => event_loop.call_method0(intern!(py, "is_closed"))?.is_truthy()?,
            None => true,
        };
        if closed {
            let forgotten = TABLE.lock().known.remove(&address);
            if let Some(forgotten) = forgotten {
                // Dropped undelivered, each says that nobody waits for it any more.
                let undelivered = std::mem::take(&mut *forgotten.bell.queue.lock());
                drop(undelivered);
            }
        }
    }
    ticket::sweep(py);
    Ok(())
}

fn address(event_loop: &Bound<'_, PyAny>) -> usize {
    event_loop.as_ptr() as usize
}
