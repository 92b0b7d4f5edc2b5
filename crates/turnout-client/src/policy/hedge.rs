//! A second attempt beside one that takes long, on another connection; the first good answer wins. It costs the upstream calls, so it draws on a
//! budget, and on that of the retries too.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::{Method, StatusCode};
use tokio::time::{Instant, sleep};

use super::budget::Budget;
use super::retry::is_ours;
use super::terms::{After, Hedge, RetryBudget};
use super::{Policy, Upstream, admit};
use crate::answer::Answer;
use crate::call::Call;
use crate::error::Error;
use crate::layers::Trip;

/// Before the first calls have earned any, some hedges are free: this many in the time that earnings live.
const FREE: f64 = 5.0;
/// Long, so that seldom calls earn hedges too: at one a second and 5 % there is one every 20 s.
const LIVES: Duration = Duration::from_secs(60);

type Outcome = Result<Answer, Error>;

pub(super) fn budget(hedge: &Hedge) -> Budget {
    Budget::new(RetryBudget { ratio: hedge.budget, min_per_second: FREE / LIVES.as_secs_f64(), ttl: LIVES })
}

/// One attempt, or several of which one wins.
pub(crate) async fn run(trip: Trip<'_>, call: &Arc<Call>, policy: &Policy, upstream: &Upstream) -> Outcome {
    let leg = |lane| admit::run(trip, call, upstream, lane);
    let Some((hedge, budget)) = policy.terms.hedge.as_ref().zip(upstream.hedges.as_ref()) else {
        return leg(0).await;
    };
    budget.deposit();
    let after = match hedge.after {
        After::Fixed(time) => Some(time),
        After::Quantile(_) => upstream.latencies.at_quantile(),
    };
    match after.filter(|_| may_be_sent_at_once(call)) {
        None => leg(0).await,
        Some(after) => {
            let mut first = pin!(leg(0));
            // Most calls are over by then, and need nothing of what a race needs.
            tokio::select! {
                biased;
                outcome = &mut first => return outcome,
                () = sleep(after) => {}
            }
            race(trip, first, leg, after, hedge, budget, upstream).await
        }
    }
}

/// Safe, or expressly said to bear repetition. A PUT or DELETE that is idempotent only by its method is repeated after a failure, but two at once
/// may come in any order with whatever else is sent.
pub(super) fn may_be_sent_at_once(call: &Call) -> bool {
    let by_key = call.headers.contains_key("idempotency-key");
    let by_method = call.method == Method::PUT || call.method == Method::DELETE;
    call.body.is_replayable() && (call.method.is_safe() || (call.idempotent && (by_key || !by_method)))
}

async fn race<F: Future<Output = Outcome>, N: Future<Output = Outcome>>(
    trip: Trip<'_>,
    first: std::pin::Pin<&mut F>,
    next: impl Fn(u8) -> N,
    after: Duration,
    hedge: &Hedge,
    budget: &Budget,
    upstream: &Upstream,
) -> Outcome {
    let mut first = Some(first);
    let mut hedges = FuturesUnordered::new();
    let mut timer = pin!(sleep(Duration::ZERO));
    let mut left = hedge.attempts - 1;
    let mut lane = 0_u8;
    let mut bad: Option<Outcome> = None;
    loop {
        tokio::select! {
            biased;
            outcome = async { first.as_mut().expect("asked only while there is one").await }, if first.is_some() => {
                first = None;
                if is_good(&outcome) || hedges.is_empty() {
                    return outcome;
                }
                bad = Some(outcome);
            }
            Some(outcome) = hedges.next() => {
                if is_good(&outcome) {
                    trip.counters.hedges_won.fetch_add(1, Relaxed);
                    return outcome.map(|answer| Answer { hedged: true, ..answer });
                }
                if outcome.as_ref().is_err_and(|error| is_ours(error.kind())) {
                    // It was never sent.
                    left = 0;
                } else if bad.is_none() {
                    bad = Some(outcome);
                }
                if first.is_none() && hedges.is_empty() {
                    return bad.expect("the first attempt left its outcome");
                }
            }
            () = &mut timer, if left > 0 && first.is_some() => {
                if trip.until.leaves(upstream.latencies.p50()) && is_paid(budget, upstream) {
                    left -= 1;
                    trip.counters.hedges.fetch_add(1, Relaxed);
                    lane = lane.saturating_add(1);
                    hedges.push(next(lane));
                    timer.as_mut().reset(Instant::now() + after);
                } else {
                    left = 0;
                    trip.counters.hedges_refused.fetch_add(1, Relaxed);
                }
            }
        }
    }
}

/// Good enough to end the race. 429 of a hedge only says that hedging is too much.
fn is_good(outcome: &Outcome) -> bool {
    outcome.as_ref().is_ok_and(|answer| {
        let status = answer.head.status;
        status < StatusCode::INTERNAL_SERVER_ERROR && status != StatusCode::TOO_MANY_REQUESTS
    })
}

fn is_paid(budget: &Budget, upstream: &Upstream) -> bool {
    if !budget.withdraw() {
        return false;
    }
    let shared = upstream.retries.as_ref().is_none_or(Budget::withdraw);
    if !shared {
        budget.give_back();
    }
    shared
}
