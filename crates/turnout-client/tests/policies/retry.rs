//! Retries: what is tried again, how often, when.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::time::Instant;
use turnout_client::policy::{Backoff, Policy, Retry, RetryBudget, Terms};
use turnout_client::{Body, BodyStream, Kind};

use crate::support::*;

/// Exactly 100, 200, 400 ms.
fn plain(attempts: u32) -> Retry {
    let backoff = Backoff { base: 100 * MS, cap: SECOND, jitter: false };
    Retry { attempts, backoff, ..Retry::default() }
}

fn terms(retry: Retry) -> Terms {
    Terms { retry: Some(retry), ..Terms::default() }
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again() {
    let table = [
        // A call; what the first attempt comes to; attempts in all.
        ("GET", answer(503), 2),
        ("GET", answer(429), 2),
        ("GET", answer(502), 2),
        ("GET", answer(504), 2),
        ("GET", answer(500), 1),
        ("GET", answer(404), 1),
        ("GET", fail(Kind::Read), 2),
        ("GET", unsent(Kind::Connect), 2),
        ("GET", fail(Kind::RemoteProtocol), 2),
        ("GET", unsent(Kind::Tls), 1),
        ("GET", unsent(Kind::ForbiddenAddress), 1),
        ("PUT", fail(Kind::Read), 2),
        // May have arrived: twice would be two bookings.
        ("POST", fail(Kind::Read), 1),
        ("POST", answer(503), 1),
        // Has not arrived.
        ("POST", unsent(Kind::Connect), 2),
    ];
    for (method, first, attempts) in table {
        let upstream = script([first.clone(), answer(200)]);
        let call = Draft::new(method, upstream.options_with(terms(plain(2)))).call();
        let outcome = sent(&client(), &call).await;
        assert_eq!(upstream.calls(), attempts, "{method} {first:?}");
        assert_eq!(
            outcome.as_ref().is_ok_and(|answer| answer.head.status == StatusCode::OK),
            attempts == 2,
            "{method} {first:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_or_the_callers_word_makes_a_post_repeatable() {
    let upstream = script([fail(Kind::Read), answer(200)]);
    let call = post(upstream.options_with(terms(plain(2)))).idempotent().call();
    assert_eq!(sent(&client(), &call).await.status(), 200);

    let retry = Retry { methods: Some(vec![Method::POST]), ..plain(2) };
    let upstream = script([fail(Kind::Read), answer(200)]);
    let call = post(upstream.options_with(terms(retry))).call();
    assert_eq!(sent(&client(), &call).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_is_sent_once() {
    struct Never;
    impl turnout_client::Chunks for Never {
        fn poll_chunk(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Bytes, turnout_client::Error>>> {
            std::task::Poll::Ready(None)
        }
    }
    let body = Body::Stream(parking_lot::Mutex::new(Some(BodyStream::new(Never))), None);
    let upstream = script([fail(Kind::Write), answer(200)]);
    let call = post(upstream.options_with(terms(plain(3)))).idempotent().body(body).call();
    assert_eq!(sent(&client(), &call).await.kind(), Kind::Write);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn pauses_double_up_to_the_cap_and_the_last_outcome_is_given() {
    let backoff = Backoff { base: 100 * MS, cap: 300 * MS, jitter: false };
    let upstream =
        script([answer(503).saying("first"), answer(503), answer(503), answer(503), answer(502).saying("last")]);
    let call = get(upstream.options_with(terms(Retry { attempts: 5, backoff, ..Retry::default() }))).call();
    let client = client();
    let outcome = sent(&client, &call).await;
    assert_eq!((outcome.status(), outcome.text().as_str()), (502, "last"));
    assert_eq!(upstream.times(), [0, 100, 300, 600, 900]);
    let answer = outcome.expect("it has a status");
    assert_eq!(answer.attempts, 5);
    assert_eq!(answer.timings.queued, Some(900 * MS));
    assert_eq!(answer.timings.total, 900 * MS);
    assert_eq!((stats(&client).retries, stats(&client).attempts), (4, 5));
}

#[tokio::test(start_paused = true)]
async fn jitter_spreads_over_the_whole_range() {
    fastrand::seed(7);
    let backoff = Backoff { base: SECOND, cap: SECOND, jitter: true };
    let mut pauses = Vec::new();
    for _ in 0..200 {
        let upstream = script([answer(503), answer(200)]);
        let call = get(upstream.options_with(terms(Retry { attempts: 2, backoff, ..Retry::default() }))).call();
        sent(&client(), &call).await.expect("an answer");
        pauses.push(upstream.times()[1]);
    }
    assert!(pauses.iter().all(|pause| *pause <= 1000), "{pauses:?}");
    for tenth in 0..10 {
        let within = pauses.iter().filter(|pause| (tenth * 100..(tenth + 1) * 100).contains(*pause)).count();
        assert!(within > 5, "{within} of 200 in tenth {tenth}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_in_seconds_or_as_a_date_by_the_upstreams_clock() {
    let table = [
        (answer(503).with("retry-after", 2), 2000),
        // Less than our own pause.
        (answer(429).with("retry-after", 0), 100),
        (
            answer(503)
                .with("date", "Thu, 01 Jan 2004 00:00:00 GMT")
                .with("retry-after", "Thu, 01 Jan 2004 00:00:03 GMT"),
            3000,
        ),
        (answer(503).with("retry-after", "soon"), 100),
    ];
    for (first, pause) in table {
        let upstream = script([first, answer(200)]);
        let call = get(upstream.options_with(terms(plain(2)))).call();
        assert_eq!(sent(&client(), &call).await.status(), 200);
        assert_eq!(upstream.times(), [0, pause]);
    }
    let upstream = script([answer(503).with("retry-after", 2), answer(200)]);
    let call = get(upstream.options_with(terms(Retry { respect_retry_after: false, ..plain(2) }))).call();
    sent(&client(), &call).await.expect("an answer");
    assert_eq!(upstream.times(), [0, 100]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_cannot_fit_fails_now_with_the_last_error() {
    let upstream = script([answer(503).after(50 * MS).with("retry-after", 5), answer(200)]);
    let call = get(upstream.options_with(terms(plain(2)))).within(2 * SECOND).call();
    let began = Instant::now();
    assert_eq!(sent(&client(), &call).await.status(), 503);
    assert_eq!(began.elapsed(), 50 * MS, "the rest of the two seconds would be waited for nothing");

    let upstream = script([fail(Kind::Read), answer(200)]);
    let call = get(upstream.options_with(terms(plain(2)))).within(80 * MS).call();
    assert_eq!(sent(&client(), &call).await.kind(), Kind::Read);
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_begun_with_less_time_than_half_of_the_answers_take() {
    // Twenty answers of 400 ms are known; the next call fails at 300 ms of its 600.
    let upstream =
        upstream(|number, _| if number < 20 { answer(200).after(400 * MS) } else { answer(503).after(300 * MS) });
    let options = upstream.options_with(terms(plain(3)));
    let client = client();
    for _ in 0..20 {
        sent(&client, &get(options.clone()).call()).await.expect("an answer");
    }
    let outcome = sent(&client, &get(options).within(600 * MS).call()).await;
    assert_eq!((outcome.status(), upstream.calls()), (503, 21));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_fails_gets_a_fifth_more_calls_and_no_more() {
    let budget = Some(RetryBudget { ratio: 0.2, min_per_second: 0.0, ttl: 10 * SECOND });
    let upstream = script([answer(503)]);
    let backoff = Backoff { base: Duration::ZERO, cap: Duration::ZERO, jitter: false };
    let options = upstream.options_with(terms(Retry { budget, backoff, ..plain(3) }));
    let client = client();
    for _ in 0..1000 {
        assert_eq!(sent(&client, &get(options.clone()).call()).await.status(), 503);
    }
    assert_eq!(upstream.calls(), 1200);
    assert_eq!(stats(&client).retries, 200);
    assert!(stats(&client).retries_refused >= 800);
}

#[tokio::test(start_paused = true)]
async fn a_policy_used_by_two_clients_has_one_budget_and_two_upstreams_have_two() {
    let budget = Some(RetryBudget { ratio: 0.0, min_per_second: 0.1, ttl: 10 * SECOND });
    let shared = policy(terms(Retry { budget, ..plain(2) }));
    let upstream = script([answer(503)]);
    let options = turnout_client::Options { policy: Some(shared), ..upstream.options() };
    sent(&client(), &get(options.clone()).call()).await.expect("an answer");
    sent(&client(), &get(options.clone()).call()).await.expect("an answer");
    assert_eq!(upstream.calls(), 3, "one retry for both");
    let elsewhere = turnout_client::Options { upstream: None, ..options };
    sent(&client(), &get(elsewhere).call()).await.expect("an answer");
    assert_eq!(upstream.calls(), 5);
}

#[test]
fn terms_that_make_no_sense_are_refused_with_what_would() {
    let refused = Policy::new(terms(Retry { attempts: 0, ..Retry::default() })).expect_err("no attempt is no call");
    assert_eq!(refused.to_string(), "Retry.attempts counts the first attempt too: at least 1");
}
