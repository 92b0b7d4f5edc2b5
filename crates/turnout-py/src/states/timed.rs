//! Calls that are timed as a whole: of other clients than ours, and of Django's databases. What they call themselves is a part of them.
//!
//! Python code around such a call asks for one thing at a time, and each way into Rust and back costs it 50 to 100 ns. So the call is made from here, and
//! what is awaited has an object of its own that knows what its end needs.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use turnout_states::Kind;

use super::keeping::Keeping;
use super::rate::nanoseconds_in;
use super::waiter::{Caller, block, in_timed_call, timed_call, unblock};
use crate::raw::{self, ticks};

/// What is told where a library does not say whom it calls.
const UNKNOWN: &str = "unknown";

/// What a call is made with.
#[derive(Clone, Copy)]
pub(super) struct Arguments<'a, 'py>(pub(super) &'a Bound<'py, PyTuple>, pub(super) Option<&'a Bound<'py, PyDict>>);

/// `call(*args, **kwargs)`, which blocks this thread, told to that request. `address`: where it goes, or what says that of the arguments and of what came of them.
/// `when`: what says of the arguments whether it is a wait at all.
pub(super) fn time_call<'py>(
    keeping: Option<&Keeping>,
    kind: &str,
    address: &Bound<'py, PyAny>,
    call: &Bound<'py, PyAny>,
    with: Arguments<'_, 'py>,
    when: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let Arguments(args, kwargs) = with;
    // Most of those that are asked whether they are waits are inside of one: a query asks its driver.
    let Some(keeping) = keeping.filter(|_| !in_timed_call(call.py())) else { return call.call(args, kwargs) };
    if let Some(when) = when
        && !is_wait(when, with)?
    {
        return call.call(args, kwargs);
    }
    let kind = kind_of(kind)?;
    block();
    let began = ticks();
    let answer = call.call(args, kwargs);
    let ended = ticks();
    let queued = unblock();
    let told = Over { keeping, kind, caller: Caller::default(), began, ended, queued };
    let py = call.py();
    let error = answer.as_ref().err().map(|error| error.value(py).as_any());
    told.at(address, with, answer.as_ref().ok(), error)?;
    answer
}

/// See `_states.pyi`.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct AwaitedCall {
    keeping: Arc<Keeping>,
    kind: Kind,
    /// Who made it: known when it is made, and perhaps not when it is awaited, in a task of its own.
    caller: Caller,
    began: u64,
    queued: u64,
    /// What takes this out of its task's context again.
    token: Option<Py<PyAny>>,
}

impl AwaitedCall {
    /// One is made now. `None`: it is not told, or is inside of one that is.
    pub(super) fn of(py: Python<'_>, keeping: Option<&Arc<Keeping>>, kind: &str) -> PyResult<Option<Self>> {
        let Some(keeping) = keeping.filter(|_| !in_timed_call(py)) else { return Ok(None) };
        let caller = caller_of(py, keeping);
        let (keeping, kind) = (keeping.clone(), kind_of(kind)?);
        Ok(Some(Self { keeping, kind, caller, began: 0, queued: 0, token: None }))
    }
}

#[pymethods]
impl AwaitedCall {
    /// It is awaited from now on, by the code that calls this.
    fn begins(this: &Bound<'_, Self>) {
        let token = timed_call(this.py()).and_then(|variable| raw::set_value(variable, this));
        let mut call = this.borrow_mut();
        call.token = token.map(Bound::unbind);
        call.began = ticks();
    }

    /// So much of that, in the unit of `Accounted.stamp`, it was in line for a connection of its pool.
    #[pyo3(name = "queued")]
    fn was_queued(&mut self, long: u64) {
        self.queued = self.queued.saturating_add(long);
    }

    /// It is over: see [`time_call`].
    fn ends(
        this: &Bound<'_, Self>,
        address: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        kwargs: &Bound<'_, PyDict>,
        result: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = this.py();
        let ended = ticks();
        let token = this.borrow_mut().token.take();
        if let (Some(variable), Some(token)) = (timed_call(py), token) {
            // Another context's, if it was closed by the garbage collector, which runs anywhere.
            raw::reset_value(variable, token.bind(py));
        }
        let call = this.borrow();
        let Self { ref keeping, kind, caller, began, queued, .. } = *call;
        Over { keeping, kind, caller, began, ended, queued }.at(
            address,
            Arguments(args, Some(kwargs)),
            Some(result),
            Some(error),
        )
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.token)
    }

    fn __clear__(&mut self) {
        self.token = None;
    }
}

/// A call that is over.
struct Over<'a> {
    keeping: &'a Keeping,
    kind: Kind,
    caller: Caller,
    began: u64,
    ended: u64,
    queued: u64,
}

impl Over<'_> {
    /// Tells it. Whatever goes wrong in finding out the address, the call ends as it did; but for what is meant for everybody, as a signal's exception is.
    fn at<'py>(
        self,
        address: &Bound<'py, PyAny>,
        Arguments(args, kwargs): Arguments<'_, 'py>,
        result: Option<&Bound<'py, PyAny>>,
        error: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        if let Ok(address) = address.cast::<PyString>() {
            self.tell(address.py(), address.to_str().unwrap_or(UNKNOWN));
            return Ok(());
        }
        let py = address.py();
        match address.call1((args, kwargs, result, error)) {
            Ok(found) => {
                let found = found.cast::<PyString>().ok().and_then(|found| found.to_str().ok());
                self.tell(py, found.unwrap_or(UNKNOWN));
            }
            Err(error) => {
                self.tell(py, UNKNOWN);
                if !error.is_instance_of::<PyException>(py) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn tell(self, py: Python<'_>, address: &str) {
        let Self { keeping, kind, caller, began, ended, queued } = self;
        let caller = if caller.is_unknown() { caller_of(py, keeping) } else { caller };
        keeping.waited(kind, address, caller, began, ended);
        if queued > 0 {
            let [waited, call] = [queued, ended.saturating_sub(began)].map(nanoseconds_in).map(Duration::from_nanos);
            keeping.waited_for_connection(|| address.to_owned(), caller, waited, call);
        }
    }
}

/// Who calls this. Of calls beyond those that are kept by themselves only the time is wanted.
pub(super) fn caller_of(py: Python<'_>, keeping: &Keeping) -> Caller {
    if keeping.keeps_waits() { Caller::of_frames(py) } else { Caller::default() }
}

fn is_wait<'py>(when: &Bound<'py, PyAny>, Arguments(args, kwargs): Arguments<'_, 'py>) -> PyResult<bool> {
    match when.call1((args, kwargs)).and_then(|is_wait| is_wait.is_truthy()) {
        Err(error) if error.is_instance_of::<PyException>(when.py()) => Ok(false),
        answer => answer,
    }
}

fn kind_of(word: &str) -> PyResult<Kind> {
    let known = Kind::of_word(word).filter(|kind| kind.is_of_calls());
    known.ok_or_else(|| PyValueError::new_err(format!("waits are of kind db, http or cache, not {word:?}")))
}
