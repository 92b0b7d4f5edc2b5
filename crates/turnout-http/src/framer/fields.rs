//! Field lines, of heads and trailers, and the fields that decide where a message ends.

use memchr::memchr;

use super::bytes::{NOT_TOKEN, NOT_VALUE, UNDERSCORE, classes_of, is_token, trim};
use super::head::Content;
use super::refusal::Refusal;
use super::target::{Line, is_host_and_port};

/// Fields that a trailer section must not have: framing, routing, authentication, and how to read the content
/// (RFC 9110 section 6.5.1). A sender of one wants two readers to disagree.
const NOT_IN_TRAILERS: [&[u8]; 24] = [
    b"transfer-encoding",
    b"content-length",
    b"host",
    b"trailer",
    b"te",
    b"connection",
    b"upgrade",
    b"keep-alive",
    b"expect",
    b"max-forwards",
    b"pragma",
    b"cache-control",
    b"range",
    b"authorization",
    b"proxy-authorization",
    b"www-authenticate",
    b"cookie",
    b"set-cookie",
    b"content-encoding",
    b"content-type",
    b"content-range",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
];

/// The fields that decide where a message ends.
const FRAMING: [&[u8]; 2] = [b"content-length", b"transfer-encoding"];

/// One field line that follows the grammar.
struct Field<'a> {
    name: &'a [u8],
    value: &'a [u8],
    has_underscore: bool,
}

/// What the fields of one head said so far.
#[derive(Debug, Default)]
pub(super) struct Fields {
    has_host: bool,
    has_type: bool,
    pub(super) has_underscores: bool,
    length: Option<u64>,
    /// Of the codings named so far, in order.
    coding: Coding,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Coding {
    #[default]
    None,
    Chunked,
    /// An unknown one, then chunked, last: framed well, but nobody here can undo the first.
    UnknownThenChunked,
    Unknown,
}

impl Fields {
    /// Takes one more line of the head, without its CRLF.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let Field { name, value, has_underscore } = read(line)?;
        if has_underscore {
            self.has_underscores = true;
            // Dropped later, like all names with `_`; but nobody honest sends these, and who hides a framing field behind one
            // hopes that a reader on the way does not tell them apart.
            return if FRAMING.iter().any(|framing| looks_like(name, framing)) {
                Err(Refusal::FRAMING_IN_DISGUISE)
            } else {
                Ok(())
            };
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            10 if name.eq_ignore_ascii_case(b"connection") => connection(value),
            12 if name.eq_ignore_ascii_case(b"content-type") => {
                if std::mem::replace(&mut self.has_type, true) {
                    Err(Refusal::TYPE_TWICE)
                } else {
                    Ok(())
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.coding(value),
            _ => Ok(()),
        }
    }

    /// What follows the head, once all its fields are known.
    pub(super) fn content(&self, line: Line) -> Result<Content, Refusal> {
        if line.is_1_1 && !self.has_host {
            return Err(Refusal::HOST_MISSING);
        }
        if self.coding != Coding::None {
            if !line.is_1_1 {
                return Err(Refusal::CODING_IN_1_0);
            }
            if self.length.is_some() {
                return Err(Refusal::LENGTH_AND_CODING);
            }
        }
        let content = match (self.coding, self.length) {
            (Coding::None, None) => Content::None,
            (Coding::None, Some(length)) => Content::Length(length),
            (Coding::Chunked, _) => Content::Chunked,
            (Coding::UnknownThenChunked, _) => return Err(Refusal::CODING_UNKNOWN),
            (Coding::Unknown, _) => return Err(Refusal::CODING_VALUE),
        };
        if line.is_trace && !matches!(content, Content::None | Content::Length(0)) {
            return Err(Refusal::TRACE_CONTENT);
        }
        Ok(content)
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.has_host, true) {
            return Err(Refusal::HOST_TWICE);
        }
        if is_host_and_port(value) { Ok(()) } else { Err(Refusal::HOST_VALUE) }
    }

    /// One line, one number. Section 6.3 of RFC 9112 would also let us take a list of equal ones; nobody honest sends it.
    fn length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::LENGTH_TWICE);
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Refusal::LENGTH_VALUE);
        }
        let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse::<i64>().ok());
        self.length = Some(length.ok_or(Refusal::LENGTH_VALUE)?.unsigned_abs());
        Ok(())
    }

    /// Codings in order, over several lines. Chunked must be the last, and once.
    fn coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for coding in value.split(|byte| *byte == b',').map(trim) {
            // An empty element may be ignored in other lists (RFC 9110 section 5.6.1.2). Here two readers that split lists
            // differently would see two framings, so it counts as not understood.
            if !is_token(coding) {
                return Err(Refusal::CODING_VALUE);
            }
            self.coding = match (self.coding, coding.eq_ignore_ascii_case(b"chunked")) {
                (Coding::None, true) => Coding::Chunked,
                (Coding::Unknown, true) => Coding::UnknownThenChunked,
                (Coding::None | Coding::Unknown, false) => Coding::Unknown,
                // Something after chunked, or chunked twice.
                (Coding::Chunked | Coding::UnknownThenChunked, _) => return Err(Refusal::CODING_VALUE),
            };
        }
        Ok(())
    }
}

/// Judges one line of a trailer section, without its CRLF.
pub(super) fn trailer(line: &[u8]) -> Result<(), Refusal> {
    let Field { name, .. } = read(line)?;
    if NOT_IN_TRAILERS.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden)) {
        return Err(Refusal::TRAILER_FIELD);
    }
    Ok(())
}

fn read(line: &[u8]) -> Result<Field<'_>, Refusal> {
    if matches!(line, [b' ' | b'\t', ..]) {
        return Err(Refusal::FOLDED);
    }
    let colon = memchr(b':', line).ok_or(Refusal::NO_COLON)?;
    let name = &line[..colon];
    let classes = classes_of(name);
    if name.is_empty() || classes & NOT_TOKEN != 0 {
        return Err(Refusal::FIELD_NAME);
    }
    let value = trim(&line[colon + 1..]);
    if classes_of(value) & NOT_VALUE != 0 {
        return Err(Refusal::FIELD_VALUE);
    }
    Ok(Field { name, value, has_underscore: classes & UNDERSCORE != 0 })
}

/// The same as WSGI and CGI see it, for which `_` and `-` are one.
fn looks_like(name: &[u8], known: &[u8]) -> bool {
    let mapped = name.iter().map(|byte| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() });
    mapped.eq(known.iter().copied())
}

/// Empty elements are ignored here: it is no framing (RFC 9110 section 5.6.1.2).
fn connection(value: &[u8]) -> Result<(), Refusal> {
    let good = value.split(|byte| *byte == b',').map(trim).all(|option| option.is_empty() || is_token(option));
    if good { Ok(()) } else { Err(Refusal::CONNECTION_VALUE) }
}
