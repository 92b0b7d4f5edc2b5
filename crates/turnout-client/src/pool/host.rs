//! One place, as the books of the pool have it.

use std::collections::VecDeque;
use std::sync::Arc;

use slab::Slab;

use super::chain::Chain;
use super::stats::Counts;
use crate::connect::Place;
use crate::options::Http2;

/// Calls that one HTTP/2 connection is expected to take before its peer has said how many (what RFC 9113, 6.5.2 recommends as the least).
pub(super) const EXPECTED_STREAMS: usize = 100;

/// See the module.
pub(super) struct Host<M> {
    pub(super) place: Arc<Place>,
    /// Connections made or being made.
    pub(super) open: usize,
    /// Of these, being made.
    pub(super) connecting: usize,
    /// Those for one call at a time that nobody uses: the last used is last, and used first.
    pub(super) idle: VecDeque<usize>,
    /// First come, first served. In front those that a connect is under way for.
    pub(super) waiting: Chain,
    /// The first in `waiting` with no connect under way for it.
    pub(super) uncovered: Option<usize>,
    /// It and all behind it.
    pub(super) queued: usize,
    /// Waiters, with those that have not fetched yet what they were granted.
    pub(super) seats: usize,
    /// Stands in the line of those that the limit of all keeps waiting.
    pub(super) starved: bool,
    pub(super) protocol: Protocol,
    pub(super) shared: Slab<Shared<M>>,
    /// Keys of `shared` that may have room; the last is filled first, so that the others can end.
    pub(super) roomy: Vec<usize>,
    pub(super) counts: Counts,
}

/// What is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// The first handshake tells.
    Unknown,
    /// One call at a time on a connection.
    Own,
    /// Many.
    Shared,
}

/// A connection that many calls use.
pub(super) struct Shared<M> {
    pub(super) connection: M,
    /// No other connection ever has it.
    pub(super) serial: u64,
    /// Calls on it.
    pub(super) streams: usize,
    /// Stands in `roomy`.
    pub(super) listed: bool,
    /// Its key among the idle.
    pub(super) resting: Option<usize>,
}

impl<M> Host<M> {
    pub(super) fn new(place: Arc<Place>) -> Self {
        let protocol = match place.http2 {
            Http2::Only => Protocol::Shared,
            Http2::Negotiate if place.secure => Protocol::Unknown,
            Http2::Negotiate | Http2::Off => Protocol::Own,
        };
        Self {
            place,
            open: 0,
            connecting: 0,
            idle: VecDeque::new(),
            waiting: Chain::default(),
            uncovered: None,
            queued: 0,
            seats: 0,
            starved: false,
            protocol,
            shared: Slab::new(),
            roomy: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// How many waiters one connect can be expected to serve. While it is not known what is spoken, one connect has to tell first.
    pub(super) fn calls_per_connect(&self) -> usize {
        match self.protocol {
            Protocol::Unknown => usize::MAX,
            Protocol::Own => 1,
            Protocol::Shared => EXPECTED_STREAMS,
        }
    }

    pub(super) fn is_unused(&self) -> bool {
        self.open == 0 && self.seats == 0 && self.shared.is_empty()
    }
}
