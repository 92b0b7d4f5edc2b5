//! Whether this thread may block, and whether it has signals to look after while it does.

use std::cell::Cell;

use pyo3::intern;
use pyo3::prelude::*;

use super::loops;
use crate::raw;

/// As Django's ORM has it: a thread whose event loop runs must not be blocked. The twin of `method` has an `a` before its name.
pub(super) fn may_block(py: Python<'_>, method: &str) -> PyResult<()> {
    if loops::running(py)?.is_none() {
        return Ok(());
    }
    let refusal = py.import(intern!(py, "turnout.http.blocking"))?.call_method1(intern!(py, "refusal"), (method,))?;
    if refusal.is_none() { Ok(()) } else { Err(PyErr::from_value(refusal)) }
}

/// This is the thread on which Python runs signal handlers: the process's first, or the one that forked.
pub(super) fn handles_signals() -> bool {
    thread_local! {
        // The fork generation it was asked in, and the answer.
        static FIRST: Cell<Option<(u64, bool)>> = const { Cell::new(None) };
    }
    let generation = raw::fork_generation();
    FIRST.with(|first| match first.get() {
        Some((asked, answer)) if asked == generation => answer,
        _ => {
            let answer = rustix::thread::gettid() == rustix::process::getpid();
            first.set(Some((generation, answer)));
            answer
        }
    })
}
