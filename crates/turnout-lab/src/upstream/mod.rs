//! An HTTP server that plays the external APIs of a booking site: each named upstream is slow, shaky and choosy in its own, repeatable way.
//!
//! | path | answer |
//! | --- | --- |
//! | `/NAME/offers?city=C&nights=N` | offers of one upstream: late, sometimes 503, 429 above its rate |
//! | `/?ms=50`, `/wait/50` | an echo after exactly so many milliseconds (fractions allowed), for benchmarks |
//! | ... `&bytes=N` | padded by so many |
//! | ... `&json=N&source=S` | offers in JSON of so many bytes; each source has its own |
//! | ... `&slow=0.01&slow_ms=1000` | that share of the calls takes so long instead: which ones follows from the seed |
//! | ... `&hang=1` | never |
//! | `/upstreams` | who there is, with the manners of each |
//! | `/stats`, `POST /stats/reset` | calls in flight now, at most, and in all |
//!
//! HTTP/1.1; under TLS HTTP/2 where the client offers it. Every answer that may be delayed says in `x-waited-ms` which delay it really had, and in
//! `x-read-at` and `x-written-at` when that was.

mod answer;
mod connection;
mod draw;
mod echo;
mod offers;
mod profile;
mod rate;
mod stats;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use turnout_net::PassingTls;

use crate::timer::Timer;
pub use answer::{READ_AT, WAITED, WRITTEN_AT};
pub use connection::Keepalive;
pub use echo::LONGEST_WAIT;
pub use offers::CITIES;
pub use profile::{Profile, RateLimit, standard};
pub use stats::{Snapshot, Stats};

/// What to simulate.
#[derive(Clone)]
pub struct Config {
    /// The named upstreams.
    pub profiles: Vec<Profile>,
    /// Jitter, failures and prices follow from it: the same seed, the same world.
    pub seed: u64,
    /// Encrypted; else in the clear.
    pub tls: Option<PassingTls>,
    /// How long connections are kept.
    pub keepalive: Keepalive,
}

impl Default for Config {
    fn default() -> Self {
        Self { profiles: standard(), seed: 1, tls: None, keepalive: Keepalive::default() }
    }
}

impl Config {
    /// `https` where there is TLS.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// The names under which upstreams that speak TLS can be called.
pub const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Upstreams that run on a thread of their own. Dropping the value stops them and waits for the thread.
pub struct Running {
    address: SocketAddr,
    scheme: &'static str,
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
        let scheme = config.scheme();
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
        Ok(Self { address, scheme, stats, stop: Some(stop), thread: Some(thread) })
    }

    /// Where they listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL without a path.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
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
    let (tls, keepalive) = (config.tls.clone(), config.keepalive);
    let world = Arc::new(answer::World::new(config, stats, timer.clone()));
    tokio::select! {
        failed = timer.drive() => failed,
        failed = accept(listener, tls, keepalive, world) => failed,
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<PassingTls>,
    keepalive: Keepalive,
    world: Arc<answer::World>,
) -> io::Result<()> {
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
        tokio::spawn(connection::serve(stream, tls.clone(), keepalive, Arc::clone(&world)));
    }
}

const EMFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();
const ENFILE: i32 = rustix::io::Errno::NFILE.raw_os_error();
