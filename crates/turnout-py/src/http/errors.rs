//! The one place where an error of the client becomes an exception: the class of `turnout.http.errors` that has the kind's name.

use std::error::Error as StdError;
use std::time::Duration;

use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};
use turnout_client::{Error, Kind, Timings};

/// The exception for an error. `request`: what was asked, an `HttpRequest`.
pub(super) fn raised(py: Python<'_>, error: &Error, request: Option<&Bound<'_, PyAny>>) -> PyErr {
    made(py, error, request).map_or_else(|failure| failure, PyErr::from_value)
}

/// As [`raised`], as the object.
pub(super) fn made<'py>(
    py: Python<'py>,
    error: &Error,
    request: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    if let Some(request) = request {
        fields.set_item(intern!(py, "request"), request)?;
    }
    fields.set_item(intern!(py, "upstream"), error.upstream().map(|name| &**name))?;
    fields.set_item(intern!(py, "attempts"), error.attempts())?;
    fields.set_item(intern!(py, "timings"), timings(py, error.timings())?)?;
    fields.set_item(intern!(py, "sent"), error.sent())?;
    fields.set_item(intern!(py, "retry_after"), error.retry_after().map(|after| after.as_secs_f64()))?;
    let exception = class(py, error.kind())?.call((error.message(),), Some(&fields))?;
    if let Some(cause) = cause_of(py, error) {
        exception.setattr(intern!(py, "__cause__"), cause.value(py))?;
    }
    Ok(exception)
}

/// A fault of the caller's that is seen before anything runs.
pub(super) fn refused(py: Python<'_>, kind: Kind, message: impl Into<String>) -> PyErr {
    raised(py, &Error::new(kind, message), None)
}

/// `turnout.http.timings.Timings`.
pub(super) fn timings<'py>(py: Python<'py>, timings: &Timings) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let seconds = |phase: Option<Duration>| phase.map(|phase| phase.as_secs_f64());
    CLASS.import(py, "turnout.http.timings", "Timings")?.call1((
        seconds(timings.queued),
        seconds(timings.pool),
        seconds(timings.dns),
        seconds(timings.connect),
        seconds(timings.tls),
        seconds(timings.first_byte),
        seconds(timings.body),
        seconds(timings.decode),
        timings.total.as_secs_f64(),
    ))
}

fn class(py: Python<'_>, kind: Kind) -> PyResult<Bound<'_, PyAny>> {
    static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let classes = CLASSES.get_or_try_init(py, || {
        PyResult::Ok(py.import("turnout.http.errors")?.getattr("BY_KIND")?.cast_into::<PyDict>()?.unbind())
    })?;
    classes.bind(py).as_any().get_item(format!("{kind:?}"))
}

/// What is below it, outermost first, as a chain of its own: plain text, for these objects cannot cross.
fn cause_of(py: Python<'_>, error: &Error) -> Option<PyErr> {
    let mut chain = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let number = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
        chain.push((cause.to_string(), number));
        next = cause.source();
    }
    let mut below: Option<PyErr> = None;
    for (text, number) in chain.into_iter().rev() {
        let made = match number {
            // With `errno`, so that Python picks the subclass.
            Some(number) => PyOSError::new_err((number, text)),
            None => PyOSError::new_err(text),
        };
        made.set_cause(py, below.take());
        below = Some(made);
    }
    below
}

/// `turnout.http.errors` by name, for what is not an error of the client.
pub(super) fn class_named<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    Ok(py.import(intern!(py, "turnout.http.errors"))?.getattr(name)?.cast_into::<PyType>()?)
}
