//! Request bodies read whole: in memory, in a file, or not at all.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::Read;
use std::sync::Arc;

use http::StatusCode;
use turnout_http::{
    Admission, App, Body, BodyError, Collected, Config, Drain, Limits, Request, RequestBody, Response, serve,
};
use turnout_net::Bind;
use turnout_testkit::Client;

/// Collects with 1,000 bytes of memory and answers with what it got: where it lay, how much, and a checksum.
struct Collector;

impl App for Collector {
    async fn call(&self, request: Request) -> Response {
        let text = match request.body.collect(1000).await {
            Ok(Collected::Memory(bytes)) => format!("memory {} {}", bytes.len(), sum(&bytes)),
            Ok(Collected::File(mut file, length)) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes.len() as u64, length);
                format!("file {length} {}", sum(&bytes))
            }
            Err(error) => format!("{error:?}"),
        };
        let mut response = Response::plain(StatusCode::OK, "");
        response.body = Body::Full(text.into());
        response
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|nth| (nth * 7 % 251) as u8).collect()
}

fn with_server(limits: Limits, test: impl FnOnce(&mut Client)) {
    let listener = Bind::parse("127.0.0.1:0").unwrap().listen(16, false).unwrap();
    let address = listener.local_addr().unwrap();
    let drain = Drain::new();
    let ending = drain.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let config = Arc::new(Config { limits, ..Config::default() });
            let admission = Arc::new(Admission::new(10, None));
            tokio::spawn(serve(vec![listener], Arc::new(Collector), config, admission, drain.clone()));
            drain.finished().await;
        });
    });
    test(&mut Client::connect(address));
    ending.abort();
    thread.join().unwrap();
}

#[test]
fn small_bodies_stay_in_memory_and_large_ones_go_to_a_file() {
    with_server(Limits::default(), |client| {
        for length in [0, 1, 999, 1000, 1001, 100_000, 3_000_000] {
            let content = content(length);
            let place = if length > 1000 { "file" } else { "memory" };
            let expected = format!("{place} {length} {}", sum(&content));
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")).unwrap();
            client.send(&content).unwrap();
            assert_eq!(client.response().unwrap().text(), expected);
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
            for piece in content.chunks(7000) {
                client.send(format!("{:x};ext=\"1\"\r\n", piece.len())).unwrap();
                client.send(piece).unwrap();
                client.send("\r\n").unwrap();
            }
            client.send("0\r\nX-Trailer: 1\r\n\r\n").unwrap();
            assert_eq!(client.response().unwrap().text(), expected);
        }
    });
}

#[test]
fn a_spooled_body_keeps_the_kind_of_its_error() {
    let limits = Limits { body_bytes: Some(500_000), ..Limits::default() };
    with_server(limits, |client| {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n60000\r\n").unwrap();
        client.send(vec![b'x'; 0x60000]).unwrap();
        client.send("\r\n60000\r\n").unwrap();
        let response = client.response().unwrap();
        // The app made an answer of the error at once; that is its right. The connection is closed all the same.
        assert_eq!((response.status, response.text().as_str()), (200, "TooLarge"));
        assert_eq!(client.ending(std::time::Duration::from_secs(5)).0, turnout_testkit::Ending::Fin);
    });
    with_server(Limits::default(), |client| {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n60000\r\n").unwrap();
        client.send(vec![b'x'; 0x60000]).unwrap();
        client.send("rubbish").unwrap();
        assert_eq!(client.response().unwrap().text(), "Malformed");
    });
}

#[tokio::test]
async fn bodies_can_be_made_without_a_connection() {
    let mut body = RequestBody::from(bytes::Bytes::from_static(b"abc"));
    assert!(!body.is_end());
    assert_eq!(body.next().await, Some(Ok(bytes::Bytes::from_static(b"abc"))));
    assert!(body.is_end());
    assert_eq!(body.next().await, None::<Result<bytes::Bytes, BodyError>>);
    let Ok(Collected::Memory(all)) = RequestBody::default().collect(0).await else { panic!("empty") };
    assert_eq!(all, "");
}
