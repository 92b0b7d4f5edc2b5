//! What a form sends.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use turnout_client::body::{Content, Part, form, multipart};
use turnout_client::{Body, BodyStream, Chunks, Error, Kind};

struct Pieces(VecDeque<Result<Bytes, Error>>);

impl Chunks for Pieces {
    fn poll_chunk(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        Poll::Ready(self.0.pop_front())
    }
}

fn stream(pieces: &[&'static str]) -> BodyStream {
    BodyStream::new(Pieces(pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect()))
}

fn part(name: &str, filename: Option<&str>, kind: Option<&'static str>, content: Content) -> Part {
    let headers = kind.map(|kind| (http::header::CONTENT_TYPE, HeaderValue::from_static(kind)));
    Part {
        name: name.to_owned(),
        filename: filename.map(str::to_owned),
        headers: headers.into_iter().collect(),
        content,
    }
}

fn text(content: &'static str) -> Content {
    Content::Whole(Bytes::from_static(content.as_bytes()))
}

/// The body with its boundary called B, and the length that was announced.
async fn sent(parts: Vec<Part>) -> Result<(String, Option<u64>), Error> {
    let (body, kind) = multipart(parts)?;
    let boundary = kind.to_str().unwrap().strip_prefix("multipart/form-data; boundary=").unwrap().to_owned();
    let (bytes, length) = match body {
        Body::Empty => panic!("a form has a body"),
        Body::Whole(bytes) => (bytes.to_vec(), Some(bytes.len() as u64)),
        Body::Stream(stream, length) => {
            let mut stream = stream.lock().take().unwrap();
            let mut all = Vec::new();
            while let Some(piece) = stream.next().await {
                let piece = piece?;
                assert!(!piece.is_empty());
                all.extend_from_slice(&piece);
            }
            (all, length)
        }
    };
    if let Some(length) = length {
        assert_eq!(length, bytes.len() as u64);
    }
    Ok((String::from_utf8(bytes).unwrap().replace(&boundary, "B"), length))
}

#[tokio::test]
async fn fields_and_files_are_sent_as_a_browser_does() {
    let parts = vec![
        part("a", None, None, text("1")),
        part("f", Some("täst \"x\"\\.txt"), Some("text/plain"), text("hello")),
        part("evil\r\nX: y", Some("a\"; name=\"b"), None, text("--")),
    ];
    assert_eq!(
        sent(parts).await.unwrap().0,
        concat!(
            "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n",
            "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"täst %22x%22\\.txt\"\r\n",
            "Content-Type: text/plain\r\n\r\nhello\r\n",
            "--B\r\nContent-Disposition: form-data; name=\"evil%0D%0AX: y\"; filename=\"a%22; name=%22b\"\r\n",
            "Content-Type: application/octet-stream\r\n\r\n--\r\n",
            "--B--\r\n",
        )
    );
}

#[tokio::test]
async fn a_part_has_fields_of_its_own_but_one_disposition() {
    let mut part = part("a", None, None, text("1"));
    part.headers = HeaderMap::from_iter([
        (http::header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
        (http::HeaderName::from_static("x-part"), HeaderValue::from_static("yes")),
    ]);
    let body = sent(vec![part]).await.unwrap().0;
    assert_eq!(body, "--B\r\nContent-Disposition: form-data; name=\"a\"\r\nx-part: yes\r\n\r\n1\r\n--B--\r\n");
}

#[tokio::test]
async fn files_are_streamed_between_fields_and_the_length_is_known_if_theirs_are() {
    let parts = |length| {
        vec![
            part("a", None, None, text("1")),
            part("f", Some("f"), None, Content::Stream(stream(&["he", "llo"]), length)),
            part("b", None, None, text("2")),
            part("g", Some("g"), None, Content::Stream(stream(&[]), Some(0))),
        ]
    };
    let (known, length) = sent(parts(Some(5))).await.unwrap();
    assert!(length.is_some());
    let (unknown, length) = sent(parts(None)).await.unwrap();
    assert_eq!(length, None);
    assert_eq!(known, unknown);
    assert!(known.contains("\r\n\r\nhello\r\n--B\r\n"), "{known}");
    assert!(
        known.ends_with("filename=\"g\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--B--\r\n"),
        "{known}"
    );
}

#[tokio::test]
async fn a_file_that_is_not_as_long_as_announced_is_told() {
    for length in [4, 6] {
        let parts = vec![part("f", Some("f"), None, Content::Stream(stream(&["he", "llo"]), Some(length)))];
        assert_eq!(sent(parts).await.unwrap_err().kind(), Kind::LocalProtocol, "{length}");
    }
    let broken = Pieces(VecDeque::from([Ok(Bytes::from_static(b"he")), Err(Error::new(Kind::Read, "gone"))]));
    let parts = vec![part("f", Some("f"), None, Content::Stream(BodyStream::new(broken), Some(5)))];
    assert_eq!(sent(parts).await.unwrap_err().kind(), Kind::Read);
}

#[test]
fn no_two_forms_have_one_boundary() {
    let boundary = || multipart(Vec::new()).unwrap().1;
    assert_ne!(boundary(), boundary());
}

#[test]
fn pairs_become_a_form() {
    assert_eq!(form([("a b", "ä&="), ("a b", "\r\n+"), ("", "")]), "a+b=%C3%A4%26%3D&a+b=%0D%0A%2B&=");
}
