//! An HTTP/1.1 server that plays the external APIs of a booking site: each named upstream is slow, shaky and choosy in its own, repeatable way.
//!
//! | path | answer |
//! | --- | --- |
//! | `/NAME/offers?city=C&nights=N` | offers of one upstream: late, sometimes 503, 429 above its rate |
//! | `/?ms=50`, `/wait/50` | an echo after exactly so many milliseconds (fractions allowed), for benchmarks; `&bytes=N` pads it |
//! | `/upstreams` | who there is, with the manners of each |
//! | `/stats`, `POST /stats/reset` | calls in flight now, at most, and in all |
//!
//! Every answer that was delayed says so in `x-waited-ms`: the delay it really had.

mod answer;
mod draw;
mod offers;
mod profile;
mod rate;
mod stats;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use crate::timer::Timer;
pub use answer::{LONGEST_WAIT, WAITED};
pub use offers::CITIES;
pub use profile::{Profile, RateLimit, standard};
pub use stats::{Snapshot, Stats};

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Config {
    /// The named upstreams.
    pub profiles: Vec<Profile>,
    /// Jitter, failures and prices follow from it: the same seed, the same world.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { profiles: standard(), seed: 1 }
    }
}

/// Upstreams that run on a thread of their own. Dropping the value stops them and waits for the thread.
pub struct Running {
    address: SocketAddr,
    stats: Arc<Stats>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts the upstreams on `bind` (port 0 picks one); they answer as soon as this returns.
    pub fn start(bind: SocketAddr, config: Config) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(async { listen(bind) })?;
        let address = listener.local_addr()?;
        let stats = Arc::new(Stats::new(&config.profiles));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("upstreams".to_owned()).spawn({
            let stats = Arc::clone(&stats);
            move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = serve(listener, config, stats) => {}
                        _ = stopped => {}
                    }
                });
            }
        })?;
        Ok(Self { address, stats, stop: Some(stop), thread: Some(thread) })
    }

    /// Where they listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counters, as they are now.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was printed by its own thread; there is nobody to hand it to here.
            let _ = thread.join();
        }
    }
}

/// A listening socket on the current runtime.
pub fn listen(bind: SocketAddr) -> io::Result<TcpListener> {
    let socket = if bind.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(bind)?;
    socket.listen(BACKLOG)
}

/// A hundred requests that each call eight upstreams connect at once.
const BACKLOG: u32 = 4096;

/// Serves until the listener fails. Cancel-safe: dropping it closes the listener; open connections end with the runtime.
pub async fn serve(listener: TcpListener, config: Config, stats: Arc<Stats>) -> io::Result<()> {
    let timer = Timer::new()?;
    let world = Arc::new(answer::World::new(config, stats, timer.clone()));
    tokio::select! {
        failed = timer.drive() => failed,
        failed = accept(listener, world) => failed,
    }
}

async fn accept(listener: TcpListener, world: Arc<answer::World>) -> io::Result<()> {
    loop {
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            // Out of descriptors: wait for some to come back, rather than end.
            Err(error) if matches!(error.raw_os_error(), Some(EMFILE | ENFILE)) => {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let world = Arc::clone(&world);
                async move { world.answer(request).await }
            });
            // A caller that goes away mid-call is everyday life for an upstream.
            let _ =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

const EMFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();
const ENFILE: i32 = rustix::io::Errno::NFILE.raw_os_error();
