//! The answer's body: collected under its cap, or handed on as it comes.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use super::faults::Progress;
use super::pause::Pause;
use crate::answer::{AnswerBody, BodyStream, Chunks};
use crate::call::Call;
use crate::error::Error;
use crate::timings::Timings;
use crate::way::give_way;

/// Room made at once for a body that says how long it is. What it says is not believed beyond that. Room that is not written to costs addresses
/// and no memory, while a body that outgrows its room is copied at once: ten of a megabyte, which grow side by side, took four milliseconds.
const BELIEVED: usize = 2 << 20;

/// Read of one body before others have a turn: a fast upstream has a megabyte ready at once. Ten calls of a gather have their turns in one step.
const A_TURN: usize = 16 << 10;

/// Copied out of the buffer it was read into, which the connection can then use again: else that takes a new one for each call, of 8 KiB, and
/// each answer keeps one for as long as it is kept.
const COPIED: usize = 4 << 10;

/// An exchange whose head has come.
pub(super) trait Reader: Send + Unpin + 'static {
    /// What the answer says about the length of its body.
    fn length(&self) -> Option<u64>;
    /// The next piece, never an empty one. `None`: all of it came, and the connection is free.
    fn poll_piece(&mut self, host: &str, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>>;
    /// How far it is.
    fn progress<'a>(&mut self, host: &'a str) -> Progress<'a>;
    /// Nothing more is wanted, and what comes is not to be trusted.
    fn close(&mut self);
}

/// An answer that says it is larger than it may be is not read.
fn admit(reader: &mut impl Reader, call: &Call, host: &str) -> Result<(), Error> {
    let most = call.options.max_body;
    if reader.length().is_some_and(|length| length > most as u64) {
        let error = reader.progress(host).too_large(most);
        reader.close();
        return Err(error);
    }
    Ok(())
}

/// The body, for whoever reads it as it comes, until `late`.
pub(super) fn stream(mut reader: impl Reader, call: &Call, late: Option<Instant>) -> Result<AnswerBody, Error> {
    let host = call.url.host_str().unwrap_or_default();
    admit(&mut reader, call, host)?;
    let streaming = Streaming {
        reader: Mutex::new(reader),
        host: host.into(),
        pause: Pause::new(call.options.timeouts.read),
        late: late.map(|late| Box::pin(sleep_until(late))),
        seen: 0,
        most: call.options.max_body,
        over: false,
    };
    Ok(AnswerBody::Stream(BodyStream::new(streaming)))
}

/// All of the body. Borrows what its caller has: what is moved into a future takes its room twice, and each call has one.
pub(super) async fn collect(
    reader: &mut impl Reader,
    call: &Call,
    answered: Instant,
    timings: &mut Timings,
) -> Result<AnswerBody, Error> {
    let host = call.url.host_str().unwrap_or_default();
    admit(reader, call, host)?;
    let mut pause = Pause::new(call.options.timeouts.read);
    let most = call.options.max_body;
    let mut collected = Collected { first: Bytes::new(), rest: Vec::new(), expected: reader.length() };
    let mut turn = 0;
    loop {
        if collected.len() - turn > A_TURN {
            turn = collected.len();
            give_way().await;
        }
        match poll_fn(|context| next(reader, host, &mut pause, context)).await {
            Some(Ok(piece)) if collected.len() + piece.len() > most => {
                let error = reader.progress(host).too_large(most);
                reader.close();
                return Err(error);
            }
            Some(Ok(piece)) => collected.push(piece),
            Some(Err(error)) => return Err(error),
            None => break,
        }
    }
    timings.body = Some(answered.elapsed());
    Ok(AnswerBody::Whole(collected.whole()))
}

/// The next piece within its pause. After an error the reader is closed.
fn next(
    reader: &mut impl Reader,
    host: &str,
    pause: &mut Pause,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Error>>> {
    if let Poll::Ready(piece) = reader.poll_piece(host, context) {
        pause.interrupt();
        if matches!(piece, Some(Err(_))) {
            reader.close();
        }
        return Poll::Ready(piece);
    }
    pause.poll(context).map(|limit| {
        let error = reader.progress(host).read_pause(limit);
        reader.close();
        Some(Err(error))
    })
}

/// Most bodies come in one piece, and that one is not copied if it is large.
struct Collected {
    first: Bytes,
    rest: Vec<u8>,
    expected: Option<u64>,
}

impl Collected {
    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = if piece.len() > COPIED { piece } else { Bytes::copy_from_slice(&piece) };
            return;
        }
        if self.rest.is_empty() {
            let expected = self.expected.and_then(|expected| usize::try_from(expected).ok()).unwrap_or(0);
            self.rest
                .reserve(expected.clamp(self.first.len() + piece.len(), BELIEVED.max(self.first.len() + piece.len())));
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&piece);
    }

    fn whole(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.into() }
    }
}

/// A body on its way to whoever reads it.
struct Streaming<R> {
    /// Only ever borrowed as a whole: the lock makes it `Sync` and is never taken.
    reader: Mutex<R>,
    host: Box<str>,
    pause: Pause,
    late: Option<Pin<Box<Sleep>>>,
    seen: usize,
    most: usize,
    over: bool,
}

impl<R: Reader> Chunks for Streaming<R> {
    fn poll_chunk(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(None);
        }
        let reader = this.reader.get_mut();
        if let Some(late) = &mut this.late
            && late.as_mut().poll(context).is_ready()
        {
            this.over = true;
            let error = reader.progress(&this.host).late();
            reader.close();
            return Poll::Ready(Some(Err(error)));
        }
        let Poll::Ready(piece) = next(reader, &this.host, &mut this.pause, context) else { return Poll::Pending };
        let piece = match piece {
            Some(Ok(piece)) if this.seen + piece.len() > this.most => {
                let error = reader.progress(&this.host).too_large(this.most);
                reader.close();
                Some(Err(error))
            }
            other => other,
        };
        match &piece {
            Some(Ok(piece)) => this.seen += piece.len(),
            Some(Err(_)) | None => this.over = true,
        }
        Poll::Ready(piece)
    }
}
