//! The socket's life: a thread with a runtime of its own, in the process that supervises.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};
use turnout_history::History;
use turnout_http::{Admission, Config, Drain, Limits, serve};
use turnout_net::Listener;
use turnout_states::Board;

use crate::access::{Access, Token};
use crate::admin::{Admin, Serving};
use crate::failures::Failures;
use crate::guard::Names;
use crate::store::{Facts, Machine, Store};
use crate::stream::{MOST_STREAMS, PATIENCE};

/// How often the board is read.
const SECOND: Duration = Duration::from_secs(1);
/// Connections at once: every stream and as many again. The process needs descriptors for its workers too.
const MOST_CONNECTIONS: usize = 256;
/// Nothing that is sent here is long, and nobody who means it is slow.
const LIMITS: Limits = Limits {
    head_time: PATIENCE,
    head_bytes: 16 << 10,
    target_bytes: 4 << 10,
    // A collector that comes back later opens another one: connections that nobody uses must not be all there are.
    idle_time: Duration::from_secs(20),
    body_bytes: Some(0),
    body_rate: 240,
    body_grace: PATIENCE,
    write_time: PATIENCE,
    linger_time: Duration::from_secs(2),
    connections: Some(MOST_CONNECTIONS),
};

/// What to serve, and to whom.
#[derive(Debug)]
pub struct Plan {
    /// Where.
    pub listener: Listener,
    /// What the workers tell.
    pub board: Arc<Board>,
    /// Program and version, for people.
    pub title: String,
    /// The version alone, for metrics.
    pub version: String,
    /// Cores this server may use.
    pub cores: u32,
    /// Names, beside its address and `localhost`, under which it may be asked.
    pub names: Vec<String>,
    /// What opens it; `None`: a token that nobody knows, so only the login link does.
    pub token: Option<Token>,
    /// Puts [`Worker::rungs`](turnout_states::Worker::rungs) into words.
    pub rungs: fn(u64) -> Vec<String>,
    /// Where what is counted is kept, if anywhere.
    pub history: Option<History>,
    /// Says what was noticed, a line each; `None`: nobody wants to read it.
    pub say: Option<fn(&str)>,
}

/// An admin socket that serves. Told what happens to the workers by whoever supervises them; workers are counted from 0. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    store: Arc<Mutex<Store>>,
    access: Arc<Access>,
    /// Where a browser on this machine finds it; `None`: a Unix socket.
    url: Option<String>,
    drain: Drain,
    thread: Option<JoinHandle<()>>,
}

/// Begins to serve.
pub fn start(plan: Plan) -> io::Result<Running> {
    let local = plan.listener.local_addr();
    let access = Arc::new(Access::new(plan.token, local.map(|local| local.port()))?);
    let facts = Facts { title: plan.title, cores: plan.cores, started: now(), rungs: plan.rungs };
    let history = plan.history.map(Arc::new);
    let machine = Machine::below(Path::new("/"));
    let store = Arc::new(Mutex::new(Store::new(plan.board, facts, machine, history.clone())));
    let (counter, ticks) = watch::channel(0);
    let admin = Admin {
        store: Arc::clone(&store),
        access: Arc::clone(&access),
        failures: Failures::default(),
        names: Names(plan.names),
        ticks,
        streams: Arc::new(Semaphore::new(MOST_STREAMS)),
        version: plan.version,
        windows: Mutex::default(),
        history,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let drain = Drain::new();
    let (counted, ended, listener) = (Arc::clone(&store), drain.clone(), plan.listener);
    let thread = Builder::new().name("turnout-admin".into()).spawn(move || {
        runtime.block_on(async {
            tokio::spawn(count(counted, counter, plan.say));
            let config = Config { limits: LIMITS, ..Config::default() };
            let admission = Arc::new(Admission::new(MOST_CONNECTIONS, None));
            let app = Arc::new(Serving(Arc::new(admin)));
            tokio::spawn(serve(vec![listener], app, Arc::new(config), admission, ended.clone()));
            ended.finished().await;
        });
    })?;
    let url = local.map(|local| {
        // Bound to every address: by that of this machine to itself.
        let host = match local.ip() {
            ip if ip.is_unspecified() => "localhost".to_owned(),
            ip if ip.is_ipv6() => format!("[{ip}]"),
            ip => ip.to_string(),
        };
        format!("http://{host}:{}", local.port())
    });
    Ok(Running { store, access, url, drain, thread: Some(thread) })
}

impl Running {
    /// A link that logs one browser in, once; `None` on a Unix socket, which no browser opens. The link before it is worth nothing any more.
    pub fn login_link(&self) -> io::Result<Option<String>> {
        let Some(url) = &self.url else { return Ok(None) };
        Ok(Some(format!("{url}/login?token={}", self.access.one_time()?.reveal())))
    }

    /// Every worker is ready for the first time.
    pub fn all_ready(&self) {
        self.store.lock().all_ready();
    }

    /// A worker that replaces another one is ready.
    pub fn ready(&self, worker: usize) {
        self.store.lock().ready(worker);
    }

    /// A worker's process has ended. To be told before the next one starts: what it wrote on the board is kept, and the board cleared.
    pub fn gone(&self, worker: usize) {
        self.store.lock().gone(worker);
    }

    /// The server was told to end.
    pub fn draining(&self) {
        self.store.lock().draining();
    }
}

impl Drop for Running {
    /// Drops every connection and waits for the thread; then for what the history has to write, but not for long.
    fn drop(&mut self) {
        self.drain.abort();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.store.lock().end(now());
    }
}

/// Reads the board once a second, until the runtime ends.
async fn count(store: Arc<Mutex<Store>>, counter: watch::Sender<u64>, say: Option<fn(&str)>) {
    let mut seconds = interval(SECOND);
    // After a suspended machine one long second, not a thousand short ones.
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        seconds.tick().await;
        let span = std::mem::replace(&mut last, Instant::now()).elapsed().as_secs_f64();
        let lines = store.lock().tick(now(), span);
        if let Some(say) = say {
            for line in &lines {
                say(line);
            }
        }
        counter.send_modify(|tick| *tick += 1);
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
