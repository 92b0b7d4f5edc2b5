//! A connection of HTTP/1.1. It has no task of its own: whoever uses it drives it, so that an answer wakes its call and nothing else.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use http::{HeaderMap, HeaderValue};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle;
use tokio::time::Duration;

use super::gauge::{Gauge, Gauged};
use super::outgoing::Outgoing;
use crate::connect::Connected;
use crate::error::{Error, Kind};
use crate::timings::Timings;

/// An answer's status line and fields, together. Nginx allows upstreams 4 to 8 KiB; 64 hold any cookie jar.
pub(super) const HEAD_LIMIT: usize = 64 << 10;

/// Read at one time, at most: more makes large bodies no faster and takes memory from the others.
const BUFFER_LIMIT: usize = 128 << 10;

/// A connection, used by one call at a time.
pub(crate) struct Http1 {
    pub(super) sender: SendRequest<Outgoing>,
    connection: Connection<TokioIo<Gauged>, Outgoing>,
    /// The connection has ended: it is not polled again.
    pub(super) ended: bool,
    pub(super) gauge: Arc<Gauge>,
    pub(super) origin: Origin,
    runtime: Handle,
}

/// What is known of a connection from its connect.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) remote: std::net::SocketAddr,
    pub(super) forward: Option<Forward>,
    dns: Duration,
    connect: Duration,
    tls: Option<Duration>,
}

/// Requests go to a plain proxy.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    pub(super) credentials: Option<HeaderValue>,
}

impl Origin {
    pub(super) fn new(connected: &Connected) -> Self {
        Self {
            remote: connected.remote,
            forward: connected.forward.clone().map(|credentials| Forward { credentials }),
            dns: connected.dns,
            connect: connected.connect,
            tls: connected.tls,
        }
    }

    /// Of the call that the connection was made for.
    pub(super) fn note(&self, timings: &mut Timings) {
        timings.dns = Some(self.dns);
        timings.connect = Some(self.connect);
        timings.tls = self.tls;
    }
}

impl Http1 {
    pub(crate) async fn new(connected: Connected, runtime: Handle) -> Result<Self, Error> {
        let origin = Origin::new(&connected);
        let gauge = Arc::new(Gauge::default());
        let io = TokioIo::new(Gauged::new(connected.stream, Arc::clone(&gauge)));
        let mut builder = Builder::new();
        builder.max_buf_size(BUFFER_LIMIT).max_header_size(HEAD_LIMIT);
        let (sender, connection) = builder
            .handshake(io)
            .await
            .map_err(|error| Error::new(Kind::Connect, "the new connection was closed at once").caused_by(error))?;
        Ok(Self { sender, connection, ended: false, gauge, origin, runtime })
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Nothing came since the last answer, not even the end: it can be used again.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let gauge = Arc::clone(&self.gauge);
        gauge.is_quiet(|| self.poll_idle()) && self.is_reusable()
    }

    /// Everything of the last exchange is over, in both directions.
    pub(super) fn is_reusable(&self) -> bool {
        !self.ended && self.sender.is_ready()
    }

    /// Lets the connection see what is there, without being woken by it.
    pub(super) fn poll_idle(&mut self) {
        self.poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Moves bytes both ways. Errors reach the call by the answer or its body.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        if !self.ended {
            self.ended = Pin::new(&mut self.connection).poll(context).is_ready();
        }
    }
}

/// `Keep-Alive: timeout=`, less a second for what is under way: Node says 5 and means it.
pub(super) fn learned_keepalive(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = value.split(',').find_map(|part| {
        let (name, seconds) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("timeout").then(|| seconds.trim().parse::<u32>().ok())?
    })?;
    Some(match seconds {
        0 | 1 => Duration::from_secs(seconds.into()) / 2,
        _ => Duration::from_secs(u64::from(seconds) - 1),
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use tokio::time::Duration;

    use super::learned_keepalive;

    #[test]
    fn keep_alive_is_believed_less_what_may_be_under_way() {
        for (said, expected) in [
            ("timeout=5", Some(4000)),
            ("max=100, Timeout=60", Some(59_000)),
            ("timeout=2 , max=1", Some(1000)),
            ("timeout=1", Some(500)),
            ("timeout=0", Some(0)),
            ("timeout=-1", None),
            ("timeout=99999999999999", None),
            ("max=5", None),
            ("timeout", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(
                http::header::HeaderName::from_static("keep-alive"),
                HeaderValue::from_static(said),
            )]);
            assert_eq!(learned_keepalive(&headers), expected.map(Duration::from_millis), "{said:?}");
        }
        assert_eq!(learned_keepalive(&HeaderMap::new()), None);
    }
}
