//! What `call_soon` and `call_at` give back: asyncio's `Handle` and `TimerHandle`, in behaviour and in looks.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyContext, PyDict, PyTuple};

use crate::raw;
use crate::reactor::event_loop::EventLoop;
use crate::reactor::selector::guarded;

/// A callback that the loop will run, once, in its context.
///
/// The locks are held for a move or a copy, never across a call into Python; the GIL keeps others from waiting for them.
#[pyclass(frozen, subclass, weakref, module = "turnout._turnout")]
pub(crate) struct Handle {
    event_loop: Py<EventLoop>,
    context: Py<PyContext>,
    /// None once cancelled.
    call: Mutex<Option<Call>>,
    /// Of a `TimerHandle`: when it is due, in the loop's seconds.
    when: f64,
    /// It is among the loop's timers.
    scheduled: AtomicBool,
    /// Made while the loop was in debug mode.
    debug: Mutex<Option<Box<Debug>>>,
}

struct Call {
    callback: Py<PyAny>,
    arguments: Py<PyTuple>,
}

/// What debug mode keeps of a handle.
struct Debug {
    /// Where it was made, as `traceback.StackSummary`.
    made_at: Py<PyAny>,
    /// How it looked before it was cancelled.
    looks: Option<String>,
}

impl Handle {
    /// In the current context, if none is given.
    pub(super) fn new(
        event_loop: &Bound<'_, EventLoop>,
        callback: Bound<'_, PyAny>,
        arguments: Bound<'_, PyTuple>,
        context: Option<Bound<'_, PyContext>>,
    ) -> PyResult<Self> {
        let py = event_loop.py();
        let context = match context {
            Some(context) => context,
            None => raw::copy_context(py)?,
        };
        let debug = if event_loop.get().is_debug() { Some(Debug::new(py)?) } else { None };
        Ok(Self {
            event_loop: event_loop.clone().unbind(),
            context: context.unbind(),
            call: Mutex::new(Some(Call { callback: callback.unbind(), arguments: arguments.unbind() })),
            when: 0.0,
            scheduled: AtomicBool::new(false),
            debug: Mutex::new(debug),
        })
    }

    /// As a `TimerHandle` that is among the loop's timers.
    pub(super) fn into_timer(mut self, py: Python<'_>, when: f64) -> PyResult<Bound<'_, TimerHandle>> {
        self.when = when;
        self.scheduled = AtomicBool::new(true);
        Bound::new(py, PyClassInitializer::from(self).add_subclass(TimerHandle))
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.call.lock().is_none()
    }

    /// It is not among the loop's timers any more.
    pub(super) fn leave_timers(&self) {
        self.scheduled.store(false, Relaxed);
    }

    /// Runs the callback, if it is not cancelled. What it raises goes to the loop's exception handler, but for what ends a
    /// program.
    pub(super) fn run(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let Some((callback, arguments)) = this.call(py) else { return Ok(()) };
        let ran = guarded(|| {
            raw::run_in_context(this.context.bind(py), || {
                let answer = if arguments.is_empty() { callback.call0() } else { callback.call1(&arguments) };
                // Not before: the first step of a request is the one that says whose it is.
                this.event_loop.get().note_owner(py);
                answer
            })?
        });
        let Err(error) = ran else { return Ok(()) };
        if error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py) {
            return Err(error);
        }
        let told = PyDict::new(py);
        let described = this.describe_call(py, &callback, &arguments)?;
        told.set_item(intern!(py, "message"), format!("Exception in callback {described}"))?;
        told.set_item(intern!(py, "exception"), error.value(py))?;
        told.set_item(intern!(py, "handle"), slf)?;
        if let Some(made_at) = this.made_at(py) {
            told.set_item(intern!(py, "source_traceback"), made_at)?;
        }
        this.event_loop.bind(py).call_method1(intern!(py, "call_exception_handler"), (told,))?;
        Ok(())
    }

    fn call<'py>(&self, py: Python<'py>) -> Option<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let call = self.call.lock();
        call.as_ref().map(|call| (call.callback.bind(py).clone(), call.arguments.bind(py).clone()))
    }

    fn made_at<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.debug.lock().as_ref().map(|debug| debug.made_at.bind(py).clone())
    }

    /// A callback as asyncio names it: `name(arguments) at file:line`.
    fn describe_call(
        &self,
        py: Python<'_>,
        callback: &Bound<'_, PyAny>,
        arguments: &Bound<'_, PyTuple>,
    ) -> PyResult<String> {
        let format =
            py.import(intern!(py, "asyncio.format_helpers"))?.getattr(intern!(py, "_format_callback_source"))?;
        let options = PyDict::new(py);
        // Before 3.13 arguments are always shown, since then in debug mode alone.
        if py.version_info() >= (3, 13) {
            options.set_item(intern!(py, "debug"), self.event_loop.get().is_debug())?;
        }
        format.call((callback, arguments), Some(&options))?.extract()
    }

    /// `<Handle cancelled callback created at file:line>`, as in the stdlib.
    fn describe(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let this = slf.get();
        let kept = this.debug.lock().as_ref().and_then(|debug| debug.looks.clone());
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let mut parts = vec![slf.get_type().name()?.to_string()];
        let call = this.call(py);
        if call.is_none() {
            parts.push("cancelled".to_owned());
        }
        if slf.is_instance_of::<TimerHandle>() {
            parts.push(format!("when={}", this.when.into_pyobject(py)?.repr()?));
        }
        if let Some((callback, arguments)) = call {
            parts.push(this.describe_call(py, &callback, &arguments)?);
        }
        if let Some(made_at) = this.made_at(py).filter(|made_at| made_at.is_truthy().unwrap_or(false)) {
            let frame = made_at.get_item(-1)?;
            parts.push(format!("created at {}:{}", frame.get_item(0)?, frame.get_item(1)?));
        }
        Ok(format!("<{}>", parts.join(" ")))
    }
}

#[pymethods]
impl Handle {
    /// Makes it a handle that does nothing.
    fn cancel(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        if this.event_loop.get().is_debug() && !this.is_cancelled() {
            // With its callback, for a line like "Executing <Handle ...> took 2 seconds".
            let mut looks = Self::describe(slf)?;
            if let Some(at) = looks.find([' ', '>']) {
                looks.insert_str(at, " cancelled");
            }
            if let Some(debug) = this.debug.lock().as_mut() {
                debug.looks = Some(looks);
            }
        }
        let call = this.call.lock().take();
        if call.is_some() && this.scheduled.load(Relaxed) {
            this.event_loop.get().note_cancelled_timer();
        }
        Ok(())
    }

    /// Whether `cancel` was called.
    fn cancelled(&self) -> bool {
        self.is_cancelled()
    }

    /// Where the callback runs.
    fn get_context(&self, py: Python<'_>) -> Py<PyContext> {
        self.context.clone_ref(py)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Self::describe(slf)
    }

    // What the stdlib's own code looks at.

    fn _run(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::run(slf)
    }

    #[getter]
    fn _cancelled(&self) -> bool {
        self.is_cancelled()
    }

    #[getter]
    fn _callback<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.call(py).map(|(callback, _)| callback)
    }

    #[getter]
    fn _args<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyTuple>> {
        self.call(py).map(|(_, arguments)| arguments)
    }

    #[getter]
    fn _source_traceback<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.made_at(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.context)?;
        // Held only while nothing is made, so never during a collection; were it, nothing would be collected too early.
        if let Some(call) = self.call.try_lock().as_deref().and_then(Option::as_ref) {
            visit.call(&call.callback)?;
            visit.call(&call.arguments)?;
        }
        if let Some(debug) = self.debug.try_lock().as_deref().and_then(Option::as_ref) {
            visit.call(&debug.made_at)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let call = self.call.lock().take();
        drop(call);
    }
}

impl Debug {
    fn new(py: Python<'_>) -> PyResult<Box<Self>> {
        // The caller's frame: ours are not Python's.
        let frame = py.import(intern!(py, "sys"))?.call_method0(intern!(py, "_getframe")).ok();
        let helpers = py.import(intern!(py, "asyncio.format_helpers"))?;
        let made_at = helpers.call_method1(intern!(py, "extract_stack"), (frame,))?;
        Ok(Box::new(Self { made_at: made_at.unbind(), looks: None }))
    }
}

/// A handle of `call_later` and `call_at`; compares by time.
#[pyclass(frozen, extends = Handle, module = "turnout._turnout")]
pub(crate) struct TimerHandle;

#[pymethods]
impl TimerHandle {
    /// When it is due, by the clock of `loop.time()`.
    fn when(slf: &Bound<'_, Self>) -> f64 {
        slf.as_super().get().when
    }

    #[getter]
    fn _when(slf: &Bound<'_, Self>) -> f64 {
        slf.as_super().get().when
    }

    #[getter]
    fn _scheduled(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().scheduled.load(Relaxed)
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        slf.as_super().get().when.into_pyobject(slf.py())?.hash()
    }

    fn __richcmp__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>, operator: CompareOp) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let Ok(other) = other.cast::<Self>() else { return Ok(py.NotImplemented()) };
        let (this, that) = (slf.as_super().get(), other.as_super().get());
        // Two timers of one moment are equal only if they do the same: then neither is before the other.
        let answer = match operator {
            CompareOp::Lt => this.when < that.when,
            CompareOp::Gt => this.when > that.when,
            CompareOp::Le => this.when < that.when || this.does_the_same(py, that)?,
            CompareOp::Ge => this.when > that.when || this.does_the_same(py, that)?,
            CompareOp::Eq => this.does_the_same(py, that)?,
            CompareOp::Ne => !this.does_the_same(py, that)?,
        };
        Ok(answer.into_pyobject(py)?.to_owned().into_any().unbind())
    }
}

impl Handle {
    fn does_the_same(&self, py: Python<'_>, other: &Self) -> PyResult<bool> {
        if self.when.total_cmp(&other.when).is_ne() {
            return Ok(false);
        }
        match (self.call(py), other.call(py)) {
            (None, None) => Ok(true),
            (Some((callback, arguments)), Some((other_callback, other_arguments))) => {
                Ok(callback.eq(other_callback)? && arguments.eq(other_arguments)?)
            }
            _ => Ok(false),
        }
    }
}
