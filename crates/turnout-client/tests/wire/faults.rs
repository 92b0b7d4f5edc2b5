//! Connections that were closed while nobody looked, time limits, and callers that leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use turnout_client::{AnswerBody, Body, Discard, Kind};

use crate::upstream::{Upstream, client, collect, text, until};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers once on each connection; the second request on it is read, and gets the end instead.
async fn answers_once() -> (Upstream, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let upstream = Upstream::start(move |mut peer, _| {
        let seen = Arc::clone(&seen);
        async move {
            if peer.request().await.is_some() {
                seen.fetch_add(1, Ordering::SeqCst);
                peer.say(OK).await;
            }
            if peer.request().await.is_some() {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    (upstream, requests)
}

#[tokio::test]
async fn an_idempotent_call_that_met_a_closing_connection_is_sent_again_on_a_new_one() {
    let (upstream, requests) = answers_once().await;
    let client = client(|_| {});
    for _ in 0..5 {
        assert_eq!(text(upstream.get("/").send(&client).await.unwrap()), "ok");
    }
    assert_eq!((upstream.accepted(), requests.load(Ordering::SeqCst)), (5, 9));
    let counts = &client.connections().places[0].counts;
    assert_eq!((counts.resent, counts.discarded[Discard::Stale as usize]), (4, 4));
}

#[tokio::test]
async fn a_post_that_may_have_arrived_is_never_sent_again() {
    let (upstream, requests) = answers_once().await;
    let client = client(|_| {});
    text(upstream.get("/").send(&client).await.unwrap());
    let error = upstream.get("/").post(Body::Whole("x".into())).send(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.sent(), requests.load(Ordering::SeqCst)), (Kind::Read, true, 2));
}

#[tokio::test]
async fn a_call_is_sent_again_once_and_not_where_the_connection_was_new() {
    let upstream = Upstream::start(|mut peer, number| async move {
        peer.request().await;
        if number == 0 {
            peer.say(OK).await;
            peer.request().await;
        }
    })
    .await;
    let client = client(|_| {});
    text(upstream.get("/").send(&client).await.unwrap());
    assert_eq!(upstream.get("/").send(&client).await.unwrap_err().kind(), Kind::Read);
    assert_eq!(upstream.accepted(), 2);
}

#[tokio::test]
async fn an_upstream_that_closes_idle_connections_costs_no_call_however_many_come_at_once() {
    // Node's way: idle for some time, then closed. Here the time is when the test says so.
    let close = Arc::new(Notify::new());
    let closing = Arc::clone(&close);
    let upstream = Upstream::start(move |mut peer, _| {
        let closing = Arc::clone(&closing);
        async move {
            loop {
                tokio::select! {
                    request = peer.request() => if request.is_none() { break },
                    () = closing.notified() => break,
                }
                peer.say(OK).await;
            }
        }
    })
    .await;
    let client = client(|_| {});
    for round in 0..20 {
        let calls: Vec<_> = (0..30)
            .map(|number| {
                let (client, ask) = (client.clone(), upstream.get("/"));
                let ask = if number % 2 == 0 { ask } else { ask.post(Body::Whole("x".into())) };
                tokio::spawn(async move { ask.send(&client).await })
            })
            .collect();
        for call in calls {
            assert_eq!(text(call.await.unwrap().unwrap()), "ok", "round {round}");
        }
        close.notify_waiters();
        until(|| upstream.open() == 0).await;
    }
}

#[tokio::test]
async fn a_connection_is_not_kept_longer_than_its_upstream_says() {
    let upstream = Upstream::start(|mut peer, _| async move {
        while peer.request().await.is_some() {
            peer.say("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0, max=9\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let client = client(|_| {});
    for _ in 0..3 {
        text(upstream.get("/").send(&client).await.unwrap());
    }
    assert_eq!((upstream.accepted(), client.connections().open), (3, 0));
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time_though_nobody_calls() {
    let upstream = Upstream::hello().await;
    let client = client(|limits| limits.keepalive = Duration::from_millis(20));
    text(upstream.get("/").send(&client).await.unwrap());
    assert_eq!(client.connections().idle, 1);
    until(|| upstream.open() == 0 && client.connections().open == 0).await;
    assert_eq!(client.connections().places[0].counts.discarded[Discard::Aged as usize], 1);
}

#[tokio::test]
async fn each_pause_has_its_limit_and_its_error() {
    let upstream = Upstream::start(|mut peer, _| async move {
        let request = peer.head().await.unwrap_or_default();
        if request.contains("/head") {
            peer.request().await;
        } else if request.contains("/body") {
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome").await;
            peer.silence().await;
        } else if request.contains("/drip") {
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n").await;
            for _ in 0..9000 {
                peer.say("x").await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        } else {
            std::future::pending::<()>().await;
        }
    })
    .await;
    let client = client(|_| {});
    let short = Some(Duration::from_millis(60));
    let large = Body::Whole(vec![b'x'; 16 << 20].into());
    for (kind, ask) in [
        (Kind::ReadTimeout, upstream.get("/head").within(|timeouts| timeouts.first_byte = short)),
        (Kind::ReadTimeout, upstream.get("/body").within(|timeouts| timeouts.read = short)),
        (Kind::WriteTimeout, upstream.get("/write").post(large).within(|timeouts| timeouts.write = short)),
        (Kind::AttemptTimeout, upstream.get("/drip").within(|timeouts| timeouts.attempt = short)),
        (Kind::DeadlineExceeded, upstream.get("/drip").within(|timeouts| timeouts.total = short)),
    ] {
        let error = ask.send(&client).await.unwrap_err();
        assert_eq!((error.kind(), error.sent()), (kind, true), "{error}");
    }
    let streamed = upstream.get("/drip").stream().within(|timeouts| timeouts.attempt = short).send(&client).await;
    assert_eq!(collect(streamed.unwrap()).await.unwrap_err().kind(), Kind::AttemptTimeout);
    let streamed = upstream.get("/body").stream().within(|timeouts| timeouts.read = short).send(&client).await;
    assert_eq!(collect(streamed.unwrap()).await.unwrap_err().kind(), Kind::ReadTimeout);
    until(|| client.connections().open == 0).await;
}

#[tokio::test]
async fn a_handshake_that_nobody_answers_is_a_connect_timeout_and_nothing_was_sent() {
    let upstream = Upstream::start(|mut peer, _| async move { peer.silence().await }).await;
    let client = client(|_| {});
    let ask = upstream.get("/").within(|timeouts| timeouts.connect = Some(Duration::from_millis(50)));
    let error = ask.with(|call, _| call.url.set_scheme("https").unwrap()).send(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (Kind::ConnectTimeout, false));
    until(|| client.connections().open == 0 && upstream.open() == 0).await;
}

#[tokio::test]
async fn a_refused_connection_is_told_to_each_that_waited() {
    let upstream = Upstream::hello().await;
    let address = upstream.address;
    drop(upstream);
    let client = client(|limits| limits.max_connections_per_host = 2);
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let (client, ask) =
                (client.clone(), crate::upstream::Ask::new(format!("http://{address}/").parse().unwrap()));
            tokio::spawn(async move { ask.send(&client).await })
        })
        .collect();
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.sent()), (Kind::Connect, false));
    }
    let stats = client.connections();
    assert_eq!((stats.open, stats.waiting, stats.places[0].counts.failed), (0, 0, 10));
}

#[tokio::test]
async fn an_answer_that_nobody_wants_any_more_is_read_on_if_it_is_near_and_the_connection_kept() {
    let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (telling, told) = (Arc::clone(&asked), Arc::clone(&answer));
    let upstream = Upstream::start(move |mut peer, _| {
        let (telling, told) = (Arc::clone(&telling), Arc::clone(&told));
        async move {
            while peer.request().await.is_some() {
                telling.notify_one();
                told.notified().await;
                peer.say(OK).await;
            }
        }
    })
    .await;
    let client = client(|_| {});
    tokio::select! {
        _ = upstream.get("/").send(&client) => panic!("nobody has answered"),
        () = asked.notified() => {}
    }
    assert_eq!((client.connections().lingering, client.connections().open), (1, 1));
    answer.notify_one();
    until(|| client.connections().lingering == 0).await;
    assert_eq!((client.connections().idle, upstream.accepted()), (1, 1));
    answer.notify_one();
    assert_eq!(text(upstream.get("/").send(&client).await.unwrap()), "ok");
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn a_stream_left_early_keeps_its_connection_only_if_little_is_missing() {
    for (length, kept) in [(1000, true), (10_000_000, false)] {
        let upstream = Upstream::start(move |mut peer, _| async move {
            while peer.request().await.is_some() {
                peer.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nfirst")).await;
                peer.say("x".repeat(length - 5)).await;
            }
        })
        .await;
        let client = client(|_| {});
        let answer = upstream.get("/").stream().send(&client).await.unwrap();
        let AnswerBody::Stream(mut stream) = answer.body else { panic!("not streamed") };
        assert!(stream.next().await.unwrap().is_ok());
        drop(stream);
        until(|| client.connections().lingering == 0).await;
        let stats = client.connections();
        assert_eq!((stats.idle, stats.open), (usize::from(kept), usize::from(kept)), "{length}");
    }
}

#[tokio::test]
async fn nobody_waits_for_an_answer_that_nobody_wants() {
    let asked = Arc::new(Notify::new());
    let telling = Arc::clone(&asked);
    let upstream = Upstream::start(move |mut peer, number| {
        let telling = Arc::clone(&telling);
        async move {
            while peer.request().await.is_some() {
                telling.notify_one();
                if number == 0 {
                    peer.silence().await;
                } else {
                    peer.say(OK).await;
                }
            }
        }
    })
    .await;
    let client = client(|limits| limits.max_connections_per_host = 1);
    let (first, second) = (client.clone(), client.clone());
    let (one, two) = (upstream.get("/"), upstream.get("/"));
    let given_up = tokio::spawn(async move { one.send(&first).await });
    asked.notified().await;
    let waiting = tokio::spawn(async move { two.send(&second).await });
    until(|| client.connections().waiting == 1).await;
    given_up.abort();
    assert_eq!(text(waiting.await.unwrap().unwrap()), "ok");
    assert_eq!(
        (upstream.accepted(), client.connections().places[0].counts.discarded[Discard::Abandoned as usize]),
        (2, 1)
    );
}

#[tokio::test]
async fn a_connect_whose_caller_left_is_finished_for_the_next() {
    let upstream = Upstream::hello().await;
    let client = client(|_| {});
    let mut first = Box::pin(upstream.get("/").send(&client));
    // One poll begins the connect.
    std::future::poll_fn(|context| {
        assert!(first.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(first);
    assert_eq!(client.connections().places[0].connecting, 1);
    until(|| client.connections().idle == 1).await;
    text(upstream.get("/").send(&client).await.unwrap());
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn the_longest_idle_elsewhere_makes_room_and_a_busy_place_takes_nobody_elses() {
    let (one, two) = (Upstream::hello().await, Upstream::hello().await);
    let silent = Upstream::start(|mut peer, _| async move { peer.silence().await }).await;
    let client = client(|limits| {
        limits.max_connections = 4;
        limits.max_connections_per_host = 2;
    });
    let hanging: Vec<_> = (0..20)
        .map(|_| {
            let (client, ask) = (client.clone(), silent.get("/"));
            tokio::spawn(async move { ask.send(&client).await })
        })
        .collect();
    until(|| silent.accepted() == 2).await;
    for _ in 0..5 {
        text(one.get("/").send(&client).await.unwrap());
        text(two.get("/").send(&client).await.unwrap());
    }
    let three = Upstream::hello().await;
    text(three.get("/").send(&client).await.unwrap());
    assert_eq!((one.accepted(), two.accepted(), three.accepted()), (1, 1, 1));
    assert_eq!(client.connections().open, 4);
    until(|| one.open() == 0).await;
    assert_eq!(two.open(), 1);
    for call in hanging {
        call.abort();
    }
}
