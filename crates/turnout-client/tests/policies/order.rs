//! The order of the layers: deadline > cache > coalesce > retry or hedge > breaker > rate > bulkhead > attempt time-out > pool.

use tokio::time::{Instant, sleep};
use turnout_client::Kind;
use turnout_client::policy::{Backoff, Bulkhead, Cache, CircuitBreaker, Coalesce, RateLimit, Retry, Terms, WhenFull};

use crate::support::*;

fn retry(attempts: u32) -> Retry {
    let backoff = Backoff { base: 100 * MS, cap: 100 * MS, jitter: false };
    Retry { attempts, backoff, ..Retry::default() }
}

fn rate(burst: u32, when_full: WhenFull) -> RateLimit {
    RateLimit { rate: 1.0, per: SECOND, burst: Some(burst), when_full }
}

fn bulkhead(max_queue: usize) -> Bulkhead {
    Bulkhead { max_concurrent: 1, max_queue, queue_timeout: None }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_above_all() {
    // It is over in a pause between attempts, in the line of the rate limit and in the bulkhead's queue, and cuts an attempt short.
    let table = [
        Terms { retry: Some(retry(10)), ..Terms::default() },
        Terms { bulkhead: Some(bulkhead(1)), ..Terms::default() },
        Terms { coalesce: Some(Coalesce::default()), ..Terms::default() },
        Terms { cache: Some(Cache::default()), ..Terms::default() },
        Terms::default(),
    ];
    for terms in table {
        let upstream = script([hang()]);
        let options = upstream.options_with(terms);
        let client = client();
        let first = sending(&client, &get(options.clone()).call());
        settle().await;
        let began = Instant::now();
        let error = sent(&client, &get(options).within(250 * MS).call()).await.expect_err("the upstream hangs");
        assert_eq!((error.kind(), began.elapsed()), (Kind::DeadlineExceeded, 250 * MS));
        first.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn the_cache_is_above_coalescing() {
    // A hit waits for nobody's call.
    let upstream = script([answer(200).with("cache-control", "max-age=60"), hang()]);
    let terms = Terms { cache: Some(Cache::default()), coalesce: Some(Coalesce::default()), ..Terms::default() };
    let options = upstream.options_with(terms);
    let client = client();
    sent(&client, &get(options.clone()).call()).await.expect("an answer");
    let insisting = sending(&client, &get(options.clone()).with("cache-control", "no-cache").call());
    settle().await;
    assert_eq!(upstream.calls(), 2);
    assert!(sent(&client, &get(options).call()).await.expect("an answer").from_cache);
    insisting.abort();
}

#[tokio::test(start_paused = true)]
async fn coalescing_is_above_retries() {
    let upstream = script([answer(503), answer(200)]);
    let options =
        upstream.options_with(Terms { coalesce: Some(Coalesce::default()), retry: Some(retry(2)), ..Terms::default() });
    let client = client();
    let tasks: Vec<_> = (0..10).map(|_| sending(&client, &get(options.clone()).call())).collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic").status(), 200);
    }
    assert_eq!(upstream.calls(), 2, "ten callers share the retry as well");
}

#[tokio::test(start_paused = true)]
async fn the_breaker_is_below_retries_and_counts_attempts() {
    let breaker = Some(CircuitBreaker { min_calls: 4, ..CircuitBreaker::default() });
    let upstream = script([answer(503)]);
    let options = upstream.options_with(Terms { breaker, retry: Some(retry(2)), ..Terms::default() });
    let client = client();
    for _ in 0..2 {
        assert_eq!(sent(&client, &get(options.clone()).call()).await.status(), 503);
    }
    assert_eq!(sent(&client, &get(options).call()).await.kind(), Kind::CircuitOpen);
    assert_eq!(upstream.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_uses_up_no_rate() {
    let breaker =
        Some(CircuitBreaker { min_calls: 2, open_for: SECOND, half_open_calls: 1, ..CircuitBreaker::default() });
    let upstream = upstream(|number, _| answer(if number < 2 { 500 } else { 200 }));
    // Three at once, and then one in an hour.
    let rate = Some(RateLimit { rate: 1.0, per: 3600 * SECOND, burst: Some(3), when_full: WhenFull::Reject });
    let options = upstream.options_with(Terms { breaker, rate, ..Terms::default() });
    let client = client();
    for kind in [None, None, Some(Kind::CircuitOpen), Some(Kind::CircuitOpen), Some(Kind::CircuitOpen)] {
        let outcome = sent(&client, &get(options.clone()).call()).await;
        assert_eq!(outcome.err().map(|error| error.kind()), kind);
    }
    sleep(SECOND).await;
    assert_eq!(sent(&client, &get(options.clone()).call()).await.status(), 200, "the third is still there");
    assert_eq!(sent(&client, &get(options).call()).await.kind(), Kind::RateLimited);
}

#[tokio::test(start_paused = true)]
async fn local_rejects_never_feed_the_breaker() {
    let breaker = Some(CircuitBreaker { min_calls: 2, failure_rate: 0.1, ..CircuitBreaker::default() });
    let upstream = script([answer(200).after(100 * MS)]);
    let options = upstream.options_with(Terms {
        breaker,
        rate: Some(rate(2, WhenFull::Reject)),
        bulkhead: Some(bulkhead(0)),
        ..Terms::default()
    });
    let client = client();
    let tasks: Vec<_> = (0..20).map(|_| sending(&client, &get(options.clone()).call())).collect();
    let mut kinds = Vec::new();
    for task in tasks {
        kinds.extend(task.await.expect("no panic").err().map(|error| error.kind()));
    }
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Overloaded).count(), 1);
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::RateLimited).count(), 18);
    assert_eq!(stats(&client).circuit_opened, 0);
}

#[tokio::test(start_paused = true)]
async fn rate_is_counted_by_attempt_and_above_the_bulkhead() {
    // Attempts come one a second; were the seat taken first, the second caller would be refused while the first waits for the rate.
    let upstream = script([answer(503), answer(200)]);
    let options = upstream.options_with(Terms {
        retry: Some(retry(2)),
        rate: Some(rate(1, WhenFull::Wait)),
        bulkhead: Some(bulkhead(0)),
        ..Terms::default()
    });
    let client = client();
    let tasks: Vec<_> = (0..3).map(|_| sending(&client, &get(options.clone()).call())).collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic").status(), 200);
    }
    assert_eq!(upstream.times(), [0, 1000, 2000, 3000]);
}

#[tokio::test(start_paused = true)]
async fn the_seat_is_free_between_two_attempts() {
    let upstream = script([answer(503), answer(200)]);
    let options =
        upstream.options_with(Terms { retry: Some(retry(2)), bulkhead: Some(bulkhead(0)), ..Terms::default() });
    let client = client();
    let pausing = sending(&client, &get(options.clone()).call());
    settle().await;
    assert_eq!(sent(&client, &get(options).call()).await.status(), 200);
    assert_eq!(pausing.await.expect("no panic").status(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_attempts_time_is_below_all_queues_and_a_retry_gets_a_new_one() {
    let upstream = script([hang(), answer(200).after(150 * MS)]);
    let options =
        upstream.options_with(Terms { retry: Some(retry(2)), bulkhead: Some(bulkhead(5)), ..Terms::default() });
    let client = client();
    let call = || get(options.clone()).attempt_within(200 * MS).call();
    let began = Instant::now();
    let (one, other) = (sending(&client, &call()), sending(&client, &call()));
    assert_eq!(one.await.expect("no panic").status(), 200);
    assert_eq!(other.await.expect("no panic").status(), 200);
    // The first gets its seat again at 350 ms, when the second leaves it.
    assert_eq!(began.elapsed(), 500 * MS);
    assert_eq!(upstream.times(), [0, 200, 350]);
}
