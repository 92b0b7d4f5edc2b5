//! Large values that were handed over: the loop works off what of them is hidden from the collector, half a millisecond in a turn. A megabyte of
//! JSON is fifteen thousand objects and two milliseconds of freeing; a view that gathered ten of them would free all at its end, and the
//! collector would go through all that were shown to it at once, while everybody waits.

use std::collections::VecDeque;

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;

use super::json::Hidden;
use super::loops;

/// What the loop calls. It is the loop's: closed, it drops this, and with it what is left.
#[pyclass(frozen, weakref, module = "turnout._turnout")]
pub(super) struct HttpLeaving {
    /// Taken with the GIL only, never across a call into Python.
    values: Mutex<VecDeque<Hidden>>,
    event_loop: usize,
}

#[pymethods]
impl HttpLeaving {
    fn __call__(this: &Bound<'_, Self>) -> PyResult<()> {
        let py = this.py();
        let Some(mut hidden) = this.get().values.lock().pop_front() else { return Ok(()) };
        if !hidden.work_off(py) {
            this.get().values.lock().push_front(hidden);
        }
        if this.get().values.lock().is_empty() {
            return Ok(());
        }
        match loops::running(py)? {
            Some(event_loop) => soon(&event_loop, this),
            None => Ok(()),
        }
    }
}

/// The line that is being worked off; the loop has it, nobody else. Taken with the GIL only, never across a call into Python.
static CURRENT: Mutex<Option<Py<PyWeakrefReference>>> = Mutex::new(None);

/// In a later turn of the loop that runs on this thread; at once where there is none. Called while an object is freed: it keeps the
/// exception that may be under way.
pub(super) fn let_go(py: Python<'_>, value: Hidden) {
    let under_way = PyErr::take(py);
    if let Err(error) = queue(py, value) {
        error.write_unraisable(py, None);
    }
    if let Some(error) = under_way {
        error.restore(py);
    }
}

fn queue(py: Python<'_>, value: Hidden) -> PyResult<()> {
    let Some(event_loop) = loops::running(py)? else { return Ok(()) };
    let address = event_loop.as_ptr() as usize;
    let current = CURRENT.lock().as_ref().map(|line| line.clone_ref(py));
    let current = current.and_then(|line| line.bind(py).upgrade_as::<HttpLeaving>().ok().flatten());
    if let Some(line) = current.filter(|line| line.get().event_loop == address) {
        let mut values = line.get().values.lock();
        // One that has ended is not called any more.
        if !values.is_empty() {
            values.push_back(value);
            return Ok(());
        }
    }
    let line = Bound::new(py, HttpLeaving { values: Mutex::new(VecDeque::from([value])), event_loop: address })?;
    let before = CURRENT.lock().replace(PyWeakrefReference::new(&line)?.unbind());
    drop(before);
    soon(&event_loop, &line)
}

fn soon(event_loop: &Bound<'_, PyAny>, line: &Bound<'_, HttpLeaving>) -> PyResult<()> {
    event_loop.call_method1(intern!(event_loop.py(), "call_soon"), (line,)).map(drop)
}
