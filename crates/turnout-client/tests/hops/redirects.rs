//! Redirects: whereto, with which method and body, and what is not taken along.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use turnout_client::connect::{AddressPolicy, Base};
use turnout_client::{Body, BodyStream, Kind, Options, Redirects};

use crate::upstream::{Upstream, answer, call, following, with_fields};

#[tokio::test]
async fn nothing_is_followed_unless_it_is_asked_for() {
    let upstream = Upstream::redirecting(&[("http://a.example/", 302, "/next")]);
    let options = Options { redirects: Redirects::default(), ..following(&upstream) };
    let answer = answer(call(&Method::GET, "http://a.example/", options)).await.unwrap();
    assert_eq!(answer.head.status, 302);
    assert_eq!(answer.history.len(), 0);
}

#[tokio::test]
async fn the_method_and_the_body_become_what_rfc_9110_says() {
    // Status, method before, method after, whether the body is sent again.
    let table = [
        (301, Method::GET, Method::GET, false),
        (301, Method::HEAD, Method::HEAD, false),
        (301, Method::POST, Method::GET, false),
        (301, Method::PUT, Method::PUT, true),
        (302, Method::POST, Method::GET, false),
        (302, Method::DELETE, Method::DELETE, true),
        (303, Method::GET, Method::GET, false),
        (303, Method::HEAD, Method::HEAD, false),
        (303, Method::POST, Method::GET, false),
        (303, Method::PUT, Method::GET, false),
        (307, Method::GET, Method::GET, false),
        (307, Method::POST, Method::POST, true),
        (308, Method::POST, Method::POST, true),
        (308, Method::PATCH, Method::PATCH, true),
    ];
    for (status, before, after, again) in table {
        let upstream = Upstream::new(move |_, number| match number {
            0 => (status, "location: /there".to_owned()),
            _ => (200, String::new()),
        });
        let mut call = call(&before, "http://a.example/", following(&upstream));
        call.headers.insert("content-type", "text/plain".parse().unwrap());
        call.headers.insert("accept", "text/html".parse().unwrap());
        if before != Method::GET && before != Method::HEAD {
            call.body = Body::Whole(Bytes::from_static(b"words"));
        }
        let answer = answer(call).await.unwrap();
        let seen = &upstream.seen()[1];
        assert_eq!(seen.line(), format!("{after} http://a.example/there"), "{status} {before}");
        assert_eq!(seen.body, if again { "words" } else { "" }, "{status} {before}");
        assert_eq!(seen.field("content-type") == "text/plain", before == after, "{status} {before}");
        assert_eq!(seen.field("accept"), "text/html");
        assert_eq!(answer.history.len(), 1);
        assert_eq!(answer.history[0].status, status);
    }
    for status in [300, 304, 305, 306] {
        let upstream = Upstream::new(move |_, _| (status, "location: /there".to_owned()));
        let answer = answer(call(&Method::GET, "http://a.example/", following(&upstream))).await.unwrap();
        assert_eq!(answer.head.status, status);
    }
}

#[tokio::test]
async fn locations_are_relative_to_the_url_before() {
    let table = [
        ("next", "http://a.example/one/next", ""),
        ("../next?q=1", "http://a.example/next?q=1", ""),
        ("?q=1", "http://a.example/one/two?q=1", ""),
        ("/next", "http://a.example/next", ""),
        ("//b.example/x", "http://b.example/x", ""),
        ("https://b.example", "https://b.example/", ""),
        ("  /padded  ", "http://a.example/padded", ""),
        ("/caf\u{e9}", "http://a.example/caf%C3%A9", ""),
        ("/a b", "http://a.example/a%20b", ""),
        ("/next", "http://a.example/next", "part"),
        ("/next#other", "http://a.example/next", "other"),
        ("http://user:pass@a.example/", "http://a.example/", ""),
        ("", "http://a.example/one/two", ""),
    ];
    for (location, expected, fragment) in table {
        let upstream = Upstream::new(move |_, number| match number {
            0 => (302, format!("location: {location}")),
            _ => (200, String::new()),
        });
        let start = if fragment == "part" { "http://a.example/one/two#part" } else { "http://a.example/one/two" };
        let answer = answer(call(&Method::GET, start, following(&upstream))).await.unwrap();
        assert_eq!(upstream.seen()[1].url, expected, "{location}");
        assert_eq!(upstream.seen()[1].field("authorization"), "", "{location}");
        assert_eq!(answer.head.url.fragment().unwrap_or_default(), fragment, "{location}");
    }
}

#[tokio::test]
async fn an_answer_without_location_is_the_answer_and_nonsense_is_an_error() {
    let upstream = Upstream::new(|_, _| (302, String::new()));
    let answered = answer(call(&Method::GET, "http://a.example/", following(&upstream))).await.unwrap();
    assert_eq!(answered.head.status, 302);
    let table = [
        ("http://", Kind::RemoteProtocol, "a.example redirects to something that is no URL"),
        ("http://[::1/", Kind::RemoteProtocol, "a.example redirects to something that is no URL"),
        ("file:///etc/passwd", Kind::UnsupportedProtocol, "a.example redirects to file:, which is not spoken here"),
        ("ftp://b.example/", Kind::UnsupportedProtocol, "a.example redirects to ftp:, which is not spoken here"),
        ("javascript:x", Kind::UnsupportedProtocol, "a.example redirects to javascript:, which is not spoken here"),
    ];
    for (location, kind, message) in table {
        let upstream = Upstream::new(move |_, _| (302, format!("location: {location}")));
        let error = answer(call(&Method::GET, "http://a.example/?secret", following(&upstream))).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message), "{location}");
        assert!(error.sent());
    }
}

#[tokio::test]
async fn no_more_redirects_are_followed_than_allowed() {
    let upstream = Upstream::new(|request, _| (302, format!("location: {}x", request.url)));
    let error = answer(call(&Method::GET, "http://a.example/", following(&upstream))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::TooManyRedirects);
    assert_eq!(error.message(), "a.example redirects more than 5 times in a row");
    assert_eq!(upstream.lines().len(), 6);
    let upstream = Upstream::redirecting(&[
        ("http://a.example/", 301, "/1"),
        ("http://a.example/1", 302, "https://b.example/2"),
        ("https://b.example/2", 307, "/3"),
    ]);
    let answer = answer(call(&Method::GET, "http://a.example/", following(&upstream))).await.unwrap();
    let history: Vec<_> = answer.history.iter().map(|head| format!("{} {}", head.status.as_u16(), head.url)).collect();
    assert_eq!(history, ["301 http://a.example/", "302 http://a.example/1", "307 https://b.example/2"]);
    assert_eq!(answer.head.url.as_str(), "https://b.example/3");
}

const SECRETS: [(&str, &str); 8] = [
    ("authorization", "Basic one"),
    ("authorization", "Basic two"),
    ("cookie", "a=1"),
    ("cookie", "b=2"),
    ("proxy-authorization", "Basic three"),
    ("x-api-key", "four"),
    ("x-auth-token", "five"),
    ("x-csrf-token", "six"),
];

#[tokio::test]
async fn credentials_are_stripped_cross_origin_and_on_scheme_change_all_occurrences() {
    // From, to, whether they go along.
    let table = [
        ("http://a.example/", "http://a.example/x", true),
        ("http://a.example/", "http://A.example:80/x", true),
        ("https://a.example:443/", "https://a.example/x", true),
        ("http://a.example/", "http://b.example/x", false),
        ("http://a.example/", "http://sub.a.example/x", false),
        ("http://a.example/", "http://a.example:8080/x", false),
        ("http://a.example/", "https://a.example/x", false),
        ("https://a.example/", "http://a.example/x", false),
        ("https://a.example/", "http://a.example:443/x", false),
    ];
    for (from, to, kept) in table {
        let upstream = Upstream::new(move |_, number| match number {
            0 => (307, format!("location: {to}")),
            _ => (200, String::new()),
        });
        let call = with_fields(call(&Method::GET, from, following(&upstream)), &SECRETS);
        answer(with_fields(call, &[("accept", "x"), ("host", "virtual.example")])).await.unwrap();
        let seen = &upstream.seen()[1];
        for (name, _) in SECRETS {
            assert_eq!(seen.headers.contains_key(name), kept, "{name}: {from} to {to}");
        }
        assert_eq!(seen.field("host") == "virtual.example", kept, "{from} to {to}");
        assert_eq!(seen.field("accept"), "x");
        assert_eq!(seen.headers.get_all("authorization").iter().count(), if kept { 2 } else { 0 });
    }
}

#[tokio::test]
async fn fields_marked_as_sensitive_are_stripped_whatever_they_are_called() {
    let upstream = Upstream::redirecting(&[("http://a.example/", 302, "http://b.example/")]);
    let mut call = call(&Method::GET, "http://a.example/", following(&upstream));
    let mut value = http::HeaderValue::from_static("1234");
    value.set_sensitive(true);
    call.headers.insert("x-pin", value);
    answer(call).await.unwrap();
    assert_eq!(upstream.seen()[0].field("x-pin"), "1234");
    assert_eq!(upstream.seen()[1].field("x-pin"), "");
}

#[tokio::test]
async fn credentials_that_were_stripped_do_not_come_back() {
    let upstream = Upstream::redirecting(&[
        ("http://a.example/", 302, "http://b.example/"),
        ("http://b.example/", 302, "http://a.example/home"),
    ]);
    let auth = Arc::new(turnout_client::Auth::basic("user", "pass").unwrap());
    let options = Options { auth: Some(auth), ..following(&upstream) };
    answer(with_fields(call(&Method::GET, "http://a.example/", options), &[("x-api-key", "k")])).await.unwrap();
    let shown: Vec<_> = upstream.seen().iter().map(|seen| seen.field("authorization")).collect();
    assert_eq!(shown, ["Basic dXNlcjpwYXNz", "", ""]);
    assert_eq!(upstream.seen()[2].field("x-api-key"), "");
}

struct Words(Mutex<Option<Bytes>>);

impl turnout_client::Chunks for Words {
    fn poll_chunk(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Bytes, turnout_client::Error>>> {
        Poll::Ready(self.0.lock().take().map(Ok))
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_sent_again_is_not_sent_to_the_next() {
    for (status, followed) in [(303, true), (301, true), (307, false), (308, false)] {
        let upstream = Upstream::new(move |_, number| match number {
            0 => (status, "location: http://b.example/".to_owned()),
            _ => (200, String::new()),
        });
        let mut call = call(&Method::POST, "http://a.example/", following(&upstream));
        let words = Words(Mutex::new(Some(Bytes::from_static(b"words"))));
        call.body = Body::Stream(Mutex::new(Some(BodyStream::new(words))), Some(5));
        let outcome = answer(call).await;
        assert_eq!(outcome.is_ok(), followed, "{status}");
        if let Err(error) = outcome {
            assert_eq!(error.kind(), Kind::LocalProtocol);
            assert!(error.message().contains("can be sent only once"), "{error}");
            assert!(error.sent());
        }
    }
}

#[tokio::test]
async fn every_hop_is_checked_by_the_address_policy() {
    let inside = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let target = format!("http://{}/", inside.local_addr().unwrap());
    let outside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let start = format!("http://{}/", outside.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = outside.accept().await.unwrap();
        let mut head = [0; 4096];
        let _ = socket.read(&mut head).await;
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
        socket.write_all(answer.as_bytes()).await.unwrap();
        let _ = socket.read(&mut head).await;
    });
    let policy = Arc::new(AddressPolicy::new(Base::Public, ["127.0.0.1"], []).unwrap());
    let options = Options { redirects: Redirects { follow: true, max: 5 }, addresses: policy, ..Options::default() };
    let error = answer(call(&Method::GET, &start, options)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ForbiddenAddress, "{error}");
    let nobody = tokio::time::timeout(std::time::Duration::from_millis(1), inside.accept()).await;
    assert!(nobody.is_err(), "somebody has connected");
}
