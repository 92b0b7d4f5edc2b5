//! The request line: method, target, version.

use memchr::memchr;

use super::Bounds;
use super::bytes::{NOT_HOST, NOT_PATH, NOT_QUERY, classes_of, is_token};
use super::refusal::Refusal;

/// Longer than any registered method (the longest has 17), shorter than what one would have to store.
const METHOD_BYTES: usize = 32;

/// What the rest of the head is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) is_1_1: bool,
    pub(super) is_trace: bool,
}

/// What can be said before the line has ended. Never more than [`judge`] would say, and in the same order.
pub(super) fn judge_beginning(line: &[u8], bounds: &Bounds) -> Result<(), Refusal> {
    let shown = &line[..line.len().min(METHOD_BYTES + 1)];
    let method = match memchr(b' ', shown) {
        Some(end) => &shown[..end],
        None => shown,
    };
    if !method.is_empty() && !is_token(method) {
        return Err(Refusal::METHOD);
    }
    if method.len() > METHOD_BYTES {
        return Err(Refusal::METHOD_LONG);
    }
    if method.len() == shown.len() {
        return Ok(());
    }
    if method.is_empty() {
        return Err(Refusal::REQUEST_LINE);
    }
    let target = &line[method.len() + 1..];
    if memchr(b' ', target).unwrap_or(target.len()) > bounds.target {
        return Err(Refusal::TARGET_LONG);
    }
    Ok(())
}

/// Judges a whole request line, without its CRLF.
pub(super) fn judge(line: &[u8], bounds: &Bounds) -> Result<Line, Refusal> {
    judge_beginning(line, bounds)?;
    let (method, rest) = split(line)?;
    let (target, version) = split(rest)?;
    let is_1_1 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            return Err(Refusal::VERSION_OTHER);
        }
        _ => return Err(Refusal::VERSION),
    };
    judge_target(method, target)?;
    Ok(Line { is_1_1, is_trace: method == b"TRACE" })
}

fn split(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let space = memchr(b' ', line).ok_or(Refusal::REQUEST_LINE)?;
    if space == 0 { Err(Refusal::REQUEST_LINE) } else { Ok((&line[..space], &line[space + 1..])) }
}

fn judge_target(method: &[u8], target: &[u8]) -> Result<(), Refusal> {
    if method == b"CONNECT" {
        // What follows a CONNECT may be a tunnel's bytes: never to be read as a request.
        return Err(Refusal::CONNECT);
    }
    match target {
        [b'/', ..] => judge_path(target),
        b"*" if method == b"OPTIONS" => Ok(()),
        _ => judge_absolute(target),
    }
}

fn judge_path(target: &[u8]) -> Result<(), Refusal> {
    let good = match memchr(b'?', target) {
        Some(end) => classes_of(&target[..end]) & NOT_PATH == 0 && classes_of(&target[end + 1..]) & NOT_QUERY == 0,
        None => classes_of(target) & NOT_PATH == 0,
    };
    if good { Ok(()) } else { Err(Refusal::TARGET_BYTES) }
}

/// `http://host:port/path?query`; a server must take it (RFC 9112 section 3.2.2).
fn judge_absolute(target: &[u8]) -> Result<(), Refusal> {
    let rest = strip_scheme(target, b"http://").or_else(|| strip_scheme(target, b"https://"));
    let Some(rest) = rest else {
        let plain = classes_of(target) & NOT_QUERY == 0;
        return Err(if plain { Refusal::TARGET_FORM } else { Refusal::TARGET_BYTES });
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() || !is_host_and_port(authority) {
        return Err(Refusal::TARGET_AUTHORITY);
    }
    judge_path(path)?;
    // hyper reads it with this very parser: what that one refuses must not get there.
    http::Uri::try_from(target).map(drop).map_err(|_| Refusal::TARGET_AUTHORITY)
}

fn strip_scheme<'a>(target: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = target.split_at_checked(scheme.len())?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2), which has no user information, path or list.
pub(super) fn is_host_and_port(value: &[u8]) -> bool {
    let (host_is_good, port) = if let Some(rest) = value.strip_prefix(b"[") {
        let Some(end) = memchr(b']', rest) else { return false };
        let inside = &rest[..end];
        let address = std::str::from_utf8(inside).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
        (address, &rest[end + 1..])
    } else {
        let end = memchr(b':', value).unwrap_or(value.len());
        (classes_of(&value[..end]) & NOT_HOST == 0, &value[end..])
    };
    let port_is_good = match port {
        [] | [b':'] => true,
        [b':', digits @ ..] => {
            digits.iter().all(u8::is_ascii_digit)
                && std::str::from_utf8(digits).is_ok_and(|text| text.parse::<u16>().is_ok())
        }
        _ => false,
    };
    host_is_good && port_is_good
}
