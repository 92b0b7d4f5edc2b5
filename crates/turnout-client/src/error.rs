//! Why a call has no answer: whose fault it was, how far it got, and what may be done about it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::timings::Timings;

/// What went wrong. Each is an exception class of the same name in Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No connection within `Timeouts::connect`, TLS included.
    ConnectTimeout,
    /// The upstream took no more of the request for `Timeouts::write`.
    WriteTimeout,
    /// No head within `Timeouts::first_byte`, or a pause in the body longer than `Timeouts::read`.
    ReadTimeout,
    /// No free connection within `Timeouts::pool`.
    PoolTimeout,
    /// One attempt took longer than `Timeouts::attempt`.
    AttemptTimeout,
    /// The time for the whole call, or what was left of the request's, is over.
    DeadlineExceeded,
    /// The name has no address, or nobody could say.
    Dns,
    /// No address took the connection.
    Connect,
    /// The handshake failed, or the certificate was refused.
    Tls,
    /// The connection broke while the answer was read.
    Read,
    /// The connection broke while the request was written.
    Write,
    /// The request as given cannot be sent: the caller's fault.
    LocalProtocol,
    /// The answer is not HTTP: the upstream's fault.
    RemoteProtocol,
    /// The proxy refused, or spoke nonsense.
    Proxy,
    /// A scheme other than `http` and `https`.
    UnsupportedProtocol,
    /// The circuit breaker is open: nothing was sent.
    CircuitOpen,
    /// The rate limit is used up: nothing was sent.
    RateLimited,
    /// The bulkhead or the pool's queue is full: nothing was sent.
    Overloaded,
    /// The address policy does not allow where the name leads: nothing was sent.
    ForbiddenAddress,
    /// The body's encoding is broken.
    Decoding,
    /// The body is not JSON.
    Json,
    /// More bytes than `Options::max_body` allows, as received or as decoded.
    ResponseTooLarge,
    /// More redirects than `Redirects::max`.
    TooManyRedirects,
    /// The request that this call belongs to is over: its browser left, or its view returned.
    Cancelled,
    /// The URL is none.
    InvalidUrl,
}

impl Kind {
    /// In the order of their numbers.
    pub const ALL: [Self; 25] = [
        Self::ConnectTimeout,
        Self::WriteTimeout,
        Self::ReadTimeout,
        Self::PoolTimeout,
        Self::AttemptTimeout,
        Self::DeadlineExceeded,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Read,
        Self::Write,
        Self::LocalProtocol,
        Self::RemoteProtocol,
        Self::Proxy,
        Self::UnsupportedProtocol,
        Self::CircuitOpen,
        Self::RateLimited,
        Self::Overloaded,
        Self::ForbiddenAddress,
        Self::Decoding,
        Self::Json,
        Self::ResponseTooLarge,
        Self::TooManyRedirects,
        Self::Cancelled,
        Self::InvalidUrl,
    ];

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| format!("{kind:?}") == name)
    }
}

/// A call without an answer. Can be cloned, for equal calls may share it.
#[derive(Clone, Debug)]
pub struct Error(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    kind: Kind,
    message: String,
    /// The name of the configured upstream, or the host.
    upstream: Option<Arc<str>>,
    /// Something of the request may have reached the upstream.
    sent: bool,
    attempts: u32,
    timings: Timings,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// `message` is a sentence for people, without credentials and without the URL's query.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Parts {
            kind,
            message,
            upstream: None,
            sent: false,
            attempts: 0,
            timings: Timings::default(),
            retry_after: None,
            source: None,
        }))
    }

    /// The error below this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Something of the request may have reached the upstream.
    #[must_use]
    pub fn after_sending(mut self) -> Self {
        self.0.sent = true;
        self
    }

    /// Of which upstream.
    #[must_use]
    pub fn of(mut self, upstream: Arc<str>) -> Self {
        self.0.upstream = Some(upstream);
        self
    }

    /// How long its parts took.
    #[must_use]
    pub fn timed(mut self, timings: Timings) -> Self {
        self.0.timings = timings;
        self
    }

    /// How many attempts were made.
    #[must_use]
    pub fn attempted(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// When another try makes sense, as the upstream or a limit of ours says.
    #[must_use]
    pub fn retry_in(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// For people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The name of the configured upstream, or the host.
    pub fn upstream(&self) -> Option<&Arc<str>> {
        self.0.upstream.as_ref()
    }

    /// Something of the request may have reached the upstream: only an idempotent call may be sent again.
    pub fn sent(&self) -> bool {
        self.0.sent
    }

    /// How many attempts were made.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// How long its parts took.
    pub fn timings(&self) -> &Timings {
        &self.0.timings
    }

    /// When another try makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
