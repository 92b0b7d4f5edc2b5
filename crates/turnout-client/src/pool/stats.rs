//! What the pool counts.

use std::sync::Arc;

/// Why a connection was closed, or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// Idle as long as it may be.
    Aged,
    /// More idle ones than are kept for one place.
    Surplus,
    /// Another place needed the room.
    Evicted,
    /// The upstream had closed it, or said something, while it was idle.
    Stale,
    /// The answer said that it would be closed.
    Told,
    /// It broke, or what came was not HTTP.
    Broken,
    /// Its call was given up before the answer had ended.
    Abandoned,
}

const REASONS: usize = Discard::Abandoned as usize + 1;

impl Discard {
    /// All there are.
    pub const ALL: [Self; REASONS] =
        [Self::Aged, Self::Surplus, Self::Evicted, Self::Stale, Self::Told, Self::Broken, Self::Abandoned];
}

/// Since the place was first called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections.
    pub made: u64,
    /// Connects that failed.
    pub failed: u64,
    /// Calls that got a connection that had been used before.
    pub reused: u64,
    /// Calls that had to wait for one, be it only for its connect.
    pub waited: u64,
    /// Calls sent again on a new connection, because a used one had been closed meanwhile.
    pub resent: u64,
    /// Connections closed, by [`Discard`].
    pub discarded: [u64; REASONS],
}

/// One place.
#[derive(Clone, Debug)]
pub struct PlaceStats {
    /// `https`.
    pub secure: bool,
    /// As in the URL.
    pub host: Arc<str>,
    /// Explicit, or the scheme's.
    pub port: u16,
    /// Connections made or being made.
    pub open: usize,
    /// Of these, being made.
    pub connecting: usize,
    /// Of these, unused.
    pub idle: usize,
    /// Calls that wait.
    pub waiting: usize,
    /// What happened so far.
    pub counts: Counts,
}

/// The pool at one moment.
#[derive(Clone, Debug, Default)]
pub struct PoolStats {
    /// Connections made or being made.
    pub open: usize,
    /// Of these, unused.
    pub idle: usize,
    /// Calls that wait.
    pub waiting: usize,
    /// Calls given up whose answer is read to its end, so that the connection can be kept.
    pub lingering: usize,
    /// By place. One that is not called any more may be forgotten.
    pub places: Vec<PlaceStats>,
}
