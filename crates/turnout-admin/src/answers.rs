//! The answers' common parts: the fields that every one has, JSON, errors with what to do.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use turnout_http::{Body, Response};

pub(crate) const JSON: &str = "application/json";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// Scripts, styles and calls of this very socket, and nobody may frame it. A form may be sent here and nowhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Wrong {
    #[serde(skip)]
    pub(crate) status: StatusCode,
    pub(crate) error: &'static str,
    pub(crate) hint: &'static str,
}

/// A wrong token, and not the first.
pub(crate) const TOO_OFTEN: Wrong = Wrong::new(
    StatusCode::TOO_MANY_REQUESTS,
    "a wrong token, and many came before it",
    "each token is looked at a second later for a while; the right one is let in all the same",
);

impl Wrong {
    pub(crate) const fn new(status: StatusCode, error: &'static str, hint: &'static str) -> Self {
        Self { status, error, hint }
    }
}

/// An answer with the fields that all have.
pub(crate) fn answer(status: StatusCode, kind: &'static str, body: Body) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Response { status, reason: None, headers, body, spent: None }
}

pub(crate) fn full(status: StatusCode, kind: &'static str, content: impl Into<Bytes>) -> Response {
    answer(status, kind, Body::Full(content.into()))
}

/// A file to be kept, under a name of letters, digits, `-` and `.`.
pub(crate) fn file(name: &str, kind: &'static str, content: impl Into<Bytes>) -> Response {
    let mut response = full(StatusCode::OK, kind, content);
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    response.headers.insert(CONTENT_DISPOSITION, disposition.expect("letters, digits, - and ."));
    response
}

pub(crate) fn wrong(wrong: Wrong) -> Response {
    let content = serde_json::to_vec(&wrong).expect("two texts");
    let mut response = full(wrong.status, JSON, content);
    if wrong.status == StatusCode::UNAUTHORIZED {
        // RFC 9110 section 11.6.1; no browser asks a person because of it.
        response.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if matches!(wrong.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// The method is not one of these.
pub(crate) fn not_allowed(methods: &'static str) -> Response {
    let mut response = wrong(Wrong::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this is not done by that method",
        "everything here is read with GET",
    ));
    response.headers.insert(ALLOW, HeaderValue::from_static(methods));
    response
}

/// Elsewhere, by GET.
pub(crate) fn see_other(place: &'static str) -> Response {
    let mut response = answer(StatusCode::SEE_OTHER, TEXT, Body::Empty);
    response.headers.insert(LOCATION, HeaderValue::from_static(place));
    response
}
