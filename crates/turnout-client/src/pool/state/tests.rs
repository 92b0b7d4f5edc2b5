//! The books against a model that moves numbers instead of sockets: whatever happens in whatever order, nothing leaks and nobody is forgotten.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{After, Grant, Kinds, Look, Shareable, State};
use crate::connect::Place;
use crate::error::{Error, Kind};
use crate::options::{Http2, Limits};
use crate::pool::stats::Discard;

enum Numbers {}

impl Kinds for Numbers {
    type Own = u32;
    type Shared = Many;
    type Start = ();
}

#[derive(Clone)]
struct Many {
    open: Rc<Cell<bool>>,
    streams: usize,
}

impl Shareable for Many {
    fn streams(&self) -> usize {
        self.streams
    }

    fn is_open(&self) -> bool {
        self.open.get()
    }
}

fn place(number: usize, http2: Http2, secure: bool) -> Place {
    Place {
        secure,
        host: format!("{number}.example").into(),
        port: 80,
        tls: Arc::default(),
        proxies: Arc::default(),
        addresses: Arc::default(),
        http2,
        lane: 0,
    }
}

/// A pool whose sockets are numbers, and all that is outside it.
struct World {
    state: State<Numbers>,
    now: Instant,
    next: u32,
    /// Hosts of connects under way.
    connects: Vec<usize>,
    seats: Vec<(usize, usize)>,
    held: Vec<(usize, u32)>,
    streams: Vec<(usize, usize, Many)>,
    /// Shared connections whose sockets are open.
    drivers: Vec<(usize, (usize, u64), Many)>,
}

impl World {
    fn new(max_connections: usize, per_host: usize) -> Self {
        let limits = Limits {
            max_connections,
            max_connections_per_host: per_host,
            max_idle_per_host: 2,
            keepalive: Duration::from_secs(10),
            max_queue: 5,
        };
        Self {
            state: State::new(limits),
            now: Instant::now(),
            next: 0,
            connects: Vec::new(),
            seats: Vec::new(),
            held: Vec::new(),
            streams: Vec::new(),
            drivers: Vec::new(),
        }
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut State<Numbers>, Instant, &mut After<Numbers>) -> T) -> T {
        let mut after = After::default();
        let result = change(&mut self.state, self.now, &mut after);
        for (host, _, ()) in after.open {
            self.connects.push(host);
        }
        self.check();
        result
    }

    fn call(&mut self, number: usize, fresh: bool) {
        let http2 = if number == 2 { Http2::Only } else { Http2::Off };
        let place = place(number, http2, false);
        let got = self.change(|state, now, after| {
            let host = state.host(&place);
            let got = state.take(host, fresh, now, after).ok_or_else(|| state.wait(host, (), now, after));
            (host, got)
        });
        match got {
            (host, Ok(grant)) => self.granted(host, grant),
            (host, Err(Some(seat))) => self.seats.push((host, seat)),
            (_, Err(None)) => {}
        }
    }

    fn granted(&mut self, host: usize, grant: Grant<Numbers>) {
        match grant {
            Grant::Own(own, _) => self.held.push((host, own)),
            Grant::Shared(shared, key) => self.streams.push((host, key, shared)),
        }
    }

    fn step(&mut self, what: u8, which: usize) {
        match what {
            0..=3 => self.call(which % 3, which.is_multiple_of(7)),
            4 | 5 if !self.seats.is_empty() => {
                let at = which % self.seats.len();
                let (host, seat) = self.seats[at];
                if let Look::Granted(granted) = self.state.look(seat, Waker::noop()) {
                    self.seats.swap_remove(at);
                    if let Ok(grant) = granted {
                        self.granted(host, grant);
                    }
                }
                self.check();
            }
            6 if !self.seats.is_empty() => {
                let (_, seat) = self.seats.swap_remove(which % self.seats.len());
                self.change(|state, now, after| state.withdraw(seat, now, after));
            }
            7 | 8 if !self.held.is_empty() => {
                let (host, own) = self.held.swap_remove(which % self.held.len());
                self.change(|state, now, after| state.put_back(host, own, now + Duration::from_secs(5), now, after));
            }
            9 if !self.held.is_empty() => {
                let (host, _) = self.held.swap_remove(which % self.held.len());
                self.change(|state, now, after| state.freed(host, Discard::Broken, now, after));
            }
            10 | 11 if !self.connects.is_empty() => {
                let host = self.connects.swap_remove(which % self.connects.len());
                self.next += 1;
                let own = self.next;
                if self.state.hosts[host].place.http2 == Http2::Only {
                    let many = Many { open: Rc::new(Cell::new(true)), streams: 1 + which % 3 };
                    let kept = many.clone();
                    let name = self.change(|state, now, after| state.opened_shared(host, many, now, after));
                    self.drivers.push((host, name, kept));
                } else {
                    self.change(|state, now, after| {
                        state.opened_own(host, own, now + Duration::from_secs(9), now, after);
                    });
                }
            }
            12 if !self.connects.is_empty() => {
                let host = self.connects.swap_remove(which % self.connects.len());
                let error = Error::new(Kind::Connect, "no");
                self.change(|state, now, after| state.failed(host, &error, now, after));
            }
            13 if !self.streams.is_empty() => {
                let (host, key, _) = self.streams.swap_remove(which % self.streams.len());
                self.change(|state, now, after| state.ended(host, key, now, after));
            }
            14 if !self.drivers.is_empty() => {
                let (host, name, many) = self.drivers.swap_remove(which % self.drivers.len());
                many.open.set(false);
                self.change(|state, now, after| state.closing(host, name, now, after));
                self.change(|state, now, after| state.freed(host, Discard::Told, now, after));
            }
            15 => {
                self.now += Duration::from_secs(which as u64 % 7);
                self.change(State::sweep);
            }
            _ => {}
        }
    }

    fn check(&self) {
        let state = &self.state;
        let idle: usize = state.hosts.iter().map(|(_, host)| host.idle.len()).sum();
        let granted =
            self.seats.iter().filter(|(_, seat)| matches!(state.waiters.get(*seat).granted, Some(Ok(Grant::Own(..)))));
        let mut accounted = idle + self.held.len() + granted.count();
        let connecting: usize = state.hosts.iter().map(|(_, host)| host.connecting).sum();
        accounted += connecting + self.drivers.len();
        // One step may be half way: a connection on its way from one list to another.
        assert!(state.open.abs_diff(accounted) <= 1, "{} open, {accounted} known", state.open);
        assert!(state.open <= state.limits.max_connections);
        for (_, host) in &state.hosts {
            assert!(host.open <= state.limits.max_connections_per_host);
            assert!(host.connecting <= host.open);
            let waiting = state.waiters.keys(&host.waiting);
            let uncovered: Vec<_> =
                waiting.iter().filter(|&&key| state.waiters.get(key).covered.is_none()).copied().collect();
            assert_eq!(uncovered.first().copied(), host.uncovered);
            assert_eq!(uncovered.len(), host.queued);
            assert_eq!(waiting[waiting.len() - uncovered.len()..], uncovered, "the covered stand in front");
            assert!(host.queued <= state.limits.max_queue);
            // Who wants a new connection waits for it although others are idle.
            assert!(host.queued == 0 || host.idle.is_empty(), "waits beside an idle connection");
            if host.queued > 0 {
                let full =
                    host.open == state.limits.max_connections_per_host || state.open == state.limits.max_connections;
                assert!(full, "waits though there is room");
            }
            for (key, shared) in &host.shared {
                assert_eq!(shared.listed, host.roomy.contains(&key));
                assert!(shared.resting.is_none() || shared.streams == 0);
                let free = shared.connection.is_open() && shared.streams < shared.connection.streams();
                assert!(host.waiting.is_empty() || !free, "waits beside a free stream");
            }
        }
    }

    /// Everything under way ends, and everybody leaves.
    fn end(mut self) {
        for what in [4, 6, 10, 7, 13, 14] {
            for _ in 0..2000 {
                self.step(what, 0);
            }
        }
        self.now += Duration::from_secs(60);
        self.change(State::sweep);
        let state = &self.state;
        assert_eq!((state.open, state.waiting(), state.resting.len()), (0, 0, 0));
        for (_, host) in &state.hosts {
            assert_eq!((host.open, host.connecting, host.seats, host.shared.len()), (0, 0, 0, 0));
        }
    }
}

proptest! {
    #[test]
    fn nothing_leaks_and_nobody_is_forgotten(
        max in 1_usize..6,
        per_host in 1_usize..4,
        steps in prop::collection::vec((0_u8..16, 0_usize..1000), 0..300),
    ) {
        let mut world = World::new(max, per_host.min(max));
        for (what, which) in steps {
            world.step(what, which);
        }
        world.end();
    }
}

#[test]
fn there_are_never_more_connects_than_calls_that_wait() {
    let mut world = World::new(100, 100);
    for _ in 0..5 {
        world.call(0, false);
    }
    assert_eq!(world.connects.len(), 5);
    // The connects belong to the pool: those who come next wait for these.
    while let Some((_, seat)) = world.seats.pop() {
        world.change(|state, now, after| state.withdraw(seat, now, after));
    }
    for _ in 0..5 {
        world.call(0, false);
    }
    assert_eq!(world.connects.len(), 5);
}

#[test]
fn one_handshake_tells_what_is_spoken_before_a_hundred_are_made() {
    for (shared, connects) in [(true, 1), (false, 20)] {
        let mut world = World::new(100, 20);
        world.state.limits.max_queue = 1000;
        let place = place(0, Http2::Negotiate, true);
        let host = world.state.host(&place);
        for _ in 0..100 {
            let seat = world.change(|state, now, after| state.wait(host, (), now, after));
            world.seats.push((host, seat.unwrap_or_default()));
        }
        assert_eq!(world.connects.len(), 1);
        if shared {
            let many = Many { open: Rc::new(Cell::new(true)), streams: 100 };
            world.change(|state, now, after| state.opened_shared(host, many, now, after));
            assert_eq!(world.state.waiting(), 0);
            assert_eq!(world.connects.len(), connects);
        } else {
            world.change(|state, now, after| state.opened_own(host, 1, now, now, after));
            assert_eq!(world.connects.len(), connects);
        }
    }
}

#[test]
fn who_waits_longest_gets_the_next_connection_across_places_too() {
    let mut world = World::new(1, 1);
    world.call(0, false);
    world.step(10, 0);
    world.step(4, 0);
    assert_eq!(world.held.len(), 1);
    world.call(1, false);
    world.call(0, false);
    // The one to place 0 comes back; place 1 has waited longer.
    world.step(7, 0);
    let other = world.state.host(&place(1, Http2::Off, false));
    assert_eq!(world.connects.last(), Some(&other));
}
