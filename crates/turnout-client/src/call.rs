//! One request as its caller meant it: checked, and ready to be sent any number of times.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use url::Url;

use crate::answer::BodyStream;
use crate::options::Options;

/// What is to be sent. Immutable: an attempt, a redirect or a hedge makes its own from it.
#[derive(Debug)]
pub struct Call {
    /// As given; `http` has checked that it is a token.
    pub method: Method,
    /// Absolute, `http` or `https`; the fragment is not sent. User information in it has become an `Authorization` field.
    pub url: Url,
    /// The caller's and the client's, merged. `Host`, `Content-Length` and `Transfer-Encoding` are made when it is sent.
    pub headers: HeaderMap,
    /// What follows the head.
    pub body: Body,
    /// May be sent twice without harm: by its method (RFC 9110, 9.2.2), by an `Idempotency-Key`, or because the caller says so.
    pub idempotent: bool,
    /// The answer's body is handed over as it comes instead of being collected.
    pub stream: bool,
    /// All that is not the request itself.
    pub options: Arc<Options>,
}

/// What follows the head of a request.
#[derive(Debug, Default)]
pub enum Body {
    /// Nothing; no `Content-Length` but where the method usually has a body (RFC 9110, 8.6).
    #[default]
    Empty,
    /// In memory: can be sent again.
    Whole(Bytes),
    /// Comes as it is sent, once: neither retried, nor hedged, nor redirected with its body. `None` in place: it was taken.
    Stream(parking_lot::Mutex<Option<BodyStream>>, Option<u64>),
}

impl Body {
    /// Can be sent a second time.
    pub fn is_replayable(&self) -> bool {
        !matches!(self, Self::Stream(..))
    }
}
