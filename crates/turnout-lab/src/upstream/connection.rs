//! One connection of an upstream: its handshake, its protocol, and when it is closed.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use turnout_net::PassingTls;

use super::answer::{Answer, World};
use crate::timer::Moment;

/// How long a connection is kept. As servers do it: the last of so many answers says that it is the last, while an idle connection is closed without a
/// word, whatever is on its way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keepalive {
    /// After so long without a call.
    pub idle: Option<Duration>,
    /// After so many calls.
    pub calls: Option<u64>,
}

/// Longer than a handshake takes on a busy machine.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// Serves until either side closes. Dropped with the runtime.
pub(super) async fn serve(stream: TcpStream, tls: Option<PassingTls>, keepalive: Keepalive, world: Arc<World>) {
    let _open = world.stats.connection();
    // A caller that goes away mid-call is everyday life for an upstream, and so is one that does not believe its certificate.
    let Ok(()) = stream.set_nodelay(true) else { return };
    let Some(tls) = tls else { return http1(TokioIo::new(stream), keepalive, &world).await };
    match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok((stream, true))) => http2(TokioIo::new(stream), keepalive, &world).await,
        Ok(Ok((stream, false))) => http1(TokioIo::new(stream), keepalive, &world).await,
        Ok(Err(_)) | Err(_) => {}
    }
}

/// hyper's two kinds of connection are two types without a common trait.
macro_rules! speak {
    ($connection:expr, $keepalive:expr, $world:expr, $activity:expr) => {
        let mut connection = pin!($connection);
        if $keepalive.idle.is_some() || $keepalive.calls.is_some() {
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = $activity.over(&$keepalive, $world) => connection.as_mut().graceful_shutdown(),
            }
        }
        let _ = connection.await;
    };
}

async fn http1(io: impl Read + Write + Unpin, keepalive: Keepalive, world: &Arc<World>) {
    let activity = Activity::new();
    let service = service_fn(|request| answer(Arc::clone(world), Arc::clone(&activity), request));
    let mut builder = http1::Builder::new();
    // With a time-out hyper would close idle connections itself.
    builder.timer(TokioTimer::new()).header_read_timeout(None);
    speak!(builder.serve_connection(io, service), keepalive, world, activity);
}

async fn http2(io: impl Read + Write + Unpin, keepalive: Keepalive, world: &Arc<World>) {
    let activity = Activity::new();
    let service = service_fn(|request| answer(Arc::clone(world), Arc::clone(&activity), request));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    speak!(builder.serve_connection(io, service), keepalive, world, activity);
}

async fn answer(world: Arc<World>, activity: Arc<Activity>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let _busy = activity.begin();
    world.answer(request).await
}

/// What a connection is doing, for its end.
struct Activity {
    now: Mutex<Now>,
    changed: Notify,
}

struct Now {
    out: u64,
    begun: u64,
    since: Moment,
}

impl Activity {
    fn new() -> Arc<Self> {
        let now = Now { out: 0, begun: 0, since: Moment::now() };
        Arc::new(Self { now: Mutex::new(now), changed: Notify::new() })
    }

    fn begin(&self) -> Busy<'_> {
        let mut now = self.now.lock();
        now.out += 1;
        now.begun += 1;
        drop(now);
        self.changed.notify_one();
        Busy(self)
    }

    /// Ready when the connection has been kept long enough.
    async fn over(&self, keepalive: &Keepalive, world: &World) -> io::Result<()> {
        loop {
            match self.end(keepalive) {
                Some(end) if end <= Moment::now() => return Ok(()),
                Some(end) => tokio::select! {
                    slept = world.timer.sleep_until(end) => slept?,
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }

    fn end(&self, keepalive: &Keepalive) -> Option<Moment> {
        let now = self.now.lock();
        if keepalive.calls.is_some_and(|most| now.begun >= most) {
            return Some(Moment::now());
        }
        keepalive.idle.filter(|_| now.out == 0).map(|idle| now.since.after(idle))
    }
}

/// A call that is out on the connection.
struct Busy<'a>(&'a Activity);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut now = self.0.now.lock();
        now.out -= 1;
        now.since = Moment::now();
        drop(now);
        self.0.changed.notify_one();
    }
}
