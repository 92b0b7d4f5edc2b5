//! One request and its answer: admission, the app, and the rules for what it gave.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::header::{self, HeaderValue};
use hyper::body::Incoming;

use crate::admission::Admission;
use crate::answer::{self, Answer};
use crate::app::{App, Connection, Request, Response};
use crate::body::RequestBody;
use crate::config::{Config, Fault};
use crate::drain::{Drain, Phase};
use crate::framer::Refusal;
use crate::hints::EarlyHints;
use crate::outgoing::{Outgoing, Record};
use crate::wire::{Facts, Wire};

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
    wire: Arc<Wire>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Outgoing>, Infallible> {
    let (mut head, incoming) = request.into_parts();
    let Facts { has_underscores, began, received } = wire.facts();
    adjust(&mut head, has_underscores);
    let mut record = Record::new(&serving.config, &connection, &head, received);
    let permit = serving.admission.enter();
    let method = head.method.clone();
    let answer = if permit.is_none() {
        answer::overloaded()
    } else {
        let number = wire.begin_answer();
        let hints = match head.version {
            http::Version::HTTP_10 => EarlyHints::default(),
            _ => EarlyHints::new(&wire, number),
        };
        let request = Request {
            hints,
            method: head.method,
            target: head.uri,
            version: head.version,
            headers: head.headers,
            body: RequestBody::from_connection(incoming, &wire),
            connection,
            began,
            received,
        };
        let called = call(&*serving.app, request, &wire).await;
        wire.end_answer();
        match called {
            Called::Answered(response) => {
                record.spent(response.spent);
                answer::check(response, &method).await.unwrap_or_else(|fault| {
                    record.fault(fault);
                    answer::failed()
                })
            }
            Called::Panicked => {
                record.fault(Fault::Panicked);
                answer::failed()
            }
            Called::Refused(refusal) => {
                record.refused(refusal.why);
                answer::refused(refusal)
            }
        }
    };
    let Answer { status, reason, mut headers, content, close } = answer;
    record.status(status);
    if close || serving.drain.phase() != Phase::Serving {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let mut answer = http::Response::new(Outgoing::new(content, record, permit));
    *answer.status_mut() = status;
    if let Some(reason) = reason {
        answer.extensions_mut().insert(reason);
    }
    *answer.headers_mut() = headers;
    Ok(answer)
}

/// How the app's part ended.
enum Called {
    Answered(Response),
    /// A panic in one request is one 500.
    Panicked,
    /// The body of the request turned out to be one that no app shall take for whole.
    Refused(Refusal),
}

async fn call<A: App>(app: &A, request: Request, wire: &Wire) -> Called {
    let has_body = !request.body.is_end();
    let Ok(answering) = catch_unwind(AssertUnwindSafe(|| app.call(request))) else { return Called::Panicked };
    let mut answering = pin!(answering);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(cx))) {
        Ok(Poll::Ready(response)) => Poll::Ready(Called::Answered(response)),
        // The reader of the body was told first; what it made of that, if it answered at once, counts.
        Ok(Poll::Pending) if has_body => match wire.refused_body() {
            Some(refusal) => Poll::Ready(Called::Refused(refusal)),
            None => Poll::Pending,
        },
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(Called::Panicked),
    })
    .await
}

/// Two things that apps would get wrong, or could not see.
fn adjust(head: &mut http::request::Parts, has_underscores: bool) {
    if has_underscores {
        // WSGI and CGI cannot tell `X_Forwarded_For` from `X-Forwarded-For`: only the one that proxies check may arrive.
        let names: Vec<_> = head.headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
        for name in names {
            head.headers.remove(name);
        }
    }
    // RFC 9112 section 3.2.2: the authority of an absolute-form target replaces what Host said.
    if let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(header::HOST, host);
    }
}
