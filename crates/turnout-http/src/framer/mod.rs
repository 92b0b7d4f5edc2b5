//! The framer: judges every head, chunk line and trailer on the raw bytes, before hyper sees them.
//!
//! Sans I/O: whoever reads from the socket holds the bytes that were not passed on yet and shows them to [`Framer::judge`]. What
//! the verdict is never depends on how the bytes were cut into reads. What passes is handed to hyper unchanged; hyper then
//! forgets what smugglers rely on (RFC 9112 section 11.2), so nothing may pass that another reader could read otherwise.

mod bytes;
mod chunked;
mod fields;
mod head;
mod refusal;
mod target;

pub use head::{Content, Head};
pub use refusal::Refusal;

use chunked::ChunkReader;
use head::HeadReader;

use crate::config::Limits;

/// Follows one connection's requests, byte for byte.
#[derive(Debug)]
pub struct Framer {
    stage: Stage,
    bounds: Bounds,
}

/// The limits that are judged on bytes.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    head: usize,
    target: usize,
    content: u64,
}

#[derive(Debug)]
enum Stage {
    Head(HeadReader),
    /// Content of a known length, so much of it to come.
    Length(u64),
    Chunked(ChunkReader),
}

/// What was found at the start of the bytes shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// So many bytes are good and of one message's content, trailers included; the rest was not looked at.
    Content(usize),
    /// So many bytes are a whole good head.
    Head(usize, Head),
    /// Nothing can be said before more bytes come; show these again, with more behind them.
    More,
    /// Answer this and close: nothing after it can be trusted.
    Refuse(Refusal),
}

impl Framer {
    /// A connection's beginning.
    pub fn new(limits: &Limits) -> Self {
        let bounds = Bounds {
            head: limits.head_bytes,
            target: limits.target_bytes,
            content: limits.body_bytes.unwrap_or(u64::MAX),
        };
        Self { stage: Stage::Head(HeadReader::default()), bounds }
    }

    /// Judges what `held` begins with. `held` starts with the first byte that was not passed on yet and is not empty.
    pub fn judge(&mut self, held: &[u8]) -> Verdict {
        match &mut self.stage {
            Stage::Head(reader) => match reader.judge(held, &self.bounds) {
                Ok(Some((length, head))) => {
                    self.stage = match head.content {
                        Content::None | Content::Length(0) => Stage::Head(HeadReader::default()),
                        Content::Length(length) => Stage::Length(length),
                        Content::Chunked => Stage::Chunked(ChunkReader::default()),
                    };
                    Verdict::Head(length, head)
                }
                Ok(None) => Verdict::More,
                Err(refusal) => Verdict::Refuse(refusal),
            },
            Stage::Length(left) => {
                let good = usize::try_from(*left).map_or(held.len(), |left| left.min(held.len()));
                *left -= good as u64;
                if *left == 0 {
                    self.stage = Stage::Head(HeadReader::default());
                }
                Verdict::Content(good)
            }
            Stage::Chunked(reader) => match reader.judge(held, &self.bounds) {
                Ok(chunked::Progress { good: 0, .. }) => Verdict::More,
                Ok(chunked::Progress { good, ended }) => {
                    if ended {
                        self.stage = Stage::Head(HeadReader::default());
                    }
                    Verdict::Content(good)
                }
                Err(refusal) => Verdict::Refuse(refusal),
            },
        }
    }

    /// True between messages, also while a head has begun but is not complete.
    pub fn between_messages(&self) -> bool {
        matches!(self.stage, Stage::Head(_))
    }

    /// What a FIN means now, with `held` bytes not passed on: nothing wrong, or a message cut short (RFC 9112 section 8).
    pub fn cut_short(&self, held: &[u8]) -> Option<Refusal> {
        match &self.stage {
            Stage::Head(_) if !begun(held) => None,
            Stage::Head(_) => Some(Refusal::HEAD_CUT),
            _ => Some(Refusal::BODY_CUT),
        }
    }

    /// The request that is being read is a HEAD: an answer to it has no content.
    pub fn is_head_request(held: &[u8]) -> bool {
        held.strip_prefix(b"\r\n").unwrap_or(held).starts_with(b"HEAD ")
    }
}

/// A request has begun; the one empty line that may stand before it does not count.
pub fn begun(held: &[u8]) -> bool {
    !matches!(held, b"" | b"\r" | b"\r\n")
}
