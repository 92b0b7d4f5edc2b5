//! The connections of a process: who may use which, and who waits.
//!
//! `state` keeps the books, `opening` makes connections (they belong to the pool, not to who asked for them), `lease` is what a call holds.
//! Everything a call holds is given back by `Drop`: a seat in the queue, a connection, a stream.

mod chain;
mod host;
mod lease;
mod opening;
mod state;
mod stats;
mod waiting;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::opening::Start;
use self::state::{After, Kinds, State};
use crate::answer::Answer;
use crate::call::Call;
use crate::connect::{Connector, Place};
use crate::error::{Error, Kind};
use crate::exchange::{self, Http1, Http2};
use crate::options::Limits;
use crate::timings::Timings;

pub(crate) use self::lease::{Held, Lease, Stream};
pub(crate) use self::state::Shareable;
pub use self::stats::{Counts, Discard, PlaceStats, PoolStats};

/// Between two looks for connections that were idle too long: they are refused when they are met, closing them is only tidiness.
const SWEEP: Duration = Duration::from_millis(500);

/// See the module. Dropping it closes what is idle; what is in use is closed when it comes back.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    closed: CancellationToken,
}

/// What connections and waiters point to.
pub(crate) struct Shared {
    state: Mutex<State<Net>>,
    connector: Connector,
    /// Abandoned answers that are being read to their end.
    lingering: AtomicUsize,
    closed: CancellationToken,
}

/// The books are kept of sockets.
enum Net {}

impl Kinds for Net {
    type Own = Box<Http1>;
    type Shared = Http2;
    type Start = Start;
}

impl Pool {
    pub(crate) fn new(limits: Limits, connector: Connector) -> Self {
        let closed = CancellationToken::new();
        let state = Mutex::new(State::new(limits));
        let shared = Arc::new(Shared { state, connector, lingering: AtomicUsize::new(0), closed: closed.clone() });
        Self { shared, closed }
    }

    /// One attempt: a connection, the request, the answer. No policy, no redirect. All time limits but `total` are kept here. `sent` is set
    /// once the request may be on its way: who drops this cannot ask it any more. Attempts at the same time have different lanes.
    pub(crate) async fn attempt(&self, call: &Arc<Call>, lane: u8, sent: &AtomicBool) -> Result<Answer, Error> {
        let mut place = place(call)?;
        // Those that do not share connections have one each anyway, and need not keep them apart.
        if lane > 0 && self.shared.state.lock().is_shared(&place) {
            place.lane = lane;
        }
        let limit = call.options.timeouts.attempt;
        let late = limit.map(|limit| Instant::now() + limit);
        // Pinned here, so that there is room for it once and not once in either arm.
        let exchange = pin!(self.exchange(call, &place, late, sent));
        match limit {
            Some(limit) => timeout(limit, exchange).await.unwrap_or_else(|_| {
                let error = exchange::attempt_took_too_long(call, limit);
                Err(if sent.load(Ordering::Relaxed) { error.after_sending() } else { error })
            }),
            None => exchange.await,
        }
    }

    async fn exchange(
        &self,
        call: &Arc<Call>,
        place: &Place,
        late: Option<Instant>,
        sent: &AtomicBool,
    ) -> Result<Answer, Error> {
        let mut body = exchange::check(call)?;
        let mut timings = Timings::default();
        let mut fresh = false;
        loop {
            let lease = self.shared.lease(place, &call.options.timeouts, fresh, &mut timings).await?;
            sent.store(true, Ordering::Relaxed);
            let failed = match exchange::run(lease, call, body, late, &mut timings).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            // Once: a connection just made cannot have been closed for being idle.
            match failed.again {
                Some(again) if !fresh => body = again,
                _ => return Err(failed.error.timed(timings)),
            }
            fresh = true;
            self.shared.change(|state, _, _| {
                let host = state.host(place);
                state.hosts[host].counts.resent += 1;
            });
        }
    }

    /// What it has and what happened; locks for as long as it takes to copy.
    pub(crate) fn stats(&self) -> PoolStats {
        let state = self.shared.state.lock();
        let places = state.hosts.iter().map(|(_, host)| PlaceStats {
            secure: host.place.secure,
            host: Arc::clone(&host.place.host),
            port: host.place.port,
            open: host.open,
            connecting: host.connecting,
            idle: host.idle.len() + host.shared.iter().filter(|(_, shared)| shared.streams == 0).count(),
            waiting: host.waiting.len(),
            counts: host.counts.clone(),
        });
        PoolStats {
            open: state.open,
            idle: state.resting.len(),
            waiting: state.waiting(),
            lingering: self.shared.lingering.load(Ordering::Relaxed),
            places: places.collect(),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.closed.cancel();
        self.shared.change(|state, _, after| {
            state.limits.max_idle_per_host = 0;
            state.clear(after);
        });
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        formatter
            .debug_struct("Pool")
            .field("open", &state.open)
            .field("idle", &state.resting.len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Changes the books, and then does what follows from that: with the lock held, nothing is woken, spawned or closed.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut State<Net>, Instant, &mut After<Net>) -> T) -> T {
        let now = Instant::now();
        let mut after = After::default();
        let result = change(&mut self.state.lock(), now, &mut after);
        let After { wake, open, close, leave } = after;
        for waker in wake {
            waker.wake();
        }
        for (host, place, start) in open {
            start.begin(Arc::clone(self), host, place);
        }
        drop((close, leave));
        result
    }

    /// Closes what is idle too long, as long as there is something idle. Called whenever something may have become so.
    fn keep_swept(self: &Arc<Self>, runtime: &Handle) {
        {
            let mut state = self.state.lock();
            if state.swept || state.resting.len() == 0 {
                return;
            }
            state.swept = true;
        }
        let sweep = Sweep(Arc::clone(self));
        let closed = self.closed.clone();
        runtime.spawn(async move {
            while let Some(next) = sweep.0.change(State::sweep) {
                tokio::select! {
                    () = sleep_until(next.max(Instant::now() + SWEEP)) => {}
                    () = closed.cancelled() => break,
                }
            }
        });
    }
}

/// However the sweeping ends, another may begin.
struct Sweep(Arc<Shared>);

impl Drop for Sweep {
    fn drop(&mut self) {
        self.0.state.lock().swept = false;
    }
}

fn place(call: &Call) -> Result<Place, Error> {
    let secure = match call.url.scheme() {
        "https" => true,
        "http" => false,
        other => {
            return Err(Error::new(
                Kind::UnsupportedProtocol,
                format!("{other}:// cannot be called, only http:// and https://"),
            ));
        }
    };
    let host = call.url.host_str().ok_or_else(|| Error::new(Kind::InvalidUrl, "the URL has no host"))?;
    let options = &call.options;
    Ok(Place {
        secure,
        host: Arc::from(host),
        port: call.url.port_or_known_default().unwrap_or(if secure { 443 } else { 80 }),
        tls: Arc::clone(&options.tls),
        proxies: Arc::clone(&options.proxies),
        addresses: Arc::clone(&options.addresses),
        http2: options.http2,
        lane: 0,
    })
}
