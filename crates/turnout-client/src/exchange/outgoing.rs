//! The request's body on its way out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::gauge::Gauge;
use crate::answer::BodyStream;
use crate::error::{Error, Kind};

/// What is left to send.
#[derive(Debug, Default)]
pub(crate) enum Outgoing {
    /// Nothing (more).
    #[default]
    Nothing,
    /// In one piece.
    Whole(Bytes),
    /// As it comes.
    Stream(Box<Upload>),
}

/// A body that comes as it is sent.
#[derive(Debug)]
pub(crate) struct Upload {
    stream: BodyStream,
    /// What was promised of it and is still to come.
    left: Option<u64>,
    /// Its last piece, until it is known to be the last: what is too long must not arrive as if it were right.
    last: Option<Bytes>,
    /// Where its end is noted.
    gauge: Option<Arc<Gauge>>,
    is_over: bool,
}

impl Outgoing {
    pub(super) fn stream(stream: BodyStream, length: Option<u64>) -> Self {
        Self::Stream(Box::new(Upload { stream, left: length, last: None, gauge: None, is_over: false }))
    }

    /// Says in `gauge` whether there is more to come than the connection has been given.
    pub(super) fn measure(&mut self, gauge: &Arc<Gauge>) {
        if let Self::Stream(stream) = self {
            stream.gauge = Some(Arc::clone(gauge));
        }
        gauge.set_unfinished(matches!(self, Self::Stream(_)));
    }

    /// For sending the same again. A stream cannot be.
    pub(super) fn copy(&self) -> Option<Self> {
        match self {
            Self::Nothing => Some(Self::Nothing),
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Stream(..) => None,
        }
    }

    /// The next piece.
    pub(crate) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let stream = match self {
            Self::Nothing => return Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Nothing;
                return Poll::Ready(Some(Ok(bytes)));
            }
            Self::Stream(stream) => stream,
        };
        let Poll::Ready(piece) = stream.poll_piece(context) else { return Poll::Pending };
        if stream.is_over || !matches!(piece, Some(Ok(_))) {
            *self = Self::Nothing;
        }
        Poll::Ready(piece)
    }
}

impl Upload {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            let Poll::Ready(next) = self.stream.poll_next(context) else { return Poll::Pending };
            match (next, &mut self.left) {
                (Some(Ok(piece)), Some(left)) => match left.checked_sub(piece.len() as u64) {
                    Some(0) if *left > 0 => {
                        *left = 0;
                        self.last = Some(piece);
                    }
                    Some(rest) => {
                        *left = rest;
                        return Poll::Ready(Some(Ok(piece)));
                    }
                    None => return Poll::Ready(Some(Err(wrong_length("more")))),
                },
                (None, Some(1..)) => return Poll::Ready(Some(Err(wrong_length("fewer")))),
                (None, _) => {
                    self.is_over = true;
                    if let Some(gauge) = &self.gauge {
                        gauge.set_unfinished(false);
                    }
                    return Poll::Ready(self.last.take().map(Ok));
                }
                (next, _) => return Poll::Ready(next),
            }
        }
    }
}

fn wrong_length(which: &str) -> Error {
    Error::new(Kind::LocalProtocol, format!("the request's body has {which} bytes than its length says"))
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.get_mut().poll_piece(context).map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream.left.map_or_else(SizeHint::new, |left| {
                SizeHint::with_exact(left + stream.last.as_ref().map_or(0, |last| last.len() as u64))
            }),
        }
    }
}
