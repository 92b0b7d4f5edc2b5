//! One request as its caller meant it: checked, and ready to be sent any number of times.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use crate::answer::BodyStream;
use crate::error::Error;
use crate::exchange::check;
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

impl Call {
    /// To be sent in place of this one, with this value in that field.
    pub(crate) fn with_header(&self, name: HeaderName, value: HeaderValue) -> Self {
        let mut call = self.with_body(self.body.moved());
        call.headers.insert(name, value);
        call
    }

    /// To be sent in place of this one, with its body in memory: for a transport that shows it to somebody. What the network would refuse
    /// to send is refused here too.
    pub async fn in_memory(&self) -> Result<Self, Error> {
        let mut body = check(self)?;
        let mut bytes = BytesMut::new();
        while let Some(piece) = poll_fn(|context| body.poll_piece(context)).await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(self.with_body(if bytes.is_empty() { Body::Empty } else { Body::Whole(bytes.freeze()) }))
    }

    fn with_body(&self, body: Body) -> Self {
        let Self { method, url, headers, idempotent, stream, options, .. } = self;
        Self {
            method: method.clone(),
            url: url.clone(),
            headers: headers.clone(),
            body,
            idempotent: *idempotent,
            stream: *stream,
            options: Arc::clone(options),
        }
    }
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

    /// The same to be sent once more, if that can be.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Stream(..) => None,
        }
    }

    /// The same for a call that is sent in place of this one: a stream is taken out of it.
    fn moved(&self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Whole(bytes) => Self::Whole(bytes.clone()),
            Self::Stream(stream, length) => Self::Stream(parking_lot::Mutex::new(stream.lock().take()), *length),
        }
    }
}
