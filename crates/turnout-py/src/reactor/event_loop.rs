//! The native half of `turnout.loop.TurnoutLoop`: its ready queue, its timers, and the turn that works them off.
//!
//! The other half is the stdlib's selector loop, which keeps all that is not in the way of every step: transports, executors,
//! signals, subprocesses. In debug mode the same queues are worked off with a Python method around each step.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyContext, PyDict, PyTuple};
use rustix::time::{ClockId, clock_gettime};

use crate::raw::ticks;
use crate::reactor::accounts::{Accounts, Readiness};
use crate::reactor::handles::{Handle, TimerHandle};
use crate::reactor::readers::{self, KEY_DATA, KEY_EVENTS, KEY_FILE, Side};
use crate::reactor::selector::Reactor;
use crate::reactor::step::{Origin, Ready, Step};
use crate::reactor::steps::Steps;
use crate::reactor::timers::Timers;
use crate::states;

/// What is due within one tick of the clock is due now, as in the stdlib.
const RESOLUTION: f64 = 1e-9;

/// How long the short steps of one turn may keep the network waiting; half of the standby's patience, for a hand-over to it
/// and back costs some hundred times what a pass costs here. A single step that is longer is the standby's.
const BREATH: Duration = Duration::from_millis(1);

/// Base class of `turnout.loop.TurnoutLoop`, before the stdlib's loop in the order of resolution.
///
/// No lock is held across a call into Python, so all of them are free whenever somebody asks.
#[pyclass(frozen, subclass, module = "turnout._turnout")]
pub(crate) struct EventLoop {
    reactor: OnceLock<(Py<Reactor>, Arc<Steps>)>,
    ready: Mutex<VecDeque<Ready>>,
    timers: Mutex<Timers>,
    stopping: AtomicBool,
    debug: AtomicBool,
    closed: AtomicBool,
    /// Somebody put another clock in the place of `time`.
    foreign_clock: AtomicBool,
    /// [`BREATH`] in ticks.
    breath: AtomicU64,
    /// Whose the steps are.
    readiness: Readiness,
}

/// When this turn looked for events, and what it learned about their time.
struct Look {
    returned: u64,
    /// The loop's seconds when it began to wait; None if it did not wait.
    waited_from: Option<f64>,
}

impl EventLoop {
    pub(super) fn is_debug(&self) -> bool {
        self.debug.load(Relaxed)
    }

    pub(crate) fn reactor(&self) -> Option<&Reactor> {
        self.reactor.get().map(|(reactor, _)| reactor.get())
    }

    /// For a step that works on something large: lets the network have a moment, and answers whether somebody waits for the loop now.
    /// The step should end then, and go on in another turn.
    pub(crate) fn is_wanted(&self, py: Python<'_>) -> bool {
        self.reactor().is_some_and(|reactor| reactor.is_wanted(py))
    }

    /// A handle that is among the timers was cancelled.
    pub(super) fn note_cancelled_timer(&self) {
        self.timers.lock().note_cancelled();
    }

    fn push(&self, step: Step, since: u64, origin: Origin) {
        self.ready.lock().push_back(Ready { step, since, origin });
    }

    /// What a step that just ran was for: see [`crate::states::current`]. Called in the step's context.
    pub(super) fn note_owner(&self, py: Python<'_>) {
        if states::views().is_some() {
            self.readiness.set_owner(states::current(py));
        }
    }

    /// Seconds of the loop's clock.
    fn now(slf: &Bound<'_, Self>) -> PyResult<f64> {
        if slf.get().foreign_clock.load(Relaxed) {
            return slf.call_method0(intern!(slf.py(), "time"))?.extract();
        }
        Ok(monotonic())
    }

    fn check(slf: &Bound<'_, Self>, callback: &Bound<'_, PyAny>, method: &str, same_thread: bool) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if this.closed.load(Relaxed) {
            return Err(PyRuntimeError::new_err("Event loop is closed"));
        }
        if this.is_debug() {
            if same_thread {
                slf.call_method0(intern!(py, "_check_thread"))?;
            }
            slf.call_method1(intern!(py, "_check_callback"), (callback, method))?;
        }
        Ok(())
    }

    /// `call_soon`, without the checks.
    fn soon<'py>(
        slf: &Bound<'py, Self>,
        callback: Bound<'py, PyAny>,
        arguments: Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
        origin: Origin,
    ) -> PyResult<Bound<'py, Handle>> {
        let since = if origin == Origin::Inside { slf.get().readiness.since() } else { ticks() };
        let handle = Bound::new(slf.py(), Handle::new(slf, callback, arguments, context)?)?;
        slf.get().push(Step::Native(handle.clone().unbind()), since, origin);
        Ok(handle)
    }

    fn at<'py>(
        slf: &Bound<'py, Self>,
        when: f64,
        callback: Bound<'py, PyAny>,
        arguments: Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Bound<'py, TimerHandle>> {
        Self::check(slf, &callback, "call_at", true)?;
        let timer = Handle::new(slf, callback, arguments, context)?.into_timer(slf.py(), when)?;
        let handle = timer.as_super().clone().unbind();
        slf.get().timers.lock().push(when, handle);
        Ok(timer)
    }

    fn watch<'py>(
        slf: &Bound<'py, Self>,
        fd: Bound<'py, PyAny>,
        side: Side,
        callback: Bound<'py, PyAny>,
        arguments: Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, Handle>> {
        if slf.get().closed.load(Relaxed) {
            return Err(PyRuntimeError::new_err("Event loop is closed"));
        }
        let handle = Bound::new(slf.py(), Handle::new(slf, callback, arguments, None)?)?;
        readers::add(slf, fd, side, &handle)?;
        Ok(handle)
    }

    /// One turn: look for events, then run what was ready when that was done. `last` is when the one before ended.
    fn turn(slf: &Bound<'_, Self>, reactor: &Reactor, steps: &Steps, last: u64) -> PyResult<u64> {
        let accounts = Accounts::of(&slf.get().readiness, steps);
        let look = Self::look(slf, reactor, last, &accounts)?;
        let was_due = Self::take_due(slf, &look)?;
        let ended = Self::run_ready(slf, reactor, steps, look.returned, &accounts)?;
        if was_due && look.waited_from.is_some() && !slf.get().stopping.load(Relaxed) {
            // A timer's callback is nearly always the first half of a step: it resolves the future that a task sleeps on. After a
            // sleep there is nothing else to do, so the other half needs no look of its own.
            return Self::run_ready(slf, reactor, steps, ended, &accounts);
        }
        Ok(ended)
    }

    fn look(slf: &Bound<'_, Self>, reactor: &Reactor, last: u64, accounts: &Accounts<'_>) -> PyResult<Look> {
        let (py, this) = (slf.py(), slf.get());
        let (swept, due) = {
            let mut timers = this.timers.lock();
            (timers.sweep(), timers.next())
        };
        drop(swept);
        let busy = this.stopping.load(Relaxed) || !this.ready.lock().is_empty();
        let (timeout, began) = match due {
            _ if busy => (Some(Duration::ZERO), None),
            None => (None, Some(0.0)),
            Some(due) => {
                let now = Self::now(slf)?;
                let seconds = this.timers.lock().wake_up(now).unwrap_or(due) - now;
                let positive = seconds > 0.0;
                let wait = if positive {
                    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
                } else {
                    Duration::ZERO
                };
                (Some(wait), Some(now))
            }
        };
        let found = reactor.look(py, timeout, accounts)?;
        let returned = ticks();
        // If it had to wait, they are ready since now; if not, they became ready somewhere since the last look.
        let since = if found.waited { returned } else { last.midpoint(returned) };
        for (fd, mask) in found.ready {
            if let Some(key) = reactor.key(py, fd)? {
                Self::wake(slf, &key, mask, since)?;
            }
        }
        Ok(Look { returned, waited_from: began.filter(|_| found.waited) })
    }

    /// A descriptor is ready: its reader and its writer are, too.
    fn wake(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>, mask: u32, since: u64) -> PyResult<()> {
        let key = key.cast::<PyTuple>()?;
        let mask = mask & key.get_item(KEY_EVENTS)?.extract::<u32>()?;
        if mask == 0 {
            return Ok(());
        }
        let data = key.get_item(KEY_DATA)?;
        let data = data.cast::<PyTuple>()?;
        for side in [Side::Reader, Side::Writer] {
            let handle = data.get_item(side.place())?;
            if mask & side.event() == 0 || handle.is_none() {
                continue;
            }
            let step = Step::of(handle);
            if step.is_cancelled(slf.py())? {
                readers::remove(slf, &key.get_item(KEY_FILE)?, side)?;
            } else {
                slf.get().ready.lock().push_back(Ready { step, since, origin: Origin::Descriptor });
            }
        }
        Ok(())
    }

    /// What is due becomes ready. False: nothing was.
    fn take_due(slf: &Bound<'_, Self>, look: &Look) -> PyResult<bool> {
        let this = slf.get();
        if this.timers.lock().next().is_none() {
            return Ok(false);
        }
        let now = Self::now(slf)?;
        let mut any = false;
        loop {
            let Some((when, handle)) = this.timers.lock().pop_due(now + RESOLUTION) else { break };
            any = true;
            // A loop that slept until then was woken as early as could be; a busy one kept it waiting.
            let slept = look.waited_from.is_some_and(|from| from <= when);
            let since = if slept { look.returned } else { Steps::before(look.returned, now - when) };
            this.ready.lock().push_back(Ready { step: Step::Native(handle), since, origin: Origin::Inside });
        }
        if any && look.waited_from.is_some() {
            this.timers.lock().note_woken(now);
        }
        Ok(any)
    }

    /// Runs as many steps as are ready now; what they make ready has its turn after the next look. Answers when it was done.
    fn run_ready(
        slf: &Bound<'_, Self>,
        reactor: &Reactor,
        steps: &Steps,
        mut begun: u64,
        accounts: &Accounts<'_>,
    ) -> PyResult<u64> {
        let this = slf.get();
        let breath = this.breath.load(Relaxed);
        let mut breathed = begun;
        let count = this.ready.lock().len();
        if count > 0 {
            accounts.begin();
        }
        for _ in 0..count {
            let Some(next) = this.ready.lock().pop_front() else { break };
            if next.origin != Origin::Inside {
                accounts.cause(next.since);
            }
            accounts.doing(next.since, begun);
            let ran = next.step.run(slf);
            // With the dropping of what the step held.
            let ended = ticks();
            let owner = this.readiness.take_owner().filter(|_| next.origin != Origin::Descriptor);
            if next.origin != Origin::Inside {
                accounts.no_cause();
            }
            if ran.as_ref().is_ok_and(|ran| *ran) {
                steps.add(next.since, begun, ended);
                accounts.step(owner.as_deref(), next.since, begun, ended);
            } else {
                accounts.no_step();
            }
            begun = ended;
            ran?;
            if ended.saturating_sub(breathed) > breath {
                reactor.breathe(slf.py());
                breathed = ticks();
                begun = breathed;
            }
        }
        Ok(begun)
    }
}

#[pymethods]
impl EventLoop {
    #[new]
    #[pyo3(signature = (*_arguments, **_options))]
    fn new(_arguments: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            reactor: OnceLock::new(),
            ready: Mutex::default(),
            timers: Mutex::default(),
            stopping: AtomicBool::new(false),
            debug: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            foreign_clock: AtomicBool::new(false),
            breath: AtomicU64::new(u64::MAX),
            readiness: Readiness::default(),
        }
    }

    /// Its reactor, before anything else is asked of it.
    fn _bind(&self, reactor: Py<Reactor>) -> PyResult<()> {
        let steps = reactor.get().steps();
        self.reactor.set((reactor, steps)).map_err(|_| PyRuntimeError::new_err("the loop has its reactor already"))
    }

    /// Queues `callback(*args)` for the next turn.
    #[pyo3(signature = (callback, *args, context=None))]
    fn call_soon<'py>(
        slf: &Bound<'py, Self>,
        callback: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Bound<'py, Handle>> {
        Self::check(slf, &callback, "call_soon", true)?;
        Self::soon(slf, callback, args, context, Origin::Inside)
    }

    /// `call_soon` for other threads and for signal handlers.
    #[pyo3(signature = (callback, *args, context=None))]
    fn call_soon_threadsafe<'py>(
        slf: &Bound<'py, Self>,
        callback: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Bound<'py, Handle>> {
        Self::check(slf, &callback, "call_soon_threadsafe", false)?;
        let handle = Self::soon(slf, callback, args, context, Origin::Thread)?;
        if let Some((reactor, _)) = slf.get().reactor.get() {
            reactor.get().poke();
        }
        Ok(handle)
    }

    /// Runs `callback(*args)` `delay` seconds from now.
    #[pyo3(signature = (delay, callback, *args, context=None))]
    fn call_later<'py>(
        slf: &Bound<'py, Self>,
        delay: &Bound<'py, PyAny>,
        callback: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Bound<'py, TimerHandle>> {
        if delay.is_none() {
            return Err(PyTypeError::new_err("delay must not be None"));
        }
        let when = Self::now(slf)? + delay.extract::<f64>()?;
        Self::at(slf, when, callback, args, context)
    }

    /// Runs `callback(*args)` when `time()` is `when`.
    #[pyo3(signature = (when, callback, *args, context=None))]
    fn call_at<'py>(
        slf: &Bound<'py, Self>,
        when: &Bound<'py, PyAny>,
        callback: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Bound<'py, TimerHandle>> {
        if when.is_none() {
            return Err(PyTypeError::new_err("when cannot be None"));
        }
        Self::at(slf, when.extract()?, callback, args, context)
    }

    /// The loop's clock: that of `time.monotonic`.
    #[expect(clippy::unused_self, reason = "a method of the loop, for Python")]
    fn time(&self) -> f64 {
        monotonic()
    }

    /// Ends `run_forever` after this turn.
    fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// Whether `close` was called.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Whether the loop is in debug mode.
    fn get_debug(&self) -> bool {
        self.is_debug()
    }

    // What the stdlib's half keeps in attributes and calls by these names.

    /// Inside `run_forever`: turns until `stop`. Else: one turn.
    fn _run_once(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let Some((reactor, steps)) = this.reactor.get() else {
            return Err(PyRuntimeError::new_err("the loop has no reactor yet"));
        };
        let time = slf.getattr(intern!(py, "time"))?;
        let native = time.is_instance_of::<PyCFunction>() && time.getattr(intern!(py, "__self__"))?.is(slf);
        this.foreign_clock.store(!native, Relaxed);
        this.breath.store(states::ticks_in(BREATH.as_nanos() as u64), Relaxed);
        let running = !slf.getattr(intern!(py, "_thread_id"))?.is_none();
        let mut last = ticks();
        loop {
            last = Self::turn(slf, reactor.get(), steps, last)?;
            if !running || this.stopping.load(Relaxed) {
                return Ok(());
            }
        }
    }

    /// Makes a handle ready that exists already.
    fn _add_callback(&self, handle: Bound<'_, PyAny>) -> PyResult<()> {
        let py = handle.py();
        let step = Step::of(handle);
        if !step.is_cancelled(py)? {
            self.push(step, ticks(), Origin::Inside);
        }
        Ok(())
    }

    /// Calls `callback(*args)` whenever `fd` can be read.
    #[pyo3(signature = (fd, callback, *args))]
    fn add_reader(
        slf: &Bound<'_, Self>,
        fd: Bound<'_, PyAny>,
        callback: Bound<'_, PyAny>,
        args: Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        readers::ensure_no_transport(slf, &fd)?;
        Self::watch(slf, fd, Side::Reader, callback, args).map(drop)
    }

    /// Calls `callback(*args)` whenever `fd` can be written to.
    #[pyo3(signature = (fd, callback, *args))]
    fn add_writer(
        slf: &Bound<'_, Self>,
        fd: Bound<'_, PyAny>,
        callback: Bound<'_, PyAny>,
        args: Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        readers::ensure_no_transport(slf, &fd)?;
        Self::watch(slf, fd, Side::Writer, callback, args).map(drop)
    }

    /// Ends `add_reader`; False if there was none.
    fn remove_reader(slf: &Bound<'_, Self>, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        readers::ensure_no_transport(slf, fd)?;
        readers::remove(slf, fd, Side::Reader)
    }

    /// Ends `add_writer`; False if there was none.
    fn remove_writer(slf: &Bound<'_, Self>, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        readers::ensure_no_transport(slf, fd)?;
        readers::remove(slf, fd, Side::Writer)
    }

    #[pyo3(signature = (fd, callback, *args))]
    fn _add_reader<'py>(
        slf: &Bound<'py, Self>,
        fd: Bound<'py, PyAny>,
        callback: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, Handle>> {
        Self::watch(slf, fd, Side::Reader, callback, args)
    }

    #[pyo3(signature = (fd, callback, *args))]
    fn _add_writer<'py>(
        slf: &Bound<'py, Self>,
        fd: Bound<'py, PyAny>,
        callback: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, Handle>> {
        Self::watch(slf, fd, Side::Writer, callback, args)
    }

    fn _remove_reader(slf: &Bound<'_, Self>, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        readers::remove(slf, fd, Side::Reader)
    }

    fn _remove_writer(slf: &Bound<'_, Self>, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        readers::remove(slf, fd, Side::Writer)
    }

    /// Drops everything that is ready or will be.
    #[pyo3(name = "_forget_all")]
    fn forget_all(&self) {
        let ready = std::mem::take(&mut *self.ready.lock());
        let timers = std::mem::take(&mut *self.timers.lock());
        drop((ready, timers));
    }

    #[getter(_stopping)]
    fn get_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    #[setter(_stopping)]
    fn set_stopping(&self, yes: bool) {
        self.stopping.store(yes, Relaxed);
    }

    #[getter(_closed)]
    fn get_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    #[setter(_closed)]
    fn set_closed(&self, yes: bool) {
        self.closed.store(yes, Relaxed);
    }

    #[getter(_debug)]
    fn get_debug_flag(&self) -> bool {
        self.is_debug()
    }

    #[setter(_debug)]
    fn set_debug_flag(&self, yes: &Bound<'_, PyAny>) -> PyResult<()> {
        self.debug.store(yes.is_truthy()?, Relaxed);
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some((reactor, _)) = self.reactor.get() {
            visit.call(reactor)?;
        }
        // A lock that is held now means that this loop is alive: then nothing of it is to be collected.
        if let Some(ready) = self.ready.try_lock() {
            for next in ready.iter() {
                match &next.step {
                    Step::Native(handle) => visit.call(handle)?,
                    Step::Foreign(handle) => visit.call(handle)?,
                }
            }
        }
        self.timers.try_lock().map_or(Ok(()), |timers| timers.visit(visit))
    }

    fn __clear__(&self) {
        self.forget_all();
    }
}

fn monotonic() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Rounded as `time.monotonic` rounds, so that the two can be compared.
    (now.tv_sec * 1_000_000_000 + now.tv_nsec) as f64 / 1e9
}
