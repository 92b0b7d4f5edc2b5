//! From the app's [`Response`] to what hyper may send: content rules and hop-by-hop fields are decided here.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use hyper::ext::ReasonPhrase;

use crate::app::Response;
use crate::body::Body;
use crate::config::Fault;
use crate::file::{Opened, Pieces};
use crate::framer::Refusal;
use crate::outgoing::Content;

/// What one look at the app's fields found. Looking each up by name would cost more than all the rest of this file.
#[derive(Default)]
struct Found {
    promised: Option<u64>,
    /// The promise is written otherwise than we would: twice, or with zeros before it.
    odd_length: bool,
    has_hop_by_hop: bool,
    close: bool,
}

/// An answer that follows the rules.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) reason: Option<ReasonPhrase>,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
    /// The app asked for the connection to be closed.
    pub(crate) close: bool,
}

/// Judges what the app gave, and reads the first piece of a file. An `Err` is answered with 500.
pub(crate) async fn check(response: Response, method: &Method) -> Result<Answer, Fault> {
    let Response { status, reason, mut headers, body, spent: _ } = response;
    if status.is_informational() {
        return Err(Fault::Informational(status.as_u16()));
    }
    let Found { promised, odd_length, has_hop_by_hop, close } = look(&headers)?;
    if has_hop_by_hop {
        // Only an answer in chunks can have trailers.
        let keeps_trailer = matches!(body, Body::Stream(_)) && promised.is_none();
        remove_hop_by_hop(&mut headers, keeps_trailer);
    }
    let content = if *method == Method::HEAD {
        head_only(promised, &body, &mut headers);
        Content::None
    } else if has_no_content(status) {
        // RFC 9110 section 8.6: no length in a 204; section 15.4.5: a 304 speaks of an answer that is not sent.
        headers.remove(header::CONTENT_LENGTH);
        Content::None
    } else {
        let content = content(body, promised).await?;
        if let Some(promised) = promised.filter(|_| odd_length) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(promised));
        }
        content
    };
    Ok(Answer { status, reason, headers, content, close })
}

/// 500 without a word about why: that is the operator's business.
pub(crate) fn failed() -> Answer {
    own(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error\n")
}

/// At the limit of requests in flight.
pub(crate) fn overloaded() -> Answer {
    let mut answer = own(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable\n");
    answer.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// The framer refused what followed the head.
pub(crate) fn refused(refusal: Refusal) -> Answer {
    let mut answer = own(refusal.status, refusal.why);
    answer.close = true;
    answer
}

/// A short answer of turnout's own.
pub(crate) fn own(status: StatusCode, text: &'static str) -> Answer {
    let Response { status, headers, .. } = Response::plain(status, "");
    Answer { status, reason: None, headers, content: Content::Full(text.as_bytes().into()), close: false }
}

async fn content(body: Body, promised: Option<u64>) -> Result<Content, Fault> {
    let given = match &body {
        Body::Empty => 0,
        Body::Full(bytes) => bytes.len() as u64,
        Body::File(range) => range.length(),
        Body::Stream(_) => promised.unwrap_or(0),
    };
    match promised {
        Some(promised) if promised != given => Err(Fault::WrongLength { promised, given }),
        _ => Ok(match body {
            Body::Empty => Content::None,
            Body::Full(bytes) => Content::Full(bytes),
            Body::Stream(chunks) => Content::Stream { chunks, left: promised },
            Body::File(range) => match Pieces::open(range).await? {
                Opened::Whole(bytes) => Content::Full(bytes),
                Opened::Pieces(pieces) => Content::File(pieces),
            },
        }),
    }
}

/// RFC 9110 section 9.3.2: the fields a GET would have had. A body that is empty here says nothing about GET's.
fn head_only(promised: Option<u64>, body: &Body, headers: &mut HeaderMap) {
    let length = match body {
        Body::Full(bytes) if promised.is_none() && !bytes.is_empty() => Some(bytes.len() as u64),
        Body::File(range) if promised.is_none() => Some(range.length()),
        _ => promised,
    };
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Statuses whose answers end with their head (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5).
pub fn has_no_content(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

fn look(headers: &HeaderMap) -> Result<Found, Fault> {
    let mut found = Found::default();
    for (name, value) in headers {
        if *name == header::CONTENT_LENGTH {
            // One number, however often it is said.
            let length = number(value).ok_or(Fault::ContentLength)?;
            match found.promised.replace(length) {
                Some(before) if before != length => return Err(Fault::ContentLength),
                Some(_) => found.odd_length = true,
                None => found.odd_length = !is_plain(value),
            }
        } else if is_hop_by_hop(name) {
            found.has_hop_by_hop = true;
            found.close |= *name == header::CONNECTION && asks_to_close(value);
        }
    }
    Ok(found)
}

/// Fields that speak of one connection; they are ours, never the app's (RFC 9110 section 7.6.1, RFC 9112 section 6.1).
fn is_hop_by_hop(name: &HeaderName) -> bool {
    [header::TRANSFER_ENCODING, header::CONNECTION, header::TRAILER, header::TE, header::UPGRADE].contains(name)
        || name == "keep-alive"
}

/// The app's fields stay in their order: `HeaderMap::remove` would put the last one where the removed one was.
fn remove_hop_by_hop(headers: &mut HeaderMap, keeps_trailer: bool) {
    let mut last = None;
    for (name, value) in std::mem::take(headers) {
        // A field's further values come without its name.
        if name.is_some() {
            last = name;
        }
        let Some(name) = &last else { continue };
        if !is_hop_by_hop(name) || (keeps_trailer && *name == header::TRAILER) {
            headers.append(name, value);
        }
    }
}

fn is_plain(length: &HeaderValue) -> bool {
    matches!(length.as_bytes(), [b'0'] | [b'1'..=b'9', ..]) && length.as_bytes().last().is_some_and(u8::is_ascii_digit)
}

fn number(value: &HeaderValue) -> Option<u64> {
    let digits = value.as_bytes().trim_ascii();
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn asks_to_close(value: &HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}
