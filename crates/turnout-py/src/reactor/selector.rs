//! The pyclass: what Python sees of the reactor. `turnout.loop` puts `selectors.BaseSelector` around it.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::exceptions::{PyException, PyOSError, PyRuntimeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyWeakrefReference};

use crate::raw::ticks;
use crate::reactor::accounts::Accounts;
use crate::reactor::descriptors::{Descriptors, Ready};
use crate::reactor::driver::{Driver, Found};
use crate::reactor::figures::Figures;
use crate::reactor::inbox::Waiting;
use crate::reactor::pace::Pace;
use crate::reactor::shared::{Deliver, Handle, Shared};
use crate::reactor::steps::Steps;

/// asyncio's selector; see `python/turnout/loop.py`.
///
/// Any thread may call any method; `select` and `close` refuse while another `select` runs.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct Reactor {
    /// The selector's own map, `fd -> SelectorKey`.
    keys: Py<PyDict>,
    /// Always there until the drop. In a forked child the last of its successors counts.
    first: Option<Box<State>>,
    /// Weak reference to the loop whose exception handler is told what goes wrong.
    owner: Mutex<Option<Py<PyWeakrefReference>>>,
    crossings: AtomicU64,
    pace: Mutex<Pace>,
    /// Written by the loop, here so that Rust can read them.
    steps: Arc<Steps>,
}

/// What one process has of the reactor. No lock guards it as a whole: a fork could find such a lock held by a thread that the
/// child does not have.
struct State {
    shared: Arc<Shared>,
    descriptors: Descriptors,
    /// Only ever tried: a second thread in `select` is an error, not something to wait for.
    driver: Mutex<Driver>,
    /// Made in a forked child, for which this state is the parent's.
    next: OnceLock<Box<Self>>,
}

impl State {
    fn new() -> io::Result<Box<Self>> {
        let shared = Arc::new(Shared::new()?);
        let descriptors = Descriptors::new(&shared.doorbell)?;
        let driver = Mutex::new(Driver::new(Arc::clone(&shared), descriptors.clone()));
        Ok(Box::new(Self { shared, descriptors, driver, next: OnceLock::new() }))
    }
}

impl Reactor {
    /// The way in for Rust.
    pub(crate) fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.state().shared))
    }

    /// Weak reference to the loop, once [`Reactor::attach`] was called.
    pub(super) fn owner(&self, py: Python<'_>) -> Option<Py<PyWeakrefReference>> {
        self.owner.lock().as_ref().map(|owner| owner.clone_ref(py))
    }

    fn state(&self) -> &State {
        let mut state = self.first.as_deref().expect("only taken by the drop");
        while let Some(next) = state.next.get() {
            state = next;
        }
        state
    }

    fn usable(&self) -> PyResult<&State> {
        let state = self.state();
        if state.shared.is_foreign() {
            return Err(PyRuntimeError::new_err("this event loop belongs to the parent process: make a new one"));
        }
        if state.shared.is_closed() {
            return Err(PyValueError::new_err("I/O operation on closed reactor"));
        }
        Ok(state)
    }

    /// Runs what Rust delivered. What `KeyboardInterrupt` or `SystemExit` cut short waits for the next `select`.
    fn dispatch(&self, py: Python<'_>, shared: &Shared, accounts: &Accounts) -> PyResult<()> {
        if shared.inbox.is_empty() {
            return Ok(());
        }
        accounts.begin();
        self.crossings.fetch_add(1, Ordering::Relaxed);
        let mut batch = {
            let mut pace = self.pace.lock();
            let batch = shared.inbox.take(pace.allowance()).into_iter();
            pace.hand(batch.len() as u32);
            batch
        };
        let mut begun = ticks();
        while let Some(Waiting { item, since }) = batch.next() {
            let keeping = item.keeping();
            // What it makes ready is ready since it came.
            accounts.cause(since);
            accounts.doing(since, begun);
            let delivered = deliver(py, item);
            let ended = ticks();
            accounts.step(keeping.as_deref(), since, begun, ended);
            begun = ended;
            let Err(error) = delivered else { continue };
            if error.is_instance_of::<PyException>(py) {
                self.report(py, error);
                continue;
            }
            shared.inbox.put_back(batch);
            accounts.no_cause();
            return Err(error);
        }
        accounts.no_cause();
        Ok(())
    }

    /// Tells the loop's exception handler, or at least `sys.unraisablehook`.
    fn report(&self, py: Python<'_>, error: PyErr) {
        let told = self.owner(py).and_then(|owner| owner.bind(py).upgrade()).map(|owner| {
            let context = PyDict::new(py);
            context.set_item(intern!(py, "message"), "turnout: exception in a callback from Rust")?;
            context.set_item(intern!(py, "exception"), error.value(py))?;
            owner.call_method1(intern!(py, "call_exception_handler"), (context,))
        });
        if !matches!(told, Some(Ok(_))) {
            error.write_unraisable(py, None);
        }
    }

    /// `select` without the Python of its answer.
    pub(super) fn look(&self, py: Python<'_>, timeout: Option<Duration>, accounts: &Accounts) -> PyResult<Found> {
        let state = self.usable()?;
        self.pace.lock().back();
        let found = {
            let Some(mut driver) = state.driver.try_lock() else {
                return Err(PyRuntimeError::new_err("select() of this reactor is already running"));
            };
            driver.select(py, timeout).map_err(os_error)?
        };
        py.check_signals()?;
        self.dispatch(py, &state.shared, accounts)?;
        Ok(found)
    }

    /// In the middle of a turn that is long because it has many steps: the network has a moment. See [`Driver::breathe`].
    pub(super) fn breathe(&self, py: Python<'_>) {
        let state = self.state();
        if state.shared.is_foreign() || state.shared.is_closed() {
            return;
        }
        if let Some(mut driver) = state.driver.try_lock() {
            driver.breathe(py);
        }
    }

    /// The same in the middle of one long step, which is asked to end early if something waits for the loop thread by now.
    pub(super) fn is_wanted(&self, py: Python<'_>) -> bool {
        self.breathe(py);
        self.state().shared.wants_python()
    }

    /// The selector key of a descriptor, unless it was unregistered since it became ready (or never by us).
    pub(super) fn key<'py>(&self, py: Python<'py>, fd: RawFd) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.keys.bind(py).get_item(fd)
    }

    pub(super) fn keys<'py>(&self, py: Python<'py>) -> &Bound<'py, PyDict> {
        self.keys.bind(py)
    }

    /// What its loop does, to be told.
    pub(crate) fn figures(&self) -> Figures {
        Figures { shared: self.handle().0, steps: self.steps() }
    }

    pub(super) fn steps(&self) -> Arc<Steps> {
        Arc::clone(&self.steps)
    }

    fn ready_keys<'py>(&self, py: Python<'py>, ready: Vec<Ready>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for (fd, mask) in ready {
            let Some(key) = self.key(py, fd)? else { continue };
            let wanted: u32 = key.getattr(intern!(py, "events"))?.extract()?;
            if mask & wanted != 0 {
                list.append((key, mask & wanted))?;
            }
        }
        Ok(list)
    }
}

#[pymethods]
impl Reactor {
    #[new]
    fn new(keys: Py<PyDict>) -> PyResult<Self> {
        Ok(Self {
            keys,
            first: Some(State::new().map_err(os_error)?),
            owner: Mutex::new(None),
            crossings: AtomicU64::new(0),
            pace: Mutex::new(Pace::new()),
            steps: Arc::new(Steps::new()),
        })
    }

    /// Drives Rust and waits for Python: at most `timeout` seconds, for ever if `None`, not at all if not positive.
    #[pyo3(signature = (timeout=None))]
    fn select<'py>(&self, py: Python<'py>, timeout: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyList>> {
        let timeout = timeout.map(duration).transpose()?;
        let found = self.look(py, timeout, &Accounts::default())?;
        self.ready_keys(py, found.ready)
    }

    /// Watches `fd` for `events` (selectors.EVENT_READ, EVENT_WRITE or both).
    pub(super) fn add(&self, fd: RawFd, events: u32) -> PyResult<()> {
        self.usable()?.descriptors.add(fd, events).map_err(os_error)
    }

    /// Watches `fd` for other events.
    pub(super) fn modify(&self, fd: RawFd, events: u32) -> PyResult<()> {
        self.usable()?.descriptors.modify(fd, events).map_err(os_error)
    }

    /// Watches `fd` no more.
    pub(super) fn remove(&self, fd: RawFd) -> PyResult<()> {
        self.usable()?.descriptors.remove(fd).map_err(os_error)
    }

    /// The descriptor of the epoll set of Python's descriptors; -1 when closed.
    fn fileno(&self) -> RawFd {
        let state = self.state();
        if state.shared.is_closed() { -1 } else { state.descriptors.as_raw_fd() }
    }

    /// Makes `select` return: Python's own queue has something. From any thread, and from signal handlers.
    pub(super) fn poke(&self) {
        let state = self.state();
        if !state.shared.is_foreign() {
            state.shared.poke();
        }
    }

    /// Ends the runtime with all its tasks. From any thread, while the loop does not run.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let state = self.state();
        if state.shared.is_foreign() || state.shared.is_closed() {
            return Ok(());
        }
        let Some(mut driver) = state.driver.try_lock() else {
            return Err(PyRuntimeError::new_err("select() of this reactor is running"));
        };
        let driver = &mut *driver;
        let shared = &state.shared;
        py.detach(|| close(shared, driver));
        Ok(())
    }

    /// In a forked child, called by `os.register_at_fork`: forgets the parent's runtime and starts afresh. Python's
    /// descriptors must be added again. False if there was nothing to do.
    fn after_fork(&self) -> PyResult<bool> {
        let parents = self.state();
        if !parents.shared.is_foreign() || parents.shared.is_closed() {
            return Ok(false);
        }
        // The parent's stays as it is: its locks may be held by threads that are not here, its epoll sets are shared.
        Ok(parents.next.set(State::new().map_err(os_error)?).is_ok())
    }

    /// Who is told about exceptions: `owner.call_exception_handler(context)`. Held weakly.
    fn attach(&self, owner: &Bound<'_, PyAny>) -> PyResult<()> {
        *self.owner.lock() = Some(PyWeakrefReference::new(owner)?.unbind());
        Ok(())
    }

    /// Creates the runtime now instead of with the first Rust task.
    fn start_runtime(&self) -> PyResult<()> {
        let state = self.usable()?;
        let Some(mut driver) = state.driver.try_lock() else {
            return Err(PyRuntimeError::new_err("select() of this reactor is running"));
        };
        driver.start().map_err(os_error)
    }

    /// Whether to look for Rust work once more before the GIL is released to wait (the default).
    fn set_try_before_release(&self, yes: bool) -> PyResult<()> {
        let state = self.usable()?;
        let Some(mut driver) = state.driver.try_lock() else {
            return Err(PyRuntimeError::new_err("select() of this reactor is running"));
        };
        driver.try_before_release = yes;
        Ok(())
    }

    /// What happened so far, for tests and benches.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let state = self.state();
        let stats = PyDict::new(py);
        if let Some(driver) = state.driver.try_lock() {
            stats.set_item("runtime", driver.has_runtime())?;
            stats.set_item("selects", driver.counts.selects)?;
            stats.set_item("waits", driver.counts.waits)?;
            stats.set_item("reclaims", driver.counts.reclaims)?;
            stats.set_item("standby_turns", driver.standby_turns())?;
        }
        stats.set_item("crossings", self.crossings.load(Ordering::Relaxed))?;
        stats.set_item("wakes", state.shared.wakes.load(Ordering::Relaxed))?;
        let sums = self.steps.sums();
        stats.set_item("steps", sums.count)?;
        stats.set_item("steps_queued_ns", sums.queued)?;
        stats.set_item("steps_ran_ns", sums.ran)?;
        stats.set_item("longest_step_ns", sums.longest)?;
        Ok(stats)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // The cycle goes through this dict (its keys hold the loop's handles); the dict itself clears it.
        visit.call(&self.keys)
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        let state = self.state();
        if !state.shared.is_foreign()
            && !state.shared.is_closed()
            && let Some(mut driver) = state.driver.try_lock()
        {
            close(&state.shared, &mut driver);
        }
        if let Some(first) = self.first.take_if(|first| first.shared.is_foreign()) {
            mem::forget(first); // the parent's, see `after_fork`
        }
    }
}

fn close(shared: &Shared, driver: &mut Driver) {
    shared.close();
    driver.stop();
    shared.discard();
}

fn deliver(py: Python<'_>, item: Box<dyn Deliver>) -> PyResult<()> {
    guarded(|| item.deliver(py))
}

/// A panic in turnout's own code becomes one more exception: the loop goes on.
pub(super) fn guarded<T>(call: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(PyRuntimeError::new_err(format!("turnout: a panic in Rust: {text}")))
    })
}

/// Seconds of asyncio to a duration: negative, NaN and huge ones are all somebody's arithmetic.
fn duration(seconds: &Bound<'_, PyAny>) -> PyResult<Duration> {
    // The common one of a busy loop is the int 0, which would become a float first.
    if !seconds.is_truthy()? {
        return Ok(Duration::ZERO);
    }
    let seconds: f64 = seconds.extract()?;
    let positive = seconds > 0.0;
    Ok(if positive { Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX) } else { Duration::ZERO })
}

/// With `errno`, so that Python picks the subclass and asyncio can ask what it was.
pub(super) fn os_error(error: impl Into<io::Error>) -> PyErr {
    let error = error.into();
    let Some(number) = error.raw_os_error() else { return error.into() };
    let text = error.to_string();
    PyOSError::new_err((number, text.split(" (os error").next().unwrap_or(&text).to_owned()))
}
