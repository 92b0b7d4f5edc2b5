//! Everything about a call that is not the request itself: a client fixes it, a call may replace parts of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::Answer;
use crate::auth::Auth;
use crate::call::Call;
use crate::client::Network;
use crate::connect::{AddressPolicy, Proxies, Tls};
use crate::cookies::Jar;
use crate::error::Error;
use crate::policy::Policy;

/// What a client fixes and a call may replace. Shared: one allocation a client, another only for a call that differs.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long what may take.
    pub timeouts: Timeouts,
    /// Whether `Location` is followed.
    pub redirects: Redirects,
    /// Most bytes of a body, as received and as decoded.
    pub max_body: usize,
    /// Ask for compressed bodies and decode them.
    pub decode: bool,
    /// Which certificates are believed and shown.
    pub tls: Arc<Tls>,
    /// Through which proxies.
    pub proxies: Arc<Proxies>,
    /// Which protocol.
    pub http2: Http2,
    /// Which addresses may be connected to.
    pub addresses: Arc<AddressPolicy>,
    /// Who calls are from.
    pub auth: Option<Arc<Auth>>,
    /// Kept and sent back; none unless somebody brings a jar.
    pub cookies: Option<Arc<Jar>>,
    /// Instead of the network.
    pub transport: Option<Arc<dyn Transport>>,
    /// The configured upstream's name, for errors, counters and policies; else the host stands for it.
    pub upstream: Option<Arc<str>>,
    /// Retries and whatever else lies around a call. What it remembers of an upstream is shared by all who share the policy.
    pub policy: Option<Arc<Policy>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            redirects: Redirects::default(),
            max_body: 32 << 20,
            decode: true,
            tls: Arc::default(),
            proxies: Arc::default(),
            http2: Http2::Negotiate,
            addresses: Arc::default(),
            auth: None,
            cookies: None,
            transport: None,
            upstream: None,
            policy: None,
        }
    }
}

/// Limits on time. `None`: only `total` limits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The whole call: queues, retries, redirects, body and decoding.
    pub total: Option<Duration>,
    /// One attempt, from the pool to the end of the body.
    pub attempt: Option<Duration>,
    /// Waiting for the pool.
    pub pool: Option<Duration>,
    /// Name, connection and handshake.
    pub connect: Option<Duration>,
    /// A pause in which the upstream takes nothing of the request.
    pub write: Option<Duration>,
    /// From the end of the request to the answer's head.
    pub first_byte: Option<Duration>,
    /// A pause in the answer's body.
    pub read: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            total: Some(Duration::from_secs(10)),
            attempt: None,
            pool: None,
            connect: None,
            write: None,
            first_byte: None,
            read: None,
        }
    }
}

/// Whether `Location` is followed (RFC 9110, 15.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirects {
    /// Off by default: an API that redirects is usually a wrong URL.
    pub follow: bool,
    /// At most so many, one after another.
    pub max: u32,
}

impl Default for Redirects {
    fn default() -> Self {
        Self { follow: false, max: 5 }
    }
}

/// Which protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Http2 {
    /// By ALPN; HTTP/1.1 without TLS.
    Negotiate,
    /// HTTP/1.1 only.
    Off,
    /// HTTP/2 only, without TLS too ("prior knowledge", RFC 9113, 3.3).
    Only,
}

/// Bounds of the pool, of a whole client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all.
    pub max_connections: usize,
    /// Connections to one place.
    pub max_connections_per_host: usize,
    /// Of these, idle at most.
    pub max_idle_per_host: usize,
    /// How long one may be idle. Below what servers usually allow (nginx 75 s, ALB 60 s, Node 5 s says so itself).
    pub keepalive: Duration,
    /// Calls that wait for a connection, to one place.
    pub max_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1000,
            max_connections_per_host: 100,
            max_idle_per_host: 32,
            keepalive: Duration::from_secs(15),
            max_queue: 1000,
        }
    }
}

/// Answers calls instead of the network: a mock, a WSGI or ASGI application, another client. All policies apply as they do to the network.
pub trait Transport: Send + Sync + fmt::Debug {
    /// One attempt. Dropped when nobody waits for it any more.
    fn send(&self, call: Arc<Call>) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;

    /// The same with the network at hand, for one that lets some calls through.
    fn send_or_forward(
        &self,
        call: Arc<Call>,
        _network: Network,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>> {
        self.send(call)
    }
}
