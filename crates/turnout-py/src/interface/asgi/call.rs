//! From a request to a running ASGI app: on the loop, no thread, no hop.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use http::{StatusCode, header::CONTENT_LENGTH};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::{mpsc, oneshot};
use turnout_http::{BodyError, Collected, Request, RequestBody, Response};

use super::cycle::Cycle;
use super::extensions::Extensions;
use super::incoming::Incoming;
use super::scope;
use crate::interface::answer::Answer;
use crate::interface::calls::{Call, Guard, Loop};
use crate::interface::head::Head;
use crate::interface::{Root, body, not_below};
use crate::reactor::Deliver;
use crate::states::Keeping;

/// What is shown as the view of an app that has no views that we know of.
const WHOLE: &str = "(ASGI application)";

/// A body announced as no larger than this is read before the app starts, so that its first `receive()` need not wait.
const PRELOAD: u64 = 64 * 1024;

/// A plain ASGI app.
pub(crate) struct AsgiApp {
    event_loop: Arc<Loop>,
    /// `turnout.asgi.run(app, scope, cycle)`: a coroutine that never raises.
    run: Py<PyAny>,
    app: Py<PyAny>,
    /// The lifespan state, copied into each scope; `None` when the app has no lifespan.
    state: Option<Py<PyDict>>,
    /// Somebody reads what `http.response.debug` says.
    debug: bool,
    root: Option<Arc<Root>>,
}

impl AsgiApp {
    pub(crate) fn new(
        py: Python<'_>,
        event_loop: Arc<Loop>,
        app: Py<PyAny>,
        state: Option<Py<PyDict>>,
        debug: bool,
        root: Option<Arc<Root>>,
    ) -> PyResult<Arc<Self>> {
        let run = py.import(intern!(py, "turnout.asgi"))?.getattr(intern!(py, "run"))?.unbind();
        Ok(Arc::new(Self { event_loop, run, app, state, debug, root }))
    }

    pub(crate) async fn answer(self: &Arc<Self>, request: Request) -> Response {
        let came = [request.began, request.received];
        let Some((head, body)) = Head::split(request, self.root.as_ref()) else { return not_below() };
        let waited = !body.is_end();
        let incoming = match Preloaded::read(&head, body).await {
            Ok(incoming) => incoming,
            Err(error) => return body::refusal(&error),
        };
        let (sender, receiver) = oneshot::channel();
        let call = self.event_loop.new_call(&head.headers, came);
        call.received(waited);
        call.is_for(WHOLE);
        let guard = Guard::new(self.event_loop.clone(), call.clone());
        let (incoming, pieces) = incoming.split();
        let start = Start { app: self.clone(), head, incoming, sender, call: call.clone() };
        self.event_loop.reactor.deliver(Box::new(start));
        if let Some((body, asked)) = pieces {
            tokio::spawn(pump(self.event_loop.clone(), call, body, asked));
        }
        let response = receiver.await;
        guard.disarm();
        response.unwrap_or_else(|_| Response::plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error\n"))
    }
}

enum Preloaded {
    Whole(Bytes),
    Streamed(RequestBody),
}

impl Preloaded {
    async fn read(head: &Head, body: RequestBody) -> Result<Self, BodyError> {
        if body.is_end() {
            return Ok(Self::Whole(Bytes::new()));
        }
        let announced = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_none_or(|length| length > PRELOAD) {
            return Ok(Self::Streamed(body));
        }
        match body.collect(PRELOAD as usize).await? {
            Collected::Memory(bytes) => Ok(Self::Whole(bytes)),
            Collected::File(..) => Err(BodyError::Malformed), // longer than announced: the framer does not let it happen
        }
    }

    fn split(self) -> (Incoming, Option<(RequestBody, mpsc::UnboundedReceiver<()>)>) {
        match self {
            Self::Whole(bytes) => (Incoming::Whole(bytes), None),
            Self::Streamed(body) => {
                // Unbounded, but each word answers one `receive()` of the app: the app bounds it.
                let (ask, asked) = mpsc::unbounded_channel();
                (Incoming::Pieces(ask), Some((body, asked)))
            }
        }
    }
}

/// Reads a piece of the body whenever the app asks; ends with the body, or when the app has let go of its `receive`.
async fn pump(event_loop: Arc<Loop>, call: Arc<Call>, mut body: RequestBody, mut asked: mpsc::UnboundedReceiver<()>) {
    while asked.recv().await.is_some() {
        let outcome = body.next().await.unwrap_or(Ok(Bytes::new()));
        let last = outcome.is_err() || body.is_end();
        if call.done.load(SeqCst) {
            return;
        }
        let number = call.number;
        let reactor = event_loop.reactor.clone();
        reactor.deliver(Box::new(Piece { event_loop: event_loop.clone(), number, outcome, last }));
        if last {
            return;
        }
    }
}

struct Start {
    app: Arc<AsgiApp>,
    head: Head,
    incoming: Incoming,
    sender: oneshot::Sender<Response>,
    call: Arc<Call>,
}

impl Deliver for Start {
    fn keeping(&self) -> Option<Arc<Keeping>> {
        self.call.keeping.clone()
    }

    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()> {
        let Self { app, head, incoming, sender, call } = *self;
        let answer = Answer::new(app.event_loop.clone(), call.clone(), sender);
        let scope = scope::build(py, &head, None)?;
        if let Some(state) = &app.state {
            scope.set_item(intern!(py, "state"), state.bind(py).copy()?)?;
        }
        let extensions = Extensions::of(&head, app.debug);
        scope.set_item(intern!(py, "extensions"), extensions.announce(py)?)?;
        let cycle = Bound::new(py, Cycle::new(answer, incoming, extensions, head.hints))?;
        let coroutine = app.run.bind(py).call1((&app.app, scope, &cycle))?;
        app.event_loop.start(py, &call, &coroutine, Some(cycle.unbind()))
    }
}

struct Piece {
    event_loop: Arc<Loop>,
    number: u64,
    outcome: Result<Bytes, BodyError>,
    last: bool,
}

impl Deliver for Piece {
    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()> {
        let Some(cycle) = self.event_loop.cycle(py, self.number) else { return Ok(()) };
        let mut cycle = cycle.bind(py).borrow_mut();
        match self.outcome {
            Ok(piece) => cycle.inbox.piece(py, piece, !self.last),
            Err(BodyError::Disconnected) => cycle.disconnect(py),
            Err(error) => cycle.refuse(py, body::refusal(&error)),
        }
    }
}
