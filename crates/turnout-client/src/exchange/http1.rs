//! An exchange over HTTP/1.1.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::task::coop::unconstrained;
use tokio::time::{Duration, Instant, timeout};

use super::Failed;
use super::connection::{Http1, learned_keepalive};
use super::faults::Progress;
use super::incoming::{self, Reader};
use super::outgoing::Outgoing;
use super::pause::Pause;
use super::request;
use crate::answer::{Answer, Head};
use crate::call::Call;
use crate::error::{Error, Kind};
use crate::pool::{Discard, Lease};
use crate::timings::Timings;

/// An abandoned answer is read to its end if that costs no more than this (a handshake costs more) ...
const LINGER_BYTES: usize = 64 << 10;

/// ... and comes soon.
const LINGER_TIME: Duration = Duration::from_millis(200);

/// The error, and what can be sent again because nothing of it was sent.
type Unanswered = (Error, Option<Outgoing>);

type Sent = Result<Response<Incoming>, TrySendError<http::Request<Outgoing>>>;

/// An exchange on its way. Dropped before its end, it closes the connection, or leaves it to be read to its end if that is near.
struct Running {
    /// `None` once the exchange has ended.
    lease: Option<Lease>,
    head: Option<Pin<Box<dyn Future<Output = Sent> + Send>>>,
    body: Option<Incoming>,
    /// How long the connection may be idle, as its upstream says.
    keepalive: Option<Duration>,
    /// Bytes read and written before this exchange.
    before: (u64, u64),
    /// An answer that is near may be read to its end when nobody wants it any more.
    lingers: bool,
}

pub(super) async fn run(
    mut lease: Lease,
    call: &Arc<Call>,
    mut body: Outgoing,
    late: Option<Instant>,
    timings: &mut Timings,
) -> Result<Answer, Failed> {
    let used = lease.used;
    let connection = lease.connection();
    if !used {
        connection.origin.note(timings);
    }
    let spare = if used && call.idempotent { body.copy() } else { None };
    body.measure(&connection.gauge);
    let before = (connection.gauge.read(), connection.gauge.written());
    let forward = connection.origin.forward.as_ref();
    let request = request::http1(call, body, forward)?;
    let remote = connection.origin.remote;
    let head = Box::pin(unconstrained(connection.sender.try_send_request(request)));
    let mut running =
        Running { lease: Some(lease), head: Some(head), body: None, keepalive: None, before, lingers: true };

    let sent = Instant::now();
    let host = call.url.host_str().unwrap_or_default();
    let mut wait = HeadWait::new(call);
    let response = match poll_fn(|context| running.poll_head(host, &mut wait, context)).await {
        Ok(response) => response,
        Err((error, unsent)) => {
            let stale = matches!(error.kind(), Kind::Read | Kind::Write) && !running.how_far(host).heard;
            running.give_up(if used { Discard::Stale } else { Discard::Broken });
            let again = unsent.or(spare.filter(|_| stale)).filter(|_| used);
            return Err(Failed { error, again });
        }
    };
    let answered = Instant::now();
    timings.first_byte = Some(answered - sent);
    let (parts, body) = response.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        let error = running.how_far(host).switched();
        running.give_up(Discard::Broken);
        return Err(error.into());
    }
    running.keepalive = learned_keepalive(&parts.headers);
    running.body = Some(body);
    let head = Head { url: call.url.clone(), status: parts.status, headers: parts.headers, version: parts.version };
    let body = if call.stream {
        incoming::stream(running, call, late)?
    } else {
        incoming::collect(&mut running, call, answered, timings).await?
    };
    Ok(Answer { timings: timings.clone(), remote: Some(remote), ..Answer::new(head, body) })
}

/// The time limits until the head is there.
struct HeadWait {
    write: Pause,
    first_byte: Pause,
    written: u64,
}

impl HeadWait {
    fn new(call: &Call) -> Self {
        let timeouts = &call.options.timeouts;
        Self { write: Pause::new(timeouts.write), first_byte: Pause::new(timeouts.first_byte), written: 0 }
    }
}

impl Running {
    fn lease(&mut self) -> &mut Lease {
        self.lease.as_mut().expect("an exchange has its lease until it ends")
    }

    fn connection(&mut self) -> &mut Http1 {
        self.lease().connection()
    }

    fn how_far<'a>(&mut self, host: &'a str) -> Progress<'a> {
        let (read, written) = self.before;
        let gauge = &self.connection().gauge;
        let sent = gauge.written() > written;
        Progress {
            host,
            sent,
            complete: sent && !gauge.is_blocked() && !gauge.is_unfinished(),
            heard: gauge.read() > read,
        }
    }

    /// The head of the answer.
    fn poll_head(
        &mut self,
        host: &str,
        wait: &mut HeadWait,
        context: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, Unanswered>> {
        self.connection().poll(context);
        let head = self.head.as_mut().expect("the head is awaited once");
        // Its sender has just been polled: there is nobody else to be woken by.
        if let Poll::Ready(sent) = head.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            self.head = None;
            return Poll::Ready(sent.map_err(|mut error| {
                let unsent = error.take_message().map(http::Request::into_body);
                (self.how_far(host).broken1(error.into_error()), unsent)
            }));
        }
        let progress = self.how_far(host);
        if progress.complete {
            return wait.first_byte.poll(context).map(|limit| Err((progress.no_head(limit), None)));
        }
        let gauge = &self.connection().gauge;
        // A pause of the caller's own body is nobody's fault but the caller's.
        if gauge.written() != wait.written || !gauge.is_blocked() {
            wait.written = gauge.written();
            wait.write.interrupt();
        }
        if !gauge.is_blocked() {
            return Poll::Pending;
        }
        wait.write.poll(context).map(|limit| Err((progress.write_pause(limit), None)))
    }

    /// A call that is over, and a connection that is not to be used again.
    fn give_up(&mut self, reason: Discard) {
        self.head = None;
        self.body = None;
        if let Some(mut lease) = self.lease.take() {
            lease.reason = reason;
        }
    }

    /// All of the answer came.
    fn finish(&mut self) {
        self.body = None;
        let Some(mut lease) = self.lease.take() else { return };
        let connection = lease.connection();
        connection.poll_idle();
        if connection.is_reusable() {
            lease.back(self.keepalive);
        } else {
            lease.reason = Discard::Told;
        }
    }

    /// What has come of the body, or comes when the connection is looked at.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        // Its sender is polled below: there is nobody else to be woken by.
        let mut nobody = Context::from_waker(Waker::noop());
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(&mut nobody) {
            return Poll::Ready(frame);
        }
        if let Some(lease) = &mut self.lease {
            lease.connection().poll(context);
        }
        Pin::new(body).poll_frame(&mut nobody)
    }

    /// Reads on to the end for the sake of the connection.
    async fn drain(mut self) {
        let mut wait = HeadWait { write: Pause::new(None), first_byte: Pause::new(None), written: 0 };
        if self.head.is_some() {
            match poll_fn(|context| self.poll_head("", &mut wait, context)).await {
                Ok(response) if response.status() != StatusCode::SWITCHING_PROTOCOLS => {
                    self.keepalive = learned_keepalive(response.headers());
                    self.body = Some(response.into_body());
                }
                _ => return,
            }
        }
        let mut left = LINGER_BYTES;
        while self.length().is_none_or(|length| length <= left as u64)
            && let Some(Ok(piece)) = poll_fn(|context| self.poll_piece("", context)).await
        {
            left = left.saturating_sub(piece.len());
        }
    }
}

impl Reader for Running {
    fn length(&self) -> Option<u64> {
        self.body.as_ref().and_then(|body| body.size_hint().exact())
    }

    fn poll_piece(&mut self, host: &str, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            let Poll::Ready(frame) = self.poll_frame(context) else { return Poll::Pending };
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if !piece.is_empty() => return Poll::Ready(Some(Ok(piece))),
                    // Trailers are read past: nothing here has a use for them.
                    _ => {}
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(self.progress(host).broken1(error)))),
                None => {
                    self.finish();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn progress<'a>(&mut self, host: &'a str) -> Progress<'a> {
        self.how_far(host)
    }

    fn close(&mut self) {
        self.give_up(Discard::Broken);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.lingers || self.lease.is_none() || (self.head.is_none() && self.body.is_none()) {
            return;
        }
        let near = self.how_far("").complete && self.length().is_none_or(|length| length <= LINGER_BYTES as u64);
        let Some(lease) = self.lease.take_if(|lease| near && !lease.connection().ended) else { return };
        let Some(permit) = lease.linger() else { return };
        let mut lease = lease;
        let runtime = lease.connection().runtime().clone();
        let rest = Self {
            lease: Some(lease),
            head: self.head.take(),
            body: self.body.take(),
            keepalive: self.keepalive,
            before: self.before,
            lingers: false,
        };
        runtime.spawn(async move {
            let _ = timeout(LINGER_TIME, rest.drain()).await;
            drop(permit);
        });
    }
}
