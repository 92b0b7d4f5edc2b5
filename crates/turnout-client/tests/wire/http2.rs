//! Connections that many calls share. No TLS here: both sides know ("prior knowledge").

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::sync::Notify;
use turnout_client::{AnswerBody, Body, Discard, Http2, Kind};

use crate::upstream::{Ask, Upstream, client, collect, pieces, text, until};

type Exchange = (Request<RecvStream>, SendResponse<Bytes>);

/// What a script for one connection is given.
struct Shared {
    connection: server::Connection<tokio::net::TcpStream, Bytes>,
}

impl Shared {
    /// The next request; drives the connection meanwhile.
    async fn request(&mut self) -> Option<Exchange> {
        self.connection.accept().await?.ok()
    }

    /// Drives the connection to its end.
    async fn end(&mut self) {
        while self.request().await.is_some() {}
    }
}

async fn upstream<F>(streams: u32, script: impl Fn(Shared, usize) -> F + Send + Sync + 'static) -> Upstream
where
    F: Future<Output = ()> + Send + 'static,
{
    let script = Arc::new(script);
    Upstream::start(move |peer, number| {
        let script = Arc::clone(&script);
        async move {
            let handshake = server::Builder::new().max_concurrent_streams(streams).handshake(peer.stream).await;
            if let Ok(connection) = handshake {
                script(Shared { connection }, number).await;
            }
        }
    })
    .await
}

fn answer(mut respond: SendResponse<Bytes>, body: &'static str) {
    let response = Response::builder().header("x-from", "two").body(()).unwrap();
    // Its call may have been given up meanwhile.
    let Ok(mut stream) = respond.send_response(response, body.is_empty()) else { return };
    if !body.is_empty() {
        stream.send_data(Bytes::from_static(body.as_bytes()), true).unwrap();
    }
}

async fn hello(streams: u32) -> Upstream {
    upstream(streams, |mut shared, _| async move {
        while let Some((_, respond)) = shared.request().await {
            answer(respond, "hello");
        }
    })
    .await
}

fn get(upstream: &Upstream) -> Ask {
    upstream.get("/path?query").with(|_, options| options.http2 = Http2::Only)
}

fn spawn(
    client: &turnout_client::Client,
    ask: Ask,
) -> tokio::task::JoinHandle<Result<turnout_client::Answer, turnout_client::Error>> {
    let client = client.clone();
    tokio::spawn(async move { ask.send(&client).await })
}

#[tokio::test]
async fn calls_share_one_connection() {
    let upstream = hello(100).await;
    let client = client(|_| {});
    let calls: Vec<_> = (0..50).map(|_| spawn(&client, get(&upstream))).collect();
    for call in calls {
        let answer = call.await.unwrap().unwrap();
        assert_eq!((answer.head.version, answer.remote), (http::Version::HTTP_2, Some(upstream.address)));
        assert_eq!(answer.head.headers["x-from"], "two");
        assert_eq!(text(answer), "hello");
    }
    assert_eq!(upstream.accepted(), 1);
    let stats = client.connections();
    assert_eq!((stats.open, stats.idle, stats.waiting), (1, 1, 0));
}

#[tokio::test]
async fn another_connection_is_made_when_the_streams_run_out_and_no_more_than_may_be() {
    let held = Arc::new(Notify::new());
    let most = Arc::new(AtomicUsize::new(0));
    let (holding, seen) = (Arc::clone(&held), Arc::clone(&most));
    let upstream = upstream(3, move |mut shared, _| {
        let (holding, seen) = (Arc::clone(&holding), Arc::clone(&seen));
        async move {
            let mut running = Vec::new();
            loop {
                tokio::select! {
                    exchange = shared.request() => match exchange {
                        Some((_, respond)) => running.push(respond),
                        None => break,
                    },
                    () = holding.notified() => running.drain(..).for_each(|respond| answer(respond, "hello")),
                }
                seen.fetch_max(running.len(), Ordering::SeqCst);
            }
        }
    })
    .await;
    let client = client(|limits| limits.max_connections_per_host = 2);
    let calls: Vec<_> = (0..10).map(|_| spawn(&client, get(&upstream))).collect();
    until(|| client.connections().waiting == 4 && most.load(Ordering::SeqCst) == 3).await;
    assert_eq!(upstream.accepted(), 2);
    for call in calls {
        while !call.is_finished() {
            held.notify_waiters();
            tokio::task::yield_now().await;
        }
        assert_eq!(text(call.await.unwrap().unwrap()), "hello");
    }
    assert_eq!((upstream.accepted(), most.load(Ordering::SeqCst)), (2, 3));
}

#[tokio::test]
async fn the_target_the_host_and_the_length_are_in_the_request() {
    let upstream = upstream(9, |mut shared, _| async move {
        while let Some((request, respond)) = shared.request().await {
            let (parts, mut body) = request.into_parts();
            assert_eq!(
                (parts.uri.path(), parts.uri.query(), parts.uri.scheme_str()),
                ("/path", Some("query"), Some("http"))
            );
            assert!(parts.uri.authority().unwrap().as_str().starts_with("127.0.0.1:"));
            let names: Vec<_> =
                parts.headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
            tokio::spawn(async move {
                let mut length = 0;
                while let Some(Ok(piece)) = body.data().await {
                    length += piece.len();
                    body.flow_control().release_capacity(piece.len()).unwrap();
                }
                let said = format!("{} {} {length}", parts.method, names.join(","));
                answer(respond, said.leak());
            });
        }
    })
    .await;
    let client = client(|_| {});
    let odd = |ask: Ask| {
        ask.with(|call, _| {
            call.headers.insert("connection", "x".parse().unwrap());
            call.headers.insert("transfer-encoding", "chunked".parse().unwrap());
        })
    };
    assert_eq!(text(odd(get(&upstream)).send(&client).await.unwrap()), "GET  0");
    let large = Body::Whole(vec![b'x'; 3 << 20].into());
    assert_eq!(
        text(odd(get(&upstream).post(large)).send(&client).await.unwrap()),
        "POST content-length=3145728 3145728"
    );
    for (length, said) in [(Some(6), "POST content-length=6 6"), (None, "POST  6")] {
        let stream = Body::Stream(parking_lot::Mutex::new(Some(pieces(&["one", "two"]))), length);
        assert_eq!(text(get(&upstream).post(stream).send(&client).await.unwrap()), said);
    }
    let stream = Body::Stream(parking_lot::Mutex::new(Some(pieces(&["one", "two"]))), Some(5));
    assert_eq!(get(&upstream).post(stream).send(&client).await.unwrap_err().kind(), Kind::LocalProtocol);
    assert_eq!(text(get(&upstream).send(&client).await.unwrap()), "GET  0");
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn a_call_that_is_given_up_resets_its_stream_and_the_connection_stays() {
    let (asked, reset) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (telling, resetting) = (Arc::clone(&asked), Arc::clone(&reset));
    let upstream = upstream(9, move |mut shared, _| {
        let (telling, resetting) = (Arc::clone(&telling), Arc::clone(&resetting));
        async move {
            let mut number = 0;
            while let Some((_, mut respond)) = shared.request().await {
                number += 1;
                if number > 1 {
                    answer(respond, "hello");
                    continue;
                }
                telling.notify_one();
                let resetting = Arc::clone(&resetting);
                tokio::spawn(async move {
                    let reason = std::future::poll_fn(|context| respond.poll_reset(context)).await;
                    assert_eq!(reason.unwrap(), Reason::CANCEL);
                    resetting.notify_one();
                });
            }
        }
    })
    .await;
    let client = client(|_| {});
    let given_up = spawn(&client, get(&upstream));
    asked.notified().await;
    given_up.abort();
    reset.notified().await;
    assert_eq!(text(get(&upstream).send(&client).await.unwrap()), "hello");
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn after_goaway_what_runs_is_finished_and_the_rest_goes_elsewhere() {
    let go = Arc::new(Notify::new());
    let going = Arc::clone(&go);
    let upstream = upstream(9, move |mut shared, number| {
        let going = Arc::clone(&going);
        async move {
            let mut running = Vec::new();
            while let Some((_, respond)) = shared.request().await {
                if number == 0 {
                    running.push(respond);
                    shared.connection.graceful_shutdown();
                    going.notify_one();
                    tokio::select! {
                        _ = shared.request() => panic!("a call came after the last that was taken"),
                        () = going.notified() => {}
                    }
                    running.drain(..).for_each(|respond| answer(respond, "old"));
                } else {
                    answer(respond, "new");
                }
            }
        }
    })
    .await;
    let client = client(|_| {});
    let old = spawn(&client, get(&upstream));
    go.notified().await;
    until(|| client.connections().places[0].idle == 0 && client.connections().open == 1).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(text(get(&upstream).send(&client).await.unwrap()), "new");
    go.notify_one();
    assert_eq!(text(old.await.unwrap().unwrap()), "old");
    assert_eq!(upstream.accepted(), 2);
    until(|| client.connections().open == 1).await;
}

#[tokio::test]
async fn what_the_upstream_says_it_has_not_looked_at_is_sent_again_even_if_it_is_a_post() {
    let upstream = upstream(9, |mut shared, _| async move {
        let mut number = 0;
        while let Some((_, mut respond)) = shared.request().await {
            number += 1;
            if number == 1 { respond.send_reset(Reason::REFUSED_STREAM) } else { answer(respond, "hello") }
        }
    })
    .await;
    let client = client(|_| {});
    let post = get(&upstream).post(Body::Whole("x".into()));
    assert_eq!(text(post.send(&client).await.unwrap()), "hello");
    assert_eq!(client.connections().places[0].counts.resent, 1);
}

#[tokio::test]
async fn a_stream_that_the_upstream_gave_up_is_a_broken_read_and_the_others_go_on() {
    let upstream = upstream(9, |mut shared, _| async move {
        let mut number = 0;
        while let Some((_, mut respond)) = shared.request().await {
            number += 1;
            match number {
                1 => respond.send_reset(Reason::INTERNAL_ERROR),
                2 => {
                    let mut stream = respond.send_response(Response::new(()), false).unwrap();
                    stream.send_data(Bytes::from_static(b"some"), false).unwrap();
                    stream.send_reset(Reason::INTERNAL_ERROR);
                }
                _ => answer(respond, "hello"),
            }
        }
    })
    .await;
    let client = client(|_| {});
    for _ in 0..2 {
        let post = get(&upstream).post(Body::Empty);
        let error = post.send(&client).await.unwrap_err();
        assert_eq!((error.kind(), error.sent()), (Kind::Read, true), "{error}");
    }
    assert_eq!(text(get(&upstream).send(&client).await.unwrap()), "hello");
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn a_lost_connection_fails_what_ran_on_it_and_nothing_else() {
    let upstream = upstream(9, |mut shared, number| async move {
        if number == 0 {
            shared.request().await;
        } else {
            while let Some((_, respond)) = shared.request().await {
                answer(respond, "hello");
            }
        }
    })
    .await;
    let client = client(|_| {});
    let error = get(&upstream).post(Body::Empty).send(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (Kind::Read, true), "{error}");
    assert_eq!(text(get(&upstream).send(&client).await.unwrap()), "hello");
    until(|| client.connections().open == 1).await;
}

#[tokio::test]
async fn large_bodies_stream_both_ways_and_a_reader_that_stops_stops_nobody_else() {
    let upstream = upstream(9, |mut shared, _| async move {
        while let Some((_, mut respond)) = shared.request().await {
            tokio::spawn(async move {
                let mut stream = respond.send_response(Response::new(()), false).unwrap();
                let mut left = 4 << 20;
                while left > 0 {
                    stream.reserve_capacity(left.min(16 << 10));
                    let Some(Ok(room)) = std::future::poll_fn(|context| stream.poll_capacity(context)).await else {
                        return;
                    };
                    let part = room.min(left);
                    left -= part;
                    stream.send_data(vec![b'x'; part].into(), left == 0).unwrap();
                }
            });
        }
    })
    .await;
    let client = client(|_| {});
    let stopped = get(&upstream).stream().send(&client).await.unwrap();
    for _ in 0..3 {
        let answer = get(&upstream).stream().send(&client).await.unwrap();
        assert_eq!(collect(answer).await.unwrap().len(), 4 << 20);
    }
    assert_eq!(collect(stopped).await.unwrap().len(), 4 << 20);
    let dropped = get(&upstream).stream().send(&client).await.unwrap();
    let AnswerBody::Stream(mut stream) = dropped.body else { panic!("not streamed") };
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    let capped = get(&upstream).with(|_, options| options.max_body = 1000).send(&client).await;
    assert_eq!(capped.unwrap_err().kind(), Kind::ResponseTooLarge);
    assert_eq!((upstream.accepted(), client.connections().open), (1, 1));
}

#[tokio::test]
async fn an_idle_connection_ends_after_its_time() {
    let upstream = hello(9).await;
    let client = client(|limits| limits.keepalive = Duration::from_millis(20));
    text(get(&upstream).send(&client).await.unwrap());
    until(|| upstream.open() == 0 && client.connections().open == 0).await;
    assert_eq!(client.connections().places[0].counts.discarded[Discard::Aged as usize], 1);
    text(get(&upstream).send(&client).await.unwrap());
    assert_eq!(upstream.accepted(), 2);
}

#[tokio::test]
async fn who_does_not_speak_http2_is_named() {
    let upstream = Upstream::start(|mut peer, _| async move {
        peer.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        peer.silence().await;
    })
    .await;
    let error = get(&upstream).send(&client(|_| {})).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (Kind::RemoteProtocol, false), "{error}");
}

#[tokio::test]
async fn pauses_have_their_limits_here_too() {
    let upstream = upstream(9, |mut shared, _| async move {
        let mut held = Vec::new();
        while let Some((request, mut respond)) = shared.request().await {
            if request.uri().path() == "/body" {
                held.push((None, Some(respond.send_response(Response::new(()), false).unwrap()), request));
            } else {
                held.push((Some(respond), None, request));
            }
        }
        shared.end().await;
    })
    .await;
    let client = client(|_| {});
    let short = Some(Duration::from_millis(50));
    let at = |path: &str| upstream.get(path).with(|_, options| options.http2 = Http2::Only);
    let large = Body::Whole(vec![b'x'; 1 << 20].into());
    for (kind, ask) in [
        (Kind::ReadTimeout, at("/head").within(|timeouts| timeouts.first_byte = short)),
        (Kind::ReadTimeout, at("/body").within(|timeouts| timeouts.read = short)),
        (Kind::WriteTimeout, at("/write").post(large).within(|timeouts| timeouts.write = short)),
    ] {
        let error = ask.send(&client).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert_eq!(client.connections().open, 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_vanished_without_a_word_does_not_get_every_call() {
    let upstream = upstream(9, |mut shared, number| async move {
        let first = shared.request().await;
        if number == 0 {
            // Never looked at again, and never closed.
            std::future::pending::<()>().await;
        }
        let mut next = first;
        while let Some((_, respond)) = next {
            answer(respond, "hello");
            next = shared.request().await;
        }
    })
    .await;
    let client = client(|_| {});
    let brief = get(&upstream).within(|timeouts| timeouts.first_byte = Some(Duration::from_secs(1)));
    assert_eq!(brief.send(&client).await.unwrap_err().kind(), Kind::ReadTimeout);
    until(|| client.connections().open == 0).await;
    assert_eq!(text(get(&upstream).send(&client).await.unwrap()), "hello");
    // One that is only slow stays.
    let brief = get(&upstream).within(|timeouts| timeouts.first_byte = Some(Duration::ZERO));
    assert_eq!(brief.send(&client).await.unwrap_err().kind(), Kind::ReadTimeout);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((client.connections().open, upstream.accepted()), (1, 2));
}
