//! Where calls run: on the runtime of the reactor that serves, or on one background thread. Made for the first call, and anew after a fork.
//!
//! The lock here is taken with the GIL only, and never across a call into Python: so whoever forks by `os.fork`, which has the GIL,
//! never leaves it locked in the child.

use std::io;
use std::mem;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use tokio::runtime;
use tokio::sync::Notify;
use turnout_client::{Client, Cpu, Limits};

use super::lane::Lane;
use super::unawaited::Unawaited;
use crate::raw;
use crate::reactor;

/// One runtime. Clones are the same one.
#[derive(Clone)]
pub(super) struct Home {
    /// Never used again: connections of one runtime are of no use to another.
    pub(super) number: u64,
    /// Of the process that made it.
    generation: u64,
    way: Way,
    cpu: Arc<Cpu>,
    /// Of its calls.
    unawaited: Arc<Unawaited>,
    /// Its pools: one for all clients of the same limits. Taken with the GIL only.
    clients: Arc<Mutex<Vec<(Limits, Client)>>>,
}

#[derive(Clone)]
enum Way {
    Reactor(reactor::Handle, Lane),
    Thread(Arc<Background>),
}

impl Home {
    /// For as long as its caller has what ends it.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        match &self.way {
            Way::Reactor(handle, lane) => {
                if let Some(driver) = lane.driver() {
                    handle.spawn(driver);
                }
                lane.spawn(future);
            }
            Way::Thread(background) => drop(background.runtime.spawn(future)),
        }
    }

    /// It is the parent's, of a forked child: nothing of it may be touched.
    pub(super) fn is_foreign(&self) -> bool {
        self.generation != raw::fork_generation()
    }

    /// The connections of all clients with these limits.
    pub(super) fn client(&self, limits: &Limits) -> Client {
        let mut clients = self.clients.lock();
        if let Some((_, client)) = clients.iter().find(|(others, _)| others == limits) {
            return client.clone();
        }
        let client = Client::new(limits.clone()).observed_by(Arc::clone(&self.unawaited) as _).computing_on(self.cpu());
        clients.push((limits.clone(), client.clone()));
        client
    }

    /// For bodies and JSON too large for the thread that reads the network.
    pub(super) fn cpu(&self) -> Arc<Cpu> {
        Arc::clone(&self.cpu)
    }

    fn reactor(&self) -> Option<&reactor::Handle> {
        match &self.way {
            Way::Reactor(handle, _) => Some(handle),
            Way::Thread(_) => None,
        }
    }
}

/// What a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wish {
    /// The reactor while one serves, else the background thread.
    #[default]
    Shared,
    /// The background thread in any case: the client has so much to do that requests would suffer.
    OwnThread,
}

struct Homes {
    generation: u64,
    /// Reactors that serve, in the order in which they came.
    serving: Vec<Home>,
    background: Option<Home>,
    numbers: u64,
    /// The interpreter ends.
    ended: bool,
}

static HOMES: Mutex<Homes> =
    Mutex::new(Homes { generation: 0, serving: Vec::new(), background: None, numbers: 0, ended: false });

impl Homes {
    /// In a forked child: what the parent has is left where it is, for its locks may be held by threads that are not here, and its
    /// sockets are the parent's too.
    fn settle(&mut self) {
        let generation = raw::fork_generation();
        if self.generation != generation {
            self.generation = generation;
            mem::forget((mem::take(&mut self.serving), self.background.take()));
        }
    }

    fn home(&mut self, way: Way) -> Home {
        self.numbers += 1;
        let unawaited = Unawaited::new(match &way {
            Way::Reactor(handle, _) => Some(handle.clone()),
            Way::Thread(_) => None,
        });
        Home {
            number: self.numbers,
            generation: self.generation,
            way,
            cpu: Arc::new(Cpu::beginning_with(Cpu::most_threads(), raw::take_short_turns)),
            unawaited,
            clients: Arc::default(),
        }
    }
}

/// A reactor begins to serve: calls of this process run there, until it closes.
pub(crate) fn serve(_py: Python<'_>, handle: reactor::Handle) {
    let mut homes = HOMES.lock();
    homes.settle();
    let home = homes.home(Way::Reactor(handle, Lane::default()));
    homes.serving.push(home);
}

/// Where a call of this moment runs.
pub(super) fn home(py: Python<'_>, wish: Wish) -> PyResult<Home> {
    raw::watch_forks()?;
    let (home, gone) = find(wish)?;
    drop(gone);
    let (home, new) = home;
    home.unawaited.write(py)?;
    if new {
        let end = wrap_pyfunction!(end_background, py)?;
        py.import(intern!(py, "atexit"))?.call_method1(intern!(py, "register"), (end,))?;
    }
    Ok(home)
}

/// For work that needs no connection.
pub(super) fn any(py: Python<'_>) -> PyResult<Home> {
    home(py, Wish::Shared)
}

/// And whether it was made for it. What is over is dropped by the caller, outside of the lock.
fn find(wish: Wish) -> PyResult<((Home, bool), Vec<Home>)> {
    let mut homes = HOMES.lock();
    homes.settle();
    let gone = homes.serving.extract_if(.., |home| home.reactor().is_some_and(|handle| !handle.is_open())).collect();
    if let (Wish::Shared, Some(home)) = (wish, homes.serving.first()) {
        return Ok(((home.clone(), false), gone));
    }
    if homes.ended {
        return Err(PyRuntimeError::new_err("the interpreter is ending: no more calls"));
    }
    if let Some(home) = &homes.background {
        return Ok(((home.clone(), false), gone));
    }
    let started = Background::start()
        .map_err(|error| PyOSError::new_err(format!("the thread for outbound calls could not be started: {error}")))?;
    let home = homes.home(Way::Thread(Arc::new(started)));
    homes.background = Some(home.clone());
    Ok(((home, true), gone))
}

/// Ends the background thread, before the interpreter is gone. Whoever still waits is told so.
#[pyfunction]
fn end_background(py: Python<'_>) {
    let background = {
        let mut homes = HOMES.lock();
        homes.settle();
        homes.ended = true;
        homes.background.take()
    };
    if let Some(Home { way: Way::Thread(background), unawaited, .. }) = background {
        py.detach(|| background.end());
        let _ = unawaited.write(py);
    }
}

/// A thread with a runtime. It never takes the GIL.
struct Background {
    runtime: runtime::Handle,
    stop: Arc<Notify>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Background {
    fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("turnout-http".into()).spawn(move || {
            runtime.block_on(stopped.notified());
            // Tasks are dropped here, which tells those who wait for them.
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, stop, thread: Mutex::new(Some(thread)) })
    }

    fn end(&self) {
        self.stop.notify_one();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}
