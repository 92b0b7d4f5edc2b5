//! Which codings lie on a body, as `Content-Encoding` says (RFC 9110, 8.4).

use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Method, StatusCode};

use crate::error::{Error, Kind};

/// What to ask for where [`crate::Options::decode`] is on: everything that [`super::unpack`] can take off.
pub const ACCEPT_ENCODING: &str = "gzip, deflate, br, zstd";

/// One upon the other is odd but allowed; a third only helps a bomb.
const MAX_STACKED: usize = 2;

/// One coding that can be taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// RFC 1952; `x-gzip` is the same.
    Gzip,
    /// RFC 1950, and RFC 1951 without its wrapper, as some servers send it.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    fn of(name: &str) -> Option<Self> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match () {
            () if is("gzip") || is("x-gzip") => Some(Self::Gzip),
            () if is("deflate") => Some(Self::Deflate),
            () if is("br") => Some(Self::Brotli),
            () if is("zstd") => Some(Self::Zstd),
            () => None,
        }
    }

    /// As `Content-Encoding` has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// The codings of a body in the order in which they come off; empty where the body is to be passed on as it is, because there is
/// nothing on it or something that nobody here knows.
pub(super) fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, Error> {
    let mut found = Vec::new();
    for line in headers.get_all(CONTENT_ENCODING) {
        let Ok(line) = line.to_str() else { return Ok(Vec::new()) };
        for name in line.split(',').map(str::trim) {
            if name.is_empty() || name.eq_ignore_ascii_case("identity") {
                continue;
            }
            let Some(coding) = Coding::of(name) else { return Ok(Vec::new()) };
            if found.len() == MAX_STACKED {
                let message = format!("the upstream encoded its body more than {MAX_STACKED} times over");
                return Err(Error::new(Kind::Decoding, message));
            }
            found.push(coding);
        }
    }
    found.reverse();
    Ok(found)
}

/// Whether a whole body can follow at all (RFC 9112, 6.3): else `Content-Encoding` tells of one that is elsewhere, or of which this is a part.
pub(super) fn has_body(method: &Method, status: StatusCode) -> bool {
    let without = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED, StatusCode::PARTIAL_CONTENT];
    method != Method::HEAD && !without.contains(&status)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn of(lines: &[&'static str]) -> Result<Vec<Coding>, Error> {
        let lines = lines.iter().map(|line| (CONTENT_ENCODING, http::HeaderValue::from_static(line)));
        codings(&lines.collect())
    }

    #[test]
    fn codings_come_off_in_the_opposite_order() {
        assert_eq!(of(&["gzip, br"]).unwrap(), [Coding::Brotli, Coding::Gzip]);
        assert_eq!(of(&["deflate", "ZSTD"]).unwrap(), [Coding::Zstd, Coding::Deflate]);
        assert_eq!(of(&["identity,, X-GZip ,identity"]).unwrap(), [Coding::Gzip]);
        assert_eq!(of(&[]).unwrap(), []);
    }

    #[test]
    fn an_unknown_coding_leaves_the_body_as_it_is() {
        assert_eq!(of(&["exi"]).unwrap(), []);
        assert_eq!(of(&["gzip, compress"]).unwrap(), []);
    }

    #[test]
    fn three_codings_are_refused() {
        assert_eq!(of(&["gzip, gzip, gzip"]).unwrap_err().kind(), Kind::Decoding);
        assert_eq!(of(&["gzip", "br", "zstd"]).unwrap_err().kind(), Kind::Decoding);
    }
}
