//! What an operator may set, and the two ways out for what happened: access log and faults.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, StatusCode, Uri, Version};

use crate::app::Spent;

/// Every bound on what a peer may send, and on how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From connecting, or from the end of the last answer's idle time, to the end of a request head: then 408.
    pub head_time: Duration,
    /// Request line and field lines together: 431 above it.
    pub head_bytes: usize,
    /// The request target: 414 above it.
    pub target_bytes: usize,
    /// How long a connection may wait for its next request. It is closed without a word.
    pub idle_time: Duration,
    /// The content of a request: 413 above it; `None` leaves it to the app.
    pub body_bytes: Option<u64>,
    /// Bytes of content a second below which a peer is too slow: 408. 0 turns it off.
    pub body_rate: u32,
    /// How long a body may take before its rate is looked at.
    pub body_grace: Duration,
    /// How long a peer may take no byte of an answer that waits for it: then the connection is dropped.
    pub write_time: Duration,
    /// After a refusal, how long what the peer still sends is read and thrown away so that it gets our answer.
    pub linger_time: Duration,
    /// Connections at once; the next one waits in the kernel's queue. `None`: as many as there are descriptors.
    pub connections: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(30),
            head_bytes: 64 * 1024,
            target_bytes: 8 * 1024,
            idle_time: Duration::from_secs(75),
            body_bytes: None,
            body_rate: 240,
            body_grace: Duration::from_secs(20),
            write_time: Duration::from_secs(60),
            linger_time: Duration::from_secs(2),
            connections: None,
        }
    }
}

/// Settings of a server.
#[derive(Clone, Default)]
pub struct Config {
    /// Bounds on the peers.
    pub limits: Limits,
    /// A FIN after a complete request only means "no more requests"; without it, it counts as disconnect.
    pub half_close: bool,
    /// Told of every request when it is over.
    pub access_log: Option<Arc<dyn AccessLog>>,
    /// Told when an app breaks the rules of HTTP. Called on the runtime: must not block.
    pub on_fault: Option<Arc<dyn Fn(Fault) + Send + Sync>>,
}

impl fmt::Debug for Config {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Config")
            .field("limits", &self.limits)
            .field("half_close", &self.half_close)
            .field("access_log", &self.access_log.is_some())
            .finish_non_exhaustive()
    }
}

/// Takes the entries of the access log.
pub trait AccessLog: Send + Sync {
    /// One request is over. Called on the runtime: must not block.
    fn record(&self, entry: &AccessEntry<'_>);
}

/// One line of the access log.
#[derive(Debug)]
pub struct AccessEntry<'a> {
    /// `None` when the head was refused before it could be read.
    pub method: Option<&'a Method>,
    /// `None` when the head was refused before it could be read.
    pub target: Option<&'a Uri>,
    /// The version of the request.
    pub version: Version,
    /// `None` when no answer was begun.
    pub status: Option<StatusCode>,
    /// Bytes of content handed to the connection.
    pub sent: u64,
    /// The other end; `None` on a Unix socket.
    pub peer: Option<SocketAddr>,
    /// When the head was complete.
    pub received: Instant,
    /// From then until the last byte of the answer was handed to the connection.
    pub duration: Duration,
    /// Where the time up to the answer's head went, as far as the app knows.
    pub spent: Option<Spent>,
    /// As the peer sent it.
    pub user_agent: Option<&'a HeaderValue>,
    /// As the peer sent it.
    pub referer: Option<&'a HeaderValue>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer was handed to the connection.
    Complete,
    /// The peer went away, or the server was stopped, before that.
    Disconnected,
    /// The app broke its answer off, or broke the rules.
    Aborted,
    /// The framer refused it, for this reason.
    Refused(&'static str),
}

/// What an app did wrong. It costs that request; the connection is closed where the peer could be misled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It panicked before it answered.
    #[error("the app panicked; answered 500")]
    Panicked,
    /// An informational status is no final answer (RFC 9110 section 15.2).
    #[error("the app answered with status {0}, which is not a final one; answered 500")]
    Informational(u16),
    /// Several that differ, or not a number (RFC 9110 section 8.6).
    #[error("the app sent a Content-Length that is not one number; answered 500")]
    ContentLength,
    /// The length is known beforehand and another.
    #[error("the app promised {promised} bytes of content and gave {given}; answered 500")]
    WrongLength {
        /// In its Content-Length.
        promised: u64,
        /// In its body.
        given: u64,
    },
    /// A stream or a file that ended early: what was begun is broken off, what was not is a 500.
    #[error("the app's content ended {missing} bytes before its Content-Length; not sent as if it were whole")]
    TooShort {
        /// How many were promised and never came.
        missing: u64,
    },
    /// A file that could not be read to its end: as above.
    #[error("the app's file could not be read ({kind}), {missing} bytes are missing; not sent as if it were whole")]
    Unreadable {
        /// What the system said.
        kind: std::io::ErrorKind,
        /// How many bytes were still to come.
        missing: u64,
    },
    /// A stream that went on: the connection is closed, the surplus never sent.
    #[error("the app's stream went {surplus} bytes past its Content-Length; connection closed")]
    TooLong {
        /// How many there were too many, at least.
        surplus: u64,
    },
}
