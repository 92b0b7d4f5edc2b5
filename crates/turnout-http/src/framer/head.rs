//! A request head, line by line, as its bytes come.

use super::Bounds;
use super::bytes::line_end;
use super::fields::Fields;
use super::refusal::Refusal;
use super::target::{self, Line};

/// What hyper's parser takes without allocating; enough for a browser behind several proxies.
const FIELD_LINES: usize = 100;

/// A head that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What follows it.
    pub content: Content,
    /// At least one field name has a `_`; those fields are not for the app.
    pub has_underscores: bool,
}

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing: neither Content-Length nor Transfer-Encoding.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks and a trailer section.
    Chunked,
}

/// How far a head has been judged. Offsets count from the first byte of what is shown.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Where the line that has not ended yet begins.
    line_from: usize,
    /// Up to here there is no CR or LF in that line.
    scanned: usize,
    skipped_empty_line: bool,
    line: Option<Line>,
    field_lines: usize,
    fields: Fields,
}

impl HeadReader {
    /// The length of the head and what it says, once it is whole.
    pub(super) fn judge(&mut self, held: &[u8], bounds: &Bounds) -> Result<Option<(usize, Head)>, Refusal> {
        // Judged as if nothing came after the limit: so a refusal is the same whether the bytes came at once or one by one.
        let shown = &held[..held.len().min(bounds.head)];
        let done = self.judge_shown(shown, bounds)?;
        if done.is_none() && held.len() > bounds.head {
            return Err(Refusal::HEAD_LARGE);
        }
        Ok(done)
    }

    fn judge_shown(&mut self, shown: &[u8], bounds: &Bounds) -> Result<Option<(usize, Head)>, Refusal> {
        loop {
            let from = self.line_from;
            let ended = line_end(shown, from, &mut self.scanned);
            if self.line.is_none() {
                // Before a bad line end is refused, so that the order does not depend on the reads either.
                target::judge_beginning(&shown[from..self.scanned], bounds)?;
            }
            let Some(end) = ended? else { return Ok(None) };
            let line = &shown[from..end];
            self.line_from = end + 2;
            match self.line {
                None if line.is_empty() && !self.skipped_empty_line => self.skipped_empty_line = true,
                None if line.is_empty() => return Err(Refusal::EMPTY_LINES),
                None => self.line = Some(target::judge(line, bounds)?),
                Some(request_line) if line.is_empty() => {
                    let content = self.fields.content(request_line)?;
                    if matches!(content, Content::Length(length) if length > bounds.content) {
                        return Err(Refusal::CONTENT_LARGE);
                    }
                    let head = Head { content, has_underscores: self.fields.has_underscores };
                    return Ok(Some((self.line_from, head)));
                }
                Some(_) => {
                    self.fields.take(line)?;
                    self.field_lines += 1;
                    if self.field_lines > FIELD_LINES {
                        return Err(Refusal::FIELDS_MANY);
                    }
                }
            }
        }
    }
}
