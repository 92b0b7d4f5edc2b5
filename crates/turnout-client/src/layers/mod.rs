//! The one order of what lies around a call: deadline > cache > coalesce > redirects > retry or hedge > breaker > rate > bulkhead > attempt
//! time-out > pool. By attempt, for vendors count attempts; breaker before rate, so that an open circuit uses up no rate.
//!
//! Who may drop a call: anybody, at any time. If it is idempotent, or nothing of it was sent, all that it holds is free at once. If not, it is
//! finished in the background within half a minute, and the client's observer is told how ([`finishing`]).

mod finishing;
mod stream;
mod trip;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::body;
use crate::call::Call;
use crate::client::Client;
use crate::error::{Error, Kind};
use crate::options::Transport;
use crate::policy::{self, Policy};
use crate::redirect::{self, Sent};
use crate::scope::Scope;
use crate::stats::Counters;
use finishing::Finishing;
pub(crate) use stream::hold;
pub(crate) use trip::{Latest, Progress, Trip, Until};

/// One call, with everything around it. Dropping the future gives up the call.
pub async fn send(client: &Client, call: Arc<Call>, scope: &Scope) -> Result<Answer, Error> {
    let over = || Error::new(Kind::Cancelled, "given up: the request that this call was made for is over");
    if scope.cancelled.is_cancelled() {
        return Err(over());
    }
    let started = Instant::now();
    let own = call.options.timeouts.total.map(|total| started + total);
    let until = own.into_iter().chain(scope.until()).min();
    tokio::select! {
        biased;
        outcome = send_until(client, &call, started, until) => outcome,
        () = scope.cancelled.cancelled() => Err(over()),
    }
}

/// As [`send`], by whoever knows the time and ends it by dropping it.
pub(crate) async fn send_until(
    client: &Client,
    call: &Arc<Call>,
    started: Instant,
    until: Option<Instant>,
) -> Result<Answer, Error> {
    let counters = client.stats.of(call);
    let begun = counters.begin();
    let progress = Arc::new(Progress::default());
    let outcome = if call.idempotent {
        let trip = Trip { client, counters: &counters, progress: &progress, until: Until::At(until) };
        limited(trip, call, started, until).await
    } else {
        let work = {
            let (client, call) = (client.clone(), Arc::clone(call));
            let (counters, progress) = (Arc::clone(&counters), Arc::clone(&progress));
            async move {
                let trip = Trip { client: &client, counters: &counters, progress: &progress, until: Until::At(until) };
                limited(trip, &call, started, until).await
            }
        };
        Finishing::new(client, call, &counters, &progress, Box::pin(work)).await
    };
    let outcome = signed(outcome, &counters, &progress, started.elapsed());
    begun.end(&outcome);
    outcome
}

async fn limited(trip: Trip<'_>, call: &Arc<Call>, started: Instant, until: Option<Instant>) -> Result<Answer, Error> {
    let work = travel(trip, call);
    let Some(deadline) = until else { return work.await };
    let mut answer = timeout_at(deadline, work).await.unwrap_or_else(|_| Err(late(trip, started)))?;
    stream::limit(&mut answer, until, Kind::DeadlineExceeded);
    Ok(answer)
}

fn late(Trip { counters, progress, .. }: Trip<'_>, started: Instant) -> Error {
    let (name, time) = (&counters.name, started.elapsed());
    let attempts = progress.attempts.load(Relaxed);
    let text = match attempts {
        0 => format!("the time for the call was over after {time:.1?}, before anything was sent to {name}"),
        1 => format!("{name} did not answer within the time for the call, {time:.1?}"),
        _ => format!("{name} did not answer within the time for the call, {time:.1?}, in {attempts} attempts"),
    };
    let error = Error::new(Kind::DeadlineExceeded, text);
    if progress.sent.load(Relaxed) { error.after_sending() } else { error }
}

/// Says of an outcome what only the whole call knows.
fn signed(
    outcome: Result<Answer, Error>,
    counters: &Counters,
    progress: &Progress,
    total: Duration,
) -> Result<Answer, Error> {
    match outcome {
        Ok(mut answer) => {
            if !answer.from_cache && !answer.coalesced {
                answer.attempts = progress.attempts.load(Relaxed);
                answer.timings.queued = progress.queued();
            }
            answer.timings.total = total;
            Ok(answer)
        }
        Err(error) => {
            let mut timings = error.timings().clone();
            timings.queued = progress.queued();
            timings.total = total;
            let error = error.attempted(progress.attempts.load(Relaxed)).timed(timings);
            Err(if error.upstream().is_some() { error } else { error.of(Arc::clone(&counters.name)) })
        }
    }
}

/// Below the deadline.
async fn travel(trip: Trip<'_>, call: &Arc<Call>) -> Result<Answer, Error> {
    match &call.options.policy {
        None => redirected(trip, call, None).await,
        // Boxed, so that calls without a policy have no room for it in their futures.
        Some(policy) => Box::pin(policy::above(trip, call, policy)).await,
    }
}

/// Below cache and coalescing. Each hop is a call to its own upstream.
pub(crate) async fn redirected(
    trip: Trip<'_>,
    call: &Arc<Call>,
    policy: Option<&Arc<Policy>>,
) -> Result<Answer, Error> {
    if redirect::is_plain(call) {
        return below(trip, call, policy).await;
    }
    // Boxed, as policies are.
    let send = move |hop: Arc<Call>| -> Sent<'_> { Box::pin(async move { below(trip, &hop, policy).await }) };
    Box::pin(redirect::follow(call, &send)).await
}

async fn below(trip: Trip<'_>, call: &Arc<Call>, policy: Option<&Arc<Policy>>) -> Result<Answer, Error> {
    match policy {
        None => attempt(trip, call, 0).await,
        Some(policy) => Box::pin(policy::below(trip, call, policy)).await,
    }
}

/// Below all policies: one attempt, and its time. Those that run at the same time have different lanes.
pub(crate) async fn attempt(trip: Trip<'_>, call: &Arc<Call>, lane: u8) -> Result<Answer, Error> {
    trip.progress.attempts.fetch_add(1, Relaxed);
    trip.counters.attempts.fetch_add(1, Relaxed);
    let mut outcome = match &call.options.transport {
        Some(transport) => Box::pin(transported(trip, call, transport)).await,
        // The one box of a call without policies. It is some KiB, which each layer would have room for and move: that was half of what the
        // layers cost.
        None => Box::pin(trip.client.pool.attempt(call, lane, &trip.progress.sent)).await,
    };
    if let Ok(answer) = &mut outcome
        && body::is_coded(call, answer)
        // Boxed, for most calls never have one.
        && let Err(error) = Box::pin(body::decode(&trip.client.cpu, call, answer)).await
    {
        // What came of it is broken, but something came.
        outcome = Err(error.after_sending());
    }
    if outcome.as_ref().is_err_and(|error| !error.sent()) {
        trip.progress.sent.store(false, Relaxed);
    }
    outcome
}

/// By what answers instead of the network. It knows no limits, so that they are kept here.
async fn transported(trip: Trip<'_>, call: &Arc<Call>, transport: &Arc<dyn Transport>) -> Result<Answer, Error> {
    trip.progress.sent.store(true, Relaxed);
    let exchange = async {
        let mut answer = transport.send_or_forward(Arc::clone(call), trip.client.network()).await?;
        if !call.stream {
            stream::collect(&mut answer, call.options.max_body).await?;
        }
        Ok(answer)
    };
    let Some(limit) = call.options.timeouts.attempt else { return exchange.await };
    let late = Instant::now() + limit;
    let mut answer = timeout_at(late, exchange).await.unwrap_or_else(|_| {
        let text = format!("{} did not answer within the {limit:?} of one attempt", trip.counters.name);
        Err(Error::new(Kind::AttemptTimeout, text).after_sending())
    })?;
    stream::limit(&mut answer, Some(late), Kind::AttemptTimeout);
    Ok(answer)
}
