//! A server that ends, and one that is full.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::Server;
use turnout_http::{Admission, Neighbours};
use turnout_testkit::{Client, Ending};

const SOON: Duration = Duration::from_secs(5);
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn draining_closes_idle_connections_and_finishes_the_others() {
    let server = Server::start();
    let (mut idle, mut fresh, mut busy, mut late) =
        (server.client(), server.client(), server.client(), server.client());
    idle.send(GET).unwrap();
    idle.response().unwrap();
    busy.send("GET /sleep/300 HTTP/1.1\r\nHost: a\r\n\r\nGET /never-read HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    late.send("GET /late HTTP/1.1\r\nHo").unwrap();
    server.until("it is in flight", |server| server.begun() == 2);
    std::thread::sleep(Duration::from_millis(30));
    server.drain.begin();
    assert_eq!(idle.ending(SOON), (Ending::Fin, vec![]));
    assert_eq!(fresh.ending(SOON), (Ending::Fin, vec![]));
    let response = busy.response().unwrap();
    assert_eq!((response.text().as_str(), response.header("connection")), ("GET /sleep/300", Some("close")));
    assert_eq!(busy.ending(SOON), (Ending::Fin, vec![]));
    late.send("st: a\r\n\r\n").unwrap();
    let response = late.response().unwrap();
    assert_eq!((response.text().as_str(), response.header("connection")), ("GET /late", Some("close")));
    assert_eq!(late.ending(SOON), (Ending::Fin, vec![]));
    server.until("all have ended", |server| server.drain.live() == 0);
    assert!(std::net::TcpStream::connect(server.address).is_err(), "nobody accepts any more");
}

#[test]
fn aborting_drops_what_is_being_answered() {
    let server = Server::start();
    let mut client = server.client();
    client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    server.until("it is in flight", |server| server.begun() == 1);
    server.drain.begin();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(server.drain.live(), 1);
    server.drain.abort();
    server.until("it has ended", |server| server.drain.live() == 0);
    assert_eq!((server.dropped(), server.admission.in_flight()), (1, 0));
}

#[test]
fn a_full_server_answers_503_at_once() {
    let server = Server::full(|_| {}, Admission::new(2, None));
    let mut holding: Vec<Client> = (0..2).map(|_| server.client()).collect();
    for client in &mut holding {
        client.send("GET /sleep/400 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    server.until("it is full", |server| server.admission.in_flight() == 2);
    let mut client = server.client();
    client.send(GET).unwrap();
    let start = Instant::now();
    let response = client.response().unwrap();
    assert!(start.elapsed() < Duration::from_millis(300));
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert_eq!(server.begun(), 2, "the app was not asked");
    for client in &mut holding {
        assert_eq!(client.response().unwrap().status, 200);
    }
    client.send(GET).unwrap();
    assert_eq!(client.response().unwrap().status, 200, "the same connection, when there is room");
    assert_eq!(server.admission.in_flight(), 0);
}

/// A neighbour that a test plays.
#[derive(Clone, Default)]
struct Played(Arc<Part>);

#[derive(Default)]
struct Part {
    has_room: AtomicBool,
    told_full: AtomicUsize,
    told_room: AtomicUsize,
}

impl Neighbours for Played {
    fn set_full(&self, full: bool) {
        if full { &self.0.told_full } else { &self.0.told_room }.fetch_add(1, Ordering::SeqCst);
    }

    fn any_has_room(&self) -> bool {
        self.0.has_room.load(Ordering::SeqCst)
    }
}

#[test]
fn a_full_server_leaves_accepting_to_a_neighbour_that_has_room() {
    let played = Played::default();
    played.0.has_room.store(true, Ordering::SeqCst);
    let server = Server::full(|_| {}, Admission::new(1, Some(Box::new(played.clone()))));
    let mut holding = server.client();
    holding.send("GET /sleep/600 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    server.until("it is full", |server| server.admission.in_flight() == 1);
    assert_eq!(played.0.told_full.load(Ordering::SeqCst), 1);
    let live = server.drain.live();
    let mut waiting = server.client();
    waiting.send(GET).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.drain.live(), live, "not accepted: the neighbour would take it");
    // When nobody has room it is accepted and told.
    played.0.has_room.store(false, Ordering::SeqCst);
    assert_eq!(waiting.response().unwrap().status, 503);
    assert_eq!(holding.response().unwrap().status, 200);
    server.until("it says so", |_| played.0.told_room.load(Ordering::SeqCst) == 1);
    waiting.send(GET).unwrap();
    assert_eq!(waiting.response().unwrap().status, 200);
}

#[test]
fn a_connection_too_many_waits_until_there_is_a_place() {
    let server = Server::with(|config| config.limits.connections = Some(2));
    let (mut first, mut second, mut third) = (server.client(), server.client(), server.client());
    for client in [&mut first, &mut second] {
        client.send(GET).unwrap();
        client.response().unwrap();
    }
    third.send(GET).unwrap();
    assert_eq!(third.ending(Duration::from_millis(100)), (Ending::Open, vec![]), "idle ones keep their places");
    drop(first);
    assert_eq!(third.response().unwrap().status, 200);
}
