//! What is written (RFC 9110, 9112).

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};
use tokio::sync::mpsc;
use turnout_client::{Body, Kind};

use crate::upstream::{Ask, Upstream, client, pieces, text};

/// Answers 200 and passes on what was asked.
async fn mirror() -> (Upstream, mpsc::UnboundedReceiver<String>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let sender = Arc::new(sender);
    let upstream = Upstream::start(move |mut peer, _| {
        let sender = Arc::clone(&sender);
        async move {
            while let Some(request) = peer.request().await {
                sender.send(request).unwrap();
                peer.say("HTTP/1.1 204 No Content\r\n\r\n").await;
            }
        }
    })
    .await;
    (upstream, receiver)
}

async fn written(ask: impl FnOnce(&Upstream) -> Ask) -> String {
    let (upstream, mut written) = mirror().await;
    assert_eq!(text(ask(&upstream).send(&client(|_| {})).await.unwrap()), "");
    let request = written.recv().await.unwrap();
    request.replace(&upstream.address.to_string(), "HOST")
}

fn fields(ask: Ask, fields: &[(&'static str, &'static str)]) -> Ask {
    ask.with(|call, _| {
        for (name, value) in fields {
            call.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    })
}

#[tokio::test]
async fn a_get_has_its_target_and_host_and_no_length() {
    assert_eq!(
        written(|upstream| upstream.get("/a/b%20c?d=e&f#g")).await,
        "GET /a/b%20c?d=e&f HTTP/1.1\r\nhost: HOST\r\n\r\n"
    );
}

#[tokio::test]
async fn line_breaks_in_a_url_stay_in_it_and_user_information_goes_nowhere() {
    let request = written(|upstream| {
        Ask::new(format!("http://user:secret@{}/a\r\nX: y?b\nc=d", upstream.address).parse().unwrap())
    });
    assert_eq!(request.await, "GET /aX:%20y?bc=d HTTP/1.1\r\nhost: HOST\r\n\r\n");
}

#[tokio::test]
async fn a_host_of_the_callers_own_is_sent_and_two_are_refused() {
    let vhost = |upstream: &Upstream| fields(upstream.get("/"), &[("host", "other.example")]);
    assert_eq!(written(vhost).await, "GET / HTTP/1.1\r\nhost: other.example\r\n\r\n");
    let (upstream, _written) = mirror().await;
    let two = fields(upstream.get("/"), &[("host", "a.example"), ("host", "b.example")]);
    let error = two.send(&client(|_| {})).await.unwrap_err();
    assert_eq!((error.kind(), error.sent(), upstream.accepted()), (Kind::LocalProtocol, false, 0));
}

#[tokio::test]
async fn framing_is_not_the_callers_to_say() {
    let odd = [
        ("content-length", "99"),
        ("transfer-encoding", "gzip"),
        ("expect", "100-continue"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("upgrade", "h2c"),
        ("connection", "upgrade, x-secret"),
        ("keep-alive", "timeout=1"),
        ("proxy-authorization", "Basic eDp5"),
        ("proxy-connection", "keep-alive"),
        ("x-kept", "yes"),
    ];
    let request = written(|upstream| fields(upstream.get("/").post(Body::Whole("four".into())), &odd)).await;
    assert_eq!(request, "POST / HTTP/1.1\r\nx-kept: yes\r\nhost: HOST\r\ncontent-length: 4\r\n\r\nfour");
}

#[tokio::test]
async fn a_caller_may_ask_for_the_connection_to_be_closed() {
    let (upstream, mut written) = mirror().await;
    let client = client(|_| {});
    fields(upstream.get("/"), &[("connection", "close")]).send(&client).await.unwrap();
    assert_eq!(written.recv().await.unwrap().matches("connection: close\r\n").count(), 1);
    assert_eq!(client.connections().open, 0);
}

#[tokio::test]
async fn a_method_that_usually_has_a_body_says_when_it_has_none() {
    for empty in [Body::Empty, Body::Whole("".into())] {
        let request = written(|upstream| upstream.get("/").post(empty)).await;
        assert_eq!(request, "POST / HTTP/1.1\r\ncontent-length: 0\r\nhost: HOST\r\n\r\n");
    }
    let delete = written(|upstream| upstream.get("/").with(|call, _| call.method = Method::DELETE)).await;
    assert_eq!(delete, "DELETE / HTTP/1.1\r\nhost: HOST\r\n\r\n");
}

fn streamed(parts: &[&'static str], length: Option<u64>) -> Body {
    Body::Stream(parking_lot::Mutex::new(Some(pieces(parts))), length)
}

#[tokio::test]
async fn a_stream_of_known_length_is_sent_with_it_and_any_other_in_chunks() {
    let known = written(|upstream| upstream.get("/").post(streamed(&["one", "two"], Some(6)))).await;
    assert_eq!(known, "POST / HTTP/1.1\r\nhost: HOST\r\ncontent-length: 6\r\n\r\nonetwo");
    for method in [Method::POST, Method::GET] {
        let head = format!("{method} / HTTP/1.1\r\ntransfer-encoding: chunked\r\nhost: HOST\r\n\r\n");
        let chunked = written(|upstream| {
            upstream.get("/").post(streamed(&["one", "two"], None)).with(|call, _| call.method = method)
        });
        assert_eq!(chunked.await, head + "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    }
}

#[tokio::test]
async fn a_stream_of_another_length_than_promised_is_the_callers_fault_and_never_arrives_as_if_it_were_right() {
    for parts in [&["one", "two", "three"][..], &["one", "twoo"], &["one"], &[]] {
        let (upstream, mut written) = mirror().await;
        let client = client(|_| {});
        let error = upstream.get("/").post(streamed(parts, Some(6))).send(&client).await.unwrap_err();
        assert_eq!(error.kind(), Kind::LocalProtocol, "{parts:?}");
        drop((client, upstream));
        assert_eq!(written.recv().await, None, "{parts:?}");
    }
}

#[tokio::test]
async fn a_stream_is_sent_once() {
    let (upstream, _written) = mirror().await;
    let taken = Body::Stream(parking_lot::Mutex::new(None), None);
    let error = upstream.get("/").post(taken).send(&client(|_| {})).await.unwrap_err();
    assert_eq!((error.kind(), upstream.accepted()), (Kind::LocalProtocol, 0));
}

#[tokio::test]
async fn what_is_no_request_of_a_client_is_refused_before_a_connection_is_made() {
    let (upstream, _written) = mirror().await;
    let client = client(|_| {});
    let connect = upstream.get("/").with(|call, _| call.method = Method::CONNECT);
    assert_eq!(connect.send(&client).await.unwrap_err().kind(), Kind::LocalProtocol);
    let trace = upstream.get("/").post(Body::Whole("x".into())).with(|call, _| call.method = Method::TRACE);
    assert_eq!(trace.send(&client).await.unwrap_err().kind(), Kind::LocalProtocol);
    let ftp = Ask::new("ftp://127.0.0.1/".parse().unwrap());
    assert_eq!(ftp.send(&client).await.unwrap_err().kind(), Kind::UnsupportedProtocol);
    assert_eq!(upstream.accepted(), 0);
}
