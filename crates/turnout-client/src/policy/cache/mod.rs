//! Answers kept as RFC 9111 allows; `http-cache-semantics` says what it allows. Only whole answers to GET are kept, and each is for those alone whose
//! credentials are the same.

mod store;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, Method, StatusCode, Version};
use tokio::time::{Instant, timeout_at};

use super::{Policy, coalesce};
use crate::answer::{Answer, AnswerBody, Head};
use crate::call::{Body, Call};
use crate::error::{Error, Kind};
use crate::layers::{Progress, Trip, Until};
pub(super) use store::Store;
use store::{Asked, Found, Kept};

/// Kept back from the deadline, to answer with what is stale.
const SPARE: Duration = Duration::from_millis(5);
/// For an answer that nobody waits for and whose call has no time of its own.
const REFRESH_WITHIN: Duration = Duration::from_secs(30);

type Outcome = Result<Answer, Error>;

/// Calls that the cache can answer, or learn from: all others pass by it.
pub(super) fn may_answer(call: &Call) -> bool {
    let conditional = ["range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"];
    call.method == Method::GET
        && !call.stream
        && matches!(call.body, Body::Empty)
        && !conditional.iter().any(|name| call.headers.contains_key(*name))
        && !directives(&call.headers).any(|(name, _)| name == "no-store")
}

/// What `Cache-Control` says, name by name, in lower case.
pub(super) fn directives(headers: &HeaderMap) -> impl Iterator<Item = (String, Option<&str>)> {
    let lines = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|part| match part.split_once('=') {
        Some((name, value)) => (name.trim().to_ascii_lowercase(), Some(value.trim().trim_matches('"'))),
        None => (part.trim().to_ascii_lowercase(), None),
    })
}

/// A call that the cache may answer.
pub(super) async fn run(trip: Trip<'_>, call: &Arc<Call>, policy: &Arc<Policy>, store: &Store) -> Outcome {
    let Some(asked) = Asked::of(call) else { return coalesce::run(trip, call, policy).await };
    match store.find(&asked) {
        Found::Fresh(kept) => {
            trip.counters.cache_hits.fetch_add(1, Relaxed);
            Ok(kept.answer(store.now(), false))
        }
        _ if asked.only_if_cached => Ok(not_cached(call)),
        Found::Nothing => {
            trip.counters.cache_misses.fetch_add(1, Relaxed);
            let outcome = coalesce::run(trip, call, policy).await;
            store.keep(&asked, &outcome);
            outcome
        }
        Found::Stale(kept) => {
            let late = store.stale_for(&kept);
            if !asked.insists && kept.may_be_refreshed_later(late, &store.terms) {
                refresh(trip, call, policy, asked, &kept);
                trip.counters.cache_stale.fetch_add(1, Relaxed);
                return Ok(kept.answer(store.now(), true));
            }
            let may_stand_in = !asked.insists && kept.may_stand_in(late, &store.terms);
            let deadline = trip.until.deadline().filter(|_| may_stand_in);
            let validated = validated(trip, call, policy, store, &asked, &kept);
            let outcome = match deadline.and_then(|deadline| deadline.checked_sub(SPARE)) {
                None => validated.await,
                Some(deadline) => timeout_at(deadline, validated)
                    .await
                    .unwrap_or_else(|_| Err(Error::new(Kind::DeadlineExceeded, "the time for the call is over"))),
            };
            if may_stand_in && is_failure(&outcome) {
                trip.counters.cache_stale.fetch_add(1, Relaxed);
                return Ok(kept.answer(store.now(), true));
            }
            outcome
        }
    }
}

/// A call that passed by the cache. If it changed something, what is kept of its URL is no longer true (RFC 9111, 4.4).
pub(super) fn hear(store: &Store, call: &Call, outcome: &Outcome) {
    let is_done = outcome.as_ref().is_ok_and(|answer| answer.head.status.as_u16() < 400);
    if is_done && !call.method.is_safe() {
        store.forget(call);
    }
}

/// Asks whether what is kept is still true, and learns what is instead.
async fn validated(
    trip: Trip<'_>,
    call: &Arc<Call>,
    policy: &Arc<Policy>,
    store: &Store,
    asked: &Asked,
    kept: &Arc<Kept>,
) -> Outcome {
    let outcome = match asked.conditional(call, kept, store.now()) {
        Some(conditional) => coalesce::run(trip, &conditional, policy).await,
        None => coalesce::run(trip, call, policy).await,
    };
    if let Ok(answer) = &outcome
        && answer.head.status == StatusCode::NOT_MODIFIED
    {
        if let Some(kept) = store.renew(asked, kept, &answer.head) {
            trip.counters.cache_validated.fetch_add(1, Relaxed);
            let mut renewed = kept.answer(store.now(), false);
            renewed.timings = answer.timings.clone();
            renewed.remote = answer.remote;
            return Ok(renewed);
        }
        // It confirms something that we do not have.
        let outcome = coalesce::run(trip, call, policy).await;
        store.keep(asked, &outcome);
        return outcome;
    }
    store.keep(asked, &outcome);
    outcome
}

/// In the background, once at a time for each answer.
fn refresh(trip: Trip<'_>, call: &Arc<Call>, policy: &Arc<Policy>, asked: Asked, kept: &Arc<Kept>) {
    let Some(refreshing) = kept.begin_refreshing() else { return };
    let (client, call, policy, kept) = (trip.client.clone(), Arc::clone(call), Arc::clone(policy), Arc::clone(kept));
    tokio::spawn(async move {
        let counters = client.stats.of(&call);
        let until = Instant::now() + call.options.timeouts.total.unwrap_or(REFRESH_WITHIN);
        let progress = Progress::default();
        let until_then = Until::At(Some(until));
        let trip = Trip { client: &client, counters: &counters, progress: &progress, until: until_then };
        if let Some(store) = &policy.cache {
            let _ = timeout_at(until, validated(trip, &call, &policy, store, &asked, &kept)).await;
        }
        drop(refreshing);
    });
}

/// Nothing that a cached answer should hide: not the caller's own mistake, and not that it has gone.
fn is_failure(outcome: &Outcome) -> bool {
    match outcome {
        Ok(answer) => matches!(answer.head.status.as_u16(), 500 | 502..=504),
        Err(error) => !matches!(
            error.kind(),
            Kind::Cancelled
                | Kind::ForbiddenAddress
                | Kind::InvalidUrl
                | Kind::LocalProtocol
                | Kind::ResponseTooLarge
                | Kind::UnsupportedProtocol
        ),
    }
}

/// What RFC 9111, 5.2.1.7, wants instead of what is not there.
fn not_cached(call: &Call) -> Answer {
    let (status, headers) = (StatusCode::GATEWAY_TIMEOUT, HeaderMap::new());
    from_cache(Head { url: call.url.clone(), status, headers, version: Version::HTTP_11 }, Bytes::new(), false)
}

fn from_cache(head: Head, body: Bytes, stale: bool) -> Answer {
    Answer { attempts: 0, from_cache: true, stale, ..Answer::new(head, AnswerBody::Whole(body)) }
}
