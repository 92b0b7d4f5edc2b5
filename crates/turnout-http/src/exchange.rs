//! One request and its answer: admission, the app, and the rules for what it gave.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::header::{self, HeaderValue};
use hyper::body::Incoming;

use crate::admission::Admission;
use crate::answer::{self, Answer};
use crate::app::{App, Connection, Request, Response};
use crate::body::RequestBody;
use crate::config::{Config, Fault};
use crate::drain::{Drain, Phase};
use crate::outgoing::{Outgoing, Record};

/// What every connection of a server shares.
pub(crate) struct Serving<A> {
    pub(crate) app: Arc<A>,
    pub(crate) config: Arc<Config>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) drain: Drain,
}

/// Answers one request. Dropped when the peer goes away, and the app's future with it.
pub(crate) async fn exchange<A: App>(
    serving: Arc<Serving<A>>,
    connection: Arc<Connection>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Outgoing>, Infallible> {
    let received = Instant::now();
    let (head, incoming) = request.into_parts();
    let mut record = Record::new(&serving.config, &connection, &head, received);
    let permit = serving.admission.enter();
    let method = head.method.clone();
    let answer = if permit.is_none() {
        answer::overloaded()
    } else {
        let request = Request {
            method: head.method,
            target: head.uri,
            version: head.version,
            headers: head.headers,
            body: RequestBody::from_connection(incoming),
            connection,
            received,
        };
        let checked = match call(&*serving.app, request).await {
            Some(response) => answer::check(response, &method),
            None => Err(Fault::Panicked),
        };
        checked.unwrap_or_else(|fault| {
            record.fault(fault);
            answer::failed()
        })
    };
    let Answer { status, mut headers, content, close } = answer;
    record.status(status);
    if close || serving.drain.phase() != Phase::Serving {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let mut answer = http::Response::new(Outgoing::new(content, record, permit));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

/// A panic in one request is one 500: `None`.
async fn call<A: App>(app: &A, request: Request) -> Option<Response> {
    let mut answering = pin!(catch_unwind(AssertUnwindSafe(|| app.call(request))).ok()?);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(cx))) {
        Ok(Poll::Ready(response)) => Poll::Ready(Some(response)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(None),
    })
    .await
}
