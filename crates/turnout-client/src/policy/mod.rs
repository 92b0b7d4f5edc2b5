//! What lies around a call beside time: terms, as their user wrote them, and what is remembered under them of each upstream.
//!
//! Called by [`crate::layers`], which has the order. Nothing here knows sockets.

mod admit;
mod breaker;
mod budget;
mod bulkhead;
mod cache;
mod coalesce;
mod hedge;
mod key;
mod latencies;
mod rate;
mod retry;
mod terms;

use std::sync::Arc;

use crate::answer::Answer;
use crate::call::Call;
use crate::error::Error;
use crate::layers::{self, Trip};
use crate::upstreams::Upstreams;
use breaker::Breaker;
use budget::Budget;
use bulkhead::Seats;
use coalesce::Flights;
use latencies::Latencies;
use rate::Rate;

pub use terms::{
    After, Backoff, BadTerms, Bulkhead, Cache, CircuitBreaker, Coalesce, Hedge, RateLimit, Retry, RetryBudget, Terms,
    WhenFull,
};

/// Terms and what is remembered under them. Two clients with the same policy share it.
#[derive(Debug)]
pub struct Policy {
    terms: Terms,
    upstreams: Upstreams<Upstream>,
    flights: Flights,
    cache: Option<cache::Store>,
}

/// Upstreams that are remembered apart. Above it those not in use are forgotten.
const MOST_UPSTREAMS: usize = 1024;

/// What is remembered of one upstream.
#[derive(Debug)]
struct Upstream {
    breaker: Option<Breaker>,
    rate: Option<Rate>,
    seats: Option<Seats>,
    /// For all attempts beyond the first.
    retries: Option<Budget>,
    /// For hedges, which need both.
    hedges: Option<Budget>,
    latencies: Latencies,
}

impl Policy {
    /// Fails if the terms make no sense.
    pub fn new(terms: Terms) -> Result<Self, BadTerms> {
        terms.check()?;
        let upstreams = Upstreams::new(MOST_UPSTREAMS, Upstream::new(&terms));
        let cache = terms.cache.map(cache::Store::new);
        Ok(Self { terms, upstreams, flights: Flights::default(), cache })
    }

    /// As given.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    fn upstream(&self, call: &Call) -> Arc<Upstream> {
        self.upstreams.make_room();
        self.upstreams.of(call, |_| Upstream::new(&self.terms))
    }
}

impl Upstream {
    fn new(terms: &Terms) -> Self {
        let (quantile, min_samples) = match &terms.hedge {
            Some(Hedge { after: After::Quantile(quantile), min_samples, .. }) => (*quantile, *min_samples),
            _ => (0.5, 0),
        };
        Self {
            breaker: terms.breaker.map(Breaker::new),
            rate: terms.rate.map(Rate::new),
            seats: terms.bulkhead.map(Seats::new),
            retries: terms.retry.as_ref().and_then(|retry| retry.budget).map(Budget::new),
            hedges: terms.hedge.as_ref().map(hedge::budget),
            latencies: Latencies::new(quantile, min_samples),
        }
    }
}

/// All that lies above redirects: cache, then coalescing.
pub(crate) async fn above(trip: Trip<'_>, call: &Arc<Call>, policy: &Arc<Policy>) -> Result<Answer, Error> {
    // What is answered to a jar is its owner's, and what the jar shows is another thing after each answer.
    if call.options.cookies.is_some() {
        return layers::redirected(trip, call, Some(policy)).await;
    }
    match &policy.cache {
        Some(store) if cache::may_answer(call) => cache::run(trip, call, policy, store).await,
        Some(store) => {
            let outcome = coalesce::run(trip, call, policy).await;
            cache::hear(store, call, &outcome);
            outcome
        }
        None => coalesce::run(trip, call, policy).await,
    }
}

/// All that lies below redirects: retry, hedge, breaker, rate, bulkhead.
pub(crate) async fn below(trip: Trip<'_>, call: &Arc<Call>, policy: &Policy) -> Result<Answer, Error> {
    let upstream = policy.upstream(call);
    retry::run(trip, call, policy, &upstream).await
}
