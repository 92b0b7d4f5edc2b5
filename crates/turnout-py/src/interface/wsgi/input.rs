//! `wsgi.input`: the body of the request as the app reads it, while it comes.
//!
//! The thread that reads waits for the network itself, with the GIL released; the runtime reads the socket only while somebody waits.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use bytes::Bytes;
use pyo3::exceptions::{PyConnectionAbortedError, PyConnectionResetError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use turnout_http::{BodyError, RequestBody};

/// What was read ahead of the app, and where the rest comes from.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct Input {
    held: Bytes,
    state: State,
}

enum State {
    Open(RequestBody),
    /// An error is final: who asks again must not take what is missing for the end.
    Failed(BodyError),
    /// The request is over; its connection has other uses.
    Closed,
}

impl Input {
    pub(super) fn new(held: Bytes, rest: RequestBody) -> Self {
        Self { held, state: State::Open(rest) }
    }

    /// The request is over: whoever still holds this must not hold its connection.
    pub(super) fn close(&mut self) {
        self.held = Bytes::new();
        self.state = State::Closed;
    }

    /// True when an error of the body was raised.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed(_))
    }

    /// Waits until something is held; false at the end.
    fn fill(&mut self, py: Python<'_>) -> PyResult<bool> {
        if !self.held.is_empty() {
            return Ok(true);
        }
        let next = match &mut self.state {
            State::Open(body) if body.is_end() => None,
            State::Open(body) => py.detach(|| wait(|cx| body.poll_next(cx))),
            State::Failed(error) => Some(Err(error.clone())),
            State::Closed => return Err(PyValueError::new_err("the request that this input belonged to is over")),
        };
        match next {
            None => Ok(false),
            Some(Ok(chunk)) => {
                self.held = chunk;
                Ok(true)
            }
            Some(Err(error)) => {
                self.state = State::Failed(error.clone());
                Err(exception(&error))
            }
        }
    }

    /// Takes up to `most` bytes, and no more after the first piece for which `ends` says where to stop.
    fn take<'py>(
        &mut self,
        py: Python<'py>,
        most: usize,
        ends: impl Fn(&[u8]) -> Option<usize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut taken: Vec<Bytes> = Vec::new();
        let mut left = most;
        while left > 0 && self.fill(py)? {
            let reach = &self.held[..left.min(self.held.len())];
            let end = ends(reach);
            let piece = self.held.split_to(end.unwrap_or(reach.len()));
            left -= piece.len();
            taken.push(piece);
            if end.is_some() {
                break;
            }
        }
        match taken.as_slice() {
            [] => Ok(PyBytes::new(py, b"")),
            [one] => Ok(PyBytes::new(py, one)),
            many => PyBytes::new_with(py, most - left, |into| {
                let mut rest = into;
                for piece in many {
                    let (here, after) = rest.split_at_mut(piece.len());
                    here.copy_from_slice(piece);
                    rest = after;
                }
                Ok(())
            }),
        }
    }

    fn line<'py>(&mut self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyBytes>> {
        self.take(py, most, |reach| memchr::memchr(b'\n', reach).map(|at| at + 1))
    }
}

#[pymethods]
impl Input {
    /// So many bytes, fewer only at the end; all that are left without a number.
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&mut self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.take(py, bound(size), |_| None)
    }

    /// What is there, up to so many bytes; waits only if there is nothing.
    #[pyo3(signature = (size=None, /))]
    fn read1<'py>(&mut self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.take(py, bound(size), |reach| Some(reach.len()))
    }

    /// To the next line feed, or so many bytes of it.
    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&mut self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.line(py, bound(size))
    }

    /// Lines until they are `hint` bytes together; all of them without one.
    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&mut self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        let hint = hint.filter(|hint| *hint > 0);
        let lines = PyList::empty(py);
        let mut size = 0;
        loop {
            let line = self.line(py, usize::MAX)?;
            let length = line.as_bytes().len();
            if length == 0 {
                return Ok(lines);
            }
            lines.append(line)?;
            size += length;
            if hint.is_some_and(|hint| size >= hint.unsigned_abs()) {
                return Ok(lines);
            }
        }
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.line(py, usize::MAX)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }
}

/// `None` and negative numbers mean everything, as files have it.
fn bound(size: Option<isize>) -> usize {
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}

/// An OSError, which frameworks expect of a connection that fails.
fn exception(error: &BodyError) -> PyErr {
    match error {
        BodyError::Disconnected => PyConnectionResetError::new_err(error.to_string()),
        _ => PyConnectionAbortedError::new_err(error.to_string()),
    }
}

/// Blocks the calling thread until there is an outcome. Not for the runtime's own thread, which is what it waits for.
fn wait<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => std::thread::park(),
        }
    }
}
