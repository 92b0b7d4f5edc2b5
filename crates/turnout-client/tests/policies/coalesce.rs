//! Coalescing: which calls are one, and whose it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use turnout_client::policy::{Backoff, Bulkhead, Coalesce, Retry, Terms};
use turnout_client::{Auth, Body, Call, Kind, Options};

use crate::support::*;

fn terms() -> Terms {
    Terms { coalesce: Some(Coalesce::default()), ..Terms::default() }
}

#[tokio::test(start_paused = true)]
async fn equal_calls_under_way_are_one() {
    let upstream = script([answer(200).after(100 * MS).saying("one"), answer(200).saying("two")]);
    let options = upstream.options_with(terms());
    let client = client();
    let tasks: Vec<_> = (0..50).map(|_| sending(&client, &get(options.clone()).call())).collect();
    let mut coalesced = 0;
    for task in tasks {
        let outcome = task.await.expect("no panic");
        assert_eq!(outcome.text(), "one");
        let answer = outcome.expect("it has a text");
        assert_eq!(answer.attempts, 1);
        coalesced += usize::from(answer.coalesced);
    }
    assert_eq!((upstream.calls(), coalesced, stats(&client).coalesced), (1, 49, 49));
    assert_eq!(sent(&client, &get(options).call()).await.text(), "two", "an answer is shared, not kept");
}

#[tokio::test(start_paused = true)]
async fn which_calls_are_equal() {
    let upstream = script([answer(200).after(100 * MS)]);
    let options = upstream.options_with(terms());
    let plain = || get(options.clone());
    let search = |text: &'static str| post(options.clone()).idempotent().body(Body::Whole(text.into()));
    let other = |change: fn(&mut Options)| {
        let mut options = options.clone();
        change(&mut options);
        get(options)
    };
    let table: Vec<(&str, Draft, Draft, usize)> = vec![
        ("the same", plain(), plain(), 1),
        ("another method", plain(), Draft::new("HEAD", options.clone()), 2),
        ("another query", plain(), plain().to("http://vendor.example/rates?a=1"), 2),
        ("another fragment", plain(), plain().to("http://vendor.example/rates#a"), 1),
        ("another user", plain().with("authorization", "Bearer a"), plain().with("authorization", "Bearer b"), 2),
        ("a user and nobody", plain().with("authorization", "Bearer a"), plain(), 2),
        ("another session", plain().with("cookie", "sessionid=a"), plain().with("cookie", "sessionid=b"), 2),
        ("another API key", plain().with("x-api-key", "a"), plain().with("x-api-key", "b"), 2),
        ("another tenant", plain().with("x-tenant-id", "a"), plain().with("x-tenant-id", "b"), 2),
        ("another language", plain().with("accept-language", "de"), plain().with("accept-language", "fr"), 2),
        ("an empty field and none", plain().with("accept", ""), plain(), 2),
        ("another trace", plain().with("traceparent", "00-a"), plain().with("traceparent", "00-b"), 1),
        ("another range", plain().with("range", "bytes=0-1"), plain().with("range", "bytes=2-3"), 2),
        ("the same search", search("a"), search("a"), 1),
        ("another search", search("a"), search("b"), 2),
        ("orders", post(options.clone()), post(options.clone()), 2),
        ("PUT", Draft::new("PUT", options.clone()), Draft::new("PUT", options.clone()), 2),
        ("no-store", plain().with("cache-control", "no-store"), plain().with("cache-control", "no-store"), 2),
        ("another TLS set-up is compared by what it is", plain(), other(|options| options.tls = Arc::default()), 1),
        (
            "another jar",
            other(|options| options.cookies = Some(Arc::default())),
            other(|options| options.cookies = Some(Arc::default())),
            2,
        ),
        (
            "another way to show who one is",
            other(|options| options.auth = Auth::bearer("a").ok().map(Arc::new)),
            other(|options| options.auth = Auth::bearer("b").ok().map(Arc::new)),
            2,
        ),
        (
            "another transport",
            plain(),
            other(|options| options.transport = script([answer(200)]).options().transport),
            1,
        ),
        ("another upstream", plain(), other(|options| options.upstream = Some("another".into())), 2),
    ];
    for (name, one, other, calls) in table {
        let client = client();
        let before = upstream.calls();
        let tasks = [one, other].map(|draft| sending(&client, &draft.call()));
        for task in tasks {
            let outcome = task.await.expect("no panic").expect("an answer");
            // With another transport, each of the two upstreams sees its own.
            assert!(!outcome.coalesced || calls == 1, "{name}");
        }
        assert_eq!(upstream.calls() - before, calls, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_the_callers_word_for_equal() {
    let upstream = script([answer(200).after(100 * MS)]);
    let coalesce = Some(Coalesce { key: Some("rates".into()), ..Coalesce::default() });
    let options = upstream.options_with(Terms { coalesce, ..Terms::default() });
    let client = client();
    let calls = ["a", "b"].map(|user| get(options.clone()).with("authorization", user).call());
    let tasks = calls.map(|call| sending(&client, &call));
    for task in tasks {
        task.await.expect("no panic").expect("an answer");
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_call_is_the_coalescers_and_not_the_first_callers() {
    let upstream = script([answer(200).after(100 * MS)]);
    let options = upstream.options_with(terms());
    let client = client();
    let impatient = sending(&client, &get(options.clone()).within(10 * MS).call());
    let leaving = sending(&client, &get(options.clone()).call());
    settle().await;
    let patient = sending(&client, &get(options.clone()).call());
    settle().await;
    leaving.abort();
    let late = impatient.await.expect("no panic").expect_err("its own deadline is its own");
    assert_eq!((late.kind(), late.attempts(), late.sent()), (Kind::DeadlineExceeded, 1, true));
    assert_eq!(patient.await.expect("no panic").status(), 200);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_zero_and_the_next_caller_begins_anew() {
    let upstream = script([hang(), answer(200)]);
    let options = upstream.options_with(terms());
    let client = client();
    let tasks: Vec<_> = (0..3).map(|_| sending(&client, &get(options.clone()).call())).collect();
    settle().await;
    for (left, task) in tasks.into_iter().enumerate() {
        assert_eq!(upstream.under_way(), 1, "{left} have left");
        task.abort();
        let _ = task.await;
        settle().await;
    }
    assert_eq!(upstream.under_way(), 0);
    assert_eq!(sent(&client, &get(options).call()).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn no_seat_is_lost_by_thousands_that_come_and_leave() {
    fastrand::seed(5);
    let upstream = script([answer(200).after(10 * MS)]);
    let options = upstream.options_with(terms());
    let client = client();
    let urls: Vec<String> = (0..5).map(|number| format!("http://vendor.example/{number}")).collect();
    for _ in 0..100 {
        let mut tasks = Vec::new();
        for _ in 0..40 {
            tasks.push(sending(&client, &get(options.clone()).to(&urls[fastrand::usize(..5)]).call()));
        }
        fastrand::shuffle(&mut tasks);
        for (number, task) in tasks.into_iter().enumerate() {
            match fastrand::u8(..4) {
                0 => task.await.expect("no panic").map(drop).expect("an answer"),
                1 => sleep(Duration::from_millis(number as u64 % 7)).await,
                _ => {
                    task.abort();
                    let _ = task.await;
                }
            }
        }
        sleep(20 * MS).await;
        assert_eq!((upstream.under_way(), stats(&client).in_flight), (0, 0));
    }
    for url in &urls {
        assert!(!sent(&client, &get(options.clone()).to(url).call()).await.expect("an answer").coalesced);
    }
}

#[tokio::test(start_paused = true)]
async fn errors_keep_their_type() {
    let upstream = script([unsent(Kind::Dns).after(10 * MS)]);
    let client = client();
    let options = upstream.options_with(terms());
    let tasks: Vec<_> = (0..5).map(|_| sending(&client, &get(options.clone()).call())).collect();
    for task in tasks {
        let error = task.await.expect("no panic").expect_err("a failure");
        assert_eq!(
            (error.kind(), error.attempts(), error.upstream().map(|name| &**name)),
            (Kind::Dns, 1, Some("vendor"))
        );
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_may_take_as_long_as_the_most_patient_waits() {
    let upstream = script([answer(503).after(20 * MS), answer(200)]);
    let backoff = Backoff { base: 200 * MS, cap: 200 * MS, jitter: false };
    let retry = Some(Retry { backoff, ..Retry::default() });
    let options = upstream.options_with(Terms { retry, ..terms() });
    let client = client();
    let first = sending(&client, &get(options.clone()).within(100 * MS).call());
    settle().await;
    let second = sending(&client, &get(options).within(SECOND).call());
    assert_eq!(first.await.expect("no panic").kind(), Kind::DeadlineExceeded);
    assert_eq!(second.await.expect("no panic").status(), 200);
}

#[tokio::test(start_paused = true)]
async fn below_it_all_count_as_one() {
    let upstream = script([answer(200).after(100 * MS)]);
    let bulkhead = Some(Bulkhead { max_concurrent: 1, max_queue: 0, queue_timeout: None });
    let options = upstream.options_with(Terms { bulkhead, ..terms() });
    let client = client();
    let began = Instant::now();
    let calls: Vec<Arc<Call>> = (0..20).map(|_| get(options.clone()).call()).collect();
    let tasks: Vec<_> = calls.iter().map(|call| sending(&client, call)).collect();
    for task in tasks {
        task.await.expect("no panic").expect("an answer");
    }
    assert_eq!(began.elapsed(), 100 * MS);
}
