//! Content codings come off, whatever the pieces; what is broken, endless or cut is told by name.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::VecDeque;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use turnout_client::body::unpack;
use turnout_client::{
    Answer, AnswerBody, Body, BodyStream, Call, Chunks, Client, Cpu, Error, Head, Kind, Limits, Options, Scope, send,
};

const MAX: usize = 32 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn br(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut encoded, 4096, 5, 22);
    encoder.write_all(bytes).unwrap();
    drop(encoder);
    encoded
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

type Encode = fn(&[u8]) -> Vec<u8>;

const CODINGS: [(&str, Encode); 5] =
    [("gzip", gzip), ("deflate", zlib), ("deflate", deflate), ("br", br), ("zstd", zstd)];

fn head(coding: &str) -> Head {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap());
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("7"));
    let url = "http://upstream.example/".parse().unwrap();
    Head { url, status: StatusCode::OK, headers, version: Version::HTTP_11 }
}

struct Pieces(VecDeque<Bytes>);

impl Chunks for Pieces {
    fn poll_chunk(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// The body in pieces of `size`.
fn streamed(body: &[u8], size: usize) -> AnswerBody {
    AnswerBody::Stream(BodyStream::new(Pieces(body.chunks(size.max(1)).map(Bytes::copy_from_slice).collect())))
}

/// What comes out, and the largest piece of it.
async fn collect(body: AnswerBody) -> Result<(Vec<u8>, usize), Error> {
    let mut stream = match body {
        AnswerBody::Whole(bytes) => return Ok((bytes.to_vec(), bytes.len())),
        AnswerBody::Stream(stream) => stream,
    };
    let (mut all, mut largest) = (Vec::new(), 0);
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        assert!(!piece.is_empty());
        largest = largest.max(piece.len());
        all.extend_from_slice(&piece);
    }
    Ok((all, largest))
}

async fn decoded_with(coding: &str, body: AnswerBody, max: usize) -> Result<(Vec<u8>, usize), Error> {
    let mut head = head(coding);
    let body = unpack(&Cpu::default(), &Method::GET, &mut head, body, max).await?;
    assert!(!head.headers.contains_key(CONTENT_ENCODING) && !head.headers.contains_key(CONTENT_LENGTH));
    collect(body).await
}

/// Collected, and as a stream in pieces of 7 bytes and of 1000: all three agree.
async fn decoded(coding: &str, body: &[u8], max: usize) -> Result<Vec<u8>, Kind> {
    let whole = decoded_with(coding, AnswerBody::Whole(Bytes::copy_from_slice(body)), max).await;
    let whole = whole.map(|(all, _)| all).map_err(|error| error.kind());
    for size in [7, 1000] {
        let stream = decoded_with(coding, streamed(body, size), max).await;
        let stream = stream.map(|(all, _)| all).map_err(|error| error.kind());
        assert_eq!(whole, stream, "{coding} in pieces of {size}");
    }
    whole
}

/// Text that does not shrink to nothing, and not only one block of it.
fn prose(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"etaoin shrdlu\n"[(state >> 16) as usize % 14]
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn every_coding_comes_off_whole_and_in_pieces() {
    for (name, encode) in CODINGS {
        for length in [0, 1, 100, 70_000] {
            let text = prose(length);
            assert_eq!(decoded(name, &encode(&text), MAX).await, Ok(text), "{name} of {length}");
        }
    }
}

#[tokio::test]
async fn an_empty_body_is_empty_under_every_name() {
    for (name, _) in CODINGS {
        assert_eq!(decoded(name, b"", MAX).await, Ok(Vec::new()), "{name}");
    }
}

#[tokio::test]
async fn two_codings_come_off_one_after_the_other() {
    let text = prose(40_000);
    for (first, inner) in CODINGS {
        for (second, outer) in CODINGS {
            let body = outer(&inner(&text));
            let name = format!("{first}, {second}");
            let whole = decoded_with(&name, AnswerBody::Whole(body.clone().into()), MAX).await.unwrap();
            let stream = decoded_with(&name, streamed(&body, 777), MAX).await.unwrap();
            assert!(whole.0 == text && stream.0 == text, "{name}");
        }
    }
}

#[tokio::test]
async fn members_and_frames_follow_one_another() {
    for (name, encode) in [("gzip", gzip as Encode), ("zstd", zstd)] {
        let body = [encode(b"one, "), encode(b""), encode(b"two")].concat();
        assert_eq!(decoded(name, &body, MAX).await, Ok(b"one, two".to_vec()), "{name}");
    }
}

#[tokio::test]
async fn a_body_that_ends_in_the_middle_is_told() {
    for (name, encode) in CODINGS {
        let body = encode(&prose(5000));
        for end in [1, 2, 3, 11, body.len() / 2, body.len() - 1] {
            assert_eq!(decoded(name, &body[..end], MAX).await, Err(Kind::Decoding), "{name} cut at {end}");
        }
    }
    let error = decoded_with("br", AnswerBody::Whole(br(&prose(5000))[..50].to_vec().into()), MAX).await.unwrap_err();
    assert_eq!(error.message(), "the upstream's br body ends in the middle");
}

#[tokio::test]
async fn bytes_behind_the_end_are_told() {
    for (name, encode) in CODINGS {
        for garbage in [&b"\n"[..], b"garbage behind the end", &[0; 100]] {
            let body = [&encode(&prose(5000)), garbage].concat();
            assert_eq!(decoded(name, &body, MAX).await, Err(Kind::Decoding), "{name} + {garbage:?}");
        }
    }
}

#[tokio::test]
async fn another_body_than_the_head_says_is_told() {
    for (name, _) in CODINGS {
        let body =
            AnswerBody::Whole(Bytes::from_static(b"{\"hello\": \"this is plain JSON, whatever the head says\"}"));
        let error = decoded_with(name, body, MAX).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Decoding);
        assert!(error.message().contains(name), "{}", error.message());
    }
}

#[tokio::test]
async fn a_damaged_body_is_told() {
    for (name, encode) in [("gzip", gzip as Encode), ("deflate", zlib)] {
        let mut body = encode(&prose(5000));
        let end = body.len();
        body[end - 5] ^= 1; // in the checksum
        assert_eq!(decoded(name, &body, MAX).await, Err(Kind::Decoding), "{name}");
    }
}

#[tokio::test]
async fn what_nobody_here_knows_is_passed_on() {
    let mut head = head("exi, gzip");
    let body = AnswerBody::Whole(Bytes::from_static(b"as it is"));
    let body = unpack(&Cpu::default(), &Method::GET, &mut head, body, MAX).await.unwrap();
    assert_eq!(head.headers[CONTENT_ENCODING], "exi, gzip");
    assert_eq!(collect(body).await.unwrap().0, b"as it is");
}

#[tokio::test]
async fn an_answer_without_a_whole_body_is_left_alone() {
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304), (Method::GET, 206)] {
        let mut head = head("gzip, gzip, gzip");
        head.status = StatusCode::from_u16(status).unwrap();
        unpack(&Cpu::default(), &method, &mut head, AnswerBody::Whole(Bytes::new()), MAX).await.unwrap();
        assert_eq!(head.headers[CONTENT_LENGTH], "7");
    }
}

#[tokio::test]
async fn a_bomb_goes_off_at_the_cap_or_because_it_grows_too_much() {
    let zeros = vec![0; 2 << 20];
    for (name, encode) in CODINGS {
        let bomb = encode(&zeros);
        assert_eq!(decoded(name, &bomb, 1 << 20).await, Err(Kind::ResponseTooLarge), "{name}");
        let error = decoded_with(name, AnswerBody::Whole(bomb.into()), MAX).await.unwrap_err();
        assert_eq!(error.kind(), Kind::ResponseTooLarge);
        assert!(error.message().contains("500-fold"), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_bomb_in_a_bomb_goes_off_although_nothing_comes_out_of_it() {
    // The outer coding hides an endless row of empty members: the inner one gives not a byte.
    let members = gzip(b"").repeat(20_000);
    for (name, encode) in [("gzip, gzip", gzip as Encode), ("gzip, zstd", zstd), ("gzip, br", br)] {
        let bomb = encode(&members);
        let error = decoded_with(name, AnswerBody::Whole(bomb.into()), MAX).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::ResponseTooLarge | Kind::Decoding), "{name}: {error}");
    }
    let error = decoded_with("gzip", AnswerBody::Whole(members.into()), MAX).await.unwrap_err();
    assert_eq!(error.message(), "the upstream's gzip body is cut into far too many members");
}

#[tokio::test]
async fn the_cap_is_on_what_comes_out() {
    let text = prose(100_000);
    for (name, encode) in CODINGS {
        assert_eq!(decoded(name, &encode(&text), 100_000).await.map(|all| all.len()), Ok(100_000), "{name}");
        assert_eq!(decoded(name, &encode(&text), 99_999).await, Err(Kind::ResponseTooLarge), "{name}");
    }
}

#[tokio::test]
async fn a_small_body_may_grow_as_it_likes() {
    let zeros = vec![0; 1 << 20];
    for (name, encode) in CODINGS {
        assert_eq!(decoded(name, &encode(&zeros), MAX).await.map(|all| all.len()), Ok(1 << 20), "{name}");
    }
}

#[tokio::test]
async fn a_stream_comes_in_small_pieces_however_much_one_of_its_own_becomes() {
    for (name, encode) in CODINGS {
        let body = encode(&vec![0; 1 << 20]);
        let (all, largest) = decoded_with(name, streamed(&body, body.len()), MAX).await.unwrap();
        assert!(all.len() == 1 << 20 && largest <= 32 << 10, "{name}: {largest}");
    }
}

#[tokio::test]
async fn a_zstd_window_beyond_8_mib_is_refused() {
    for (log, fits) in [(23, true), (24, false)] {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.set_parameter(zstd::zstd_safe::CParameter::WindowLog(log)).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&prose(1000)).unwrap();
        let body = encoder.finish().unwrap();
        let result = decoded("zstd", &body, MAX).await;
        assert_eq!(result.err(), (!fits).then_some(Kind::Decoding), "2^{log}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_keeps_its_own_error() {
    struct Breaking(bool);
    impl Chunks for Breaking {
        fn poll_chunk(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
            let first = std::mem::replace(&mut self.0, false);
            let piece = if first { Ok(gzip(b"hello").into()) } else { Err(Error::new(Kind::Read, "gone")) };
            Poll::Ready(Some(piece))
        }
    }
    let body = AnswerBody::Stream(BodyStream::new(Breaking(true)));
    assert_eq!(decoded_with("gzip", body, MAX).await.unwrap_err().kind(), Kind::Read);
}

/// Answers one request with `body`, and gives back the head that it got.
async fn upstream(head: &'static str, body: Vec<u8>) -> (std::net::SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            assert!(connection.read_buf(&mut request).await.unwrap() > 0);
        }
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{head}\r\n\r\n");
        connection.write_all(&[answer.as_bytes(), &body].concat()).await.unwrap();
        String::from_utf8(request).unwrap().to_ascii_lowercase()
    });
    (address, served)
}

async fn get(address: std::net::SocketAddr, decode: bool, stream: bool, range: bool) -> Result<Answer, Error> {
    let mut headers = HeaderMap::new();
    if range {
        headers.insert(RANGE, HeaderValue::from_static("bytes=0-9"));
    }
    let call = Call {
        method: Method::GET,
        url: format!("http://{address}/").parse().unwrap(),
        headers,
        body: Body::Empty,
        idempotent: true,
        stream,
        options: Arc::new(Options { decode, ..Options::default() }),
    };
    send(&Client::new(Limits::default()), Arc::new(call), &Scope::default()).await
}

#[tokio::test]
async fn a_call_asks_for_codings_and_takes_them_off() {
    let text = prose(300_000);
    for stream in [false, true] {
        let (address, served) = upstream("Content-Encoding: zstd", zstd(&text)).await;
        let answer = get(address, true, stream, false).await.unwrap();
        assert!(!answer.head.headers.contains_key(CONTENT_ENCODING));
        assert!(answer.timings.decode.is_some());
        assert!(collect(answer.body).await.unwrap().0 == text);
        assert!(served.await.unwrap().contains("\r\naccept-encoding: gzip, deflate, br, zstd\r\n"));
    }
}

#[tokio::test]
async fn a_call_that_decodes_nothing_asks_for_nothing() {
    for (decode, range) in [(false, false), (true, true)] {
        let (address, served) = upstream("Content-Encoding: exi", b"as it is".to_vec()).await;
        let answer = get(address, decode, false, range).await.unwrap();
        assert_eq!(answer.head.headers[CONTENT_ENCODING], "exi");
        assert_eq!(collect(answer.body).await.unwrap().0, b"as it is");
        assert!(!served.await.unwrap().contains("accept-encoding"));
    }
}

#[tokio::test]
async fn a_broken_body_is_an_error_of_the_call() {
    let (address, _served) = upstream("Content-Encoding: gzip", b"not gzip".to_vec()).await;
    let error = get(address, true, false, false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Decoding);
    assert!(error.sent() && error.upstream().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes under any name: no panic, never more than the cap, and the same however they are cut.
    #[test]
    fn any_bytes_are_a_body_or_an_error(
        name in prop::sample::select(vec!["gzip", "deflate", "br", "zstd", "gzip, br", "zstd, deflate"]),
        text in prop::collection::vec(any::<u8>(), 0..2000),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        encoded in any::<bool>(),
        size in 1_usize..300,
        max in 0_usize..3000,
    ) {
        let mut body = text;
        if encoded {
            for coding in name.split(", ") {
                body = CODINGS.iter().find(|(known, _)| *known == coding).map_or(body.clone(), |(_, encode)| encode(&body));
            }
        }
        for (at, byte) in damage {
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (whole, stream) = runtime.block_on(async {
            let whole = decoded_with(name, AnswerBody::Whole(Bytes::copy_from_slice(&body)), max).await;
            (whole, decoded_with(name, streamed(&body, size), max).await)
        });
        match (whole, stream) {
            (Ok((whole, _)), Ok((stream, _))) => {
                prop_assert!(whole.len() <= max);
                prop_assert_eq!(whole, stream);
            }
            (Err(whole), Err(stream)) => {
                prop_assert!(matches!(whole.kind(), Kind::Decoding | Kind::ResponseTooLarge));
                prop_assert!(matches!(stream.kind(), Kind::Decoding | Kind::ResponseTooLarge));
            }
            (whole, stream) => prop_assert!(false, "{whole:?} and {stream:?}"),
        }
    }
}
