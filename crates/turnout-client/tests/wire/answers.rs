//! What is believed of what comes back.

use http::{Method, StatusCode};
use turnout_client::{Answer, Error, Kind, gave_way};

use crate::upstream::{Upstream, client, collect, text};

/// An upstream that says this after each request, and then nothing.
async fn says(answer: impl AsRef<[u8]> + Send + Sync + 'static) -> Upstream {
    let answer = std::sync::Arc::new(answer.as_ref().to_vec());
    Upstream::start(move |mut peer, _| {
        let answer = answer.clone();
        async move {
            while peer.request().await.is_some() {
                peer.say(&*answer).await;
            }
        }
    })
    .await
}

/// As `says`, and then the end.
async fn says_and_closes(answer: impl AsRef<[u8]> + Send + Sync + 'static) -> Upstream {
    let answer = std::sync::Arc::new(answer.as_ref().to_vec());
    Upstream::start(move |mut peer, _| {
        let answer = answer.clone();
        async move {
            peer.request().await;
            peer.say(&*answer).await;
        }
    })
    .await
}

async fn get(upstream: &Upstream) -> Result<Answer, Error> {
    upstream.get("/").send(&client(|_| {})).await
}

#[tokio::test]
async fn interim_answers_are_read_past() {
    let upstream = says(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let answer = get(&upstream).await.unwrap();
    assert_eq!((answer.head.status, answer.head.headers.len()), (StatusCode::OK, 1));
    assert_eq!(text(answer), "ok");
}

#[tokio::test]
async fn answers_that_have_no_body_leave_the_connection_usable_whatever_they_say() {
    for (method, head) in [
        (Method::HEAD, "200 OK\r\nContent-Length: 12"),
        (Method::GET, "204 No Content\r\nContent-Length: 12"),
        (Method::GET, "304 Not Modified\r\nContent-Length: 12"),
        (Method::HEAD, "200 OK\r\nTransfer-Encoding: chunked"),
    ] {
        let upstream = says(format!("HTTP/1.1 {head}\r\n\r\n")).await;
        let client = client(|_| {});
        for _ in 0..2 {
            let ask = upstream.get("/").with(|call, _| call.method = method.clone());
            assert_eq!(text(ask.send(&client).await.unwrap()), "", "{head}");
        }
        assert_eq!(upstream.accepted(), 1, "{head}");
    }
}

#[tokio::test]
async fn a_body_ends_by_its_length_its_last_chunk_or_the_connection() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nonetwo",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3;x=y\r\ntwo\r\n0\r\nX-Sum: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nonetwo",
        "HTTP/1.0 200 OK\r\n\r\nonetwo",
    ] {
        let upstream = says_and_closes(answer).await;
        assert_eq!(text(get(&upstream).await.unwrap()), "onetwo", "{answer}");
        let streamed = upstream.get("/").stream().send(&client(|_| {})).await.unwrap();
        assert_eq!(collect(streamed).await.unwrap(), b"onetwo", "{answer}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_the_upstreams_fault() {
    let many = "X: y\r\n".repeat(200);
    for (answer, kind) in [
        ("hello\r\n\r\n".to_owned(), Kind::RemoteProtocol),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), Kind::RemoteProtocol),
        ("HTTP/1.1 99 Low\r\n\r\n".to_owned(), Kind::RemoteProtocol),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n".to_owned(), Kind::RemoteProtocol),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".to_owned(), Kind::RemoteProtocol),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_owned(), Kind::RemoteProtocol),
        (format!("HTTP/1.1 200 OK\r\n{many}\r\n"), Kind::RemoteProtocol),
        (format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(70 << 10)), Kind::RemoteProtocol),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(), Kind::RemoteProtocol),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_owned(),
            Kind::RemoteProtocol,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort".to_owned(), Kind::Read),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n".to_owned(), Kind::Read),
        ("HTTP/1.1 200 OK\r\nX-".to_owned(), Kind::Read),
        (String::new(), Kind::Read),
    ] {
        let upstream = says_and_closes(answer.clone()).await;
        let client = client(|_| {});
        let error = upstream.get("/").send(&client).await.unwrap_err();
        let shown = &answer[..answer.len().min(80)];
        assert_eq!((error.kind(), error.sent()), (kind, true), "{shown:?}: {error}");
        assert_eq!(client.connections().open, 0, "{shown:?}");
        assert!(error.message().contains("127.0.0.1"), "{error}");
    }
}

#[tokio::test]
async fn a_reset_is_a_broken_read() {
    let upstream = Upstream::start(|mut peer, _| async move {
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome").await;
        peer.reset();
    })
    .await;
    let error = get(&upstream).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (Kind::Read, true));
}

#[tokio::test]
async fn in_the_middle_of_a_large_body_a_step_ends_and_it_can_be_told() {
    for (length, large) in [(1_000, false), (1_000_000, true)] {
        let body = "x".repeat(length);
        let upstream = says(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")).await;
        assert!(!gave_way());
        assert_eq!(text(get(&upstream).await.unwrap()), body);
        assert_eq!(gave_way(), large, "{length}");
    }
}

#[tokio::test]
async fn no_more_is_read_than_max_body_whether_it_was_announced_or_not() {
    let ten = "0123456789";
    for answer in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{ten}"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n\r\n{ten}"),
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551600\r\n\r\n".to_owned(),
    ] {
        let upstream = says_and_closes(answer.clone()).await;
        let capped = |most: usize| upstream.get("/").with(|_, options| options.max_body = most);
        let error = capped(9).send(&client(|_| {})).await.unwrap_err();
        assert_eq!((error.kind(), error.sent()), (Kind::ResponseTooLarge, true), "{answer}");
        let streamed = match capped(9).stream().send(&client(|_| {})).await {
            Ok(answer) => collect(answer).await,
            Err(error) => Err(error),
        };
        assert_eq!(streamed.unwrap_err().kind(), Kind::ResponseTooLarge, "{answer}");
        if answer.contains('9') && !answer.contains("18446744073709551600") {
            assert_eq!(text(capped(10).send(&client(|_| {})).await.unwrap()), ten);
        }
    }
}

#[tokio::test]
async fn a_large_body_arrives_whole_collected_and_streamed() {
    let body: Vec<u8> = (0..5_000_000_u32).map(|number| number as u8).collect();
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(&body);
    let upstream = says(answer).await;
    let client = client(|_| {});
    let collected = upstream.get("/").send(&client).await.unwrap();
    assert!(matches!(collected.body, turnout_client::AnswerBody::Whole(whole) if whole == body));
    let streamed = upstream.get("/").stream().send(&client).await.unwrap();
    assert!(collect(streamed).await.unwrap() == body);
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_was_read_counts() {
    let upstream = Upstream::start(|mut peer, _| async move {
        peer.head().await;
        peer.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig").await;
        peer.silence().await;
    })
    .await;
    let body = turnout_client::Body::Whole(vec![b'x'; 8 << 20].into());
    let answer = upstream.get("/").post(body).send(&client(|_| {})).await.unwrap();
    assert_eq!(answer.head.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(text(answer), "big");
}

#[tokio::test]
async fn who_speaks_before_being_asked_is_not_heard() {
    let upstream = Upstream::start(|mut peer, _| async move {
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").await;
        peer.silence().await;
    })
    .await;
    let client = client(|_| {});
    let error = upstream.get("/").send(&client).await.unwrap_err();
    assert_eq!((error.kind(), client.connections().open), (Kind::RemoteProtocol, 0));
}

#[tokio::test]
async fn the_answer_says_where_its_time_went() {
    let upstream = Upstream::hello().await;
    let client = client(|_| {});
    let first = upstream.get("/").send(&client).await.unwrap();
    assert!(first.timings.connect.is_some() && first.timings.dns.is_some() && first.timings.tls.is_none());
    assert!(first.timings.pool.is_some() && first.timings.first_byte.is_some() && first.timings.body.is_some());
    assert_eq!(first.remote, Some(upstream.address));
    let second = upstream.get("/").send(&client).await.unwrap();
    assert_eq!((second.timings.connect, second.timings.dns), (None, None));
}
