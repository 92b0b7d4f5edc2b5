//! The body of an answer that is handed over as it comes: its call's limits go on until its end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::answer::{Answer, AnswerBody, BodyStream, Chunks};
use crate::error::{Error, Kind};

/// Ends the body with an error of this kind when its time is over. A body in memory is left alone.
pub(super) fn limit(answer: &mut Answer, deadline: Option<Instant>, kind: Kind) {
    if let (AnswerBody::Stream(_), Some(deadline)) = (&answer.body, deadline) {
        wrap(answer, |stream| Limited { stream: Some(stream), timer: Box::pin(sleep_until(deadline)), kind });
    }
}

/// Reads a body that its caller wants whole: transports may hand over any.
pub(super) async fn collect(answer: &mut Answer, max: usize) -> Result<(), Error> {
    let AnswerBody::Stream(stream) = &mut answer.body else { return Ok(()) };
    let mut whole = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if whole.len() + chunk.len() > max {
            let text = format!("the body is larger than {max} bytes, the most that max_body allows");
            return Err(Error::new(Kind::ResponseTooLarge, text).after_sending());
        }
        whole.extend_from_slice(&chunk);
    }
    answer.body = AnswerBody::Whole(whole.freeze());
    Ok(())
}

/// Keeps something until the body's end: a seat in a bulkhead.
pub(crate) fn hold<T: Send + Sync + Unpin + 'static>(answer: &mut Answer, held: T) {
    if matches!(answer.body, AnswerBody::Stream(_)) {
        wrap(answer, |stream| Holding { stream, held: Some(held) });
    }
}

fn wrap<C: Chunks + 'static>(answer: &mut Answer, around: impl FnOnce(BodyStream) -> C) {
    let body = std::mem::replace(&mut answer.body, AnswerBody::Whole(Bytes::new()));
    answer.body = match body {
        AnswerBody::Stream(stream) => AnswerBody::Stream(BodyStream::new(around(stream))),
        whole @ AnswerBody::Whole(_) => whole,
    };
}

struct Limited {
    /// `None`: its time was over; whatever it held is free.
    stream: Option<BodyStream>,
    timer: Pin<Box<Sleep>>,
    kind: Kind,
}

impl Chunks for Limited {
    fn poll_chunk(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let this = self.get_mut();
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        // First: a body that always has a piece ready would never see its end.
        if this.timer.as_mut().poll(context).is_ready() {
            this.stream = None;
            let text = "the time was over before the body was";
            return Poll::Ready(Some(Err(Error::new(this.kind, text).after_sending())));
        }
        stream.poll_next(context)
    }
}

struct Holding<T> {
    stream: BodyStream,
    held: Option<T>,
}

impl<T: Send + Sync + Unpin> Chunks for Holding<T> {
    fn poll_chunk(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let this = self.get_mut();
        let chunk = this.stream.poll_next(context);
        if matches!(chunk, Poll::Ready(None | Some(Err(_)))) {
            this.held = None;
        }
        chunk
    }
}
