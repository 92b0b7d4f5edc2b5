//! Which connection a call gets.

use std::time::Duration;

use turnout_client::{Body, Discard, Kind};

use crate::upstream::{Upstream, client, text, until};

#[tokio::test]
async fn one_connection_serves_one_call_after_another() {
    let upstream = Upstream::hello().await;
    let client = client(|_| {});
    for _ in 0..10 {
        assert_eq!(text(upstream.get("/").send(&client).await.unwrap()), "hello");
    }
    assert_eq!(upstream.accepted(), 1);
    let stats = client.connections();
    assert_eq!((stats.open, stats.idle, stats.waiting), (1, 1, 0));
    assert_eq!((stats.places[0].counts.made, stats.places[0].counts.reused), (1, 9));
}

#[tokio::test]
async fn a_gather_wider_than_the_pool_queues() {
    let upstream = Upstream::hello().await;
    let client = client(|limits| limits.max_connections_per_host = 3);
    let calls = (0..50).map(|_| upstream.get("/").send(&client));
    for answer in futures(calls).await {
        assert_eq!(text(answer.unwrap()), "hello");
    }
    assert!(upstream.accepted() <= 3);
}

#[tokio::test]
async fn a_call_that_waits_for_the_pool_too_long_gets_pool_timeout_and_one_too_many_is_overload() {
    let upstream = Upstream::start(|mut peer, _| async move { peer.silence().await }).await;
    let client = client(|limits| {
        limits.max_connections_per_host = 1;
        limits.max_queue = 1;
    });
    let slow = upstream.get("/").within(|timeouts| timeouts.total = Some(Duration::from_secs(60))).send(&client);
    let mut slow = Box::pin(slow);
    tokio::select! {
        _ = &mut slow => panic!("nobody answers"),
        () = until(|| upstream.accepted() == 1) => {}
    }
    let queued = upstream.get("/").within(|timeouts| timeouts.pool = Some(Duration::from_millis(50))).send(&client);
    let (queued, refused) = tokio::join!(queued, upstream.get("/").send(&client));
    assert_eq!(queued.unwrap_err().kind(), Kind::PoolTimeout);
    let refused = refused.unwrap_err();
    assert_eq!((refused.kind(), refused.sent()), (Kind::Overloaded, false));
    assert_eq!(client.connections().waiting, 0);
}

#[tokio::test]
async fn a_post_reuses_a_connection_too() {
    let upstream = Upstream::hello().await;
    let client = client(|_| {});
    for _ in 0..3 {
        let answer = upstream.get("/").post(Body::Whole("some".into())).send(&client).await.unwrap();
        assert_eq!(text(answer), "hello");
    }
    assert_eq!(upstream.accepted(), 1);
}

async fn futures<F: Future<Output = T> + Send, T>(futures: impl Iterator<Item = F>) -> Vec<T> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, done) in &mut running {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn a_connection_that_said_it_would_close_is_not_used_again() {
    let upstream = Upstream::start(|mut peer, _| async move {
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello").await;
        peer.silence().await;
    })
    .await;
    let client = client(|_| {});
    for _ in 0..3 {
        assert_eq!(text(upstream.get("/").send(&client).await.unwrap()), "hello");
    }
    let stats = client.connections();
    assert_eq!((upstream.accepted(), stats.open), (3, 0));
    assert_eq!(stats.places[0].counts.discarded[Discard::Told as usize], 3);
    until(|| upstream.open() == 0).await;
}

#[tokio::test]
async fn stray_bytes_between_answers_cost_the_connection_and_no_call() {
    let upstream = Upstream::start(|mut peer, _| async move {
        while peer.request().await.is_some() {
            peer.say(
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            )
            .await;
        }
    })
    .await;
    let client = client(|_| {});
    for _ in 0..5 {
        assert_eq!(text(upstream.get("/").post(Body::Empty).send(&client).await.unwrap()), "hello");
    }
    assert_eq!(upstream.accepted(), 5);
}

#[tokio::test]
async fn an_idle_connection_that_the_upstream_closed_or_spoke_on_is_not_used_even_by_a_post() {
    let upstream = Upstream::start(|mut peer, number| async move {
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
        if number % 2 == 1 {
            peer.say("HTTP/1.1 408 Request Timeout\r\n\r\n").await;
        }
    })
    .await;
    let client = client(|_| {});
    for call in 0..6 {
        let post = upstream.get("/").post(Body::Whole("x".into()));
        assert_eq!(text(post.send(&client).await.unwrap()), "hello");
        until(|| upstream.open() == 0).await;
        assert_eq!(upstream.accepted(), call + 1);
    }
    assert_eq!(client.connections().places[0].counts.resent, 0);
}
