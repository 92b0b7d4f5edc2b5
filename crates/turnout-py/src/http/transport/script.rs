//! What a transport answers with, and how its body is read: whole, in pieces that are there, or in pieces that are still written.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};
use turnout_client::{AnswerBody, BodyStream, Chunks, Error, Kind};

/// Of a body; None is its end, without which it is broken off.
pub(super) type Piece = Option<Result<Bytes, Error>>;

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Script {
    Whole(Bytes),
    /// Read one by one, `pause` before each but the first.
    Pieces(VecDeque<Bytes>, Duration),
    /// Written by whoever has the ticket.
    Coming(mpsc::Receiver<Piece>),
}

pub(super) fn too_slow(what: &str, limit: Duration) -> Error {
    Error::new(Kind::ReadTimeout, format!("{what} did not come within {limit:?}")).after_sending()
}

impl Script {
    pub(super) fn body(self, patience: Option<Duration>) -> AnswerBody {
        let source = match self {
            Self::Whole(bytes) => return AnswerBody::Whole(bytes),
            Self::Pieces(pieces, pause) => Source::Pieces { pieces, pause, timer: None },
            Self::Coming(pieces) => Source::Coming(pieces),
        };
        AnswerBody::Stream(BodyStream::new(Reading { source, patience, timer: None }))
    }
}

/// A body on its way, with `Timeouts::read` between its pieces.
struct Reading {
    source: Source,
    patience: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
}

enum Source {
    Pieces { pieces: VecDeque<Bytes>, pause: Duration, timer: Option<Pin<Box<Sleep>>> },
    Coming(mpsc::Receiver<Piece>),
}

impl Source {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        match self {
            Self::Coming(pieces) => pieces.poll_recv(context).map(|piece| {
                let broken = || Some(Err(Error::new(Kind::Read, "the body was broken off").after_sending()));
                piece.unwrap_or_else(broken)
            }),
            Self::Pieces { pieces, pause, timer } => {
                if let Some(waiting) = timer {
                    ready!(waiting.as_mut().poll(context));
                    *timer = None;
                }
                let piece = pieces.pop_front();
                if !pause.is_zero() && !pieces.is_empty() {
                    *timer = Some(Box::pin(sleep(*pause)));
                }
                Poll::Ready(piece.map(Ok))
            }
        }
    }
}

impl Chunks for Reading {
    fn poll_chunk(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(piece) = this.source.poll_piece(context) {
            this.timer = None;
            return Poll::Ready(piece);
        }
        let Some(patience) = this.patience else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        timer.as_mut().poll(context).map(|()| Some(Err(too_slow("more of the body", patience))))
    }
}
