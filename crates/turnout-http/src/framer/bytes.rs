//! Which bytes may stand where, and where lines end.

use memchr::memchr2;

use super::refusal::Refusal;

/// Classes of bytes, one bit each, so that a whole field is judged by or-ing and looked at once.
pub(super) const NOT_TOKEN: u8 = 1;
pub(super) const UNDERSCORE: u8 = 2;
pub(super) const NOT_VALUE: u8 = 4;
pub(super) const NOT_PATH: u8 = 8;
pub(super) const NOT_QUERY: u8 = 16;
pub(super) const NOT_HOST: u8 = 32;

static CLASSES: [u8; 256] = classes();

/// All classes that occur in `bytes`.
pub(super) fn classes_of(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |seen, byte| seen | CLASSES[*byte as usize])
}

pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && classes_of(bytes) & NOT_TOKEN == 0
}

/// The first line of `held` from `from` on: its content without CRLF, as a range end. `None`: it has not ended yet.
///
/// Only CRLF ends a line. RFC 9112 section 2.2 lets a server take a bare LF; we do not, since not everybody in front of us may.
pub(super) fn line_end(held: &[u8], from: usize, scanned: &mut usize) -> Result<Option<usize>, Refusal> {
    let start = (*scanned).max(from);
    let Some(found) = memchr2(b'\r', b'\n', &held[start..]) else {
        *scanned = held.len();
        return Ok(None);
    };
    let at = start + found;
    *scanned = at;
    match (held[at], held.get(at + 1)) {
        (b'\n', _) => Err(Refusal::BARE_LF),
        (_, Some(b'\n')) => Ok(Some(at)),
        (_, Some(_)) => Err(Refusal::BARE_CR),
        (_, None) => Ok(None),
    }
}

/// Without spaces and tabs at both ends (OWS).
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        let mut class = 0;
        if !is_tchar(byte) {
            class |= NOT_TOKEN;
        }
        if byte == b'_' {
            class |= UNDERSCORE;
        }
        if (byte < b' ' && byte != b'\t') || byte == 0x7f {
            class |= NOT_VALUE;
        }
        if !is_path(byte) {
            class |= NOT_PATH;
        }
        if !is_query(byte) {
            class |= NOT_QUERY;
        }
        if !is_host(byte) {
            class |= NOT_HOST;
        }
        table[index] = class;
        index += 1;
    }
    table
}

const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

const fn is_unreserved_or_sub_delim(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~')
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// RFC 3986's pchar and "/", and the four that every browser leaves as they are in a path (WHATWG URL, "path percent-encode set").
const fn is_path(byte: u8) -> bool {
    is_unreserved_or_sub_delim(byte) || matches!(byte, b'%' | b':' | b'@' | b'/' | b'|' | b'^' | b'[' | b']')
}

/// As a path, and "?", and what every browser leaves as it is in a query (WHATWG URL, "query percent-encode set").
const fn is_query(byte: u8) -> bool {
    is_path(byte) || matches!(byte, b'?' | b'`' | b'{' | b'}' | b'\\')
}

/// A reg-name without the comma: two Host values joined by somebody on the way look like that.
const fn is_host(byte: u8) -> bool {
    byte != b',' && (is_unreserved_or_sub_delim(byte) || byte == b'%')
}
