//! What lies around a call beside time: terms, as their user wrote them, and what is remembered under them of each upstream.
//!
//! Called by [`crate::layers`], which has the order. Nothing here knows sockets.

mod terms;

use crate::upstreams::Upstreams;

pub use terms::{
    After, Backoff, BadTerms, Bulkhead, Cache, CircuitBreaker, Coalesce, Hedge, RateLimit, Retry, RetryBudget, Terms,
    WhenFull,
};

/// Terms and what is remembered under them. Two clients with the same policy share it.
#[derive(Debug)]
pub struct Policy {
    terms: Terms,
    upstreams: Upstreams<Upstream>,
}

/// Upstreams that are remembered apart. Above it those not in use are forgotten.
const MOST_UPSTREAMS: usize = 1024;

/// What is remembered of one upstream.
#[derive(Debug)]
pub(crate) struct Upstream {}

impl Policy {
    /// Fails if the terms make no sense.
    pub fn new(terms: Terms) -> Result<Self, BadTerms> {
        terms.check()?;
        let upstreams = Upstreams::new(MOST_UPSTREAMS, Upstream {});
        Ok(Self { terms, upstreams })
    }

    /// As given.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }
}
