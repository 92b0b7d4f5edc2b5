//! Whether a request was meant for this socket: by its `Host` and its `Origin`.
//!
//! A page of a stranger may make a browser ask any address. What it cannot do is make the browser lie about the name it asks for
//! (DNS rebinding: the stranger's own name, which now means 127.0.0.1) or about where the page came from.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};
use turnout_http::Connection;

/// What was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// Asked for by a name that is not ours.
    Host,
    /// Asked by a page of another site.
    Origin,
}

/// The names under which this socket may be asked, beside `localhost` and the address it has. In lower case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(pub(crate) Vec<String>);

impl Names {
    /// Whether the request may be looked at. Ports are not compared, for a forwarded port is another number here.
    pub(crate) fn admit(&self, headers: &HeaderMap, connection: &Connection) -> Result<(), Stranger> {
        // Only HTTP/1.0 comes without, and no browser speaks that.
        let host = match headers.get(HOST) {
            Some(value) => {
                Some(value.to_str().ok().and_then(|text| text.parse::<Authority>().ok()).ok_or(Stranger::Host)?)
            }
            None => None,
        };
        if host.as_ref().is_some_and(|host| !self.is_ours(host, connection)) {
            return Err(Stranger::Host);
        }
        let same = |origin: &http::HeaderValue| {
            let origin = origin.to_str().ok()?.parse::<Uri>().ok()?;
            let (theirs, ours) = (origin.authority()?, host.as_ref()?);
            Some(theirs.as_str().eq_ignore_ascii_case(ours.as_str()))
        };
        if headers.get_all(ORIGIN).iter().all(|origin| same(origin) == Some(true)) {
            Ok(())
        } else {
            Err(Stranger::Origin)
        }
    }

    fn is_ours(&self, host: &Authority, connection: &Connection) -> bool {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        if name.eq_ignore_ascii_case("localhost") || self.0.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
            return true;
        }
        let Ok(address) = name.parse::<IpAddr>() else { return false };
        let (address, local) = (address.to_canonical(), connection.local.map(|local| local.ip().to_canonical()));
        // Who was reached by an address of this machine to itself may be called by another one of those: a forwarded port.
        local == Some(address) || (address.is_loopback() && local.is_none_or(|local| local.is_loopback()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(local: Option<&str>, host: Option<&str>, origin: Option<&str>) -> Result<(), Stranger> {
        let mut headers = HeaderMap::new();
        for (name, value) in [(HOST, host), (ORIGIN, origin)] {
            if let Some(value) = value {
                headers.insert(name, value.parse().expect("a value"));
            }
        }
        let local = local.map(|local| local.parse().expect("an address"));
        let connection = Connection { peer: None, local, unix_path: None, scheme: "http" };
        Names(vec!["admin.example".to_owned(), "10.1.2.3".to_owned()]).admit(&headers, &connection)
    }

    #[test]
    fn a_name_that_is_not_ours_is_refused() {
        let at = Some("127.0.0.1:9180");
        for host in [
            "127.0.0.1:9180",
            "localhost:9180",
            "LOCALHOST",
            "localhost:4000",
            "[::1]:9180",
            "Admin.Example",
            "10.1.2.3:80",
        ] {
            assert_eq!(admit(at, Some(host), None), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9180",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "192.0.2.1",
            "",
            "a b",
        ] {
            assert_eq!(admit(at, Some(host), None), Err(Stranger::Host), "{host}");
        }
        assert_eq!(admit(at, None, None), Ok(()), "HTTP/1.0");
    }

    #[test]
    fn an_address_is_the_one_that_was_reached() {
        assert_eq!(admit(Some("192.0.2.7:9180"), Some("192.0.2.7:9180"), None), Ok(()));
        assert_eq!(admit(Some("[::ffff:192.0.2.7]:9180"), Some("192.0.2.7:9180"), None), Ok(()));
        assert_eq!(admit(Some("192.0.2.7:9180"), Some("192.0.2.8:9180"), None), Err(Stranger::Host));
        assert_eq!(admit(Some("192.0.2.7:9180"), Some("127.0.0.1:9180"), None), Err(Stranger::Host));
        assert_eq!(admit(None, Some("localhost"), None), Ok(()), "a Unix socket");
        assert_eq!(admit(None, Some("evil.example"), None), Err(Stranger::Host));
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        let (at, host) = (Some("127.0.0.1:9180"), Some("localhost:9180"));
        assert_eq!(admit(at, host, Some("http://localhost:9180")), Ok(()));
        assert_eq!(admit(at, host, Some("https://LOCALHOST:9180")), Ok(()), "a proxy in front may speak TLS");
        for origin in ["http://localhost:3000", "http://127.0.0.1:9180", "http://evil.example", "null", "", "://"] {
            assert_eq!(admit(at, host, Some(origin)), Err(Stranger::Origin), "{origin}");
        }
        assert_eq!(admit(at, None, Some("http://localhost")), Err(Stranger::Origin));
    }
}
