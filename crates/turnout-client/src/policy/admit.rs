//! One attempt with what may refuse it: breaker, then rate, then bulkhead. What one of them holds for the attempt is free when it ends, and when it
//! is dropped.

use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use super::Upstream;
use crate::answer::Answer;
use crate::call::Call;
use crate::error::Error;
use crate::layers::{self, Trip};

/// Attempts of one call that run at the same time have different lanes.
pub(super) async fn run(trip: Trip<'_>, call: &Arc<Call>, upstream: &Upstream, lane: u8) -> Result<Answer, Error> {
    let queued = Instant::now();
    let mut pass = upstream.breaker.as_ref().map(|breaker| breaker.admit(trip.counters)).transpose()?;
    let deadline = trip.until.deadline();
    if let Some(rate) = &upstream.rate {
        rate.pass(deadline).await?;
    }
    let seat = match &upstream.seats {
        Some(seats) => Some(seats.take().await?),
        None => None,
    };
    trip.progress.was_queued(queued.elapsed());
    if let Some(pass) = &mut pass {
        pass.sent(deadline, &upstream.latencies);
    }
    let watch = upstream.latencies.watch();
    let mut outcome = layers::attempt(trip, call, lane).await;
    watch.end(outcome.as_ref().is_ok_and(|answer| {
        let status = answer.head.status;
        status < StatusCode::INTERNAL_SERVER_ERROR && status != StatusCode::TOO_MANY_REQUESTS
    }));
    if let Some(pass) = pass {
        pass.end(&outcome);
    }
    if let (Ok(answer), Some(seat)) = (&mut outcome, seat) {
        layers::hold(answer, seat);
    }
    outcome
}
