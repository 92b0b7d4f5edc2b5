//! Where the time of one call went.

use std::time::Duration;

/// Phases of the last attempt, and the whole. `None`: the phase did not happen (a pooled connection needs no `connect`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// In queues of ours, before the pool: bulkhead, rate limit, back-off.
    pub queued: Option<Duration>,
    /// Until the pool gave a connection, or began to make one.
    pub pool: Option<Duration>,
    /// Name to addresses.
    pub dns: Option<Duration>,
    /// Until an address took the connection.
    pub connect: Option<Duration>,
    /// The handshake.
    pub tls: Option<Duration>,
    /// From the first byte of the request to the head of the answer.
    pub first_byte: Option<Duration>,
    /// From the head to the end of the body.
    pub body: Option<Duration>,
    /// Encodings and JSON.
    pub decode: Option<Duration>,
    /// All of it, earlier attempts included.
    pub total: Duration,
}
