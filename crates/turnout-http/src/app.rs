//! What stands between the protocol and whoever answers: [`App`], [`Request`], [`Response`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, StatusCode, Uri, Version};

use crate::{Body, EarlyHints, ReasonPhrase, RequestBody};

/// Whoever answers requests.
///
/// The returned future is polled by the connection's task, always inside the runtime and never with the GIL.
/// It is *dropped*, not told, when the peer goes away: whoever must know holds a guard in it.
pub trait App: Send + Sync + 'static {
    /// Answers one request. Never fails: an error is a response.
    fn call(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// One request whose head passed every check of the framer.
#[derive(Debug)]
pub struct Request {
    /// The method as sent; unknown ones are passed on (RFC 9110 section 9.1).
    pub method: Method,
    /// The request target as sent: origin-form, absolute-form or `*`.
    pub target: Uri,
    /// 1.0 or 1.1.
    pub version: Version,
    /// Field lines; names with `_` are dropped, `Host` is present exactly once on 1.1.
    pub headers: HeaderMap,
    /// What follows the head.
    pub body: RequestBody,
    /// The connection it came by.
    pub connection: Arc<Connection>,
    /// What may be told to the peer ahead of the answer.
    pub hints: EarlyHints,
    /// When its first byte was read; the bytes that came with the end of the request before it count from then.
    pub began: Instant,
    /// When its head was complete.
    pub received: Instant,
}

/// What is known of a connection, the same for all its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The other end; `None` on a Unix socket.
    pub peer: Option<SocketAddr>,
    /// This end; `None` on a Unix socket.
    pub local: Option<SocketAddr>,
    /// The path of the Unix socket, when it is one.
    pub unix_path: Option<Arc<str>>,
    /// `http` or `https`.
    pub scheme: &'static str,
}

/// An answer. `Date`, `Connection`, framing and the absence of a body where there must be none are the server's business.
#[derive(Debug)]
pub struct Response {
    /// 200 to 999; informational ones are not final answers.
    pub status: StatusCode,
    /// Other words for the status line than the usual ones.
    pub reason: Option<ReasonPhrase>,
    /// As the app gave them.
    pub headers: HeaderMap,
    /// What follows the head.
    pub body: Body,
    /// What the app knows of where its time went, for the access log.
    pub spent: Option<Spent>,
}

/// The time of a request up to its answer's head, by what it was in: computing, ready and not computing, waiting for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Computing.
    pub processing: Duration,
    /// Ready to.
    pub waiting_for_cpu: Duration,
    /// Neither.
    pub waiting_for_io: Duration,
}

impl Response {
    /// A short answer of turnout's own, `text/plain`.
    pub fn plain(status: StatusCode, text: &'static str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
        Self { status, reason: None, headers, body: Body::Full(text.as_bytes().into()), spent: None }
    }
}
