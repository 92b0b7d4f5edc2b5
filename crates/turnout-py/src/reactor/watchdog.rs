//! The one thread that takes the GIL from outside: once an interval for the worker's heartbeat, and once for each step of the loop that is stuck, to say where
//! it is.
//!
//! A worker whose loop blocks, or whose Python computes, can still give its GIL away: it beats. Only a worker whose GIL nobody
//! can have (C code that keeps it) stops beating, and that is what the supervisor replaces it for.

use std::fmt::Write as _;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyWeakrefReference};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

use crate::raw;
use crate::reactor::selector::Reactor;
use crate::reactor::shared::Shared;
use crate::states;

/// How often the heart beats in a server.
pub(crate) const EVERY: Duration = Duration::from_secs(1);

/// A step of the loop longer than this is worth a line: it is what the other requests of the loop wait for.
const LONG_STEP: Duration = Duration::from_millis(50);

/// At most one such line in this time.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Frames named in the line, innermost first.
const FRAMES: usize = 12;

/// What a pipe takes in one piece (POSIX), so that the line is never torn and never blocks us.
const LINE: usize = 4096;

/// Milliseconds of the clock that all processes of this machine share, for [`start`]'s callback and for whoever reads it.
pub(crate) fn now_millis() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}

/// A running watchdog. Stopped by [`Watchdog::stop`], by dropping it, and by the interpreter's exit.
pub(crate) struct Watchdog(Arc<Control>);

struct Control {
    /// Of the process that has the thread: a forked child has not, and must not wait for it.
    generation: u64,
    state: Mutex<State>,
    signal: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    stopped: bool,
    /// Somebody wants to know where the loop is.
    asked: bool,
}

/// Why it is awake.
enum Call {
    Stop,
    Beat,
    Place,
}

impl Watchdog {
    /// Ends the thread, before the interpreter goes: a thread that asks for the GIL later would never return.
    pub(crate) fn stop(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Does not wait: the thread may want the GIL that the caller has. It ends at its next look.
        if self.0.generation == raw::fork_generation() {
            self.0.state.lock().stopped = true;
            self.0.signal.notify_all();
        }
    }
}

impl Control {
    fn stop(&self) {
        if self.generation != raw::fork_generation() {
            return;
        }
        self.state.lock().stopped = true;
        self.signal.notify_all();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    /// Sleeps until then, or until it is called.
    fn sleep(&self, until: Instant) -> Call {
        let mut state = self.state.lock();
        loop {
            if state.stopped {
                return Call::Stop;
            }
            if std::mem::take(&mut state.asked) {
                return Call::Place;
            }
            if self.signal.wait_until(&mut state, until).timed_out() && !state.stopped {
                return Call::Beat;
            }
        }
    }

    fn ask(&self) {
        self.state.lock().asked = true;
        self.signal.notify_all();
    }
}

/// Calls `beat` with [`now_millis`] at most once `every`, whenever somebody has proved since that the GIL can be had: the
/// loop thread by coming out of `select`, else the watchdog by taking it.
pub(crate) fn start(
    reactor: &Bound<'_, Reactor>,
    every: Duration,
    beat: impl Fn(u64) + Send + 'static,
) -> PyResult<Watchdog> {
    let py = reactor.py();
    let shared = reactor.get().handle().0;
    let owner = reactor.get().owner(py);
    let control = Arc::new(Control {
        generation: raw::fork_generation(),
        state: Mutex::default(),
        signal: Condvar::new(),
        thread: Mutex::new(None),
    });
    let theirs = Arc::clone(&control);
    let thread = thread::Builder::new().name("turnout-watchdog".into()).spawn(move || {
        watch(&theirs, every, &shared, owner.as_ref(), &beat);
        // Dropped with the GIL if it can be had; at exit the interpreter is past caring.
        Python::try_attach(|_| drop(owner));
    })?;
    *control.thread.lock() = Some(thread);
    let asked = Arc::downgrade(&control);
    states::set_place_reader(move || {
        if let Some(control) = asked.upgrade() {
            control.ask();
        }
    });
    let at_exit = Arc::clone(&control);
    let stop = PyCFunction::new_closure(py, None, None, move |args, _kwargs| args.py().detach(|| at_exit.stop()))?;
    py.import("atexit")?.call_method1("register", (stop,))?;
    Ok(Watchdog(control))
}

fn watch(
    control: &Control,
    every: Duration,
    shared: &Shared,
    owner: Option<&Py<PyWeakrefReference>>,
    beat: &dyn Fn(u64),
) {
    let mut last_left = 0;
    let mut last_report: Option<Instant> = None;
    let mut until = Instant::now() + every;
    loop {
        match control.sleep(until) {
            Call::Stop => return,
            Call::Beat => {}
            Call::Place => {
                let told = Python::try_attach(|py| {
                    let event_loop = || owner?.bind(py).upgrade();
                    states::tell_place(|| place_of(py, &event_loop()?).ok().flatten());
                });
                if told.is_none() {
                    return; // the interpreter is going
                }
                continue;
            }
        }
        let long_step = shared.turn.away().filter(|away| *away > LONG_STEP);
        let left = shared.turn.last_left();
        if left != last_left && long_step.is_none() {
            last_left = left;
            beat(now_millis());
            until = Instant::now() + every;
            continue;
        }
        let may_report = last_report.is_none_or(|last| last.elapsed() >= REPORT_EVERY);
        let line = Python::try_attach(|py| {
            beat(now_millis());
            let away = shared.turn.away().filter(|away| may_report && *away > LONG_STEP)?;
            where_is_it(py, owner?.bind(py).upgrade()?, away).ok().flatten()
        });
        match line {
            None => return, // the interpreter is going
            Some(None) => {}
            Some(Some(line)) => {
                last_report = Some(Instant::now());
                say(line);
            }
        }
        // From when it was done: who had to wait for the GIL owes no beats.
        until = Instant::now() + every;
    }
}

/// What the loop's thread runs, its innermost frame. `None`: nothing.
fn frame_of<'py>(py: Python<'py>, event_loop: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let thread = event_loop.getattr(intern!(py, "_thread_id"))?;
    let frames = py.import("sys")?.call_method0("_current_frames")?.cast_into::<PyDict>()?;
    frames.get_item(thread)
}

/// Where in the project's code that is.
fn place_of(py: Python<'_>, event_loop: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    Ok(frame_of(py, event_loop)?.and_then(states::place_of))
}

/// One line: how long, and the Python stack of the loop's thread, innermost first. `None` if it runs nothing.
fn where_is_it(py: Python<'_>, owner: Bound<'_, PyAny>, away: Duration) -> PyResult<Option<String>> {
    let found = frame_of(py, &owner)?;
    drop(owner);
    let Some(mut frame) = found else { return Ok(None) };
    let mut line = format!("turnout: the event loop has been in one step for {} ms:", away.as_millis());
    for number in 0..FRAMES {
        let code = frame.getattr(intern!(py, "f_code"))?;
        let file: String = code.getattr(intern!(py, "co_filename"))?.extract()?;
        let name: String = code.getattr(intern!(py, "co_name"))?.extract()?;
        let number_of_line: Option<u32> = frame.getattr(intern!(py, "f_lineno"))?.extract()?;
        let arrow = if number == 0 { "" } else { " <" };
        // Writing to a String cannot fail.
        let _ = write!(line, "{arrow} {file}:{} {name}", number_of_line.unwrap_or(0));
        frame = frame.getattr(intern!(py, "f_back"))?;
        if frame.is_none() {
            break;
        }
    }
    Ok(Some(line))
}

/// To standard error, if it takes a line without making the heart wait. Not through Python's logging: whoever is stuck may
/// hold its lock.
fn say(mut line: String) {
    line = line.replace('\n', " ");
    let mut end = line.len().min(LINE - 1);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line.push('\n');
    let stderr: BorrowedFd<'_> = rustix::stdio::stderr();
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut descriptors = [PollFd::new(&stderr, PollFlags::OUT)];
    if poll(&mut descriptors, Some(&at_once)).is_ok() && descriptors[0].revents().contains(PollFlags::OUT) {
        let _ = rustix::io::write(stderr, line.as_bytes());
    }
}
