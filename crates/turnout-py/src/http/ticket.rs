//! What a call on its way holds of the coroutine that waits for it: a number. The objects lie here, and are touched with the GIL only.
//!
//! Whoever waits no longer takes its entry out, and by that ends the call: the two halves of a channel tell each side that the other
//! is gone.

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use rustc_hash::{FxBuildHasher, FxHashMap};
use tokio::sync::oneshot;
use turnout_client::{Error, Kind};

use super::errors;
use super::feed::HttpFeed;
use super::loops::Way;
use crate::raw::{self, ticks};
use crate::reactor::Deliver;
use crate::states::{Caller, Keeping, Waiter};

/// What a call came to, before it is an object of Python's.
pub(super) trait Reply: Send + 'static {
    /// Makes the object that is waited for, or the exception. `about` is what the call was made from.
    fn build<'py>(self, py: Python<'py>, about: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>;

    /// Tells the account of whoever waited for it which upstreams it waited for. `now`: when it came.
    fn account(&self, _waiter: &Waiter, _now: u64) {}
}

struct Entry {
    future: Py<PyAny>,
    about: Py<PyAny>,
    /// What the body of its request is pulled from.
    feed: Option<Py<HttpFeed>>,
    /// Closed once nothing will come any more.
    call: oneshot::Sender<()>,
}

struct Table {
    generation: u64,
    entries: FxHashMap<u64, Entry>,
    numbers: u64,
}

/// Taken with the GIL only, never across a call into Python.
static TABLE: Mutex<Table> =
    Mutex::new(Table { generation: 0, entries: FxHashMap::with_hasher(FxBuildHasher), numbers: 0 });

/// The right to give one future its outcome, once. Dropped unused, it tells the future that nothing will come.
pub(super) struct Ticket {
    way: Way,
    number: u64,
    left: Option<oneshot::Receiver<()>>,
    /// The request that waits.
    waiter: Option<Waiter>,
}

impl Ticket {
    /// For `future`, whose loop is reached by `way`, in a call of that caller.
    pub(super) fn new(py: Python<'_>, way: Way, future: Py<PyAny>, about: Py<PyAny>, caller: Caller) -> Self {
        let (call, left) = oneshot::channel();
        let mut table = TABLE.lock();
        let generation = raw::fork_generation();
        if table.generation != generation {
            // The parent's: nobody here waits for these.
            std::mem::forget(std::mem::take(&mut table.entries));
            table.generation = generation;
        }
        table.numbers += 1;
        let number = table.numbers;
        table.entries.insert(number, Entry { future, about, feed: None, call });
        drop(table);
        Self { way, number, left: Some(left), waiter: Waiter::current(py, caller) }
    }

    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// What the body of the request is pulled from.
    pub(super) fn keep(&self, _py: Python<'_>, feed: Py<HttpFeed>) {
        if let Some(entry) = TABLE.lock().entries.get_mut(&self.number) {
            entry.feed = Some(feed);
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Ready once nobody waits any more.
    pub(super) async fn left(&mut self) {
        if let Some(left) = &mut self.left {
            let _ = left.await;
        }
    }

    /// From any thread.
    pub(super) fn finish<R: Reply>(mut self, reply: R) {
        if let Some(left) = self.left.take() {
            let waiter = self.waiter.take();
            self.way.deliver(Box::new(Done { number: self.number, reply, waiter, _left: left }));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(left) = self.left.take() {
            let waiter = self.waiter.take();
            self.way.deliver(Box::new(Done { number: self.number, reply: Lost, waiter, _left: left }));
        }
    }
}

/// Nobody waits for this one any more: the call ends, if it has not yet. With the GIL.
pub(super) fn abandon(_py: Python<'_>, number: u64) {
    let entry = TABLE.lock().entries.remove(&number);
    drop(entry);
}

/// What the body of this one's request is pulled from.
pub(super) fn feed(py: Python<'_>, number: u64) -> Option<Py<HttpFeed>> {
    TABLE.lock().entries.get(&number).and_then(|entry| entry.feed.as_ref().map(|feed| feed.clone_ref(py)))
}

/// Ends this one with an exception of Python's.
pub(super) fn fail(py: Python<'_>, number: u64, error: PyErr) -> PyResult<()> {
    let entry = TABLE.lock().entries.remove(&number);
    let Some(Entry { future, .. }) = entry else { return Ok(()) };
    let future = future.bind(py);
    if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
        future.call_method1(intern!(py, "set_exception"), (error.value(py),))?;
    }
    Ok(())
}

/// Drops what can never be delivered, because its loop is gone.
pub(super) fn sweep(_py: Python<'_>) {
    let gone: Vec<Entry> = {
        let mut table = TABLE.lock();
        table.entries.extract_if(|_, entry| entry.call.is_closed()).map(|(_, entry)| entry).collect()
    };
    drop(gone);
}

struct Done<R> {
    number: u64,
    reply: R,
    waiter: Option<Waiter>,
    /// Closes the entry's half of the channel if this is dropped undelivered.
    _left: oneshot::Receiver<()>,
}

impl<R: Reply> Deliver for Done<R> {
    fn keeping(&self) -> Option<Arc<Keeping>> {
        self.waiter.as_ref().map(|waiter| Arc::clone(&waiter.keeping))
    }

    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()> {
        if let Some(waiter) = &self.waiter {
            self.reply.account(waiter, ticks());
        }
        let entry = TABLE.lock().entries.remove(&self.number);
        let Some(Entry { future, about, call, .. }) = entry else { return Ok(()) };
        drop(call);
        let future = future.bind(py);
        if future.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(()); // cancelled, and the coroutine has not had its turn yet
        }
        match self.reply.build(py, about.bind(py)) {
            Ok(value) => future.call_method1(intern!(py, "set_result"), (value,)),
            Err(error) => future.call_method1(intern!(py, "set_exception"), (error.value(py),)),
        }
        .map(drop)
    }
}

/// The runtime ended before the call.
pub(super) struct Lost;

impl Lost {
    pub(super) fn error() -> Error {
        Error::new(Kind::Cancelled, "the event loop that carried the call was closed, or the process ends")
    }
}

impl Reply for Lost {
    fn build<'py>(self, py: Python<'py>, about: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Err(errors::raised(py, &Self::error(), Some(about)))
    }
}
