//! Chunked content: size lines, data, trailer section.

use super::Bounds;
use super::bytes::{NOT_VALUE, classes_of, is_token, line_end};
use super::fields;
use super::refusal::Refusal;

/// Sixteen hexadecimal digits are 64 bits; leading zeros count.
const SIZE_DIGITS: usize = 16;
/// All extensions of one message together; no known use needs a hundredth of it.
const EXTENSION_BYTES: usize = 8 * 1024;
/// One size line: its digits and what extensions may have.
const SIZE_LINE_BYTES: usize = EXTENSION_BYTES + SIZE_DIGITS;
/// The trailer section; no interface of Python's can even see it.
const TRAILER_BYTES: usize = 8 * 1024;
const TRAILER_LINES: usize = 64;

/// How far chunked content has been judged. Offsets count from the first byte of what is shown.
#[derive(Debug, Default)]
pub(super) struct ChunkReader {
    part: Part,
    scanned: usize,
    /// Data of all chunks so far, as announced.
    content: u64,
    extensions: usize,
    trailers: usize,
    trailer_lines: usize,
}

#[derive(Debug, Default, Clone, Copy)]
enum Part {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

/// So many bytes are good; perhaps the message has ended with them.
pub(super) struct Progress {
    pub(super) good: usize,
    pub(super) ended: bool,
}

impl ChunkReader {
    pub(super) fn judge(&mut self, held: &[u8], bounds: &Bounds) -> Result<Progress, Refusal> {
        let mut good = 0;
        loop {
            let rest = &held[good..];
            let taken = match self.part {
                Part::Size => self.size(rest, bounds),
                Part::Data(left) => Ok(self.data(rest, left)),
                Part::DataEnd => self.data_end(rest),
                Part::Trailers => match self.trailer(rest) {
                    Ok(Some((taken, true))) => return Ok(Progress { good: good + taken, ended: true }),
                    Ok(taken) => Ok(taken.map(|(taken, _)| taken)),
                    Err(refusal) => Err(refusal),
                },
            };
            match taken {
                Ok(Some(taken)) => {
                    good += taken;
                    self.scanned = 0;
                }
                Ok(None) => return Ok(Progress { good, ended: false }),
                // What was good before it goes first: the app may be reading it.
                Err(_) if good > 0 => return Ok(Progress { good, ended: false }),
                Err(refusal) => return Err(refusal),
            }
        }
    }

    fn size(&mut self, rest: &[u8], bounds: &Bounds) -> Result<Option<usize>, Refusal> {
        let shown = &rest[..rest.len().min(SIZE_LINE_BYTES + 2)];
        let Some(end) = line_end(shown, 0, &mut self.scanned)? else {
            return if rest.len() > shown.len() { Err(Refusal::CHUNK_EXTENSION_LONG) } else { Ok(None) };
        };
        let line = &shown[..end];
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits == 0 || digits > SIZE_DIGITS {
            return Err(Refusal::CHUNK_SIZE);
        }
        let size = std::str::from_utf8(&line[..digits]).ok().and_then(|text| i64::from_str_radix(text, 16).ok());
        let size = size.ok_or(Refusal::CHUNK_SIZE)?.unsigned_abs();
        judge_extensions(&line[digits..])?;
        let extensions = self.extensions + line.len() - digits;
        if extensions > EXTENSION_BYTES {
            return Err(Refusal::CHUNK_EXTENSION_LONG);
        }
        let content = self.content.saturating_add(size);
        if content > bounds.content {
            return Err(Refusal::CONTENT_LARGE);
        }
        self.extensions = extensions;
        self.content = content;
        self.part = if size == 0 { Part::Trailers } else { Part::Data(size) };
        Ok(Some(end + 2))
    }

    fn data(&mut self, rest: &[u8], left: u64) -> Option<usize> {
        let taken = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
        let left = left - taken as u64;
        self.part = if left == 0 { Part::DataEnd } else { Part::Data(left) };
        (taken > 0).then_some(taken)
    }

    fn data_end(&mut self, rest: &[u8]) -> Result<Option<usize>, Refusal> {
        match rest {
            [b'\r', b'\n', ..] => {
                self.part = Part::Size;
                Ok(Some(2))
            }
            [] | [b'\r'] => Ok(None),
            _ => Err(Refusal::CHUNK_END),
        }
    }

    /// One line; `true` for the empty one that ends the message.
    fn trailer(&mut self, rest: &[u8]) -> Result<Option<(usize, bool)>, Refusal> {
        let room = TRAILER_BYTES - self.trailers;
        let shown = &rest[..rest.len().min(room)];
        let Some(end) = line_end(shown, 0, &mut self.scanned)? else {
            return if rest.len() > shown.len() { Err(Refusal::TRAILERS_LARGE) } else { Ok(None) };
        };
        if end == 0 {
            return Ok(Some((2, true)));
        }
        fields::trailer(&shown[..end])?;
        if self.trailer_lines == TRAILER_LINES {
            return Err(Refusal::TRAILERS_LARGE);
        }
        self.trailers += end + 2;
        self.trailer_lines += 1;
        Ok(Some((end + 2, false)))
    }
}

/// `*( BWS ";" BWS name [ BWS "=" BWS value ] )`, to the end of the line.
fn judge_extensions(mut rest: &[u8]) -> Result<(), Refusal> {
    while !rest.is_empty() {
        rest = trim_start(rest).strip_prefix(b";").ok_or(Refusal::CHUNK_EXTENSION)?;
        rest = trim_start(rest);
        let name = rest.iter().position(|byte| matches!(byte, b' ' | b'\t' | b';' | b'=')).unwrap_or(rest.len());
        if !is_token(&rest[..name]) {
            return Err(Refusal::CHUNK_EXTENSION);
        }
        rest = &rest[name..];
        if let Some(value) = trim_start(rest).strip_prefix(b"=") {
            rest = skip_value(trim_start(value))?;
        }
    }
    Ok(())
}

/// A token or a quoted string; what is behind it.
fn skip_value(rest: &[u8]) -> Result<&[u8], Refusal> {
    let Some(quoted) = rest.strip_prefix(b"\"") else {
        let end = rest.iter().position(|byte| matches!(byte, b' ' | b'\t' | b';')).unwrap_or(rest.len());
        return if is_token(&rest[..end]) { Ok(&rest[end..]) } else { Err(Refusal::CHUNK_EXTENSION) };
    };
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &quoted[at..]) {
        at += found;
        if quoted[at] == b'"' {
            let good = classes_of(&quoted[..at]) & NOT_VALUE == 0;
            return if good { Ok(&quoted[at + 1..]) } else { Err(Refusal::CHUNK_EXTENSION) };
        }
        // A backslash and what it protects.
        at += 2;
        if at > quoted.len() {
            break;
        }
    }
    Err(Refusal::CHUNK_EXTENSION)
}

fn trim_start(mut rest: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', behind @ ..] = rest {
        rest = behind;
    }
    rest
}
