//! What came of a call, in one word.

use std::fmt;

use crate::answer::Answer;
use crate::error::Kind;

/// One word for an outcome; in Python the members of `turnout.http.Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Answered with 2xx, and decoded.
    Ok,
    /// The caller's own value, for there was no good answer. Only Python, which knows it, says so.
    Fallback,
    /// A good answer from the cache, older than it should be, because the upstream failed.
    Stale,
    /// Answered, but not with 2xx.
    HttpError,
    /// The call's own time, or that of a part of it, was over.
    Timeout,
    /// The time of all calls together, or of the request they belong to, was over.
    Deadline,
    /// No connection, or it broke.
    Connect,
    /// No address.
    Dns,
    /// No handshake.
    Tls,
    /// The upstream, the proxy or the request is not HTTP as it should be.
    Protocol,
    /// The body is not what it claims to be.
    Decode,
    /// The body is larger than allowed.
    TooLarge,
    /// Not sent: the circuit breaker is open.
    CircuitOpen,
    /// Not sent: the rate limit is used up.
    RateLimited,
    /// Not sent: the bulkhead or the pool's queue is full.
    Overloaded,
    /// Not sent: the address is forbidden.
    Forbidden,
    /// Given up while it was under way: enough others were there, or the request is over.
    Cancelled,
    /// Never begun.
    Skipped,
}

impl Status {
    /// Of a call that was answered.
    pub fn of_answer(answer: &Answer) -> Self {
        match answer.head.status {
            status if !status.is_success() => Self::HttpError,
            _ if answer.stale => Self::Stale,
            _ => Self::Ok,
        }
    }

    /// Of a call that was not. Whose time was over is known only to who set it: a deadline is taken for the call's own here.
    pub fn of_error(kind: Kind) -> Self {
        match kind {
            Kind::ConnectTimeout
            | Kind::WriteTimeout
            | Kind::ReadTimeout
            | Kind::PoolTimeout
            | Kind::AttemptTimeout
            | Kind::DeadlineExceeded => Self::Timeout,
            Kind::Dns => Self::Dns,
            Kind::Connect | Kind::Read | Kind::Write => Self::Connect,
            Kind::Tls => Self::Tls,
            Kind::LocalProtocol
            | Kind::RemoteProtocol
            | Kind::Proxy
            | Kind::UnsupportedProtocol
            | Kind::TooManyRedirects
            | Kind::InvalidUrl => Self::Protocol,
            Kind::CircuitOpen => Self::CircuitOpen,
            Kind::RateLimited => Self::RateLimited,
            Kind::Overloaded => Self::Overloaded,
            Kind::ForbiddenAddress => Self::Forbidden,
            Kind::Decoding | Kind::Json => Self::Decode,
            Kind::ResponseTooLarge => Self::TooLarge,
            Kind::Cancelled => Self::Cancelled,
        }
    }

    /// There is an answer that can be used.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Ok | Self::Stale)
    }

    /// The member's name in Python.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Fallback => "FALLBACK",
            Self::Stale => "STALE",
            Self::HttpError => "HTTP_ERROR",
            Self::Timeout => "TIMEOUT",
            Self::Deadline => "DEADLINE",
            Self::Connect => "CONNECT",
            Self::Dns => "DNS",
            Self::Tls => "TLS",
            Self::Protocol => "PROTOCOL",
            Self::Decode => "DECODE",
            Self::TooLarge => "TOO_LARGE",
            Self::CircuitOpen => "CIRCUIT_OPEN",
            Self::RateLimited => "RATE_LIMITED",
            Self::Overloaded => "OVERLOADED",
            Self::Forbidden => "FORBIDDEN",
            Self::Cancelled => "CANCELLED",
            Self::Skipped => "SKIPPED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
