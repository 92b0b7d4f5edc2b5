//! The framer alone: nothing makes it panic, and how bytes were cut into reads never changes what it says. And beside hyper:
//! both see the same messages, with the same ends.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use common::corpus;
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use turnout_http::Limits;
use turnout_http::framer::{Content, Framer, Verdict};

/// What a framer made of a stream of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Judged {
    /// Whole messages, as they were passed.
    messages: Vec<Vec<u8>>,
    /// The beginning of one that was cut short.
    rest: Vec<u8>,
    /// The status it refused with.
    refused: Option<u16>,
}

/// Shows `bytes` in pieces of these sizes, as a connection does.
fn judge(bytes: &[u8], limits: &Limits, mut sizes: impl Iterator<Item = usize>) -> Judged {
    let mut framer = Framer::new(limits);
    let mut judged = Judged { messages: Vec::new(), rest: Vec::new(), refused: None };
    let (mut held, mut coming) = (Vec::new(), bytes);
    while !coming.is_empty() {
        let (piece, rest) = coming.split_at(sizes.next().unwrap_or(usize::MAX).clamp(1, coming.len()));
        coming = rest;
        held.extend_from_slice(piece);
        while !held.is_empty() {
            let good = match framer.judge(&held) {
                Verdict::Head(good, _) | Verdict::Content(good) => good,
                Verdict::More => break,
                Verdict::Refuse(refusal) => {
                    judged.refused = Some(refusal.status.as_u16());
                    return judged;
                }
            };
            assert!((1..=held.len()).contains(&good), "it passes what it was shown");
            judged.rest.extend(held.drain(..good));
            if framer.between_messages() {
                judged.messages.push(std::mem::take(&mut judged.rest));
            }
        }
    }
    judged
}

fn whole(bytes: &[u8], limits: &Limits) -> Judged {
    judge(bytes, limits, std::iter::empty())
}

/// Whole messages never depend on the cuts; what passed of one that was refused later may, since it is a matter of time.
fn assert_same(one: &Judged, other: &Judged, bytes: &[u8]) {
    assert_eq!(one.messages, other.messages, "{}", bytes.escape_ascii());
    assert_eq!(one.refused, other.refused, "{}", bytes.escape_ascii());
    if one.refused.is_none() {
        assert_eq!(one.rest, other.rest, "{}", bytes.escape_ascii());
    }
}

/// Small enough for generated requests to reach them.
fn small() -> Limits {
    Limits { head_bytes: 120, target_bytes: 20, body_bytes: Some(40), ..Limits::default() }
}

fn rows() -> impl Iterator<Item = &'static [u8]> {
    corpus::ALL.into_iter().flatten().map(|row| row.2)
}

#[test]
fn cuts_do_not_change_the_verdict_on_any_row() {
    for bytes in rows() {
        for limits in [Limits::default(), small()] {
            let at_once = whole(bytes, &limits);
            for size in 1..=bytes.len() {
                assert_same(&at_once, &judge(bytes, &limits, std::iter::repeat(size)), bytes);
            }
        }
    }
}

/// What hyper made of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    method: String,
    target: Vec<u8>,
    content: Vec<u8>,
}

/// Gives bare hyper one message after the other, each when the one before it was answered. It must see one request in each: if
/// it saw the end later it would wait for more, if earlier it would see two.
async fn hyper_sees(messages: &[Vec<u8>]) -> Vec<Seen> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let notes = Arc::clone(&seen);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let notes = Arc::clone(&notes);
        async move {
            let (head, mut body) = request.into_parts();
            let mut content = Vec::new();
            while let Some(frame) = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await {
                let frame = frame.map_err(|error| error.to_string()).expect("hyper takes what the framer passed");
                content.extend(frame.into_data().unwrap_or_default());
            }
            let target = head.uri.to_string().into_bytes();
            notes.lock().unwrap().push(Seen { method: head.method.to_string(), target, content });
            Ok::<_, Infallible>(hyper::Response::new(Empty))
        }
    });
    let serving = tokio::spawn(async move {
        let io = hyper_util::rt::TokioIo::new(server);
        hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(io, service).await
    });
    for (nth, message) in messages.iter().enumerate() {
        client.write_all(message).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(5), async {
            while seen.lock().unwrap().len() <= nth && !serving.is_finished() {
                tokio::task::yield_now().await;
            }
        });
        assert!(waited.await.is_ok(), "hyper waits for more than {}", message.escape_ascii());
        if serving.is_finished() {
            break;
        }
        // So that a second request in the same bytes would be seen.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
    drop(client);
    if let Ok(Err(error)) = serving.await {
        assert!(!error.is_parse(), "{error}: {messages:?}");
    }
    let seen = seen.lock().unwrap();
    seen.clone()
}

struct Empty;

impl hyper::body::Body for Empty {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

/// The same, read a third time, simply: what a message that passed says about itself.
fn plainly(message: &[u8]) -> (Seen, bool) {
    let message = message.strip_prefix(b"\r\n").unwrap_or(message);
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let (head, mut rest) = message.split_at(end);
    let head = head.iter().map(|byte| char::from(*byte)).collect::<String>();
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let head = head.to_ascii_lowercase();
    let mut content = Vec::new();
    if head.contains("\r\ntransfer-encoding:") {
        loop {
            let line = rest.windows(2).position(|two| two == b"\r\n").unwrap();
            let digits = rest[..line].split(|byte| !byte.is_ascii_hexdigit()).next().unwrap();
            let size = usize::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
            if size == 0 {
                break;
            }
            content.extend_from_slice(&rest[line + 2..line + 2 + size]);
            rest = &rest[line + 2 + size + 2..];
        }
    } else {
        content.extend_from_slice(rest);
    }
    let last =
        head.split("\r\n").filter_map(|line| line.strip_prefix("connection:")).any(|value| value.contains("close"));
    let last = last || head.lines().next().unwrap().ends_with("http/1.0");
    (Seen { method, target: target.into_bytes(), content }, last)
}

fn assert_agreement(runtime: &tokio::runtime::Runtime, bytes: &[u8]) {
    let mut judged = whole(bytes, &Limits::default());
    let mut expected: Vec<_> = judged.messages.iter().map(|message| plainly(message)).collect();
    // Behind the last request of a connection hyper reads no further.
    if let Some(last) = expected.iter().position(|(_, last)| *last) {
        expected.truncate(last + 1);
        judged.messages.truncate(last + 1);
    }
    let seen = runtime.block_on(hyper_sees(&judged.messages));
    let said: Vec<_> = seen.iter().map(|seen| (&seen.method, &seen.content)).collect();
    let should: Vec<_> = expected.iter().map(|(seen, _)| (&seen.method, &seen.content)).collect();
    assert_eq!(said, should, "{}", bytes.escape_ascii());
    for (seen, (expected, _)) in seen.iter().zip(&expected) {
        if expected.target.starts_with(b"/") {
            assert_eq!(seen.target, expected.target, "{}", bytes.escape_ascii());
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn framer_and_hyper_agree_on_every_boundary_of_the_corpus() {
    let runtime = runtime();
    for bytes in rows() {
        assert_agreement(&runtime, bytes);
        // And of what follows it.
        assert_agreement(&runtime, &[bytes, b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n", bytes].concat());
    }
}

/// Rows of the corpus behind each other, with a few bytes changed, dropped or doubled: near to HTTP, where parsers differ.
fn nearly_http() -> impl Strategy<Value = Vec<u8>> {
    let rows: Vec<&[u8]> = rows().collect();
    let rows = prop::collection::vec(prop::sample::select(rows), 1..4).prop_map(|rows| rows.concat());
    let odd = prop::sample::select(b"\r\n\t \0\x0b\x7f\x80\xff:;,=\"\\/?#%_+-.0159aAfFgG".to_vec());
    let edit = (any::<prop::sample::Index>(), 0..4_u8, odd);
    (rows, prop::collection::vec(edit, 0..4)).prop_map(|(mut bytes, edits)| {
        for (at, kind, odd) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = odd,
                1 => bytes.insert(at, odd),
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, bytes[at]),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        whole(&bytes, &Limits::default());
        whole(&bytes, &small());
    }

    #[test]
    fn cuts_do_not_change_the_verdict(bytes in nearly_http(), sizes in prop::collection::vec(1..40_usize, 1..60)) {
        for limits in [Limits::default(), small()] {
            let at_once = whole(&bytes, &limits);
            assert_same(&at_once, &judge(&bytes, &limits, sizes.iter().copied().cycle()), &bytes);
            assert_same(&at_once, &judge(&bytes, &limits, std::iter::repeat(1)), &bytes);
        }
    }

    #[test]
    fn framer_and_hyper_agree_near_the_corpus(bytes in nearly_http()) {
        thread_local!(static RUNTIME: tokio::runtime::Runtime = runtime());
        RUNTIME.with(|runtime| assert_agreement(runtime, &bytes));
    }
}

#[test]
fn a_head_says_what_follows_it() {
    let framed = |bytes: &[u8]| match Framer::new(&Limits::default()).judge(bytes) {
        Verdict::Head(length, head) => (length, head.content, head.has_underscores),
        other => panic!("{other:?}"),
    };
    assert_eq!(framed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest"), (27, Content::None, false));
    assert_eq!(framed(b"GET / HTTP/1.1\r\nHost: a\r\nA_b: c\r\n\r\n"), (35, Content::None, true));
    let length = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n";
    assert_eq!(framed(length), (65, Content::Length(i64::MAX.unsigned_abs()), false));
    let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(framed(chunked), (56, Content::Chunked, false));
}
