//! The cache: what is kept, for whom, how long, and what happens after.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use turnout_client::policy::{Cache, CircuitBreaker, Coalesce, Retry, Terms};
use turnout_client::{AnswerBody, Auth, Body, Kind, Options};

use crate::support::*;

fn cached(cache: Cache) -> Terms {
    Terms { cache: Some(cache), ..Terms::default() }
}

fn terms() -> Terms {
    cached(Cache::default())
}

/// Good for a minute.
fn minute() -> Step {
    answer(200).with("cache-control", "max-age=60")
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_again_until_its_end() {
    let upstream = script([minute().saying("one"), minute().saying("two")]);
    let options = upstream.options_with(terms());
    let client = client();
    let first = sent(&client, &get(options.clone()).call()).await;
    assert_eq!(first.text(), "one");
    assert!(!first.expect("an answer").from_cache);
    sleep(59 * SECOND).await;
    let again = sent(&client, &get(options.clone()).call()).await;
    assert_eq!(again.text(), "one");
    let again = again.expect("an answer");
    assert!(again.from_cache && !again.stale);
    assert_eq!(again.attempts, 0);
    assert_eq!(again.head.headers["age"], "59");
    sleep(2 * SECOND).await;
    assert_eq!(sent(&client, &get(options).call()).await.text(), "two");
    assert_eq!((stats(&client).cache_hits, stats(&client).cache_misses), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_shared_cache_keeps() {
    let says = |text: &'static str| answer(200).with("cache-control", text);
    let table = [
        ("for a minute", get as fn(_) -> _, minute(), true),
        ("no word of time", get, answer(200), false),
        ("no-store", get, says("no-store, max-age=60"), false),
        ("private", get, says("private, max-age=60"), false),
        ("Set-Cookie", get, minute().with("set-cookie", "sessionid=a"), false),
        ("Set-Cookie, and public", get, says("public, max-age=60").with("set-cookie", "sessionid=a"), false),
        ("Vary: *", get, minute().with("vary", "*"), false),
        ("404", get, answer(404).with("cache-control", "max-age=60"), true),
        ("500", get, answer(500).with("cache-control", "max-age=60"), false),
        ("a part", get, answer(206).with("cache-control", "max-age=60"), false),
        ("POST", post, minute(), false),
        ("with a user", |options| get(options).with("authorization", "Bearer a"), minute(), false),
        (
            "with a user, and public",
            |options| get(options).with("authorization", "Bearer a"),
            says("public, max-age=60"),
            true,
        ),
        ("a caller who forbids it", |options| get(options).with("cache-control", "no-store"), minute(), false),
        ("a caller who wants a part", |options| get(options).with("range", "bytes=0-9"), minute(), false),
        ("a caller who asks conditionally", |options| get(options).with("if-none-match", "\"a\""), minute(), false),
    ];
    for (name, draft, step, kept) in table {
        let upstream = script([step]);
        let options = upstream.options_with(terms());
        let client = client();
        for _ in 0..2 {
            sent(&client, &draft(options.clone()).call()).await.expect("an answer");
        }
        assert_eq!(upstream.calls() == 1, kept, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_private_cache_keeps_more() {
    for step in [answer(200).with("cache-control", "private, max-age=60"), minute().with("set-cookie", "sessionid=a")] {
        let upstream = script([step]);
        let options = upstream.options_with(cached(Cache { shared: false, ..Cache::default() }));
        let client = client();
        for _ in 0..2 {
            sent(&client, &get(options.clone()).call()).await.expect("an answer");
        }
        assert_eq!(upstream.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn never_across_users_even_if_the_upstream_says_public() {
    let upstream = script([answer(200).with("cache-control", "public, max-age=60")]);
    let options = upstream.options_with(terms());
    let client = client();
    for (field, values) in [("authorization", ["a", "b"]), ("cookie", ["a", "b"]), ("x-api-key", ["a", "b"])] {
        for value in values {
            let before = upstream.calls();
            for _ in 0..2 {
                sent(&client, &get(options.clone()).with(field, value).call()).await.expect("an answer");
            }
            assert_eq!(upstream.calls(), before + 1, "{field}: {value}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_a_call_is_from_counts_although_it_is_shown_only_when_it_is_sent() {
    let upstream = upstream(|_, call| match call.url.path() {
        "/public" => answer(200).with("cache-control", "public, max-age=60"),
        _ => minute(),
    });
    let user = |token| Some(Arc::new(Auth::bearer(token).expect("a token")));
    let (one, other) = (user("a"), user("b"));
    let options = upstream.options_with(terms());
    let client = client();
    let seen = async |path: &str, auth: &Option<Arc<Auth>>| {
        let before = upstream.calls();
        let options = Options { auth: auth.clone(), ..options.clone() };
        let call = get(options).to(&format!("http://vendor.example/{path}")).call();
        sent(&client, &call).await.expect("an answer");
        upstream.calls() - before
    };
    assert_eq!([seen("public", &one).await, seen("public", &one).await], [1, 0]);
    assert_eq!([seen("public", &other).await, seen("public", &None).await], [1, 1]);
    assert_eq!(
        [seen("private", &one).await, seen("private", &one).await],
        [1, 1],
        "nothing says that it may be shared"
    );
    let jar = Options { cookies: Some(Arc::default()), ..options.clone() };
    for _ in 0..2 {
        let before = upstream.calls();
        sent(&client, &get(jar.clone()).to("http://vendor.example/public").call()).await.expect("an answer");
        assert_eq!(upstream.calls(), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn vary_keeps_variants_apart() {
    let upstream = upstream(|_, call| {
        let is_german = call.headers.get("accept-language").is_some_and(|language| language == "de");
        minute().with("vary", "Accept-Language").saying(if is_german { "Zimmer" } else { "rooms" })
    });
    let options = upstream.options_with(terms());
    let client = client();
    for _ in 0..3 {
        let german = get(options.clone()).with("accept-language", "de").call();
        assert_eq!(sent(&client, &german).await.text(), "Zimmer");
        assert_eq!(sent(&client, &get(options.clone()).call()).await.text(), "rooms");
    }
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_old_is_asked_about_by_its_etag() {
    let upstream = upstream(|_, call| match call.headers.get("if-none-match") {
        Some(tag) if tag == "\"v1\"" => {
            answer(304).with("etag", "\"v1\"").with("cache-control", "max-age=60").with("x-quota", "8")
        }
        _ => minute().with("etag", "\"v1\"").with("x-quota", "9").with("link", "a").with("link", "b").saying("one"),
    });
    let options = upstream.options_with(terms());
    let client = client();
    sent(&client, &get(options.clone()).call()).await.expect("an answer");
    for round in 1..3 {
        sleep(61 * SECOND).await;
        let outcome = sent(&client, &get(options.clone()).call()).await;
        assert_eq!((outcome.status(), outcome.text().as_str()), (200, "one"));
        let answer = outcome.expect("it has a status");
        assert!(answer.from_cache && !answer.stale);
        assert_eq!(answer.head.headers["x-quota"], "8", "what the upstream says now");
        assert_eq!(answer.head.headers.get_all("link").iter().count(), 2, "both lines of a field are still there");
        assert_eq!(upstream.calls(), 1 + round);
        sent(&client, &get(options.clone()).call()).await.expect("an answer");
        assert_eq!(upstream.calls(), 1 + round, "good for another minute");
    }
    assert_eq!(stats(&client).cache_validated, 2);
}

#[tokio::test(start_paused = true)]
async fn an_etag_that_was_never_given_confirms_nothing() {
    let upstream = script([
        minute().with("etag", "\"v1\"").saying("one"),
        answer(304).with("etag", "\"v2\""),
        minute().with("etag", "\"v2\"").saying("two"),
    ]);
    let options = upstream.options_with(terms());
    let client = client();
    sent(&client, &get(options.clone()).call()).await.expect("an answer");
    sleep(61 * SECOND).await;
    assert_eq!(sent(&client, &get(options).call()).await.text(), "two");
    assert!(!upstream.seen()[2].call.headers.contains_key("if-none-match"));
}

#[tokio::test(start_paused = true)]
async fn stale_if_error_stands_in_for_a_failure() {
    let table = [
        ("503", cached(Cache { stale_if_error: 300 * SECOND, ..Cache::default() }), minute(), answer(503), true),
        (
            "no connection",
            cached(Cache { stale_if_error: 300 * SECOND, ..Cache::default() }),
            minute(),
            unsent(Kind::Connect),
            true,
        ),
        (
            "the upstream hangs",
            cached(Cache { stale_if_error: 300 * SECOND, ..Cache::default() }),
            minute(),
            hang(),
            true,
        ),
        (
            "404 is an answer",
            cached(Cache { stale_if_error: 300 * SECOND, ..Cache::default() }),
            minute(),
            answer(404),
            false,
        ),
        ("not by default", terms(), minute(), answer(503), false),
        (
            "the answer allows it",
            terms(),
            answer(200).with("cache-control", "max-age=60, stale-if-error=300"),
            answer(503),
            true,
        ),
        ("too old", cached(Cache { stale_if_error: 30 * SECOND, ..Cache::default() }), minute(), answer(503), false),
        (
            "the answer forbids it",
            cached(Cache { stale_if_error: 300 * SECOND, ..Cache::default() }),
            answer(200).with("cache-control", "max-age=60, must-revalidate"),
            answer(503),
            false,
        ),
    ];
    for (name, terms, first, then, stands_in) in table {
        let upstream = script([first.saying("old").with("etag", "\"a\""), then]);
        let options = upstream.options_with(terms);
        let client = client();
        sent(&client, &get(options.clone()).call()).await.expect("an answer");
        sleep(120 * SECOND).await;
        let outcome = sent(&client, &get(options).call()).await;
        let is_stale = outcome.as_ref().is_ok_and(|answer| answer.stale && answer.from_cache);
        assert_eq!(is_stale, stands_in, "{name}: {outcome:?}");
        if stands_in {
            assert_eq!((outcome.text().as_str(), stats(&client).cache_stale), ("old", 1), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_a_failure_too_and_the_retries_come_first() {
    let upstream = script([minute().saying("old").with("etag", "\"a\""), answer(503)]);
    let breaker = Some(CircuitBreaker { min_calls: 2, failure_rate: 0.6, ..CircuitBreaker::default() });
    let cache = Some(Cache { stale_if_error: 300 * SECOND, ..Cache::default() });
    let retry = Some(Retry { attempts: 2, ..Retry::default() });
    let options = upstream.options_with(Terms { breaker, cache, retry, ..Terms::default() });
    let client = client();
    sent(&client, &get(options.clone()).call()).await.expect("an answer");
    sleep(61 * SECOND).await;
    for calls in [3, 3, 3] {
        assert_eq!(sent(&client, &get(options.clone()).call()).await.text(), "old");
        assert_eq!(upstream.calls(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn stale_while_revalidate_answers_at_once_and_asks_once() {
    let upstream = script([minute().saying("old").with("etag", "\"a\""), minute().after(100 * MS).saying("new")]);
    let cache = Cache { stale_while_revalidate: 30 * SECOND, ..Cache::default() };
    let options = upstream.options_with(cached(cache));
    let client = client();
    sent(&client, &get(options.clone()).call()).await.expect("an answer");
    sleep(70 * SECOND).await;
    let began = Instant::now();
    for _ in 0..10 {
        let outcome = sent(&client, &get(options.clone()).call()).await;
        assert_eq!(outcome.text(), "old");
        assert!(outcome.expect("an answer").stale);
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    sleep(200 * MS).await;
    assert_eq!(upstream.calls(), 2);
    assert_eq!(sent(&client, &get(options.clone()).call()).await.text(), "new");
    sleep(100 * SECOND).await;
    sent(&client, &get(options).call()).await.expect("an answer");
    assert_eq!(upstream.calls(), 3, "older than that is waited for");
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_says_about_the_cache() {
    let upstream = script([minute()]);
    let options = upstream.options_with(terms());
    let client = client();
    let cold = sent(&client, &get(options.clone()).with("cache-control", "only-if-cached").call()).await;
    assert_eq!((cold.status(), upstream.calls()), (504, 0));
    sent(&client, &get(options.clone()).call()).await.expect("an answer");
    let warm = sent(&client, &get(options.clone()).with("cache-control", "only-if-cached").call()).await;
    assert_eq!((warm.status(), upstream.calls()), (200, 1));
    for (field, value) in [("cache-control", "no-cache"), ("cache-control", "max-age=0"), ("pragma", "no-cache")] {
        let before = upstream.calls();
        sleep(SECOND).await;
        sent(&client, &get(options.clone()).with(field, value).call()).await.expect("an answer");
        assert_eq!(upstream.calls(), before + 1, "{field}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_makes_forget_what_was_kept_for_whomever() {
    let upstream = upstream(|_, call| match call.method.as_str() {
        "GET" => answer(200).with("cache-control", "public, max-age=60"),
        "POST" => answer(201),
        _ => answer(409),
    });
    let options = upstream.options_with(terms());
    let client = client();
    let call = || get(options.clone()).with("authorization", "a").call();
    sent(&client, &call()).await.expect("an answer");
    sent(&client, &Draft::new("DELETE", options.clone()).call()).await.expect("an answer");
    sent(&client, &call()).await.expect("an answer");
    assert_eq!(upstream.calls(), 2, "a change that was refused is none");
    sent(&client, &post(options.clone()).body(Body::Whole("a".into())).call()).await.expect("an answer");
    sent(&client, &call()).await.expect("an answer");
    assert_eq!(upstream.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn it_is_bounded_by_bytes() {
    const BODY: &str = match std::str::from_utf8(&[b'x'; 20_000]) {
        Ok(text) => text,
        Err(_) => "",
    };
    let upstream = upstream(|_, _| minute().saying(BODY));
    let options = upstream.options_with(cached(Cache { max_bytes: 1 << 20, ..Cache::default() }));
    let client = client();
    let hits = async |numbers: std::ops::Range<usize>| {
        let before = stats(&client).cache_hits;
        for number in numbers {
            let call = get(options.clone()).to(&format!("http://vendor.example/{number}")).call();
            let answer = sent(&client, &call).await.expect("an answer");
            let AnswerBody::Whole(bytes) = answer.body else { panic!("a stream") };
            assert_eq!(bytes.len(), BODY.len());
        }
        stats(&client).cache_hits - before
    };
    sent(&client, &get(options.clone()).call()).await.expect("an answer");
    hits(0..500).await;
    // Whatever it kept of ten MiB, it is not more than one.
    let kept = hits(0..500).await;
    assert!(kept <= 52, "{kept} of 500 were kept");
    let small = upstream.options_with(cached(Cache { max_bytes: 40_000, ..Cache::default() }));
    for _ in 0..2 {
        sent(&client, &get(small.clone()).call()).await.expect("an answer");
    }
    assert_eq!(upstream.calls() as u64, stats(&client).cache_misses, "one that is too large for it is not kept");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_broke_off_is_not_kept() {
    let upstream = script([fail(Kind::Read), minute().saying("whole")]);
    let options = upstream.options_with(terms());
    let client = client();
    assert_eq!(sent(&client, &get(options.clone()).call()).await.kind(), Kind::Read);
    assert_eq!(sent(&client, &get(options.clone()).call()).await.text(), "whole");
    assert_eq!(sent(&client, &get(options).call()).await.text(), "whole");
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_miss_of_many_is_one_call() {
    let upstream = script([minute().after(100 * MS)]);
    let options = upstream.options_with(Terms { coalesce: Some(Coalesce::default()), ..terms() });
    let client = client();
    let tasks: Vec<_> = (0..50).map(|_| sending(&client, &get(options.clone()).call())).collect();
    for task in tasks {
        task.await.expect("no panic").expect("an answer");
    }
    assert!(sent(&client, &get(options).call()).await.expect("an answer").from_cache);
    assert_eq!(upstream.calls(), 1);
}
