//! Answers of the sync track that are not all there when the view returns: a file, a sync iterator, an async one.
//!
//! A thread is held only while Python runs. A file is sent by Rust, an async iterator goes on as a task of the loop, and a sync
//! one gives its thread back when the client reads too slowly: the answer is *parked* under the number of its call until there
//! is room, then goes on as a job of the pool, on whichever thread. What of the request belongs to a thread (its database
//! connections) `turnout.django.streaming.Guest` takes along.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyContext};
use rustc_hash::FxHashMap;

use super::call::DjangoApp;
use super::exchange::Exchange;
use super::response;
use crate::interface::answer::{Answer, Rest, as_promised};
use crate::interface::{file, log_failure};
use crate::pool::Job;
use crate::raw::run_in_context;
use crate::reactor::Deliver;
use crate::states::Keeping;

/// A client that makes room within this time keeps the thread: going on elsewhere costs two hand-overs.
const PATIENCE: Duration = Duration::from_millis(5);

/// Answers that hold no thread now, by the numbers of their calls; `None` once the worker ends, when nothing is parked any more.
pub(super) struct Parked(Mutex<Option<FxHashMap<u64, Stream>>>);

impl Default for Parked {
    fn default() -> Self {
        Self(Mutex::new(Some(FxHashMap::default())))
    }
}

impl Parked {
    /// Gives it back where it can be parked no more.
    fn put(&self, stream: Stream) -> Result<(), Box<Stream>> {
        match &mut *self.0.lock() {
            Some(parked) => {
                parked.insert(stream.answer.call.number, stream);
                Ok(())
            }
            None => Err(Box::new(stream)),
        }
    }

    fn take(&self, number: u64) -> Option<Stream> {
        self.0.lock().as_mut().and_then(|parked| parked.remove(&number))
    }

    fn is_over(&self) -> bool {
        self.0.lock().is_none()
    }

    fn end(&self) -> impl Iterator<Item = Stream> + use<> {
        self.0.lock().take().into_iter().flat_map(FxHashMap::into_values)
    }
}

/// One such answer. It ends with [`Stream::finish`] on a thread of the pool, which closes its response, or as a task of the loop.
/// Dropped otherwise (the process is about to be killed) its connection is closed and nothing else.
pub(super) struct Stream {
    pub(super) app: Arc<DjangoApp>,
    pub(super) answer: Answer,
    /// `turnout.django.streaming.Guest`.
    pub(super) guest: Py<PyAny>,
    pub(super) method: Method,
    pub(super) path: String,
}

/// How it goes on.
enum Next {
    Pull,
    Loop,
    /// The file is on its way. True: and nobody can tell if the response is closed before it has arrived.
    Sent(bool, FileSent),
}

type FileSent = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Stream {
    /// On the thread that made the response.
    pub(super) fn begin(mut self, py: Python<'_>, response: &Bound<'_, PyAny>) {
        match self.start(response) {
            Ok(Next::Pull) => self.pull(py),
            Ok(Next::Loop) => self.go_to_loop(py),
            Ok(Next::Sent(false, sent)) if self.leave(py) => self.park(py, sent),
            Ok(Next::Sent(..)) => self.finish(py),
            Err(error) => self.fail(py, &error),
        }
    }

    fn start(&mut self, response: &Bound<'_, PyAny>) -> PyResult<Next> {
        let py = response.py();
        let guest = self.guest.bind(py);
        if guest.getattr(intern!(py, "is_async"))?.is_truthy()? {
            return Ok(Next::Loop);
        }
        let (status, headers) = response::head(response)?;
        let object = guest.getattr(intern!(py, "file"))?;
        if !object.is_none()
            && let Some(range) = file::range(&object)?
        {
            let unseen = guest.call_method0(intern!(py, "finishes_unseen"))?.is_truthy()?;
            let (range, sent) = as_promised(range, &headers).watched();
            self.answer.respond_file(status, headers, range)?;
            return Ok(Next::Sent(unseen, Box::pin(sent)));
        }
        self.answer.start(status, headers)?;
        Ok(Next::Pull)
    }

    /// Pulls and writes until it is over or the client is too slow.
    fn pull(mut self, py: Python<'_>) {
        loop {
            match self.write(py) {
                Ok(None) => return self.finish(py),
                Ok(Some(rest)) if self.leave(py) => return self.park(py, rest.write()),
                Ok(Some(rest)) => rest.write_blocking(py),
                Err(error) => return self.fail(py, &error),
            }
        }
    }

    fn write(&mut self, py: Python<'_>) -> PyResult<Option<Rest>> {
        let guest = self.guest.bind(py).clone();
        for chunk in guest.try_iter()? {
            let chunk = chunk?;
            let chunk = chunk.cast::<PyBytes>().map_err(|_| PyTypeError::new_err("a streamed chunk must be bytes"))?;
            if let Some(rest) = self.answer.write_within(py, Bytes::copy_from_slice(chunk.as_bytes()), PATIENCE)? {
                return Ok(Some(rest));
            }
        }
        self.answer.end()?;
        Ok(None)
    }

    /// True when the thread is free of this request.
    fn leave(&self, py: Python<'_>) -> bool {
        let left = self.guest.bind(py).call_method0(intern!(py, "leave")).and_then(|left| left.is_truthy());
        left.unwrap_or_else(|error| {
            self.log(py, &error);
            false
        })
    }

    fn park(self, py: Python<'_>, until: impl Future<Output = ()> + Send + 'static) {
        let (app, number, keeping) = (self.app.clone(), self.answer.call.number, self.answer.call.keeping.clone());
        if let Err(stream) = app.parked.put(self) {
            return stream.end(py);
        }
        app.event_loop.reactor.clone().spawn(async move {
            until.await;
            app.pool.clone().push(Box::new(Resume { app, number, keeping }));
        });
    }

    /// The worker ends: breaks it off if it is not whole, and closes it, on this thread.
    fn end(self, py: Python<'_>) {
        match self.guest.bind(py).call_method0(intern!(py, "arrive")) {
            Ok(_) => self.break_off(py),
            Err(error) => self.fail(py, &error),
        }
    }

    fn go_to_loop(self, py: Python<'_>) {
        if self.app.parked.is_over() {
            // The loop takes no more requests.
            return self.break_off(py);
        }
        // Not leaving well is the thread's affair: the answer goes on.
        if let Err(error) = self.guest.bind(py).call_method0(intern!(py, "leave_for_loop")) {
            self.log(py, &error);
        }
        let reactor = self.app.event_loop.reactor.clone();
        reactor.deliver(Box::new(OnLoop(self)));
    }

    fn fail(self, py: Python<'_>, error: &PyErr) {
        if !self.answer.is_disconnected() {
            self.log(py, error);
        }
        self.break_off(py);
    }

    fn break_off(mut self, py: Python<'_>) {
        self.answer.abort();
        self.finish(py);
    }

    /// After the last byte was handed over, whatever happened: the iterator's end, request_finished, connections, caches.
    fn finish(self, py: Python<'_>) {
        if let Err(error) = self.guest.bind(py).call_method0(intern!(py, "finish")) {
            self.log(py, &error);
        }
        self.app.event_loop.forget(&self.answer.call);
    }

    fn log(&self, py: Python<'_>, error: &PyErr) {
        log_failure(py, error, "Exception while serving", &self.method, &self.path);
    }
}

/// A parked answer goes on.
struct Resume {
    app: Arc<DjangoApp>,
    number: u64,
    keeping: Option<Arc<Keeping>>,
}

impl Job for Resume {
    fn keeping(&self) -> Option<Arc<Keeping>> {
        self.keeping.clone()
    }

    fn run(self: Box<Self>, py: Python<'_>) {
        let Some(stream) = self.app.parked.take(self.number) else { return };
        if let Err(error) = stream.guest.bind(py).call_method0(intern!(py, "arrive")) {
            return stream.fail(py, &error);
        }
        if stream.answer.is_ended() {
            stream.finish(py);
        } else if stream.answer.is_disconnected() {
            stream.break_off(py);
        } else {
            stream.pull(py);
        }
    }

    fn expire(self: Box<Self>) {
        wait_on(self.app.clone(), self);
    }
}

/// A parked answer ends with the worker.
struct End(Stream);

impl Job for End {
    fn keeping(&self) -> Option<Arc<Keeping>> {
        self.0.answer.call.keeping.clone()
    }

    fn run(self: Box<Self>, py: Python<'_>) {
        self.0.end(py);
    }

    fn expire(self: Box<Self>) {
        wait_on(self.0.app.clone(), self);
    }
}

/// The answer was begun, so its job waits on, however late it is.
fn wait_on(app: Arc<DjangoApp>, job: Box<dyn Job>) {
    // The end of the pool comes after that of what is parked.
    if !app.pool.is_closed() {
        app.pool.push(job);
    }
}

impl DjangoApp {
    /// The worker ends: nothing is parked from now on, and what is has its end queued on the pool.
    pub(crate) fn end_parked(&self) {
        for stream in self.parked.end() {
            self.pool.push(Box::new(End(stream)));
        }
    }
}

/// An async iterator goes on as a task of the loop, in the request's context.
struct OnLoop(Stream);

impl OnLoop {
    fn start(self, py: Python<'_>) -> PyResult<()> {
        let Stream { app, answer, guest, .. } = self.0;
        let call = answer.call.clone();
        let response = guest.bind(py).getattr(intern!(py, "response"))?;
        let context = response.getattr(intern!(py, "turnout_context"))?.cast_into::<PyContext>()?;
        let exchange = Bound::new(py, Exchange::new(answer.of_loop()))?;
        let coroutine = app.methods.stream_async.bind(py).call1((response, exchange))?;
        run_in_context(&context, || app.event_loop.start(py, &call, &coroutine, None))?
    }
}

impl Deliver for OnLoop {
    fn keeping(&self) -> Option<Arc<Keeping>> {
        self.0.answer.call.keeping.clone()
    }

    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()> {
        let (method, path) = (self.0.method.clone(), self.0.path.clone());
        if let Err(error) = self.start(py) {
            log_failure(py, &error, "The answer could not be streamed", &method, &path);
        }
        Ok(())
    }
}
