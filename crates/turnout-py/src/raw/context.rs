//! Python's contexts: PyO3 has the type, but neither the copy nor the way in.

use std::mem;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyContext;

/// `contextvars.copy_context()`.
pub(crate) fn copy_context(py: Python<'_>) -> PyResult<Bound<'_, PyContext>> {
    // SAFETY: `py` proves that this thread holds the GIL. The call gives a new reference or null with an exception set, which
    // is what `from_owned_ptr_or_err` takes.
    let context = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent()) }?;
    // SAFETY: the documented answer is a `contextvars.Context`, a type that cannot be subclassed.
    Ok(unsafe { context.cast_into_unchecked() })
}

/// `variable.get()`, of a `contextvars.ContextVar` that has a default. `None`: it has not, and no value either, or it is no such variable.
pub(crate) fn value_of<'py>(variable: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let py = variable.py();
    // SAFETY: asks for the type of a live object.
    if unsafe { ffi::PyContextVar_CheckExact(variable.as_ptr()) } == 0 {
        return None;
    }
    let mut value = std::ptr::null_mut();
    // SAFETY: a live context variable (checked), the GIL by its `Bound`, and a place for a new reference or null.
    let answer = unsafe { ffi::PyContextVar_Get(variable.as_ptr(), std::ptr::null_mut(), &raw mut value) };
    if answer != 0 {
        drop(PyErr::take(py));
        return None;
    }
    // SAFETY: a new reference, or null where there is no value.
    unsafe { Bound::from_owned_ptr_or_opt(py, value) }
}

/// `variable.set(value)`: the token. `None`: it is no such variable.
pub(crate) fn set_value<'py>(variable: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: a live object that is asked for its type, then a live context variable and a live value, with the GIL by their `Bound`. The answer is a new
    // reference, or null with an exception set.
    unsafe {
        if ffi::PyContextVar_CheckExact(variable.as_ptr()) == 0 {
            return None;
        }
        let token = ffi::PyContextVar_Set(variable.as_ptr(), value.as_ptr());
        Bound::from_owned_ptr_or_err(variable.py(), token).ok()
    }
}

/// `variable.reset(token)`, of what [`set_value`] gave. Does nothing if that was in another context, or was done before.
pub(crate) fn reset_value(variable: &Bound<'_, PyAny>, token: &Bound<'_, PyAny>) {
    // SAFETY: a live context variable and a live object, with the GIL by their `Bound`; of another type, context or variable the call says so.
    let answer = unsafe { ffi::PyContextVar_Reset(variable.as_ptr(), token.as_ptr()) };
    if answer != 0 {
        drop(PyErr::take(variable.py()));
    }
}

/// `context.run(call)`. `RuntimeError` if the context is entered already, or if `call` did not leave what it entered.
pub(crate) fn run_in_context<T>(context: &Bound<'_, PyContext>, call: impl FnOnce() -> T) -> PyResult<T> {
    // SAFETY: a live context, and the GIL, by its `Bound`.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(context.py()));
    }
    let entered = Entered(context);
    let outcome = call();
    mem::forget(entered);
    // SAFETY: as above; it was entered, and that it is still the innermost one is checked by the call itself.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(context.py()));
    }
    Ok(outcome)
}

/// Leaves the context when a panic unwinds through it.
struct Entered<'a, 'py>(&'a Bound<'py, PyContext>);

impl Drop for Entered<'_, '_> {
    fn drop(&mut self) {
        // SAFETY: as in `run_in_context`. An exception set by a refusal is taken away: the panic says more.
        if unsafe { ffi::PyContext_Exit(self.0.as_ptr()) } != 0 {
            drop(PyErr::take(self.0.py()));
        }
    }
}
