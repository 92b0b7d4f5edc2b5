//! Answers: framed right whatever the app gives, and never one that looks whole and is not.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use common::Server;
use turnout_http::{BodyError, Fault, Outcome};
use turnout_testkit::{Client, Ending, ReadError, Response};

const SOON: Duration = Duration::from_secs(5);

fn ask(client: &mut Client, method: &str, path: &str) -> Response {
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    if method == "HEAD" { client.response_to_head().unwrap() } else { client.response().unwrap() }
}

#[test]
fn every_answer_has_a_date_and_its_length() {
    let server = Server::start();
    let mut client = server.client();
    for (path, length) in [("/", 5), ("/empty", 0), ("/large/100000", 100_000)] {
        let response = ask(&mut client, "GET", path);
        assert_eq!(response.header("content-length"), Some(length.to_string().as_str()), "{path}");
        let date = response.header("date").unwrap();
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
        assert_eq!(response.header("connection"), None);
    }
}

#[test]
fn head_is_get_without_content() {
    let server = Server::start();
    let mut client = server.client();
    for path in ["/large/1000", "/length/7/7", "/stream/3/10", "/empty"] {
        let get = ask(&mut client, "GET", path);
        let head = ask(&mut client, "HEAD", path);
        assert_eq!(head.status, get.status);
        assert_eq!(head.body, b"");
        if !get.chunked && !get.body.is_empty() {
            assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        }
    }
    assert_eq!(ask(&mut client, "GET", "/after").text(), "GET /after");
    assert_eq!(server.notes.faults.lock().unwrap().len(), 0);
}

#[test]
fn statuses_without_content_have_none() {
    let server = Server::start();
    let mut client = server.client();
    for status in [204, 304, 205] {
        let response = ask(&mut client, "GET", &format!("/status/{status}"));
        assert_eq!((response.status, response.body.as_slice()), (status, &b""[..]));
        let length = response.header("content-length");
        assert!(length.is_none() || (status == 205 && length == Some("0")), "{response:?}");
        assert_eq!(response.header("transfer-encoding"), None);
    }
    assert_eq!(ask(&mut client, "GET", "/status/999").status, 999);
    assert_eq!(ask(&mut client, "GET", "/after").text(), "GET /after");
}

#[test]
fn the_app_may_have_its_own_words_for_a_status() {
    let server = Server::start();
    let mut client = server.client();
    client.send("GET /teapot HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let line = b"HTTP/1.1 418 Short \xf9 And Stout\r\n";
    assert_eq!(client.bytes(line.len()).unwrap(), line);
}

#[test]
fn an_informational_status_is_no_answer() {
    let server = Server::start();
    let mut client = server.client();
    assert_eq!(ask(&mut client, "GET", "/status/101").status, 500);
    assert_eq!(ask(&mut client, "GET", "/status/100").status, 500);
    assert_eq!(*server.notes.faults.lock().unwrap(), [Fault::Informational(101), Fault::Informational(100)]);
    server.still_serves();
}

#[test]
fn a_panic_is_one_500() {
    let server = Server::start();
    let mut client = server.client();
    assert_eq!(ask(&mut client, "GET", "/panic").status, 500);
    assert_eq!(ask(&mut client, "GET", "/after").text(), "GET /after");
    assert_eq!(*server.notes.faults.lock().unwrap(), [Fault::Panicked]);
}

#[test]
fn a_whole_body_of_another_length_than_promised_is_one_500() {
    let server = Server::start();
    let mut client = server.client();
    assert_eq!(ask(&mut client, "GET", "/length/5/7").status, 500);
    assert_eq!(ask(&mut client, "GET", "/length/7/5").status, 500);
    assert_eq!(ask(&mut client, "GET", "/lengths").status, 500);
    assert_eq!(ask(&mut client, "GET", "/length/5/5").body, b"xxxxx");
    let faults = server.notes.faults.lock().unwrap();
    let lengths = [Fault::WrongLength { promised: 5, given: 7 }, Fault::WrongLength { promised: 7, given: 5 }];
    assert_eq!(*faults, [lengths[0], lengths[1], Fault::ContentLength]);
}

#[test]
fn a_stream_of_another_length_than_promised_never_looks_whole() {
    let server = Server::start();
    for (path, fault) in
        [("/length/7/5/stream", Fault::TooShort { missing: 2 }), ("/length/5/7/stream", Fault::TooLong { surplus: 2 })]
    {
        let mut client = server.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        let error = client.response().unwrap_err();
        assert!(matches!(error, ReadError::CutShort(_) | ReadError::NoResponse | ReadError::Io(_)), "{error}");
        assert_eq!(server.notes.faults.lock().unwrap().pop(), Some(fault));
    }
    let mut client = server.client();
    let response = ask(&mut client, "GET", "/length/5/5/stream");
    assert_eq!((response.text().as_str(), response.chunked), ("xxxxx", false));
    assert_eq!(ask(&mut client, "GET", "/after").text(), "GET /after");
}

#[test]
fn an_answer_broken_off_is_seen_by_the_client() {
    let server = Server::start();
    for version in ["1.1", "1.0"] {
        let mut client = server.client();
        client.send(format!("GET /abort HTTP/{version}\r\nHost: a\r\n\r\n")).unwrap();
        let (ending, got) = client.ending(SOON);
        assert_eq!(ending, Ending::Reset, "HTTP/{version}: {}", got.escape_ascii());
        assert!(!got.ends_with(b"0\r\n\r\n"));
    }
    let entries = server.notes.entries.lock().unwrap();
    assert!(entries.iter().all(|entry| entry.3 == Outcome::Aborted), "{entries:?}");
}

#[test]
fn streams_are_chunked_or_end_with_the_connection() {
    let server = Server::start();
    let mut client = server.client();
    let response = ask(&mut client, "GET", "/stream/100/1000");
    assert_eq!((response.chunked, response.body.len()), (true, 100_000));
    assert_eq!(ask(&mut client, "GET", "/stream/0/0").body, b"");
    client.send("GET /stream/100/1000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
    let response = client.response().unwrap();
    assert_eq!((response.version.as_str(), response.chunked, response.body.len()), ("HTTP/1.0", false, 100_000));
    assert_eq!(response.header("transfer-encoding"), None);
}

#[test]
fn http_1_0_is_closed_unless_it_asks_otherwise() {
    let server = Server::start();
    let mut client = server.client();
    client.send("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
    let response = client.response().unwrap();
    assert_eq!((response.text().as_str(), response.header("connection")), ("GET /1", Some("keep-alive")));
    client.send("GET /2 HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().text(), "GET /2");
    assert_eq!(client.ending(SOON), (Ending::Fin, vec![]));
}

#[test]
fn connection_close_is_obeyed_and_said() {
    let server = Server::start();
    let mut client = server.client();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let response = client.response().unwrap();
    assert_eq!((response.text().as_str(), response.header("connection")), ("GET /1", Some("close")));
    assert_eq!(client.ending(SOON), (Ending::Fin, vec![]));
    assert_eq!(server.begun(), 1);
}

#[test]
fn fields_of_the_connection_are_not_the_apps() {
    let server = Server::start();
    let mut client = server.client();
    let response = ask(&mut client, "GET", "/hop");
    assert_eq!((response.chunked, response.text().as_str()), (false, "content"));
    for name in ["transfer-encoding", "upgrade", "trailer"] {
        assert_eq!(response.header(name), None);
    }
    assert_eq!(response.header("connection"), Some("close"), "what it may ask for");
    assert_eq!(client.ending(SOON), (Ending::Fin, vec![]));
}

#[test]
fn a_large_answer_is_whole_also_beside_upgrade_and_close() {
    let server = Server::start();
    for fields in
        ["Connection: close", "Connection: close, upgrade\r\nUpgrade: h2c", "Connection: upgrade\r\nUpgrade: h2c"]
    {
        let mut client = Client::connect_with_small_window(server.address);
        client.send(format!("GET /large/5000000 HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(client.response().unwrap().body.len(), 5_000_000, "{fields}");
    }
}

#[test]
fn continue_is_said_when_the_app_asks_for_the_body() {
    let server = Server::start();
    let mut client = server.client();
    let head = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.send(format!("POST /read {head}")).unwrap();
    assert_eq!(client.response().unwrap().status, 100);
    client.send("hello").unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    client.send(format!("POST /unread {head}")).unwrap();
    assert_eq!(client.response().unwrap().status, 200, "no 100 for a body that nobody reads");
    let (ending, rest) = client.ending(SOON);
    assert_eq!(
        (ending, rest),
        (Ending::Fin, vec![]),
        "the body may or may not come: nothing after it could be trusted"
    );
    let mut client = server.client();
    client.send("POST /old HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    assert_eq!(client.response().unwrap().status, 200, "HTTP/1.0 knows no 100");
    assert_eq!(server.calls().len(), 3);
}

#[test]
fn content_above_the_limit_gets_413() {
    let server = Server::with(|config| config.limits.body_bytes = Some(10));
    let mut client = server.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789").unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 413, "before the body and without a 100");
    assert_eq!(client.ending(SOON), (Ending::Fin, vec![]));
    assert_eq!(server.begun(), 1);
    let mut client = server.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 413, "while it is read");
    assert_eq!(client.ending(SOON), (Ending::Fin, vec![]));
    assert_eq!(server.calls().last().unwrap().body, Err(BodyError::TooLarge));
}

#[test]
fn refusals_are_in_the_access_log() {
    let server = Server::start();
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 400);
    server.until("it is written", |server| !server.notes.entries.lock().unwrap().is_empty());
    let entries = server.notes.entries.lock().unwrap();
    assert_eq!(*entries, [(None, Some(400), 0, Outcome::Refused("no Host field (RFC 9112 section 3.2)"))]);
}

#[test]
fn answers_are_in_the_access_log() {
    let server = Server::start();
    let mut client = server.client();
    ask(&mut client, "GET", "/large/1000");
    ask(&mut client, "HEAD", "/large/1000");
    ask(&mut client, "GET", "/stream/3/100");
    ask(&mut client, "GET", "/after");
    let entries = server.notes.entries.lock().unwrap();
    let entry = |method: &str, sent| (Some(method.to_owned()), Some(200), sent, Outcome::Complete);
    assert_eq!(entries[..3], [entry("GET", 1000), entry("HEAD", 0), entry("GET", 300)]);
}
