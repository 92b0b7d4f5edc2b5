//! From what hyper and h2 say to whose fault it was.

use std::error::Error as StdError;
use std::io;

use tokio::time::Duration;

use crate::error::{Error, Kind};

/// How far an exchange had got when it broke.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress<'a> {
    pub(super) host: &'a str,
    /// Bytes of the request have been given to the kernel.
    pub(super) sent: bool,
    /// All of them.
    pub(super) complete: bool,
    /// Bytes of the answer have come.
    pub(super) heard: bool,
}

impl Progress<'_> {
    /// Of an HTTP/1.1 connection.
    pub(super) fn broken1(&self, error: hyper::Error) -> Error {
        if let Some(own) = own(&error) {
            return self.marked(own);
        }
        let host = self.host;
        let made = if error.is_parse_too_large() {
            Error::new(
                Kind::RemoteProtocol,
                format!(
                    "the head of the answer from {host} has more than 100 fields or {} KiB",
                    super::http1::HEAD_LIMIT / 1024
                ),
            )
        } else if error.is_parse() || is_nonsense(&error) {
            Error::new(Kind::RemoteProtocol, format!("the answer from {host} is not HTTP"))
        } else if self.heard && !self.sent {
            Error::new(Kind::RemoteProtocol, format!("{host} spoke before it was asked"))
        } else if self.heard {
            Error::new(Kind::Read, format!("{host} closed the connection before the answer had ended"))
        } else if self.complete {
            Error::new(Kind::Read, format!("{host} closed the connection without an answer"))
        } else {
            Error::new(Kind::Write, format!("{host} closed the connection while the request was sent"))
        };
        self.marked(made.caused_by(error))
    }

    /// Of a stream of an HTTP/2 connection.
    pub(super) fn broken2(&self, error: h2::Error) -> Error {
        let host = self.host;
        let made = if error.is_io() && !self.complete {
            Error::new(Kind::Write, format!("{host} closed the connection while the request was sent"))
        } else if error.is_io() && self.heard {
            Error::new(Kind::Read, format!("{host} closed the connection before the answer had ended"))
        } else if error.is_io() {
            Error::new(Kind::Read, format!("{host} closed the connection without an answer"))
        } else if error.is_remote() {
            Error::new(Kind::Read, format!("{host} gave up the request: {}", reason(&error)))
        } else {
            Error::new(Kind::RemoteProtocol, format!("the answer from {host} is not HTTP/2: {}", reason(&error)))
        };
        self.marked(made.caused_by(error))
    }

    pub(super) fn marked(&self, error: Error) -> Error {
        if self.sent { error.after_sending() } else { error }
    }

    pub(super) fn write_pause(&self, limit: Duration) -> Error {
        let message = format!("{} took nothing more of the request for {limit:?}", self.host);
        self.marked(Error::new(Kind::WriteTimeout, message))
    }

    pub(super) fn no_head(&self, limit: Duration) -> Error {
        self.marked(Error::new(Kind::ReadTimeout, format!("{} did not begin to answer within {limit:?}", self.host)))
    }

    pub(super) fn read_pause(&self, limit: Duration) -> Error {
        self.marked(Error::new(
            Kind::ReadTimeout,
            format!("{} sent nothing more of its answer for {limit:?}", self.host),
        ))
    }

    pub(super) fn late(&self) -> Error {
        self.marked(Error::new(
            Kind::AttemptTimeout,
            format!("{} did not answer in full in the time of one attempt", self.host),
        ))
    }

    pub(super) fn too_large(&self, most: usize) -> Error {
        let message = format!("the answer from {} is larger than the {most} bytes of max_body", self.host);
        self.marked(Error::new(Kind::ResponseTooLarge, message))
    }

    pub(super) fn switched(&self) -> Error {
        let message = format!("{} switched to a protocol that was not asked for", self.host);
        self.marked(Error::new(Kind::RemoteProtocol, message))
    }
}

fn reason(error: &h2::Error) -> String {
    error.reason().map_or_else(|| "the connection is closing".into(), |reason| reason.to_string())
}

/// The error that came out of the request's own body.
pub(super) fn own(error: &(dyn StdError + 'static)) -> Option<Error> {
    causes(error).find_map(|cause| cause.downcast_ref::<Error>()).cloned()
}

/// Bytes came, but a body is not framed like that: a chunk's size that is no number.
fn is_nonsense(error: &hyper::Error) -> bool {
    let found = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
    found.is_some_and(|cause| matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}
