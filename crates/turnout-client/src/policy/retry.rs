//! Tries again what may be sent again, as often as the budget allows and as long as there is time.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use tokio::time::{Instant, sleep};

use super::terms::{Backoff, Retry};
use super::{Policy, Upstream, hedge};
use crate::answer::Answer;
use crate::call::Call;
use crate::error::{Error, Kind};
use crate::layers::Trip;

/// For calls without a deadline: an upstream that asks for more than this is not waited for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

type Outcome = Result<Answer, Error>;

/// All attempts of one call, or the only one.
pub(crate) async fn run(trip: Trip<'_>, call: &Arc<Call>, policy: &Policy, upstream: &Upstream) -> Outcome {
    let Some(retry) = &policy.terms.retry else { return hedge::run(trip, call, policy, upstream).await };
    if let Some(budget) = &upstream.retries {
        budget.deposit();
    }
    let mut last = hedge::run(trip, call, policy, upstream).await;
    for attempt in 1..retry.attempts {
        if !wants_again(retry, call, &last) || trip.progress.is_abandoned.load(Relaxed) {
            break;
        }
        let pause = pause(retry, attempt, &last);
        // An attempt that is most likely cut short only costs the upstream.
        let fits = trip.until.leaves(pause + upstream.latencies.p50());
        if !fits || (trip.until.deadline().is_none() && pause > LONGEST_RETRY_AFTER) {
            break;
        }
        if upstream.retries.as_ref().is_some_and(|budget| !budget.withdraw()) {
            trip.counters.retries_refused.fetch_add(1, Relaxed);
            break;
        }
        let paused = Instant::now();
        sleep(pause).await;
        trip.progress.was_queued(paused.elapsed());
        // Its caller may have left meanwhile.
        if trip.progress.is_abandoned.load(Relaxed) {
            break;
        }
        trip.counters.retries.fetch_add(1, Relaxed);
        match hedge::run(trip, call, policy, upstream).await {
            // What the upstream did last says more than that we now leave it alone.
            Err(error) if is_ours(error.kind()) => break,
            outcome => last = outcome,
        }
    }
    last
}

fn wants_again(retry: &Retry, call: &Call, outcome: &Outcome) -> bool {
    let (is_wanted, sent) = match outcome {
        Ok(answer) => (retry.statuses.contains(&answer.head.status), true),
        Err(error) => (retry.kinds.contains(&error.kind()) && !is_ours(error.kind()), error.sent()),
    };
    let may_be_sent_twice = match &retry.methods {
        None => call.idempotent,
        Some(methods) => methods.contains(&call.method),
    };
    is_wanted && call.body.is_replayable() && (!sent || may_be_sent_twice)
}

/// A limit of ours said no: nothing was sent, and trying again is what the limit is against.
pub(super) fn is_ours(kind: Kind) -> bool {
    matches!(kind, Kind::CircuitOpen | Kind::RateLimited | Kind::Overloaded | Kind::ForbiddenAddress)
}

fn pause(retry: &Retry, attempt: u32, outcome: &Outcome) -> Duration {
    let own = back_off(&retry.backoff, attempt);
    if !retry.respect_retry_after {
        return own;
    }
    let asked = match outcome {
        Ok(answer) => retry_after(&answer.head.headers, SystemTime::now()),
        Err(error) => error.retry_after(),
    };
    asked.unwrap_or_default().max(own)
}

fn back_off(backoff: &Backoff, attempt: u32) -> Duration {
    let doubled = 1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX);
    let longest = backoff.base.saturating_mul(doubled).min(backoff.cap);
    if backoff.jitter { longest.mul_f64(fastrand::f64()) } else { longest }
}

/// Seconds or a date (RFC 9110, 10.2.3). A date counts from the upstream's own `Date`: its clock need not be ours.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let theirs = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    Some(date.duration_since(theirs.unwrap_or(now)).unwrap_or_default())
}
