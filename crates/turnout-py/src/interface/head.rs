//! A request without its body, and the readings of it that several interfaces share.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, Method, Uri, Version};
use percent_encoding::percent_decode_str;
use turnout_http::{Connection, EarlyHints, Request, RequestBody};

/// What came before the body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) target: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) connection: Arc<Connection>,
    pub(crate) hints: EarlyHints,
}

impl Head {
    pub(crate) fn split(request: Request) -> (Self, RequestBody) {
        let Request { method, target, version, headers, body, connection, hints, received: _ } = request;
        (Self { method, target, version, headers, connection, hints }, body)
    }

    /// "1.0" or "1.1".
    pub(crate) fn http_version(&self) -> &'static str {
        if self.version == Version::HTTP_10 { "1.0" } else { "1.1" }
    }

    /// The path with its percent-encoding undone, as bytes: what they mean is the interface's business.
    pub(crate) fn path(&self) -> Cow<'_, [u8]> {
        percent_decode_str(self.target.path()).into()
    }

    pub(crate) fn query(&self) -> &str {
        self.target.query().unwrap_or("")
    }

    /// The `Host` it was sent to, for tables keyed by host.
    pub(crate) fn host(&self) -> Option<&str> {
        self.headers.get(http::header::HOST).and_then(|host| host.to_str().ok())
    }
}
