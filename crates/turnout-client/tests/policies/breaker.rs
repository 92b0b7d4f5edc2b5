//! The circuit breaker: what counts, when it opens, how it closes.

use turnout_client::policy::{CircuitBreaker, RateLimit, Retry, Terms, WhenFull};
use turnout_client::{Client, Kind, Options, Scope, send};

use crate::support::*;

fn breaker() -> CircuitBreaker {
    CircuitBreaker { min_calls: 4, open_for: 5 * SECOND, half_open_calls: 2, ..CircuitBreaker::default() }
}

fn terms(breaker: CircuitBreaker) -> Terms {
    Terms { breaker: Some(breaker), ..Terms::default() }
}

async fn many(client: &Client, options: &Options, count: usize) {
    for _ in 0..count {
        let _ = sent(client, &get(options.clone()).call()).await;
    }
}

async fn is_open(client: &Client, options: &Options) -> bool {
    sent(client, &get(options.clone()).call()).await.is_err_and(|error| error.kind() == Kind::CircuitOpen)
}

#[tokio::test(start_paused = true)]
async fn what_counts_as_a_failure() {
    let table = [
        (answer(500), true),
        (answer(503), true),
        (unsent(Kind::Connect), true),
        (unsent(Kind::ConnectTimeout), true),
        (fail(Kind::Read), true),
        (fail(Kind::ReadTimeout), true),
        (answer(200), false),
        (answer(404), false),
        (answer(429), false),
        (fail(Kind::Cancelled), false),
        (unsent(Kind::PoolTimeout), false),
        (unsent(Kind::ForbiddenAddress), false),
        (unsent(Kind::Overloaded), false),
        (fail(Kind::ResponseTooLarge), false),
    ];
    for (step, opens) in table {
        let upstream = script([step.clone()]);
        let options = upstream.options_with(terms(breaker()));
        let client = client();
        many(&client, &options, 4).await;
        assert_eq!(is_open(&client, &options).await, opens, "{step:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_counts() {
    let upstream = script([hang()]);
    let options = upstream.options_with(terms(breaker()));
    let client = client();
    for _ in 0..4 {
        let call = get(options.clone()).attempt_within(50 * MS).call();
        assert_eq!(sent(&client, &call).await.kind(), Kind::AttemptTimeout);
    }
    assert!(is_open(&client, &options).await);
}

#[tokio::test(start_paused = true)]
async fn a_callers_short_deadline_is_not_the_upstreams_failure_but_a_long_one_in_vain_is() {
    for (deadline, opens) in [(5 * MS, false), (3 * SECOND, true)] {
        let upstream = script([hang()]);
        let options = upstream.options_with(terms(breaker()));
        let client = client();
        for _ in 0..4 {
            assert_eq!(
                sent(&client, &get(options.clone()).within(deadline).call()).await.kind(),
                Kind::DeadlineExceeded
            );
        }
        let probe = sent(&client, &get(options).within(MS).call()).await;
        assert_eq!(probe.kind() == Kind::CircuitOpen, opens, "{deadline:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_given_up_by_their_callers_say_nothing() {
    let upstream = script([hang()]);
    let options = upstream.options_with(terms(breaker()));
    let client = client();
    for _ in 0..10 {
        let task = sending(&client, &get(options.clone()).call());
        tokio::time::sleep(3 * SECOND).await;
        task.abort();
        let _ = task.await;
    }
    assert_eq!(stats(&client).circuit_opened, 0);
}

#[tokio::test(start_paused = true)]
async fn it_opens_by_rate_and_not_before_enough_calls() {
    // Of any four in a row two fail.
    let upstream = upstream(|number, _| answer(if number % 2 == 0 { 500 } else { 200 }));
    let options = upstream.options_with(terms(CircuitBreaker { failure_rate: 0.5, min_calls: 10, ..breaker() }));
    let client = client();
    many(&client, &options, 9).await;
    assert_eq!(stats(&client).circuit_opened, 0);
    many(&client, &options, 1).await;
    assert_eq!(stats(&client).circuit_opened, 1);
    assert!(is_open(&client, &options).await);
    assert_eq!(upstream.calls(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_the_window_is_forgotten() {
    let upstream = upstream(|number, _| answer(if number < 3 { 500 } else { 200 }));
    let options = upstream.options_with(terms(CircuitBreaker { window: 10 * SECOND, ..breaker() }));
    let client = client();
    many(&client, &options, 3).await;
    tokio::time::sleep(11 * SECOND).await;
    many(&client, &options, 4).await;
    assert_eq!(stats(&client).circuit_opened, 0);
}

#[tokio::test(start_paused = true)]
async fn slow_answers_count_by_their_own_rate() {
    let slow = CircuitBreaker { slow_rate: Some(0.5), slow_after: Some(300 * MS), ..breaker() };
    for (time, opens) in [(299 * MS, false), (300 * MS, true)] {
        let upstream = script([answer(200).after(time)]);
        let options = upstream.options_with(terms(slow));
        let client = client();
        many(&client, &options, 4).await;
        assert_eq!(is_open(&client, &options).await, opens, "{time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn open_then_half_open_then_closed() {
    let upstream = upstream(|number, _| if number < 4 { answer(500) } else { answer(200).after(100 * MS) });
    let options = upstream.options_with(terms(breaker()));
    let client = client();
    many(&client, &options, 4).await;
    tokio::time::sleep(2 * SECOND).await;
    let refused = sent(&client, &get(options.clone()).call()).await.expect_err("it is open");
    assert_eq!((refused.kind(), refused.retry_after()), (Kind::CircuitOpen, Some(3 * SECOND)));
    assert!(!refused.sent());
    assert_eq!(refused.upstream().map(|name| &**name), Some("vendor"));

    tokio::time::sleep(3 * SECOND).await;
    let probes: Vec<_> = (0..5).map(|_| sending(&client, &get(options.clone()).call())).collect();
    let mut refused = 0;
    for probe in probes {
        refused += usize::from(probe.await.expect("no panic").is_err());
    }
    assert_eq!((refused, upstream.most_under_way()), (3, 2), "two try it, the others are refused");
    many(&client, &options, 3).await;
    assert_eq!(upstream.calls(), 4 + 2 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_again() {
    let upstream = script([answer(500)]);
    let options = upstream.options_with(terms(breaker()));
    let client = client();
    many(&client, &options, 4).await;
    tokio::time::sleep(5 * SECOND).await;
    many(&client, &options, 1).await;
    assert!(is_open(&client, &options).await);
    assert_eq!((upstream.calls(), stats(&client).circuit_opened), (5, 2));
}

#[tokio::test(start_paused = true)]
async fn a_probe_given_up_leaves_its_place_however_often() {
    let upstream = upstream(|number, _| match number {
        0..4 => answer(500),
        4..2004 => hang(),
        _ => answer(200),
    });
    let options = upstream.options_with(terms(breaker()));
    let client = client();
    many(&client, &options, 4).await;
    tokio::time::sleep(5 * SECOND).await;
    for _ in 0..1000 {
        let tasks: Vec<_> = (0..2).map(|_| sending(&client, &get(options.clone()).call())).collect();
        settle().await;
        assert!(is_open(&client, &options).await, "both places are taken");
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
    }
    assert_eq!(upstream.calls(), 2004);
    many(&client, &options, 2).await;
    assert!(!is_open(&client, &options).await, "two good probes closed it");
}

#[tokio::test(start_paused = true)]
async fn what_a_limit_of_ours_refuses_leaves_the_probes_place_too() {
    let rate = Some(RateLimit { rate: 4.0, per: 5 * SECOND, burst: Some(4), when_full: WhenFull::Reject });
    let upstream = upstream(|number, _| answer(if number < 4 { 500 } else { 200 }));
    let options = upstream.options_with(Terms { rate, ..terms(CircuitBreaker { open_for: 100 * MS, ..breaker() }) });
    let client = client();
    many(&client, &options, 4).await;
    tokio::time::sleep(100 * MS).await;
    for _ in 0..10 {
        assert_eq!(sent(&client, &get(options.clone()).call()).await.kind(), Kind::RateLimited);
    }
    tokio::time::sleep(5 * SECOND).await;
    many(&client, &options, 2).await;
    assert!(!is_open(&client, &options).await);
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_it_opened_says_nothing_about_after() {
    // The fifth answer is good, but was asked for before: it must not count as a probe.
    let upstream = upstream(|number, _| if number == 0 { answer(200).after(6 * SECOND) } else { answer(500) });
    let options = upstream.options_with(terms(CircuitBreaker { half_open_calls: 1, ..breaker() }));
    let client = client();
    let early = sending(&client, &get(options.clone()).call());
    settle().await;
    many(&client, &options, 4).await;
    assert!(is_open(&client, &options).await);
    assert_eq!(early.await.expect("no panic").status(), 200);
    // Half open by now, and not closed by it: the next one is a probe, fails, and it is open again.
    many(&client, &options, 1).await;
    assert!(is_open(&client, &options).await);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_the_circuit_refuses_gives_what_the_upstream_said() {
    let upstream = script([answer(503)]);
    let retry = Some(Retry { attempts: 10, ..Retry::default() });
    let options = upstream.options_with(Terms { retry, ..terms(breaker()) });
    assert_eq!(sent(&client(), &get(options).call()).await.status(), 503);
    assert_eq!(upstream.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_answers_at_once_and_is_counted() {
    let upstream = script([unsent(Kind::Connect)]);
    let options = upstream.options_with(terms(breaker()));
    let client = client();
    many(&client, &options, 104).await;
    let errors = stats(&client).errors;
    assert!(errors.contains(&(Kind::Connect, 4)) && errors.contains(&(Kind::CircuitOpen, 100)), "{errors:?}");
    let over = send(&client, get(options).call(), &Scope::default()).await;
    assert_eq!(over.kind(), Kind::CircuitOpen);
}
