//! A request without its body, and the readings of it that several interfaces share.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, Method, Uri, Version};
use percent_encoding::percent_decode_str;
use turnout_http::{Connection, EarlyHints, Request, RequestBody};

use super::Root;

/// What came before the body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) target: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) connection: Arc<Connection>,
    pub(crate) hints: EarlyHints,
    root: Option<Arc<Root>>,
}

impl Head {
    /// `None`: the path is not below the root.
    pub(crate) fn split(request: Request, root: Option<&Arc<Root>>) -> Option<(Self, RequestBody)> {
        let Request { method, target, version, headers, body, connection, hints, began: _, received: _ } = request;
        let head = Self { method, target, version, headers, connection, hints, root: root.cloned() };
        let is_ours = head.root.is_none() || head.below().is_some();
        is_ours.then_some((head, body))
    }

    /// "1.0" or "1.1".
    pub(crate) fn http_version(&self) -> &'static str {
        if self.version == Version::HTTP_10 { "1.0" } else { "1.1" }
    }

    /// `--root-path`, or nothing.
    pub(crate) fn root(&self) -> &str {
        self.root.as_ref().map_or("", |root| root.prefix())
    }

    /// The whole path with its percent-encoding undone, as bytes: what they mean is the interface's business.
    pub(crate) fn path(&self) -> Cow<'_, [u8]> {
        let path = self.decoded();
        match &self.root {
            Some(root) if !self.is_for_server() => root.whole(path),
            _ => path,
        }
    }

    /// The path below the root. With one, `split` has seen to it that there is such a path.
    pub(crate) fn path_info(&self) -> Cow<'_, [u8]> {
        self.below().unwrap_or_default()
    }

    /// True for a request to the server and not to a path (RFC 9112 section 3.2.4).
    pub(crate) fn is_for_server(&self) -> bool {
        self.target.path() == "*"
    }

    fn below(&self) -> Option<Cow<'_, [u8]>> {
        let path = self.decoded();
        match &self.root {
            Some(root) if !self.is_for_server() => root.below(path),
            _ => Some(path),
        }
    }

    fn decoded(&self) -> Cow<'_, [u8]> {
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
