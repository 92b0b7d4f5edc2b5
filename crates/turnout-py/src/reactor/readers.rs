//! `add_reader`, `add_writer` and their opposites: what the stdlib does in three layers of Python, in one step.
//!
//! The selector's map stays what it is, `fd -> SelectorKey` with both handles, so that whoever looks into it finds what he
//! would find in the stdlib. Libraries that wait for each answer by `add_reader` come here twice a query.

use std::os::fd::RawFd;

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyInt, PyTuple, PyType};

use crate::reactor::event_loop::EventLoop;
use crate::reactor::handles::Handle;
use crate::reactor::selector::Reactor;

/// Where the stdlib keeps these in a `selectors.SelectorKey`.
pub(super) const KEY_FILE: usize = 0;
const KEY_FD: usize = 1;
pub(super) const KEY_EVENTS: usize = 2;
pub(super) const KEY_DATA: usize = 3;

/// What a handle waits for.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Reader,
    Writer,
}

impl Side {
    /// asyncio's `EVENT_READ` or `EVENT_WRITE`.
    pub(super) fn event(self) -> u32 {
        match self {
            Self::Reader => 1,
            Self::Writer => 2,
        }
    }

    /// Its place in a selector key's data.
    pub(super) fn place(self) -> usize {
        match self {
            Self::Reader => 0,
            Self::Writer => 1,
        }
    }

    /// Both handles, with `handle` in the place of this side's.
    fn replaced<'py>(self, both: &Bound<'py, PyTuple>, handle: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
        let py = both.py();
        match self {
            Self::Reader => (handle, both.get_item(1)?).into_pyobject(py),
            Self::Writer => (both.get_item(0)?, handle).into_pyobject(py),
        }
    }
}

/// What is watched of one descriptor.
struct Key<'py> {
    file: Bound<'py, PyAny>,
    events: u32,
    handles: Bound<'py, PyTuple>,
}

/// Runs `handle` whenever the side of `file` is ready, in the place of the one that did so before.
pub(super) fn add(
    event_loop: &Bound<'_, EventLoop>,
    file: Bound<'_, PyAny>,
    side: Side,
    handle: &Bound<'_, Handle>,
) -> PyResult<()> {
    let py = event_loop.py();
    let reactor = reactor(event_loop)?;
    let fd = number(event_loop, &file)?;
    let handle = handle.clone().into_any();
    let Some(key) = find(py, reactor, fd)? else {
        reactor.add(fd, side.event())?;
        let nothing = (py.None(), py.None()).into_pyobject(py)?;
        let handles = side.replaced(&nothing, handle)?;
        return keep(reactor, fd, Key { file, events: side.event(), handles });
    };
    let before = key.handles.get_item(side.place())?;
    change(reactor, fd, &key, key.events | side.event(), side.replaced(&key.handles, handle)?)?;
    if !before.is_none() {
        before.call_method0(intern!(py, "cancel"))?;
    }
    Ok(())
}

/// False if nothing was there to be removed.
pub(super) fn remove(event_loop: &Bound<'_, EventLoop>, file: &Bound<'_, PyAny>, side: Side) -> PyResult<bool> {
    let py = event_loop.py();
    if event_loop.get().is_closed() {
        return Ok(false);
    }
    let reactor = reactor(event_loop)?;
    let fd = number(event_loop, file)?;
    let Some(key) = find(py, reactor, fd)? else { return Ok(false) };
    let before = key.handles.get_item(side.place())?;
    let events = key.events & !side.event();
    if events == 0 {
        reactor.keys(py).del_item(fd)?;
        match reactor.remove(fd) {
            // Closed before this: then it left the epoll set by itself.
            Err(error) if !error.is_instance_of::<PyOSError>(py) => return Err(error),
            _ => {}
        }
    } else {
        change(reactor, fd, &key, events, side.replaced(&key.handles, py.None().into_bound(py))?)?;
    }
    if before.is_none() {
        return Ok(false);
    }
    before.call_method0(intern!(py, "cancel"))?;
    Ok(true)
}

/// A descriptor that a transport reads from is not for others.
pub(super) fn ensure_no_transport(event_loop: &Bound<'_, EventLoop>, file: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = event_loop.py();
    if file.is_exact_instance_of::<PyInt>() {
        // The dict in the WeakValueDictionary: a transport that is there may be closing, which the stdlib looks at.
        let transports = event_loop.getattr(intern!(py, "_transports"))?.getattr(intern!(py, "data"))?;
        if transports.cast::<PyDict>().is_ok_and(|data| matches!(data.contains(file), Ok(false))) {
            return Ok(());
        }
    }
    event_loop.call_method1(intern!(py, "_ensure_fd_no_transport"), (file,)).map(drop)
}

fn reactor<'a>(event_loop: &'a Bound<'_, EventLoop>) -> PyResult<&'a Reactor> {
    event_loop.get().reactor().ok_or_else(|| PyRuntimeError::new_err("the loop has no reactor yet"))
}

fn number(event_loop: &Bound<'_, EventLoop>, file: &Bound<'_, PyAny>) -> PyResult<RawFd> {
    let py = event_loop.py();
    if file.is_exact_instance_of::<PyInt>()
        && let Ok(fd) = file.extract::<RawFd>()
        && fd >= 0
    {
        return Ok(fd);
    }
    // Any object with a `fileno`, one that is closed but still watched, or one that is refused in the stdlib's words.
    let selector = event_loop.getattr(intern!(py, "_selector"))?;
    selector.call_method1(intern!(py, "_fileobj_lookup"), (file,))?.extract()
}

fn find<'py>(py: Python<'py>, reactor: &Reactor, fd: RawFd) -> PyResult<Option<Key<'py>>> {
    let Some(key) = reactor.key(py, fd)? else { return Ok(None) };
    let key = key.cast::<PyTuple>()?;
    Ok(Some(Key {
        file: key.get_item(KEY_FILE)?,
        events: key.get_item(KEY_EVENTS)?.extract()?,
        handles: key.get_item(KEY_DATA)?.cast_into()?,
    }))
}

/// As the stdlib's `modify`: an error of the kernel unregisters.
fn change(reactor: &Reactor, fd: RawFd, key: &Key<'_>, events: u32, handles: Bound<'_, PyTuple>) -> PyResult<()> {
    if events != key.events
        && let Err(error) = reactor.modify(fd, events)
    {
        reactor.keys(handles.py()).del_item(fd)?;
        return Err(error);
    }
    let file = key.file.clone();
    keep(reactor, fd, Key { file, events, handles })
}

/// Puts a `selectors.SelectorKey` into the selector's map.
fn keep(reactor: &Reactor, fd: RawFd, key: Key<'_>) -> PyResult<()> {
    static MAKE: PyOnceLock<(Py<PyAny>, Py<PyType>)> = PyOnceLock::new();
    const { assert!(KEY_FILE == 0 && KEY_FD == 1 && KEY_EVENTS == 2 && KEY_DATA == 3) };
    let py = key.handles.py();
    // The way of a named tuple's own `__new__`, without its Python frame.
    let (make, class) = MAKE.get_or_try_init(py, || {
        let make = py.get_type::<PyTuple>().getattr(intern!(py, "__new__"))?;
        let class = py.import(intern!(py, "selectors"))?.getattr(intern!(py, "SelectorKey"))?.cast_into::<PyType>()?;
        PyResult::Ok((make.unbind(), class.unbind()))
    })?;
    let made = make.bind(py).call1((class, (key.file, fd, key.events, key.handles)))?;
    reactor.keys(py).set_item(fd, made)
}
