//! Names to addresses, remembered. One lookup a name runs at a time, and it belongs to the resolver: who asked first may leave.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

use super::dns::{Asker, Failure, Found, NameServers};
use crate::error::{Error, Kind};

/// Names remembered. A process calls tens; one that calls what its users give it forgets the oldest.
const MAX_NAMES: usize = 2048;

/// Lookups that run at the same time; others wait. Each is two sockets, and one for a name whose servers are silent lasts 12 s: few such names
/// must not hold up all others.
const MAX_LOOKUPS: usize = 256;

/// One lookup, all servers and search domains included. glibc's usual worst case is 2 tries x 5 s.
const LOOKUP_LIMIT: Duration = Duration::from_secs(12);

/// An operator who moves a service waits no longer than this, whatever the TTL.
const MAX_TTL: Duration = Duration::from_secs(300);

/// How long "no such name" is believed at most (RFC 2308, 5 allows hours): a name that has just been made must not stay unknown.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(10);

/// After a lookup without answer the next waits so long (RFC 9520, 3.2: at least 1 s).
const FAILURE_TTL: Duration = Duration::from_secs(1);

/// How long after its TTL an address is still used when nobody can say a newer one (RFC 8767 allows days).
const MAX_STALE: Duration = Duration::from_secs(3600);

/// An old address is used rather than waiting longer than this for a new one (RFC 8767, 5: 1.8 s).
const STALE_AFTER: Duration = Duration::from_millis(1800);

/// How long IPv4 comes first where it has won over IPv6 (RFC 8305, 4, lets experience decide): a network that drops IPv6 costs its head start
/// once, not with each connection.
const V4_FIRST: Duration = Duration::from_secs(600);

/// A lookup's runtime may end below it; another is tried on this one.
const TRIES: usize = 3;

type Outcome = Result<Arc<[IpAddr]>, Failure>;

/// Dropping it ends nothing that runs: a lookup ends by itself, within `LOOKUP_LIMIT`.
pub(super) struct Resolver(Arc<Shared>);

struct Shared {
    asker: Asker,
    names: Mutex<FxHashMap<Arc<str>, Entry>>,
    lookups: Semaphore,
}

/// What is known of a name.
#[derive(Default)]
struct Entry {
    addresses: Option<(Arc<[IpAddr]>, Instant)>,
    failure: Option<(Failure, Instant)>,
    v4_first: Option<Instant>,
    running: Option<watch::Receiver<Option<Outcome>>>,
}

impl Resolver {
    pub(super) fn new(servers: NameServers) -> Self {
        Self(Arc::new(Shared {
            asker: Asker::new(servers),
            names: Mutex::default(),
            lookups: Semaphore::new(MAX_LOOKUPS),
        }))
    }

    /// All addresses of `host`, a family after the other, those of one in turn. Dropped early, the lookup goes on for others.
    pub(super) async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        if let Some(address) = literal(host) {
            return Ok(vec![address]);
        }
        if is_localhost(host) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        match self.remembered_or_asked(host).await {
            Ok(addresses) => {
                let v4_first = self.0.names.lock().get(host).and_then(|entry| entry.v4_first);
                Ok(in_turn(&addresses, v4_first.is_some_and(|until| Instant::now() < until)))
            }
            Err(failure) => Err(Error::new(Kind::Dns, format!("{host} has no address: {failure}"))),
        }
    }

    /// IPv4 has answered for `host` before IPv6 did.
    pub(super) fn prefer_v4(&self, host: &str) {
        if let Some(entry) = self.0.names.lock().get_mut(host) {
            entry.v4_first = Some(Instant::now() + V4_FIRST);
        }
    }

    async fn remembered_or_asked(&self, host: &str) -> Outcome {
        for _ in 0..TRIES {
            let (mut running, stale) = match self.0.look(host) {
                Look::Known(outcome) => return outcome,
                Look::Running(running, stale) => (running, stale),
            };
            let answered = async { running.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone()) };
            let outcome = match stale {
                None => answered.await,
                Some(stale) => tokio::select! {
                    outcome = answered => match outcome {
                        Some(Err(Failure::NoAnswer(_))) => Some(Ok(stale)),
                        outcome => outcome,
                    },
                    () = sleep(STALE_AFTER) => Some(Ok(stale)),
                },
            };
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
        Err(Failure::NoAnswer("the runtime that looked it up has ended".to_owned()))
    }
}

enum Look {
    Known(Outcome),
    /// A lookup that runs, and what may be used instead of waiting for it.
    Running(watch::Receiver<Option<Outcome>>, Option<Arc<[IpAddr]>>),
}

impl Shared {
    fn look(self: &Arc<Self>, host: &str) -> Look {
        let now = Instant::now();
        let mut names = self.names.lock();
        if !names.contains_key(host) {
            make_room(&mut names, now);
            names.insert(Arc::from(host), Entry::default());
        }
        let entry = names.get_mut(host).expect("just put there");
        let mut stale = None;
        if let Some((addresses, until)) = &entry.addresses {
            if now < *until {
                return Look::Known(Ok(Arc::clone(addresses)));
            }
            if now < *until + MAX_STALE {
                stale = Some(Arc::clone(addresses));
            }
        }
        if let Some((failure, until)) = &entry.failure
            && now < *until
        {
            return Look::Known(stale.ok_or_else(|| failure.clone()));
        }
        // Closed: the runtime that ran it is gone.
        if let Some(running) = entry.running.as_ref().filter(|running| running.has_changed().is_ok()) {
            return Look::Running(running.clone(), stale);
        }
        let (answer, running) = watch::channel(None);
        entry.running = Some(running.clone());
        tokio::spawn(Arc::clone(self).look_up(Arc::from(host), answer));
        Look::Running(running, stale)
    }

    async fn look_up(self: Arc<Self>, host: Arc<str>, answer: watch::Sender<Option<Outcome>>) {
        let asked = async {
            let _slot = self.lookups.acquire().await;
            self.asker.ask(&host).await
        };
        let result = timeout(LOOKUP_LIMIT, asked)
            .await
            .unwrap_or_else(|_| Err(Failure::NoAnswer("no name server has answered in time".to_owned())));
        let outcome = self.remember(&host, result);
        answer.send_replace(Some(outcome));
    }

    fn remember(&self, host: &Arc<str>, result: Result<Found, Failure>) -> Outcome {
        let now = Instant::now();
        let mut names = self.names.lock();
        let entry = names.entry(Arc::clone(host)).or_default();
        entry.running = None;
        entry.failure = None;
        match result {
            Ok(found) => {
                let addresses: Arc<[IpAddr]> = found.addresses.into();
                entry.addresses = Some((Arc::clone(&addresses), now + found.ttl.min(MAX_TTL)));
                Ok(addresses)
            }
            Err(failure) => {
                let ttl = match failure {
                    // An answer: what was known before is no longer true.
                    Failure::NoAddress(ttl) => {
                        entry.addresses = None;
                        ttl.min(MAX_NEGATIVE_TTL)
                    }
                    Failure::NoAnswer(_) => FAILURE_TTL,
                };
                entry.failure = Some((failure.clone(), now + ttl));
                Err(failure)
            }
        }
    }
}

/// Forgets what is of no use any more, else what is oldest.
fn make_room(names: &mut FxHashMap<Arc<str>, Entry>, now: Instant) {
    if names.len() < MAX_NAMES {
        return;
    }
    names.retain(|_, entry| entry.running.is_some() || entry.last_use().is_some_and(|until| now < until));
    while names.len() >= MAX_NAMES {
        let oldest = names.iter().min_by_key(|(_, entry)| entry.last_use()).map(|(name, _)| Arc::clone(name));
        oldest.and_then(|name| names.remove(&name));
    }
}

impl Entry {
    /// Until when it says anything without asking.
    fn last_use(&self) -> Option<Instant> {
        let fresh = self.addresses.as_ref().map(|(_, until)| *until);
        fresh.max(self.failure.as_ref().map(|(_, until)| *until))
    }
}

/// `127.0.0.1`, `[::1]`: other notations of numbers have become one of these when the URL was parsed.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse().map(IpAddr::V6).ok(),
        None => host.parse().ok(),
    }
}

/// Never asked for (RFC 6761, 6.3): a name server that says otherwise would be believed to be this machine.
pub(super) fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or(host);
    last.eq_ignore_ascii_case("localhost")
}

/// IPv6 first (RFC 8305, 4, after RFC 6724), unless IPv4 is known to be quicker; within a family beginning anywhere, so that all addresses of
/// a name get their share although its answer is remembered.
fn in_turn(addresses: &[IpAddr], v4_first: bool) -> Vec<IpAddr> {
    let (mut order, mut others): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().partition(|address| address.is_ipv4() == v4_first);
    for family in [&mut order, &mut others] {
        if family.len() > 1 {
            let first = fastrand::usize(..family.len());
            family.rotate_left(first);
        }
    }
    order.append(&mut others);
    order
}
