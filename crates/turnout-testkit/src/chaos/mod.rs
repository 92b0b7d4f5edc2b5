//! An upstream that does wrong, each time in the way it is asked for: by path where a request has to be read first, by port where the fault comes
//! before it.
//!
//! Blocking, a thread a connection, and without any protocol library: what goes over the wire is written here byte by byte, since a library would
//! refuse to. `fine` behaves. One process serves all faults; the program `chaos` is the same for tests in other languages.

mod bodies;
mod early;
mod http1;
mod http2;
mod peer;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use peer::{Next, Peer, Request};

/// What can go wrong.
#[derive(Debug)]
pub struct Fault {
    /// Its name: the path on the common port, or the name of a port.
    pub name: &'static str,
    /// What the upstream does.
    pub does: &'static str,
    how: How,
}

#[derive(Debug)]
enum How {
    /// After the head of a request was read.
    Path(fn(&mut Peer, &Request) -> io::Result<Next>),
    /// On a port of its own, from the first byte on.
    Port(fn(&mut Peer) -> io::Result<Next>),
    /// As `Port`, to clients that speak TLS. It stays broken when the others are healed.
    Tls(fn(&mut Peer) -> io::Result<Next>),
    /// As `Port`, to clients that speak HTTP/2 without asking ("prior knowledge").
    Http2(fn(&mut Peer) -> io::Result<Next>),
    /// Nobody accepts.
    Deaf,
    /// Nobody listens.
    Absent,
}

/// All faults, in the order of an exchange's phases.
pub fn faults() -> impl Iterator<Item = &'static Fault> {
    early::FAULTS.iter().chain(http1::FAULTS).chain(bodies::FAULTS).chain(http2::FAULTS)
}

/// A connection that outlives every test is a leak of the test's.
const LONGEST: Duration = Duration::from_secs(60);

/// More connections at once than any test needs; the others are closed at once.
const MOST_CONNECTIONS: u64 = 1024;

/// The running upstream. Dropping it closes everything and waits for the threads that accept.
pub struct Chaos {
    common: SocketAddr,
    ports: BTreeMap<&'static str, SocketAddr>,
    shared: Arc<Shared>,
    listeners: Vec<JoinHandle<()>>,
    /// Sockets that only have to stay open.
    kept: Vec<OwnedFd>,
}

/// What all connections know.
pub(super) struct Shared {
    healed: AtomicBool,
    accepted: AtomicU64,
    open: AtomicU64,
    stopping: Mutex<bool>,
    stopped: Condvar,
    streams: Mutex<BTreeMap<u64, TcpStream>>,
    seen: Mutex<BTreeMap<&'static str, u64>>,
}

impl Chaos {
    /// Listens on free ports of the loopback.
    pub fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared {
            healed: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            stopping: Mutex::new(false),
            stopped: Condvar::new(),
            streams: Mutex::default(),
            seen: Mutex::default(),
        });
        let listener = listen()?;
        let common = listener.local_addr()?;
        let mut chaos = Self { common, ports: BTreeMap::new(), shared, listeners: Vec::new(), kept: Vec::new() };
        chaos.accept(listener, http1::serve)?;
        for fault in faults() {
            let port = match fault.how {
                How::Path(_) => continue,
                How::Port(act) | How::Tls(act) | How::Http2(act) => {
                    let listener = listen()?;
                    let port = listener.local_addr()?;
                    chaos.accept(listener, act)?;
                    port
                }
                How::Deaf => chaos.deaf()?,
                How::Absent => listen()?.local_addr()?,
            };
            chaos.ports.insert(fault.name, port);
        }
        Ok(chaos)
    }

    /// Where the fault waits. The names are those of [`faults`]; another is a mistake in the test.
    pub fn url(&self, name: &str) -> String {
        let fault = faults().find(|fault| fault.name == name).unwrap_or_else(|| panic!("no fault is called {name}"));
        match (&fault.how, self.ports.get(name)) {
            (How::Tls(_), Some(port)) => format!("https://{port}/"),
            (_, Some(port)) => format!("http://{port}/"),
            _ => format!("http://{}/{name}", self.common),
        }
    }

    /// The fault waits for clients that speak HTTP/2 without asking.
    pub fn speaks_http2(&self, name: &str) -> bool {
        faults().any(|fault| fault.name == name && matches!(fault.how, How::Http2(_)))
    }

    /// From now on the ports behave, but for those of TLS and those where nobody is.
    pub fn heal(&self) {
        self.shared.healed.store(true, SeqCst);
    }

    /// Connections accepted so far, on all ports.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(SeqCst)
    }

    /// Connections that are open now, on all ports. One that the client has closed counts until this side has seen it.
    pub fn open(&self) -> u64 {
        self.shared.open.load(SeqCst)
    }

    /// Requests whose head was read, by fault.
    pub fn seen(&self, name: &str) -> u64 {
        lock(&self.shared.seen).get(name).copied().unwrap_or(0)
    }

    fn accept(&mut self, listener: TcpListener, act: fn(&mut Peer) -> io::Result<Next>) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("chaos".to_owned()).spawn(move || {
            for (number, stream) in (0..).zip(listener.incoming()) {
                if *lock(&shared.stopping) {
                    return;
                }
                if let Ok(stream) = stream {
                    Shared::connection(&shared, stream, number, act);
                }
            }
        })?;
        self.listeners.push(thread);
        Ok(())
    }

    /// A port whose queue of connections is full: the kernel drops what knocks, and the client waits.
    fn deaf(&mut self) -> io::Result<SocketAddr> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        socket.listen(0)?;
        let listener = TcpListener::from(socket);
        let port = listener.local_addr()?;
        // A queue of length 0 takes one; the others make sure of it.
        for _ in 0..4 {
            let knocker = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
            knocker.set_nonblocking(true)?;
            // In progress, or already queued.
            let _ = knocker.connect(&port.into());
            self.kept.push(knocker.into());
        }
        self.kept.push(listener.into());
        Ok(port)
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        *lock(&self.shared.stopping) = true;
        self.shared.stopped.notify_all();
        for stream in lock(&self.shared.streams).values() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        // Whoever accepts looks up when somebody knocks.
        for port in self.ports.values().chain([&self.common]) {
            let _ = TcpStream::connect_timeout(port, Duration::from_millis(50));
        }
        drop(self.kept.drain(..));
        for listener in self.listeners.drain(..) {
            let _ = listener.join();
        }
    }
}

impl Shared {
    fn connection(shared: &Arc<Self>, stream: TcpStream, number: u64, act: fn(&mut Peer) -> io::Result<Next>) {
        let key = shared.accepted.fetch_add(1, SeqCst);
        let (Ok(()), Ok(copy)) = (stream.set_nodelay(true), stream.try_clone()) else { return };
        if shared.open.fetch_add(1, SeqCst) >= MOST_CONNECTIONS {
            shared.open.fetch_sub(1, SeqCst);
            return;
        }
        lock(&shared.streams).insert(key, copy);
        let ours = Arc::clone(shared);
        let spawned = std::thread::Builder::new().name("chaos".to_owned()).spawn(move || {
            let mut peer = Peer::new(stream, Arc::clone(&ours), number);
            // The client hung up, or the upstream is being stopped: nothing is left to be done wrong.
            let next = act(&mut peer).unwrap_or(Next::Close);
            // The copy keeps the socket open: it goes first.
            lock(&ours.streams).remove(&key);
            peer.end(next);
            ours.open.fetch_sub(1, SeqCst);
        });
        if spawned.is_err() {
            lock(&shared.streams).remove(&key);
            shared.open.fetch_sub(1, SeqCst);
        }
    }

    fn is_healed(&self) -> bool {
        self.healed.load(SeqCst)
    }

    fn saw(&self, name: &'static str) {
        *lock(&self.seen).entry(name).or_default() += 1;
    }

    /// Waits, or fails because the upstream is being stopped.
    fn pause(&self, time: Duration) -> io::Result<()> {
        let guard = lock(&self.stopping);
        let waited = self.stopped.wait_timeout_while(guard, time, |stopping| !*stopping);
        let (stopping, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *stopping { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

/// A panic elsewhere leaves these values as good as they were.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;

    #[test]
    fn names_are_unique_and_every_fault_has_a_url() {
        let chaos = Chaos::start().expect("free ports");
        let mut names: Vec<_> = faults().map(|fault| fault.name).collect();
        assert!(names.iter().all(|name| chaos.url(name).contains("127.0.0.1")));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn fine_is_fine_and_the_next_request_goes_over_the_same_connection() {
        let chaos = Chaos::start().expect("free ports");
        let mut client = Client::connect(chaos.common);
        for _ in 0..2 {
            client.send("POST /fine HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc").expect("it reads");
            assert_eq!(client.response().expect("an answer").text(), "fine");
        }
        assert_eq!((chaos.accepted(), chaos.seen("fine")), (1, 2));
    }

    #[test]
    fn a_port_that_is_healed_behaves() {
        let chaos = Chaos::start().expect("free ports");
        let port = chaos.ports["reset-at-accept"];
        assert!(Client::connect(port).response().is_err());
        chaos.heal();
        let mut client = Client::connect(port);
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
        assert_eq!(client.response().expect("an answer").text(), "fine");
    }

    #[test]
    fn stopping_ends_every_connection() {
        let chaos = Chaos::start().expect("free ports");
        let mut client = Client::connect(chaos.common);
        client.send("GET /silent HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
        while chaos.seen("silent") == 0 {
            std::thread::yield_now();
        }
        drop(chaos);
        assert!(client.response().is_err());
    }
}
