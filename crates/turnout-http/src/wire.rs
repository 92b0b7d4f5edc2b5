//! One connection's bytes: read from the socket, judged by the framer, handed to hyper one message at a time.
//!
//! hyper is told to allow half-closed peers, so it reads only when it wants the next head or more of a body; everything else a
//! connection must notice (a peer that leaves, time, refusals) is noticed here. Because no more than one message is ever handed
//! over, hyper asking for a head means that it is done with the answer before it.
//!
//! Shared by hyper's two halves, the connection's task and the request being answered; all of them run in that one task, so the
//! lock is never waited for.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use hyper::rt::ReadBufCursor;
use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turnout_net::{Stream, Waiting};

use crate::body::BodyError;
use crate::clock::{Clock, Due};
use crate::config::Config;
use crate::framer::{Framer, Head, Refusal, Verdict, begun};
use crate::hints::Hints;

/// One read. Also what may be held of requests that the peer sent ahead of our answers.
const READ_BYTES: usize = 64 * 1024;
const READ_AHEAD: usize = 16 * 1024;
/// When time is up but bytes wait in the socket: how long until the runtime must have brought them.
const LATE_WAKE_UP: Duration = Duration::from_millis(20);

thread_local! {
    /// One a thread instead of one a connection: ten thousand idle connections hold none.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// A connection.
pub(crate) struct Wire {
    state: Mutex<State>,
    half_close: bool,
    /// Goes up when a request is handed to the app, and again when it has its answer.
    answering: AtomicU64,
}

/// hyper's view of it.
pub(crate) struct HyperIo(pub(crate) Arc<Wire>);

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and most combinations occur")]
pub(crate) struct State {
    pub(crate) stream: Stream,
    pub(crate) hints: Hints,
    framer: Framer,
    clock: Clock,
    /// Read, and not handed to hyper.
    held: BytesMut,
    /// So much of `held` was judged good.
    passable: usize,
    /// `held` was shown to the framer and was not enough.
    needs_more: bool,
    refused: Option<Refusal>,
    cause: Cause,
    /// The request that was refused is a HEAD.
    refused_head_request: bool,
    /// Nothing more will be read: FIN, or idle for too long.
    ended: bool,
    /// Reading failed: the peer reset the connection, or the network gave it up.
    broken: bool,
    /// hyper has a request and is not done with its answer.
    busy: bool,
    /// hyper waits for bytes.
    reading: bool,
    facts: Facts,
}

/// What the framer knows of the request that hyper has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) has_underscores: bool,
    /// When its first byte was read.
    pub(crate) began: Instant,
    /// When its head was complete.
    pub(crate) received: Instant,
}

/// Why bodies of this connection cannot be read to their end; set at most once, since the connection ends with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cause(Arc<OnceLock<Refusal>>);

impl Cause {
    pub(crate) fn as_error(&self) -> BodyError {
        self.0.get().map_or(BodyError::Disconnected, |refusal| refusal.as_body_error())
    }
}

/// What the connection's task must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watch {
    /// Nothing.
    Fine,
    /// The peer left: drop everything.
    Gone,
    /// Reading tells nothing more, since the peer sent its FIN and may go on reading, or sent more than is read ahead: watch
    /// for it breaking the connection.
    Blind,
}

impl Wire {
    pub(crate) fn new(stream: Stream, config: &Config) -> Self {
        let now = Instant::now();
        let state = State {
            stream,
            hints: Hints::new(),
            framer: Framer::new(&config.limits),
            clock: Clock::new(&config.limits, now),
            held: BytesMut::new(),
            passable: 0,
            needs_more: false,
            refused: None,
            cause: Cause::default(),
            refused_head_request: false,
            ended: false,
            broken: false,
            busy: false,
            reading: false,
            facts: Facts { has_underscores: false, began: now, received: now },
        };
        Self { state: Mutex::new(state), half_close: config.half_close, answering: AtomicU64::new(0) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// What is known of the request that hyper just handed to the service.
    pub(crate) fn facts(&self) -> Facts {
        self.lock().facts
    }

    /// A request goes to the app: its number on this connection, for [`Wire::is_answering`].
    pub(crate) fn begin_answer(&self) -> u64 {
        self.answering.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The request has its answer.
    pub(crate) fn end_answer(&self) {
        self.answering.fetch_add(1, Ordering::Relaxed);
    }

    /// The request of that number has no answer yet.
    pub(crate) fn is_answering(&self, request: u64) -> bool {
        self.answering.load(Ordering::Relaxed) == request
    }

    /// Why the body of the current request cannot be read to its end.
    pub(crate) fn refused_body(&self) -> Option<Refusal> {
        let state = self.lock();
        state.refused.filter(|_| !state.framer.between_messages())
    }

    /// Tells the reader of the current body why it ended. Not a handle to the wire: who keeps a body keeps no socket open.
    pub(crate) fn cause(&self) -> Cause {
        self.lock().cause.clone()
    }

    /// Looks for a peer that left while hyper has no reason to read. Call after hyper was polled.
    pub(crate) fn watch(&self, cx: &mut Context<'_>) -> Watch {
        let mut state = self.lock();
        if state.broken {
            // Whoever read the body was told in the poll that found it out.
            return Watch::Gone;
        }
        if state.reading || !state.busy {
            return Watch::Fine;
        }
        if state.ended {
            return Watch::Blind;
        }
        while state.held.len() < READ_AHEAD {
            let room = READ_AHEAD - state.held.len();
            match state.read_into_held(cx, room) {
                Poll::Pending => return Watch::Fine,
                Poll::Ready(Ok(0)) if !state.request_is_whole() => {
                    // The rest will never come. Whoever reads the body is told when it is polled, which is now.
                    state.fin();
                    cx.waker().wake_by_ref();
                    return Watch::Blind;
                }
                Poll::Ready(Ok(0)) if self.half_close => {
                    state.ended = true;
                    return Watch::Blind;
                }
                Poll::Ready(Ok(0) | Err(_)) => return Watch::Gone,
                Poll::Ready(Ok(_)) => {}
            }
        }
        Watch::Blind
    }
}

impl State {
    /// Call before hyper is polled: it says again whether it waits.
    pub(crate) fn begin_poll(&mut self) {
        self.reading = false;
    }

    /// When the connection's task must wake up, if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.clock.deadline(self.reading)
    }

    /// The time is up for something, or the timer was set too early: decides which.
    pub(crate) fn time(&mut self) -> Watch {
        match self.clock.due(self.reading, Instant::now()) {
            None => Watch::Fine,
            Some(Due::Write) => Watch::Gone,
            Some(due) => {
                if self.stream.waiting() == Waiting::Nothing {
                    match due {
                        Due::Idle | Due::Write => self.ended = true,
                        Due::Head => self.refuse(Refusal::HEAD_SLOW),
                        Due::Body => self.refuse(Refusal::BODY_SLOW),
                    }
                } else {
                    // We are late, not the peer.
                    self.clock.grant(LATE_WAKE_UP);
                }
                Watch::Fine
            }
        }
    }

    /// Between requests, and nothing of the next one has come.
    pub(crate) fn is_idle(&self) -> bool {
        !self.busy && !begun(&self.held) && self.stream.waiting() == Waiting::Nothing
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Reads no further request.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// What is to be answered by whoever closes the connection: hyper never saw this request.
    pub(crate) fn refused_head(&self) -> Option<(Refusal, bool)> {
        let refusal = self.refused.filter(|_| self.framer.between_messages())?;
        Some((refusal, self.refused_head_request))
    }

    /// Closing at once would make the kernel answer unread bytes with a RST, which can destroy our answer on its way
    /// (RFC 9112 section 9.6).
    pub(crate) fn must_linger(&self) -> bool {
        self.refused.is_some()
            || !self.framer.between_messages()
            || !self.held.is_empty()
            || self.stream.waiting() == Waiting::Bytes
    }

    fn request_is_whole(&self) -> bool {
        self.framer.between_messages() && self.passable == 0
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refused = Some(refusal);
        if self.framer.between_messages() {
            self.refused_head_request = Framer::is_head_request(&self.held);
        } else {
            let _ = self.cause.0.set(refusal);
        }
    }

    fn before_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let drained = self.hints.before_write(&mut self.stream, cx);
        if drained.is_pending() {
            self.clock.wrote(false);
        }
        drained
    }

    fn read_into_held(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let read = ready!(read(&mut self.stream, cx, scratch, room))?;
            self.held.extend_from_slice(&scratch[..read]);
            self.needs_more = false;
            self.clock.came(read);
            Poll::Ready(Ok(read))
        })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.busy && self.request_is_whole() {
            // hyper wants the next head: it is done with the answer.
            self.busy = false;
            self.clock.idle();
        }
        loop {
            if self.passable > 0 {
                let length = self.passable.min(into.remaining());
                into.put_slice(&self.held[..length]);
                self.held.advance(length);
                self.passable -= length;
                if self.held.is_empty() {
                    // An idle connection holds no memory for bytes.
                    self.held = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            if self.refused.is_none() && !self.held.is_empty() && !self.needs_more {
                let verdict = self.framer.judge(&self.held);
                self.passable = self.note(verdict);
                continue;
            }
            if self.refused.is_some() || self.ended {
                return Poll::Ready(self.nothing_more());
            }
            match self.read_more(cx, &mut into) {
                Poll::Ready(Ok(Some(0))) => self.fin(),
                Poll::Ready(Ok(Some(_))) => {}
                Poll::Ready(Ok(None)) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => {
                    self.broken = true;
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    self.reading = true;
                    self.clock.waits(self.framer.between_messages(), begun(&self.held));
                    return Poll::Pending;
                }
            }
        }
    }

    /// `None`: judged and handed over at once, which is how nearly every request goes. Otherwise what was read is held.
    fn read_more(&mut self, cx: &mut Context<'_>, into: &mut ReadBufCursor<'_>) -> Poll<io::Result<Option<usize>>> {
        if !self.held.is_empty() {
            return self.read_into_held(cx, READ_AHEAD).map_ok(Some);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let read = ready!(read(&mut self.stream, cx, scratch, into.remaining()))?;
            let came = &scratch[..read];
            self.clock.came(read);
            if came.is_empty() {
                return Poll::Ready(Ok(Some(0)));
            }
            let verdict = self.framer.judge(came);
            let good = self.note(verdict);
            into.put_slice(&came[..good]);
            self.held.extend_from_slice(&came[good..]);
            Poll::Ready(Ok(if good > 0 { None } else { Some(read) }))
        })
    }

    /// Writes down what the framer said; how many bytes are good.
    fn note(&mut self, verdict: Verdict) -> usize {
        match verdict {
            Verdict::Content(good) => good,
            Verdict::Head(good, Head { has_underscores, .. }) => {
                self.busy = true;
                let (began, received) = self.clock.head_came();
                self.facts = Facts { has_underscores, began, received };
                good
            }
            Verdict::More => {
                self.needs_more = true;
                0
            }
            Verdict::Refuse(refusal) => {
                self.refuse(refusal);
                0
            }
        }
    }

    fn fin(&mut self) {
        self.ended = true;
        // What was judged already and only waits for hyper is no beginning of another request.
        if let Some(refusal) = self.framer.cut_short(&self.held[self.passable..]) {
            self.refuse(refusal);
        }
    }

    /// To hyper, the end between messages is a good one; inside one it is an error.
    fn nothing_more(&self) -> io::Result<()> {
        if self.framer.between_messages() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn read(stream: &mut Stream, cx: &mut Context<'_>, scratch: &mut [u8], most: usize) -> Poll<io::Result<usize>> {
    let most = most.min(scratch.len());
    let mut buffer = ReadBuf::new(&mut scratch[..most]);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

impl hyper::rt::Read for HyperIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.0.lock().poll_read(cx, into)
    }
}

impl hyper::rt::Write for HyperIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        ready!(state.before_write(cx))?;
        let written = Pin::new(&mut state.stream).poll_write(cx, from);
        state.clock.wrote(written.is_ready());
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        ready!(state.before_write(cx))?;
        let written = Pin::new(&mut state.stream).poll_write_vectored(cx, from);
        state.clock.wrote(written.is_ready());
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper has nothing left to write; the socket itself has nothing to flush.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        let State { hints, stream, .. } = &mut *state;
        hints.after_flush(stream, cx)
    }

    /// Closing is the connection task's business: it may have to answer, or to linger.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
