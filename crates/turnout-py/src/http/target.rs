//! Where a request goes: an absolute URL, or what is to be put behind a base.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use pyo3::prelude::*;
use turnout_client::Kind;
use url::Url;

use super::errors::refused;

/// As its caller wrote it.
pub(super) enum Target {
    Absolute(Url),
    /// To be put behind the base URL.
    Relative(String),
}

impl Target {
    pub(super) fn parse(py: Python<'_>, text: &str) -> PyResult<Self> {
        refuse_control(py, text)?;
        if has_scheme(text) || text.starts_with("//") {
            return Ok(Self::Absolute(absolute(py, text)?));
        }
        Ok(Self::Relative(text.to_owned()))
    }

    /// The URL to call, for a client with this base.
    pub(super) fn resolved(&self, py: Python<'_>, base: Option<&Url>) -> PyResult<Url> {
        match (self, base) {
            (Self::Absolute(url), _) => Ok(url.clone()),
            (Self::Relative(path), Some(base)) => behind(py, base, path),
            (Self::Relative(_), None) => {
                let message = "the URL has no scheme and no host, and the client no base_url";
                Err(refused(py, Kind::InvalidUrl, message))
            }
        }
    }

    /// As its caller wrote it, but for user information.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Absolute(url) => url.as_str(),
            Self::Relative(text) => text,
        }
    }

    /// Without the query, which may hold a key.
    pub(super) fn without_query(&self) -> &str {
        match self {
            Self::Absolute(url) => &url[..url::Position::AfterPath],
            Self::Relative(text) => text.split(['?', '#']).next().unwrap_or_default(),
        }
    }

    /// User information becomes a field, and is nowhere to be seen afterwards.
    pub(super) fn move_user(&mut self, py: Python<'_>, headers: &mut HeaderMap) -> PyResult<()> {
        let Self::Absolute(url) = self else { return Ok(()) };
        if let Some(value) = take_user(py, url)? {
            headers.entry(AUTHORIZATION).or_insert(value);
        }
        Ok(())
    }
}

/// Takes user information out of a URL, as an `Authorization`.
pub(super) fn take_user(py: Python<'_>, url: &mut Url) -> PyResult<Option<HeaderValue>> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(pair)))
        .map_err(|_| refused(py, Kind::InvalidUrl, "the user information of the URL cannot be sent"))?;
    value.set_sensitive(true);
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    cleared.map_err(|()| refused(py, Kind::InvalidUrl, "the URL has user information but no host"))?;
    Ok(Some(value))
}

/// A whole URL, whose scheme is one that can be called.
pub(super) fn absolute(py: Python<'_>, text: &str) -> PyResult<Url> {
    refuse_control(py, text)?;
    if let Some(url) = known::below(text) {
        return Ok(url);
    }
    // Not the text itself: there may be a password in it.
    let mut url =
        Url::parse(text).map_err(|error| refused(py, Kind::InvalidUrl, format!("that is no URL to call: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        let message = format!("{}: is no scheme that can be called: http and https are", url.scheme());
        return Err(refused(py, Kind::UnsupportedProtocol, message));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refused(py, Kind::InvalidUrl, "the URL has no host"));
    }
    url.set_fragment(None);
    known::keep(text, &url);
    Ok(url)
}

/// The last origins that were called: whoever makes ten requests makes them to few, and the host is most of what there is to parse.
mod known {
    use std::collections::VecDeque;

    use parking_lot::Mutex;
    use url::{Position, Url};

    /// As they were written, and as they are; the oldest first.
    static LAST: Mutex<VecDeque<(String, Url)>> = Mutex::new(VecDeque::new());

    /// As many vendors as one gather has, as a rule.
    const MOST: usize = 8;

    /// `text` as a URL, if it is of one of them and there is nothing in its path and query for a parser to do.
    pub(super) fn below(text: &str) -> Option<Url> {
        let (mut url, rest) = {
            let last = LAST.lock();
            last.iter().find_map(|(origin, url)| {
                let rest = text.strip_prefix(origin.as_str()).filter(|rest| is_plain(rest))?;
                Some((url.clone(), rest))
            })?
        };
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        if path.len() > 1 {
            url.set_path(path);
        }
        if query.is_some() {
            url.set_query(query);
        }
        Some(url)
    }

    /// For the next: without user information, which is no part of an origin.
    pub(super) fn keep(text: &str, url: &Url) {
        let Some((scheme, rest)) = text.split_once("://") else { return };
        let end = rest.find(['/', '?', '#', '\\', '@']).unwrap_or(rest.len());
        // With more than two slashes the host comes behind them, in a path as it seems here.
        if end == 0 || rest[end..].starts_with('\\') || rest[end..].contains('@') || !url.username().is_empty() {
            return;
        }
        let written = &text[..scheme.len() + 3 + end];
        let mut last = LAST.lock();
        // Known, and what came behind it was not plain.
        if last.iter().any(|(known, _)| known == written) {
            return;
        }
        let mut origin = url.clone();
        origin.set_path("");
        origin.set_query(None);
        debug_assert_eq!(&origin[Position::BeforePath..], "/", "an origin has no path");
        if last.len() == MOST {
            last.pop_front();
        }
        last.push_back((written.to_owned(), origin));
    }

    /// A path or a query behind an origin, of characters that mean themselves there (RFC 3986, 2.3), and of some that divide.
    fn is_plain(rest: &str) -> bool {
        let plain = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'~' | b'=' | b'&' | b'?' | b'.')
        };
        (rest.is_empty() || rest.starts_with(['/', '?'])) && rest.bytes().all(plain) && !rest.contains("/.")
    }
}

/// What the parser would take out without a word, so that two readers of one URL could see two.
pub(super) fn refuse_control(py: Python<'_>, text: &str) -> PyResult<()> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(refused(py, Kind::InvalidUrl, "the URL has a line break or another control character"));
    }
    Ok(())
}

/// RFC 3986, 3.1.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut letters = scheme.bytes();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        && (rest.starts_with("//") || !rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// The path goes behind the base's, whatever it begins with: a base with a path is a version of an API, not a page with links.
fn behind(py: Python<'_>, base: &Url, path: &str) -> PyResult<Url> {
    let (path, query) = match path.split('#').next().unwrap_or_default().split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path.split('#').next().unwrap_or_default(), None),
    };
    if path.split('/').any(is_dots) {
        return Err(refused(py, Kind::InvalidUrl, "a path below a base URL has no . and no .. in it"));
    }
    let mut url = base.clone();
    if !path.is_empty() {
        let joined = format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/'));
        url.set_path(&joined);
    }
    url.set_query(query);
    Ok(url)
}

/// In any of the spellings that a parser resolves: it would leave the base.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}
