//! Bad and odd requests, byte for byte. What RFC 9110 and 9112 forbid is refused and the connection closed; what they allow is
//! answered exactly once. Never a request that the client did not send, and the next good one is served by the same server.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use common::Server;
use common::corpus::Verdict::{Answered, AnsweredThenRefused, Refused, RefusedBody};
use common::corpus::{
    BODIES, CHUNKS, CONTENT_LENGTH, FIELDS, HOSTS, REQUEST_LINE, Row, TARGETS, TRANSFER_ENCODING, Verdict,
};
use turnout_testkit::Ending;

/// Sends the bytes and compares; `size` bytes at a time.
fn check(server: &Server, (what, section, bytes, verdict): &Row, size: usize) {
    let row = format!("{what} (RFC {section}), {size} at a time: {}", bytes.escape_ascii());
    let (calls, begun) = (server.calls().len(), server.begun());
    let mut client = server.client();
    // A refusal may come while the rest is still being sent.
    let _ = client.dribble(bytes, size, Duration::ZERO);
    let (answered, refused, in_body) = match *verdict {
        Refused(status) => (0, Some(status), false),
        RefusedBody(status) => (0, Some(status), true),
        Answered(count) => (count, None, false),
        AnsweredThenRefused(count, status) => (count, Some(status), false),
    };
    for nth in 0..answered {
        let response = client.response().unwrap_or_else(|error| panic!("{row}: answer {nth}: {error}"));
        assert_eq!(response.status, 200, "{row}: {response:?}");
    }
    if let Some(status) = refused {
        let response = client.response().unwrap_or_else(|error| panic!("{row}: {error}"));
        assert_eq!(response.status, status, "{row}: {response:?}");
        assert_eq!(response.header("connection"), Some("close"), "{row}: {response:?}");
    } else {
        client.send("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let response = client.response().unwrap_or_else(|error| panic!("{row}: the one after it: {error}"));
        assert_eq!(response.text(), "GET /last", "{row}");
    }
    let (ending, rest) = client.ending(Duration::from_secs(5));
    assert_eq!((ending, rest.escape_ascii().to_string().as_str()), (Ending::Fin, ""), "{row}");
    let expected = if refused.is_some() { answered } else { answered + 1 };
    assert_eq!(server.begun() - begun, expected + usize::from(in_body), "{row}: calls of the app");
    let new = &server.calls()[calls..];
    assert_eq!(new.iter().filter(|call| call.body.is_ok()).count(), expected, "{row}: {new:?}");
    server.still_serves();
}

fn check_all(rows: &[Row]) {
    let server = Server::start();
    for row in rows {
        check(&server, row, usize::MAX);
        // Content that is still on its way when it is answered unread costs the connection, as it may: nobody waits for it.
        if row.2.starts_with(b"POST /unread") {
            continue;
        }
        check(&server, row, 1);
        check(&server, row, 7);
    }
    assert_eq!(*server.notes.faults.lock().unwrap(), []);
}

#[test]
fn a_content_length_is_one_number_or_refused() {
    check_all(CONTENT_LENGTH);
}

#[test]
fn a_transfer_coding_is_chunked_or_refused() {
    check_all(TRANSFER_ENCODING);
}

#[test]
fn chunks_are_framed_to_the_letter_or_refused() {
    check_all(CHUNKS);
}

#[test]
fn content_is_never_taken_for_a_request() {
    check_all(BODIES);
}

#[test]
fn request_lines_follow_the_grammar_or_are_refused() {
    check_all(REQUEST_LINE);
}

#[test]
fn targets_have_the_form_their_method_allows() {
    check_all(TARGETS);
}

#[test]
fn fields_follow_the_grammar_or_are_refused() {
    check_all(FIELDS);
}

#[test]
fn there_is_one_host() {
    check_all(HOSTS);
}

#[test]
fn what_is_too_large_is_refused() {
    let server = Server::start();
    let target = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(bytes - 1)).into_bytes();
    let value = |bytes: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "b".repeat(bytes)).into_bytes();
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "c:\r\n".repeat(count)).into_bytes();
    let chunk = |extension: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;{}\r\nx\r\n0\r\n\r\n",
            "d".repeat(extension)
        )
        .into_bytes()
    };
    let trailer = |bytes: usize| {
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {}\r\n\r\n", "e".repeat(bytes))
            .into_bytes()
    };
    let rows: Vec<(&str, Vec<u8>, Verdict)> = vec![
        ("a target of 8 KiB", target(8 * 1024), Answered(1)),
        ("a target of 8 KiB and one", target(8 * 1024 + 1), Refused(414)),
        ("a target of 64 KiB", target(64 * 1024), Refused(414)),
        ("a value of 60 KiB", value(60 * 1024), Answered(1)),
        ("a value of 64 KiB", value(64 * 1024), Refused(431)),
        ("a value of 1 MiB", value(1024 * 1024), Refused(431)),
        ("100 fields", fields(99), Answered(1)),
        ("101 fields", fields(100), Refused(431)),
        ("10,000 fields", fields(10_000), Refused(431)),
        ("an extension of 1 KiB", chunk(1024), Answered(1)),
        ("an extension of 64 KiB", chunk(64 * 1024), RefusedBody(400)),
        ("trailers of 4 KiB", trailer(4 * 1024), Answered(1)),
        ("trailers of 64 KiB", trailer(64 * 1024), RefusedBody(431)),
    ];
    for (what, bytes, verdict) in rows {
        let row: Row = (what, "6585 5", bytes.leak(), verdict);
        check(&server, &row, usize::MAX);
        check(&server, &row, 1000);
    }
}

#[test]
fn what_the_app_sees_is_what_was_sent() {
    let server = Server::start();
    let mut client = server.client();
    let sent = "POST http://target.example:80/a%20b?c=%zz HTTP/1.1\r\nHost: other\r\nX_Forwarded_For: 6.6.6.6\r\n\
                X-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\nContent-Length: 5\r\n\r\nhello";
    client.send(sent).unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    let calls = server.calls();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((call.method.as_str(), call.target.as_str()), ("POST", "http://target.example:80/a%20b?c=%zz"));
    assert_eq!(call.header("host"), [b"target.example:80"], "RFC 9112 section 3.2.2");
    assert_eq!(call.header("x-forwarded-for"), [&b"1.1.1.1"[..], b"2.2.2.2"]);
    assert_eq!(call.header("x_forwarded_for"), [b""; 0]);
    assert_eq!(call.body, Ok(b"hello".to_vec()));
}
