//! The request's head: what the caller may say, and what is made here (RFC 9110, 9112 and 9113).

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use url::{Position, Url};

use super::http1::Forward;
use super::outgoing::Outgoing;
use crate::body::ACCEPT_ENCODING;
use crate::call::{Body, Call};
use crate::error::{Error, Kind};

/// Of the connection, not of the message: ours to say (RFC 9110, 7.6.1). `Expect` would wait for a server that may not answer it.
const OURS: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Whether `call` can be sent at all, before a connection is taken; and its body, which a stream gives once.
pub(crate) fn check(call: &Call) -> Result<Outgoing, Error> {
    if call.method == Method::CONNECT {
        return Err(refused("CONNECT opens a tunnel, and a client of HTTP has no use for one"));
    }
    if call.headers.get_all(header::HOST).iter().count() > 1 {
        return Err(refused("a request has one Host"));
    }
    let body = match &call.body {
        Body::Empty => Outgoing::Nothing,
        Body::Whole(bytes) if bytes.is_empty() => Outgoing::Nothing,
        Body::Whole(bytes) => Outgoing::Whole(bytes.clone()),
        Body::Stream(stream, length) => match stream.lock().take() {
            Some(stream) => Outgoing::stream(stream, *length),
            None => return Err(refused("the request's body was a stream and has been sent already")),
        },
    };
    if call.method == Method::TRACE && !matches!(body, Outgoing::Nothing) {
        return Err(refused("a TRACE request has no body"));
    }
    Ok(body)
}

/// For HTTP/1.1. `forward`: for a plain proxy, with what that asks for.
pub(super) fn http1(call: &Call, body: Outgoing, forward: Option<&Forward>) -> Result<Request<Outgoing>, Error> {
    let uri = match forward {
        Some(_) => absolute(&call.url)?,
        None => Uri::from(path(&call.url)?),
    };
    let mut headers = fields(call, &body);
    if let Some(Forward { credentials: Some(credentials) }) = forward {
        headers.insert(header::PROXY_AUTHORIZATION, credentials.clone());
    }
    if length(&body).is_none() {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if !headers.contains_key(header::HOST) {
        headers.insert(header::HOST, value(authority(&call.url))?);
    }
    if asks_to_close(&call.headers) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let mut request = Request::new(body);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// For HTTP/2: the host is in the target.
pub(super) fn http2(call: &Call, body: &Outgoing) -> Result<Request<()>, Error> {
    let mut headers = fields(call, body);
    let host = headers.remove(header::HOST);
    let named = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or(authority(&call.url));
    if let Some(length) = length(body)
        && !matches!(body, Outgoing::Nothing)
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let uri = Uri::builder().scheme(call.url.scheme()).authority(named).path_and_query(path(&call.url)?).build();
    let mut request = Request::new(());
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = uri.map_err(not_a_url)?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The caller's fields without those that are ours.
fn fields(call: &Call, body: &Outgoing) -> HeaderMap {
    let mut headers = call.headers.clone();
    for name in &OURS {
        headers.remove(name);
    }
    headers.remove("proxy-connection");
    // A part of an encoded body cannot be decoded.
    let is_ours_to_say = !headers.contains_key(header::ACCEPT_ENCODING) && !headers.contains_key(header::RANGE);
    if call.options.decode && is_ours_to_say {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(ACCEPT_ENCODING));
    }
    // RFC 9110, 8.6: said where the method usually has a body, so that nobody waits for one.
    let usual = matches!(call.method, Method::POST | Method::PUT | Method::PATCH);
    if usual && matches!(body, Outgoing::Nothing) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    headers
}

fn length(body: &Outgoing) -> Option<u64> {
    http_body::Body::size_hint(body).exact()
}

fn path(url: &Url) -> Result<PathAndQuery, Error> {
    let target = &url[Position::BeforePath..Position::AfterQuery];
    PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(target.as_bytes())).map_err(not_a_url)
}

/// RFC 9112, 3.2.2; without user information and fragment.
fn absolute(url: &Url) -> Result<Uri, Error> {
    let (scheme, rest) = (url.scheme(), &url[Position::BeforeHost..Position::AfterQuery]);
    Uri::from_maybe_shared(Bytes::from(format!("{scheme}://{rest}"))).map_err(not_a_url)
}

fn authority(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

fn value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(not_a_url)
}

fn asks_to_close(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|option| option.trim().eq_ignore_ascii_case("close")))
}

fn not_a_url(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::InvalidUrl, "the URL has something in it that cannot be sent").caused_by(error)
}

fn refused(message: &str) -> Error {
    Error::new(Kind::LocalProtocol, message)
}
