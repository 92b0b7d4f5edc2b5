//! HTTP/2. One task drives a connection; calls talk to it through h2 and have no task of their own.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response, header};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Failed;
use super::connection::{HEAD_LIMIT, Origin};
use super::faults::Progress;
use super::incoming::{self, Reader};
use super::outgoing::Outgoing;
use super::pause::Pause;
use super::pulse::Pulse;
use super::request;
use crate::answer::{Answer, Head};
use crate::call::Call;
use crate::connect::{self, Connected};
use crate::error::{Error, Kind};
use crate::pool::{Shareable, Stream};
use crate::timings::Timings;

/// What one answer may send ahead of its reader: 10 MB/s at 50 ms.
const STREAM_WINDOW: u32 = 512 << 10;

/// What all may: readers that have stopped must not stop the others.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// No upstream says so: until it has said how many calls it takes at once, none is sent.
const NOT_SAID: usize = usize::MAX - 1;

/// A connection, used by many calls. Clones are the same connection; with the last it ends, when what runs on it has ended.
#[derive(Clone)]
pub(crate) struct Http2 {
    sender: SendRequest<Bytes>,
    inner: Arc<Inner>,
}

struct Inner {
    origin: Origin,
    runtime: Handle,
    state: Arc<Life>,
    _released: DropGuard,
}

#[derive(Default)]
struct Life {
    closing: AtomicBool,
    used: AtomicBool,
    /// A call was given up before anything of its answer had come: is the peer there at all?
    doubted: Notify,
}

/// Moves the connection's bytes.
pub(crate) struct Driver {
    connection: Connection<connect::Stream, Bytes>,
    pulse: Pulse,
    /// Asked whether new calls are taken; dropped with the last clone, or it would keep the connection open.
    sender: Option<SendRequest<Bytes>>,
    state: Arc<Life>,
    released: CancellationToken,
}

impl Http2 {
    /// Ready when the upstream has said how many calls it takes: its SETTINGS are the first thing that it sends (RFC 9113, 3.4).
    pub(crate) async fn new(connected: Connected, runtime: Handle) -> Result<(Self, Driver), Error> {
        let origin = Origin::new(&connected);
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(NOT_SAID)
            .max_header_list_size(HEAD_LIMIT as u32);
        let (sender, mut connection) = builder.handshake(connected.stream).await.map_err(not_http2)?;
        poll_fn(|context| match Pin::new(&mut connection).poll(context) {
            Poll::Ready(Ok(())) => {
                Poll::Ready(Err(Error::new(Kind::RemoteProtocol, "the new connection was closed at once")))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(not_http2(error))),
            Poll::Pending if sender.current_max_send_streams() == NOT_SAID => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
        })
        .await?;
        let (state, released) = (Arc::<Life>::default(), CancellationToken::new());
        let inner = Inner { origin, runtime, state: Arc::clone(&state), _released: released.clone().drop_guard() };
        let pulse = Pulse::new(connection.ping_pong());
        let driver = Driver { connection, pulse, sender: Some(sender.clone()), state, released };
        Ok((Self { sender, inner: Arc::new(inner) }, driver))
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.inner.runtime
    }
}

impl Shareable for Http2 {
    fn streams(&self) -> usize {
        self.sender.current_max_send_streams()
    }

    fn is_open(&self) -> bool {
        !self.inner.state.closing.load(Ordering::Relaxed)
    }
}

impl Driver {
    /// Until the connection has ended. `closing` is called once, when it takes no new calls.
    pub(crate) async fn run(mut self, closing: impl FnOnce()) {
        let mut closing = Some(closing);
        let mut close = |state: &Life| {
            state.closing.store(true, Ordering::Relaxed);
            if let Some(closing) = closing.take() {
                closing();
            }
        };
        let mut released = pin!(self.released.cancelled_owned());
        let mut doubted = pin!(self.state.doubted.notified());
        poll_fn(|context| {
            if self.sender.is_some() && released.as_mut().poll(context).is_ready() {
                self.sender = None;
            }
            while doubted.as_mut().poll(context).is_ready() {
                doubted.set(self.state.doubted.notified());
                self.pulse.feel();
            }
            let gone = self.pulse.poll_lost(context).is_ready();
            let ended = gone || Pin::new(&mut self.connection).poll(context).is_ready();
            let refuses = |sender: &mut SendRequest<Bytes>| matches!(sender.poll_ready(context), Poll::Ready(Err(_)));
            if ended || self.sender.as_mut().is_some_and(refuses) {
                self.sender = None;
                close(&self.state);
            }
            if ended { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// An exchange on its way. Dropped before its end, its stream is reset and the connection stays.
struct Running {
    response: Option<ResponseFuture>,
    incoming: Option<RecvStream>,
    upload: Sending,
    heard: bool,
    length: Option<u64>,
    /// Last: h2 must know that its stream is over before the pool gives away its place.
    stream: Stream,
}

pub(super) async fn run(
    mut stream: Stream,
    call: &Arc<Call>,
    body: Outgoing,
    late: Option<Instant>,
    timings: &mut Timings,
) -> Result<Answer, Failed> {
    let state = Arc::clone(&stream.connection.inner.state);
    let used = state.used.swap(true, Ordering::Relaxed);
    if !used {
        stream.connection.inner.origin.note(timings);
    }
    let remote = stream.connection.inner.origin.remote;
    let request = request::http2(call, &body)?;
    let nothing = matches!(body, Outgoing::Nothing);
    let spare = body.copy();
    let host = call.url.host_str().unwrap_or_default();
    let sent = Instant::now();
    let (response, send) = match stream.connection.sender.send_request(request, nothing) {
        Ok(begun) => begun,
        Err(error) => {
            state.closing.store(true, Ordering::Relaxed);
            let nowhere = Progress { host, sent: false, complete: false, heard: false };
            return Err(Failed { error: nowhere.broken2(error), again: Some(body) });
        }
    };
    let upload = Sending { send: (!nothing).then_some(send), body, piece: Bytes::new(), moved: 0 };
    let mut running = Running { response: Some(response), incoming: None, upload, heard: false, length: None, stream };
    let mut wait = Wait::new(call);
    let response = match poll_fn(|context| running.poll_head(host, &mut wait, context)).await {
        Ok(response) => response,
        Err(Fault::Ours(error)) => return Err(error.into()),
        Err(Fault::Peer(error)) => {
            let unprocessed = is_unprocessed(&error);
            state.closing.fetch_or(error.is_go_away(), Ordering::Relaxed);
            let progress = running.progress(host);
            let error = Progress { sent: progress.sent && !unprocessed, ..progress }.broken2(error);
            let stale = used && call.idempotent && matches!(error.kind(), Kind::Read | Kind::Write);
            return Err(Failed { error, again: spare.filter(|_| unprocessed || stale) });
        }
    };
    let answered = Instant::now();
    timings.first_byte = Some(answered - sent);
    let (parts, body) = response.into_parts();
    running.length = if body.is_end_stream() { Some(0) } else { content_length(&parts.headers) };
    running.incoming = Some(body);
    let head = Head { url: call.url.clone(), status: parts.status, headers: parts.headers, version: parts.version };
    let body = if call.stream {
        incoming::stream(running, call, late)?
    } else {
        incoming::collect(&mut running, call, answered, timings).await?
    };
    Ok(Answer { timings: timings.clone(), remote: Some(remote), ..Answer::new(head, body) })
}

/// The upstream says that it has not looked at the request: it may be sent again, whatever it is (RFC 9113, 8.7).
fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
}

fn not_http2(error: h2::Error) -> Error {
    Error::new(Kind::RemoteProtocol, "the upstream does not speak HTTP/2").caused_by(error)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

enum Fault {
    Peer(h2::Error),
    Ours(Error),
}

/// The time limits until the head is there.
struct Wait {
    write: Pause,
    first_byte: Pause,
    moved: u64,
}

impl Wait {
    fn new(call: &Call) -> Self {
        let timeouts = &call.options.timeouts;
        Self { write: Pause::new(timeouts.write), first_byte: Pause::new(timeouts.first_byte), moved: 0 }
    }
}

impl Running {
    fn poll_head(
        &mut self,
        host: &str,
        wait: &mut Wait,
        context: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, Fault>> {
        let response = self.response.as_mut().expect("the head is awaited once");
        if let Poll::Ready(response) = Pin::new(response).poll(context) {
            self.response = None;
            self.heard = response.is_ok();
            return Poll::Ready(response.map_err(Fault::Peer));
        }
        let blocked = match self.upload.poll(context) {
            Poll::Ready(Ok(())) => {
                let progress = self.progress(host);
                return wait.first_byte.poll(context).map(|limit| Err(Fault::Ours(progress.no_head(limit))));
            }
            Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
            Poll::Pending => !self.upload.piece.is_empty(),
        };
        if !blocked || self.upload.moved != wait.moved {
            wait.moved = self.upload.moved;
            wait.write.interrupt();
        }
        if !blocked {
            return Poll::Pending;
        }
        let progress = self.progress(host);
        wait.write.poll(context).map(|limit| Err(Fault::Ours(progress.write_pause(limit))))
    }
}

impl Reader for Running {
    fn length(&self) -> Option<u64> {
        self.length
    }

    fn poll_piece(&mut self, host: &str, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        // The upstream may answer before it has read everything. That it then reads no more is no error.
        if let Poll::Ready(Err(Fault::Ours(error))) = self.upload.poll(context) {
            return Poll::Ready(Some(Err(error)));
        }
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        loop {
            let Poll::Ready(piece) = incoming.poll_data(context) else { return Poll::Pending };
            match piece {
                Some(Ok(piece)) => {
                    // Refused only when the stream is over, and then nothing more comes.
                    let _ = incoming.flow_control().release_capacity(piece.len());
                    if !piece.is_empty() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
                // "Answered in full, the rest of the request is not needed" (RFC 9113, 8.1).
                Some(Err(error)) if error.is_remote() && error.reason() == Some(Reason::NO_ERROR) => break,
                Some(Err(error)) => {
                    let error = self.progress(host).broken2(error);
                    return Poll::Ready(Some(Err(error)));
                }
                None => break,
            }
        }
        self.incoming = None;
        Poll::Ready(None)
    }

    fn progress<'a>(&mut self, host: &'a str) -> Progress<'a> {
        Progress { host, sent: true, complete: self.upload.send.is_none(), heard: self.heard }
    }

    fn close(&mut self) {
        self.response = None;
        self.incoming = None;
        self.upload.send = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.heard {
            self.stream.connection.inner.state.doubted.notify_one();
        }
    }
}

/// The request's body on its way.
struct Sending {
    /// `None`: all of it is with h2.
    send: Option<SendStream<Bytes>>,
    body: Outgoing,
    /// What the window has no room for yet.
    piece: Bytes,
    moved: u64,
}

impl Sending {
    /// As much as the window takes. `Ready`: that was all, or the upstream wants no more.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            let Some(send) = &mut self.send else { return Poll::Ready(Ok(())) };
            if self.piece.is_empty() {
                let Poll::Ready(piece) = self.body.poll_piece(context) else { return Poll::Pending };
                match piece {
                    Some(Ok(piece)) => self.piece = piece,
                    Some(Err(error)) => {
                        send.send_reset(Reason::CANCEL);
                        self.send = None;
                        return Poll::Ready(Err(Fault::Ours(error.after_sending())));
                    }
                    None => {
                        let ended = send.send_data(Bytes::new(), true);
                        self.send = None;
                        return Poll::Ready(ended.map_err(Fault::Peer));
                    }
                }
                if self.piece.is_empty() {
                    continue;
                }
            }
            send.reserve_capacity(self.piece.len());
            while send.capacity() == 0 {
                match send.poll_capacity(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Fault::Peer(error))),
                    Poll::Ready(None) => {
                        self.send = None;
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            let part = self.piece.split_to(send.capacity().min(self.piece.len()));
            self.moved += part.len() as u64;
            let last = self.piece.is_empty() && matches!(self.body, Outgoing::Nothing);
            if let Err(error) = send.send_data(part, last) {
                return Poll::Ready(Err(Fault::Peer(error)));
            }
            if last {
                self.send = None;
            }
        }
    }
}
