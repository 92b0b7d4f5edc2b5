//! The content of an answer on its way to hyper: counted against its promise, recorded when it is over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Uri, Version};
use http_body::{Frame, SizeHint};

use crate::admission::Permit;
use crate::app::{Connection, Spent};
use crate::body::{Aborted, Chunks};
use crate::config::{AccessEntry, Config, Fault, Outcome};
use crate::file::Pieces;

/// What follows the head.
#[derive(Debug)]
pub(crate) enum Content {
    None,
    Full(Bytes),
    File(Pieces),
    Stream {
        chunks: Chunks,
        /// What is left of the promised length, if one was promised.
        left: Option<u64>,
    },
}

/// Dropped when hyper is done with the answer, however that came about: the slot is free then, and the entry written.
#[derive(Debug)]
pub(crate) struct Outgoing {
    content: Content,
    record: Record,
    _permit: Option<Permit>,
}

/// What the access log wants to know; nothing is cloned when there is none.
#[derive(Debug)]
pub(crate) struct Record {
    config: Arc<Config>,
    seen: Option<Box<Seen>>,
}

#[derive(Debug)]
struct Seen {
    method: Method,
    target: Uri,
    version: Version,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    connection: Arc<Connection>,
    received: Instant,
    status: Option<StatusCode>,
    spent: Option<Spent>,
    sent: u64,
    outcome: Outcome,
}

impl Outgoing {
    pub(crate) fn new(content: Content, record: Record, permit: Option<Permit>) -> Self {
        let mut outgoing = Self { content, record, _permit: permit };
        if outgoing.is_over() {
            outgoing.record.end(Outcome::Complete);
        }
        outgoing
    }

    fn is_over(&self) -> bool {
        match &self.content {
            Content::None => true,
            Content::Full(bytes) => bytes.is_empty(),
            Content::File(_) | Content::Stream { .. } => false,
        }
    }

    fn give(&mut self, chunk: Bytes) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        self.record.sent(chunk.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    /// A piece of a file.
    fn piece(
        &mut self,
        next: Option<Result<Bytes, Fault>>,
        is_last: bool,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        match next {
            Some(Ok(piece)) => {
                if is_last {
                    self.record.end(Outcome::Complete);
                }
                self.give(piece)
            }
            Some(Err(fault)) => self.break_off(Some(fault)),
            None => Poll::Ready(None),
        }
    }

    fn break_off(&mut self, fault: Option<Fault>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        if let Some(fault) = fault {
            self.record.fault(fault);
        }
        self.record.end(Outcome::Aborted);
        Poll::Ready(Some(Err(Aborted)))
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let this = self.get_mut();
        let next = match &mut this.content {
            Content::None => None,
            Content::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                this.record.end(Outcome::Complete);
                return this.give(bytes);
            }
            Content::File(pieces) => {
                let next = ready!(pieces.poll_next(cx));
                let is_last = pieces.left() == 0;
                return this.piece(next, is_last);
            }
            Content::Stream { chunks, .. } => ready!(chunks.poll_next(cx)),
        };
        let Content::Stream { left, chunks } = &mut this.content else { return Poll::Ready(None) };
        match next {
            Some(Ok(chunk)) => {
                let length = chunk.len() as u64;
                match left {
                    // Nothing of the chunk is sent: the answer must not look whole, and the surplus not like the next one.
                    Some(left) if *left < length => {
                        let surplus = length - *left;
                        return this.break_off(Some(Fault::TooLong { surplus }));
                    }
                    Some(left) => *left -= length,
                    None => {}
                }
                if *left == Some(0) {
                    // hyper asks no further once the promise is kept.
                    this.record.end(Outcome::Complete);
                }
                this.give(chunk)
            }
            Some(Err(Aborted)) => this.break_off(None),
            None => match *left {
                Some(missing) if missing > 0 => this.break_off(Some(Fault::TooShort { missing })),
                _ => {
                    this.record.end(Outcome::Complete);
                    let trailers = chunks.take_trailers();
                    Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::None => SizeHint::with_exact(0),
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::File(pieces) => SizeHint::with_exact(pieces.left()),
            Content::Stream { left: Some(left), .. } => SizeHint::with_exact(*left),
            Content::Stream { left: None, .. } => SizeHint::default(),
        }
    }
}

impl Record {
    pub(crate) fn new(
        config: &Arc<Config>,
        connection: &Arc<Connection>,
        request: &http::request::Parts,
        received: Instant,
    ) -> Self {
        let seen = config.access_log.is_some().then(|| {
            Box::new(Seen {
                method: request.method.clone(),
                target: request.uri.clone(),
                version: request.version,
                user_agent: request.headers.get(http::header::USER_AGENT).cloned(),
                referer: request.headers.get(http::header::REFERER).cloned(),
                connection: Arc::clone(connection),
                received,
                status: None,
                spent: None,
                sent: 0,
                outcome: Outcome::Disconnected,
            })
        });
        Self { config: Arc::clone(config), seen }
    }

    pub(crate) fn fault(&self, fault: Fault) {
        if let Some(tell) = &self.config.on_fault {
            tell(fault);
        }
    }

    pub(crate) fn refused(&mut self, why: &'static str) {
        self.end(Outcome::Refused(why));
    }

    pub(crate) fn spent(&mut self, spent: Option<Spent>) {
        if let Some(seen) = &mut self.seen {
            seen.spent = spent;
        }
    }

    pub(crate) fn status(&mut self, status: StatusCode) {
        if let Some(seen) = &mut self.seen {
            seen.status = Some(status);
        }
    }

    fn sent(&mut self, bytes: u64) {
        if let Some(seen) = &mut self.seen {
            seen.sent += bytes;
        }
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(seen) = &mut self.seen
            && !matches!(seen.outcome, Outcome::Refused(_))
        {
            seen.outcome = outcome;
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(seen) = &self.seen else { return };
        let Some(log) = &self.config.access_log else { return };
        log.record(&AccessEntry {
            method: Some(&seen.method),
            target: Some(&seen.target),
            version: seen.version,
            status: seen.status,
            sent: seen.sent,
            peer: seen.connection.peer,
            received: seen.received,
            duration: seen.received.elapsed(),
            spent: seen.spent,
            user_agent: seen.user_agent.as_ref(),
            referer: seen.referer.as_ref(),
            outcome: seen.outcome,
        });
    }
}
