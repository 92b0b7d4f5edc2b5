//! From a request to a WSGI app on a thread of the sync pool, and back.

use std::sync::Arc;

use bytes::Bytes;
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;
use tokio::sync::oneshot;
use turnout_http::{Request, RequestBody, Response};

use super::ahead;
use super::environ::{self, Facts};
use super::input::Input;
use super::send::send;
use super::start::StartResponse;
use crate::http::HttpIncoming;
use crate::interface::answer::Answer;
use crate::interface::calls::{Call, Guard, Loop};
use crate::interface::head::Head;
use crate::interface::{Root, body, busy, internal_error, log_failure, not_below};
use crate::pool::{Job, Pool};
use crate::states::Keeping;

/// What is shown as the view of an app that has no views that we know of.
const WHOLE: &str = "(WSGI application)";

/// A plain WSGI app.
pub(crate) struct WsgiApp {
    event_loop: Arc<Loop>,
    pool: Arc<Pool>,
    app: Py<PyAny>,
    facts: Facts,
    root: Option<Arc<Root>>,
    /// Makes what the app is called with in third place, and is told there when the client leaves: Django's handlers that
    /// turnout steps aside for (`DjangoHandler.wsgi_app`).
    waits: Option<Py<PyAny>>,
}

impl WsgiApp {
    pub(crate) fn new(
        event_loop: Arc<Loop>,
        pool: Arc<Pool>,
        app: &Bound<'_, PyAny>,
        facts: Facts,
        root: Option<Arc<Root>>,
    ) -> PyResult<Arc<Self>> {
        let waits = app.getattr_opt("turnout_waits")?.map(Bound::unbind);
        Ok(Arc::new(Self { event_loop, pool, app: app.clone().unbind(), facts, root, waits }))
    }

    pub(crate) async fn answer(self: &Arc<Self>, request: Request) -> Response {
        let came = [request.began, request.received];
        let Some((head, mut body)) = Head::split(request, self.root.as_ref()) else { return not_below() };
        let ahead = match ahead::read(&head, &mut body).await {
            Ok(ahead) => ahead,
            Err(error) => return body::refusal(&error),
        };
        let (sender, receiver) = oneshot::channel();
        let call = self.event_loop.new_call(&head.headers, came);
        call.received(false);
        call.is_for(WHOLE);
        let guard = Guard::new(self.event_loop.clone(), call.clone());
        self.pool.push(Box::new(WsgiJob { app: self.clone(), head, ahead, body, sender, call }));
        let response = receiver.await;
        guard.disarm();
        response.unwrap_or_else(|_| internal_error())
    }
}

struct WsgiJob {
    app: Arc<WsgiApp>,
    head: Head,
    /// The beginning of the body.
    ahead: Bytes,
    /// What is still to come of it.
    body: RequestBody,
    sender: oneshot::Sender<Response>,
    call: Arc<Call>,
}

impl Job for WsgiJob {
    fn keeping(&self) -> Option<Arc<Keeping>> {
        self.call.keeping.clone()
    }

    fn run(self: Box<Self>, py: Python<'_>) {
        let Self { app, head, ahead, body, sender, call } = *self;
        let answer = Answer::new(app.event_loop.clone(), call.clone(), sender).of_pool(&app.pool);
        let failed = |error: &PyErr| {
            log_failure(py, error, "Exception in the WSGI application", &head.method, head.target.path());
        };
        let prepared = Bound::new(py, Input::new(ahead, body))
            .and_then(|input| Ok((input, Bound::new(py, StartResponse::new(answer, &head.method))?)));
        let (input, start) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return failed(&error),
        };
        let outcome = serve(py, &app, &head, &input, &start, &call, failed);
        if app.waits.is_some() {
            app.event_loop.forget(&call);
        }
        let body_failed = input.borrow().has_failed();
        input.borrow_mut().close();
        let mut start = start.borrow_mut();
        if let Err(error) = outcome {
            start.abort();
            // Who has left cannot be served; that is nobody's fault. Nor is it the app's that a body did not come: the thread may
            // learn of it before the connection is known to be over.
            let of_the_body = body_failed && error.is_instance_of::<PyOSError>(py);
            if !start.client_left() && !of_the_body {
                failed(&error);
            }
        }
        if start.surplus() > 0 {
            let why = format!("its body went {} bytes past its Content-Length; they were not sent", start.surplus());
            failed(&PyRuntimeError::new_err(why));
        }
        call.leave();
    }

    fn expire(self: Box<Self>) {
        self.call.expired();
        let _ = self.sender.send(busy());
    }

    fn is_abandoned(&self) -> bool {
        self.call.is_abandoned(&self.head.method)
    }
}

fn serve(
    py: Python<'_>,
    app: &WsgiApp,
    head: &Head,
    input: &Bound<'_, Input>,
    start: &Bound<'_, StartResponse>,
    call: &Arc<Call>,
    failed: impl Fn(&PyErr),
) -> PyResult<()> {
    let environ = environ::build(py, head, input.clone().into_any(), None, app.facts)?;
    if head.is_for_server() {
        // A request to the server, not to a path (RFC 9112 section 3.2.4); PEP 3333 wants paths to begin with a slash.
        environ.set_item(intern!(py, "PATH_INFO"), intern!(py, ""))?;
    }
    let result = match &app.waits {
        None => app.app.bind(py).call1((environ, start))?,
        Some(waits) => {
            let incoming = HttpIncoming::of(py, call)?;
            let waits = waits.bind(py).call1((py.None(), incoming))?;
            app.event_loop.keep_waits(call, waits.clone().unbind());
            app.app.bind(py).call1((environ, start, waits))?
        }
    };
    let sent = send(start, &result);
    if result.is_exact_instance_of::<PyList>() {
        // The usual case, and one that has nothing to close.
        return sent;
    }
    // PEP 3333: close() is called whatever happened, once, and after it nothing of the answer is the app's.
    let closed = match result.getattr_opt(intern!(py, "close")) {
        Ok(Some(close)) => close.call0().map(drop),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = &closed
        && sent.is_err()
    {
        failed(error);
    }
    sent.and(closed)
}
