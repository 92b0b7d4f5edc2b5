//! `multipart/form-data` (RFC 7578): fields and files as a browser's form sends them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use crate::answer::{BodyStream, Chunks};
use crate::call::Body;
use crate::error::{Error, Kind};

/// One field or file of a form.
#[derive(Debug)]
pub struct Part {
    /// The field's name.
    pub name: String,
    /// What makes a file of it.
    pub filename: Option<String>,
    /// Its own, such as `Content-Type`; `Content-Disposition` is made of the names. A file without a type is `application/octet-stream`.
    pub headers: HeaderMap,
    /// What it is.
    pub content: Content,
}

/// What a part is.
#[derive(Debug)]
pub enum Content {
    /// In memory.
    Whole(Bytes),
    /// Comes as it is sent; how many bytes, if that is known.
    Stream(BodyStream, Option<u64>),
}

/// The body and its `Content-Type`. A form without streams is put together in memory and can be sent again; one with streams is sent as
/// they come, with a length if all are known.
pub fn multipart(parts: Vec<Part>) -> Result<(Body, HeaderValue), Error> {
    let boundary = boundary()?;
    let kind = format!("multipart/form-data; boundary={boundary}");
    let kind = HeaderValue::try_from(kind).map_err(|error| unsendable().caused_by(error))?;
    let mut segments = VecDeque::new();
    let mut text = Vec::new();
    for part in parts {
        head(&boundary, &part, &mut text);
        match part.content {
            Content::Whole(bytes) => text.extend_from_slice(&bytes),
            Content::Stream(stream, length) => {
                segments.push_back(Segment::Text(std::mem::take(&mut text).into()));
                segments.push_back(Segment::Stream { stream, length, came: 0 });
            }
        }
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let end = Bytes::from(text);
    if segments.is_empty() {
        return Ok((Body::Whole(end), kind));
    }
    segments.push_back(Segment::Text(end));
    let length = segments.iter().map(Segment::length).sum();
    let stream = BodyStream::new(Sending { segments });
    Ok((Body::Stream(parking_lot::Mutex::new(Some(stream)), length), kind))
}

/// Nobody can guess it: who could, might write parts of his own into a field's value.
fn boundary() -> Result<String, Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Error::new(Kind::LocalProtocol, "the system has no randomness to give").caused_by(error))?;
    Ok(format!("turnout-{:032x}", u128::from_ne_bytes(random)))
}

fn head(boundary: &str, part: &Part, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"").as_bytes());
    escape(&part.name, out);
    if let Some(filename) = &part.filename {
        out.extend_from_slice(b"\"; filename=\"");
        escape(filename, out);
    }
    out.extend_from_slice(b"\"\r\n");
    if part.filename.is_some() && !part.headers.contains_key(CONTENT_TYPE) {
        out.extend_from_slice(b"Content-Type: application/octet-stream\r\n");
    }
    for (name, value) in &part.headers {
        if name != CONTENT_DISPOSITION {
            let name = if name == CONTENT_TYPE { "Content-Type" } else { name.as_str() };
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// As browsers do (WHATWG HTML, "multipart/form-data encoding algorithm"): UTF-8, and only what would end the value or the line is changed.
fn escape(name: &str, out: &mut Vec<u8>) {
    for &byte in name.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"%22"),
            b'\r' => out.extend_from_slice(b"%0D"),
            b'\n' => out.extend_from_slice(b"%0A"),
            _ => out.push(byte),
        }
    }
}

fn unsendable() -> Error {
    Error::new(Kind::LocalProtocol, "the form cannot be sent")
}

/// A form on its way. Dropped early, it drops the streams it has not yet sent.
struct Sending {
    segments: VecDeque<Segment>,
}

enum Segment {
    Text(Bytes),
    Stream { stream: BodyStream, length: Option<u64>, came: u64 },
}

impl Segment {
    fn length(&self) -> Option<u64> {
        match self {
            Self::Text(bytes) => Some(bytes.len() as u64),
            Self::Stream { length, .. } => *length,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let (stream, length, came) = match self {
            Self::Text(bytes) => {
                let text = std::mem::take(bytes);
                return Poll::Ready((!text.is_empty()).then_some(Ok(text)));
            }
            Self::Stream { stream, length, came } => (stream, *length, came),
        };
        let piece = ready!(stream.poll_next(context)).transpose();
        if let Ok(Some(piece)) = &piece {
            *came += piece.len() as u64;
        }
        let wrong = match (&piece, length) {
            (Ok(Some(_)), Some(length)) => *came > length,
            (Ok(None), Some(length)) => *came != length,
            _ => false,
        };
        if wrong {
            let announced = length.unwrap_or_default();
            let message = format!("a file of the form was announced with {announced} bytes, but has others");
            return Poll::Ready(Some(Err(Error::new(Kind::LocalProtocol, message))));
        }
        Poll::Ready(piece.transpose())
    }
}

impl Chunks for Sending {
    fn poll_chunk(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        while let Some(segment) = self.segments.front_mut() {
            match ready!(segment.poll(context)) {
                Some(Ok(piece)) => return Poll::Ready(Some(Ok(piece))),
                Some(Err(error)) => {
                    self.segments.clear();
                    return Poll::Ready(Some(Err(error)));
                }
                None => drop(self.segments.pop_front()),
            }
        }
        Poll::Ready(None)
    }
}
