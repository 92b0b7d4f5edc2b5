//! Rate limit and bulkhead: how many leave, how many wait, who is refused.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use turnout_client::Kind;
use turnout_client::policy::{Bulkhead, RateLimit, Terms, WhenFull};

use crate::support::*;

fn rate(when_full: WhenFull, burst: Option<u32>) -> Terms {
    Terms { rate: Some(RateLimit { rate: 10.0, per: SECOND, burst, when_full }), ..Terms::default() }
}

fn bulkhead(max_concurrent: usize, max_queue: usize, queue_timeout: Option<Duration>) -> Terms {
    Terms { bulkhead: Some(Bulkhead { max_concurrent, max_queue, queue_timeout }), ..Terms::default() }
}

#[tokio::test(start_paused = true)]
async fn a_burst_then_evenly() {
    let upstream = script([answer(200)]);
    let options = upstream.options_with(rate(WhenFull::Wait, Some(3)));
    let client = client();
    let tasks: Vec<_> = (0..7).map(|_| sending(&client, &get(options.clone()).call())).collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic").status(), 200);
    }
    assert_eq!(upstream.times(), [0, 0, 0, 100, 200, 300, 400]);
    sleep(SECOND).await;
    let again = Instant::now();
    for _ in 0..4 {
        sent(&client, &get(options.clone()).call()).await.expect("an answer");
    }
    assert_eq!(again.elapsed(), 100 * MS, "the burst is there again after a pause");
}

#[tokio::test(start_paused = true)]
async fn reject_says_when() {
    let upstream = script([answer(200)]);
    let options = upstream.options_with(rate(WhenFull::Reject, Some(1)));
    let client = client();
    sent(&client, &get(options.clone()).call()).await.expect("an answer");
    sleep(40 * MS).await;
    let error = sent(&client, &get(options).call()).await.expect_err("it is too early");
    assert_eq!((error.kind(), error.retry_after(), error.sent()), (Kind::RateLimited, Some(60 * MS), false));
}

#[tokio::test(start_paused = true)]
async fn who_would_wait_beyond_its_deadline_is_refused_now() {
    let upstream = script([answer(200)]);
    let options = upstream.options_with(rate(WhenFull::Wait, Some(1)));
    let client = client();
    let tasks: Vec<_> = (0..5).map(|_| sending(&client, &get(options.clone()).call())).collect();
    settle().await;
    let began = Instant::now();
    let error = sent(&client, &get(options).within(450 * MS).call()).await.expect_err("its turn comes at 500 ms");
    assert_eq!(
        (error.kind(), error.retry_after(), began.elapsed()),
        (Kind::RateLimited, Some(500 * MS), Duration::ZERO)
    );
    for task in tasks {
        task.await.expect("no panic").expect("an answer");
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_line_has_used_up_nothing() {
    let upstream = script([answer(200)]);
    let options = upstream.options_with(rate(WhenFull::Wait, Some(1)));
    let client = client();
    sent(&client, &get(options.clone()).call()).await.expect("an answer");
    for _ in 0..20 {
        let tasks: Vec<_> =
            (0..200).map(|_| sending(&client, &get(options.clone()).within(90 * SECOND).call())).collect();
        settle().await;
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
    }
    let began = Instant::now();
    sent(&client, &get(options).call()).await.expect("an answer");
    assert!(began.elapsed() <= 100 * MS, "4000 callers that left cost the next one {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn seats_then_the_queue_then_nobody() {
    let upstream = script([answer(200).after(100 * MS)]);
    let options = upstream.options_with(bulkhead(2, 1, None));
    let client = client();
    let tasks: Vec<_> = (0..4).map(|_| sending(&client, &get(options.clone()).call())).collect();
    let mut kinds = Vec::new();
    for task in tasks {
        kinds.push(task.await.expect("no panic").err().map(|error| error.kind()));
    }
    assert_eq!(kinds, [None, None, None, Some(Kind::Overloaded)]);
    assert_eq!(upstream.times(), [0, 0, 100]);
    assert_eq!(upstream.most_under_way(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_queue_has_its_own_time() {
    let upstream = script([hang()]);
    let options = upstream.options_with(bulkhead(1, 5, Some(50 * MS)));
    let client = client();
    let first = sending(&client, &get(options.clone()).call());
    settle().await;
    let began = Instant::now();
    let error = sent(&client, &get(options).call()).await.expect_err("nobody leaves");
    assert_eq!((error.kind(), error.sent(), began.elapsed()), (Kind::Overloaded, false, 50 * MS));
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn no_seat_is_lost_by_thousands_that_leave_waiting_or_seated() {
    let upstream = upstream(|_, call| if call.headers.contains_key("quick") { answer(200) } else { hang() });
    let options = upstream.options_with(bulkhead(3, 10_000, None));
    let client = client();
    for _ in 0..20 {
        let tasks: Vec<_> = (0..200).map(|_| sending(&client, &get(options.clone()).call())).collect();
        settle().await;
        // In an order that makes waiters get seats and lose them at once.
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
        settle().await;
        assert_eq!(upstream.under_way(), 0);
    }
    let tasks: Vec<_> = (0..30).map(|_| sending(&client, &get(options.clone()).with("quick", "1").call())).collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic").status(), 200);
    }
    assert_eq!(stats(&client).in_flight, 0);
    assert_eq!(stats(&client).given_up, 4000);
}

#[tokio::test(start_paused = true)]
async fn waiting_is_not_the_attempts_time_but_the_calls() {
    let upstream = script([answer(200).after(80 * MS)]);
    let options = upstream.options_with(bulkhead(1, 5, None));
    let client = client();
    let first = sending(&client, &get(options.clone()).call());
    settle().await;
    let outcome = sent(&client, &get(options.clone()).attempt_within(100 * MS).call()).await.expect("an answer");
    assert_eq!((outcome.timings.queued, outcome.timings.total), (Some(80 * MS), 160 * MS));
    first.await.expect("no panic").expect("an answer");

    let first = sending(&client, &get(options.clone()).call());
    settle().await;
    let late = sent(&client, &get(options).within(50 * MS).call()).await.expect_err("it waited too long");
    assert_eq!((late.kind(), late.sent(), late.attempts()), (Kind::DeadlineExceeded, false, 0));
    first.await.expect("no panic").expect("an answer");
}
