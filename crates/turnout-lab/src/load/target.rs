//! Where a load goes, and the request it sends there: what a browser sends, so that servers parse as much as they do in life.

use std::fmt::Write as _;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

/// A parsed URL: `http://host:port/path` or `unix:/path/of/socket:/path`.
#[derive(Clone, Debug)]
pub struct Target {
    pub(super) peer: Peer,
    host: String,
    path: String,
    extra: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(super) enum Peer {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Why a URL is no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Not a URL this load can send to.
    #[error("{0:?} is not http://HOST:PORT/PATH or unix:SOCKET:/PATH")]
    Form(String),
    /// The name has no address.
    #[error("{host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: std::io::Error,
    },
    /// A header that would break the request.
    #[error("{0:?} is not NAME: VALUE")]
    Header(String),
}

impl Target {
    /// Parses a URL and resolves its host.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::Form(url.to_owned());
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong());
        }
        if let Some(rest) = url.strip_prefix("unix:") {
            let (socket, path) = rest.split_once(":/").ok_or_else(wrong)?;
            return Ok(Self {
                peer: Peer::Unix(socket.into()),
                host: "localhost".to_owned(),
                path: format!("/{path}"),
                extra: Vec::new(),
            });
        }
        let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let with_port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let mut found =
            with_port.to_socket_addrs().map_err(|source| TargetError::Resolve { host: host.to_owned(), source })?;
        let peer = Peer::Tcp(found.next().ok_or_else(wrong)?);
        Ok(Self { peer, host: host.to_owned(), path, extra: Vec::new() })
    }

    /// Adds a header to every request, given as `Name: value`.
    pub fn add_header(&mut self, line: &str) -> Result<(), TargetError> {
        let wrong = || TargetError::Header(line.to_owned());
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_graphic())
            || value.bytes().any(|byte| byte.is_ascii_control())
        {
            return Err(wrong());
        }
        self.extra.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// The bytes of one request. An extra header replaces the browser's of that name.
    pub(super) fn request(&self) -> Vec<u8> {
        let mut text = format!("GET {} HTTP/1.1\r\n", self.path);
        let host = ("Host", self.host.as_str());
        let ours = std::iter::once(host)
            .chain(BROWSER)
            .filter(|(name, _)| !self.extra.iter().any(|(extra, _)| extra.eq_ignore_ascii_case(name)));
        let extra = self.extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in ours.chain(extra) {
            write!(text, "{name}: {value}\r\n").expect("a String takes all");
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// With Host ten headers, and a cookie.
const BROWSER: [(&str, &str); 10] = [
    ("Connection", "keep-alive"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    ),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,application/json;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
    ("Accept-Encoding", "identity"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Cookie", "csrftoken=5fXq0zB1c2d3e4f5g6h7i8j9k0l1m2n3; theme=dark"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let target = Target::parse("http://127.0.0.1:8000/a?b=c#d").expect("a URL");
        assert!(target.request().starts_with(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"));
        assert_eq!(Target::parse("http://127.0.0.1:8000").expect("a URL").path, "/");
        assert_eq!(Target::parse("unix:/run/x.sock:/a").expect("a URL").path, "/a");
        for wrong in ["ftp://x/", "127.0.0.1:80", "http://127.0.0.1:8000/a b", "http://127.0.0.1:8000/\r\n"] {
            assert!(Target::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_extra_header_replaces_the_browsers() {
        let mut target = Target::parse("http://127.0.0.1:8000/").expect("a URL");
        target.add_header("cookie: a=b").expect("a header");
        let request = String::from_utf8(target.request()).expect("text");
        assert!(request.contains("cookie: a=b\r\n") && !request.contains("csrftoken"), "{request}");
        assert!(target.add_header("no colon").is_err());
        assert!(target.add_header("a: b\nc: d").is_err());
    }
}
