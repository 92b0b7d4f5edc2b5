//! How an async Django request answers: see `Exchange` in `_turnout.pyi`.

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::response;
use super::sending::Sending;
use crate::http::HttpIncoming;
use crate::interface::answer::{Answer, as_promised};
use crate::interface::awaitable::Pending;
use crate::interface::calls::Settle;
use crate::interface::{file, headers};

/// The answer of one async request; on the loop thread only.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct Exchange {
    answer: Answer,
}

impl Exchange {
    pub(crate) fn new(answer: Answer) -> Self {
        Self { answer }
    }

    /// As `write`, of a chunk that is not empty; what it answers is only there if there was no room.
    pub(super) fn give<'py>(&mut self, py: Python<'py>, chunk: Bytes) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.answer.give(py, chunk)
    }

    /// The task is kept no longer: the coroutine has ended.
    fn forget(&self) {
        self.answer.event_loop().forget(&self.answer.call);
    }
}

#[pymethods]
impl Exchange {
    /// What outbound calls belong to that are made for this request.
    #[getter]
    fn incoming(&self, py: Python<'_>) -> PyResult<Py<HttpIncoming>> {
        HttpIncoming::of(py, &self.answer.call)
    }

    /// The whole answer at once. ValueError when status or headers cannot be sent: nothing was sent then.
    #[pyo3(signature = (status, headers, body, reason=None))]
    fn respond(
        &mut self,
        status: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        body: &Bound<'_, PyBytes>,
        reason: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (status, headers) = (response::status_line(status, reason)?, headers::from_pairs(headers)?);
        self.answer.respond(status, headers, Bytes::copy_from_slice(body.as_bytes()))
    }

    /// The whole answer with the rest of a file as its content, if that is a real file: awaitable, done when the file is
    /// needed no longer. `None` and nothing sent if it is not.
    #[pyo3(signature = (status, headers, file, reason=None))]
    fn respond_file<'py>(
        &mut self,
        py: Python<'py>,
        status: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        file: &Bound<'_, PyAny>,
        reason: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(range) = file::range(file)? else { return Ok(None) };
        let (status, headers) = (response::status_line(status, reason)?, headers::from_pairs(headers)?);
        let (range, over) = as_promised(range, &headers).watched();
        let event_loop = self.answer.event_loop().clone();
        self.answer.respond_file(status, headers, range)?;
        let (number, future) = event_loop.new_future(py)?;
        event_loop.clone().reactor.spawn(async move {
            over.await;
            let reactor = event_loop.reactor.clone();
            reactor.deliver(Box::new(Settle { event_loop, number, gone: None }));
        });
        Ok(Some(Bound::new(py, Pending::new(future.unbind()))?.into_any()))
    }

    /// The head of a streamed answer.
    #[pyo3(signature = (status, headers, reason=None))]
    fn start(
        &mut self,
        status: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        reason: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (status, headers) = (response::status_line(status, reason)?, headers::from_pairs(headers)?);
        self.answer.start(status, headers)
    }

    /// A piece of a streamed answer: awaitable, for the client may read slowly. ConnectionResetError when it left.
    fn write<'py>(&mut self, py: Python<'py>, chunk: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyAny>> {
        self.answer.write(py, Bytes::copy_from_slice(chunk.as_bytes()))
    }

    /// What an async generator yields, to its end.
    fn pull(slf: Bound<'_, Self>, source: Py<PyAny>, make_bytes: Py<PyAny>, plain: bool) -> Sending {
        Sending::new(source, make_bytes, plain, slf.into_any().unbind())
    }

    /// The last piece was written.
    fn end(&mut self) -> PyResult<()> {
        self.answer.end()
    }

    /// Gives up: a 500 before the head, a closed connection after it; nothing after the end.
    fn abort(&mut self) {
        self.answer.abort();
    }

    /// The request's coroutine is over: what it left open is closed, and its account ends with this step. Not with this object, which may be in a cycle
    /// of references and wait for the garbage collector.
    fn finish(&mut self) {
        self.answer.abort();
        self.answer.call.leave();
        self.forget();
    }

    /// True when the client left before the answer was whole.
    #[getter]
    fn disconnected(&self) -> bool {
        self.answer.is_disconnected()
    }

    /// True once the head was given.
    #[getter]
    fn started(&self) -> bool {
        !self.answer.is_unanswered()
    }
}

impl Drop for Exchange {
    /// A coroutine that was never begun has finished nothing.
    fn drop(&mut self) {
        self.forget();
    }
}
