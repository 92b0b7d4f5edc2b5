//! Slow and odd clients: each is bounded, none harms another.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::Server;
use turnout_http::{BodyError, Outcome};
use turnout_testkit::{Client, Ending};

const SOON: Duration = Duration::from_secs(5);
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Times that a test can wait for.
fn impatient() -> Server {
    Server::with(|config| {
        config.limits.head_time = Duration::from_millis(300);
        config.limits.idle_time = Duration::from_millis(600);
        config.limits.body_grace = Duration::from_millis(300);
        config.limits.write_time = Duration::from_millis(500);
    })
}

fn took(what: impl FnOnce()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}

#[test]
fn one_that_sends_nothing_is_closed_without_a_word() {
    let server = impatient();
    let mut client = server.client();
    let time = took(|| assert_eq!(client.ending(SOON), (Ending::Fin, vec![])));
    assert!(time >= Duration::from_millis(290), "{time:?}");
    server.still_serves();
}

#[test]
fn one_that_sends_a_byte_now_and_then_gets_408_in_time_all_the_same() {
    let server = impatient();
    let mut client = server.client();
    let time = took(|| {
        let _ = client.dribble(GET, 1, Duration::from_millis(40));
        assert_eq!(client.response().unwrap().status, 408);
    });
    assert!(time < Duration::from_secs(3), "{time:?}");
    assert_eq!(client.ending(SOON).0, Ending::Fin);
    assert_eq!(server.begun(), 0);
    server.still_serves();
}

#[test]
fn an_idle_connection_is_closed_later_and_without_a_word() {
    let server = impatient();
    let mut client = server.client();
    client.send(GET).unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    let time = took(|| assert_eq!(client.ending(SOON), (Ending::Fin, vec![])));
    assert!(time >= Duration::from_millis(590), "{time:?}");
}

#[test]
fn the_head_of_a_later_request_has_its_own_time() {
    let server = impatient();
    let mut client = server.client();
    client.send(GET).unwrap();
    client.response().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    client.dribble(GET, 9, Duration::from_millis(40)).unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    client.send("GET / HTTP/1.1\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 408);
}

#[test]
fn an_empty_line_behind_a_request_begins_none() {
    let server = impatient();
    let mut client = server.client();
    client.send(format!("{GET}\r\n")).unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    assert_eq!(client.ending(SOON), (Ending::Fin, vec![]));
}

#[test]
fn a_body_below_the_rate_gets_408_and_the_app_an_error() {
    let server = impatient();
    let mut client = server.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").unwrap();
    let time = took(|| {
        let _ = client.dribble(vec![b'x'; 40], 1, Duration::from_millis(50));
        let response = client.response().unwrap();
        assert_eq!((response.status, response.header("connection")), (408, Some("close")));
    });
    assert!(time >= Duration::from_millis(290), "{time:?}");
    assert_eq!(server.calls()[0].body, Err(BodyError::TooSlow));
    assert_eq!(server.dropped(), 1);
    server.still_serves();
}

#[test]
fn a_body_above_the_rate_may_take_its_time() {
    let server = impatient();
    let mut client = server.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 800\r\n\r\n").unwrap();
    // 1,000 bytes a second for 0.8 s: longer than the grace.
    client.dribble(vec![b'x'; 800], 50, Duration::from_millis(50)).unwrap();
    assert_eq!(client.response().unwrap().status, 200);
}

#[test]
fn the_time_in_which_the_app_does_not_read_is_not_the_clients() {
    let server = impatient();
    let mut client = server.client();
    // The head and the app's own second come before the first byte is asked for.
    client.send("POST /unread/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    let mut client = server.client();
    client.send("GET /sleep/900 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 200, "an answer may take longer than every reading limit");
}

#[test]
fn a_late_wake_up_costs_no_client_that_was_in_time() {
    let server = impatient();
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\n").unwrap();
    let mut body = server.client();
    body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").unwrap();
    let mut fresh = server.client();
    server.until("the body is waited for", |server| server.begun() == 1);
    // The whole process stands still for longer than any time is left; what was sent meanwhile lies in the sockets.
    let mut blocker = server.client();
    blocker.send("GET /block/700 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    client.send("Host: a\r\n\r\n").unwrap();
    body.send("hello").unwrap();
    fresh.send(GET).unwrap();
    for client in [&mut client, &mut body, &mut fresh, &mut blocker] {
        assert_eq!(client.response().unwrap().status, 200);
    }
}

#[test]
fn one_that_never_reads_is_given_up_and_its_slot_is_free() {
    let server = impatient();
    let mut client = Client::connect_with_small_window(server.address);
    client.send("GET /large/50000000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    server.until("the answer is begun", |server| server.begun() == 1);
    server.until("the connection is given up", |server| server.drain.live() == 1);
    assert_eq!(server.admission.in_flight(), 0);
    server.still_serves();
}

#[test]
fn one_that_reads_slowly_gets_everything() {
    let server = impatient();
    let mut client = Client::connect_with_small_window(server.address);
    client.send("GET /stream/300/10000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut all = Vec::new();
    for _ in 0..30 {
        all.extend(client.bytes(10_000).unwrap());
        std::thread::sleep(Duration::from_millis(30));
    }
    let (ending, rest) = client.ending(SOON);
    all.extend(rest);
    assert_eq!(ending, Ending::Fin);
    let chunk = [b'y'; 10_000];
    let chunks = String::from_utf8(all).unwrap().matches(std::str::from_utf8(&chunk).unwrap()).count();
    assert_eq!(chunks, 300);
}

#[test]
fn a_stream_waits_for_its_reader() {
    let server = Server::start();
    let mut client = Client::connect_with_small_window(server.address);
    client.send("GET /stream/10000/100000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    client.bytes(1).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let streamed = server.notes.streamed.load(Ordering::SeqCst);
    assert!(streamed < 200, "{streamed} chunks of 100 kB were taken for a client that does not read");
}

#[test]
fn an_upload_waits_for_the_app() {
    let server = Server::start();
    let mut client = server.client();
    client.send("POST /unread-never HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n").unwrap();
    let sent = client.send_until_stuck(&vec![b'x'; 200_000_000], Duration::from_millis(500));
    assert!(sent < 30_000_000, "{sent} bytes were taken that nobody reads");
    // Far more has come than is read ahead: a FIN cannot be seen behind it, a RST must be.
    client.reset();
    server.until("it is dropped", |server| server.dropped() == 1);
    server.still_serves();
}

#[test]
fn a_fin_after_the_request_drops_what_is_being_answered() {
    let server = Server::start();
    for path in ["/never", "/stream/1000000/1000"] {
        let dropped = server.admission.in_flight();
        assert_eq!(dropped, 0);
        let mut client = Client::connect_with_small_window(server.address);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        server.until("it is in flight", |server| server.admission.in_flight() == 1);
        client.half_close();
        server.until("it is dropped", |server| server.admission.in_flight() == 0);
    }
    assert_eq!(server.dropped(), 1, "the stream had been answered, only not sent");
    let entries = server.notes.entries.lock().unwrap();
    assert_eq!(entries[0], (Some("GET".to_owned()), None, 0, Outcome::Disconnected));
    assert_eq!((entries[1].1, entries[1].3), (Some(200), Outcome::Disconnected));
}

#[test]
fn with_half_close_a_fin_only_means_no_more_requests() {
    let server = Server::with(|config| config.half_close = true);
    let mut client = server.client();
    client.send("GET /sleep/100 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    client.half_close();
    assert_eq!(client.response().unwrap().text(), "GET /sleep/100");
    assert_eq!(client.response().unwrap().text(), "GET /2");
    assert_eq!(client.ending(SOON), (Ending::Fin, vec![]));
    assert_eq!(server.dropped(), 0);
}

#[test]
fn a_reset_always_drops_what_is_being_answered() {
    for half_close in [false, true] {
        let server = Server::with(|config| config.half_close = half_close);
        let mut client = server.client();
        client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        server.until("it is in flight", |server| server.begun() == 1);
        if half_close {
            client.half_close();
            std::thread::sleep(Duration::from_millis(50));
            assert_eq!(server.dropped(), 0);
        }
        client.reset();
        server.until("it is dropped", |server| server.dropped() == 1);
        server.still_serves();
    }
}

#[test]
fn a_reset_inside_an_upload_is_an_error_to_the_app() {
    let server = Server::start();
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let calls = server.calls().len();
        let mut client = server.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n5\r\nhello\r\n")).unwrap();
        server.until("the body is read", |server| server.admission.in_flight() == 1);
        std::thread::sleep(Duration::from_millis(30));
        client.reset();
        server.until("the app was told", |server| server.calls().len() == calls + 1);
        assert_eq!(server.calls()[calls].body, Err(BodyError::Disconnected));
        server.until("it is dropped", |server| server.admission.in_flight() == 0);
    }
}

#[test]
fn a_fin_inside_an_upload_is_an_error_to_the_app() {
    let server = Server::start();
    for half_close in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut client = server.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{half_close}\r\n\r\n5\r\nhello\r\n")).unwrap();
        client.half_close();
        assert_eq!(client.response().unwrap().status, 400);
        assert_eq!(client.ending(SOON).0, Ending::Fin);
    }
    assert!(server.calls().iter().all(|call| call.body == Err(BodyError::Disconnected)), "{:?}", server.calls());
    assert_eq!(server.calls().len(), 2);
}

#[test]
fn a_fin_inside_a_head_is_answered_with_400() {
    let server = Server::start();
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHos").unwrap();
    client.half_close();
    assert_eq!(client.response().unwrap().status, 400);
    let mut client = server.client();
    client.half_close();
    assert_eq!(client.ending(SOON), (Ending::Fin, vec![]));
    assert_eq!(server.begun(), 0);
}

#[test]
fn a_reset_inside_an_answer_frees_the_slot() {
    let server = Server::start();
    let mut client = Client::connect_with_small_window(server.address);
    client.send("GET /large/50000000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    client.bytes(1000).unwrap();
    client.reset();
    server.until("it is dropped", |server| server.admission.in_flight() == 0 && server.drain.live() == 1);
}

#[test]
fn a_thousand_pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut client = server.client();
    let requests: Vec<_> = (0..1000).map(|nth| format!("GET /{nth} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.send(requests.concat()).unwrap();
    for nth in 0..1000 {
        assert_eq!(client.response().unwrap().text(), format!("GET /{nth}"));
    }
    assert_eq!(server.begun(), 1000);
}

#[test]
fn pipelined_requests_wait_for_a_client_that_does_not_read() {
    let server = Server::start();
    let mut client = Client::connect_with_small_window(server.address);
    let request = b"GET /large/100000 HTTP/1.1\r\nHost: a\r\n\r\n";
    let sent = client.send_until_stuck(&request.repeat(1_000_000), Duration::from_millis(300));
    let begun = server.begun();
    assert!(begun < 1000, "{begun} answers of 100 kB for a client that takes none");
    assert!(sent < 20_000_000, "{sent} bytes of requests were taken");
}

#[test]
fn unfinished_uploads_leave_nothing_behind() {
    let server = Server::start();
    for _ in 0..500 {
        let mut client = server.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome").unwrap();
    }
    server.until("all are gone", |server| server.drain.live() == 1 && server.admission.in_flight() == 0);
    server.still_serves();
}

#[test]
fn a_refusal_arrives_although_the_client_is_still_sending() {
    let server = Server::with(|config| config.limits.body_bytes = Some(1000));
    let mut client = server.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n").unwrap();
    // Closed at once, unread bytes would make a RST that destroys the answer.
    let _ = client.send(vec![b'x'; 3_000_000]);
    assert_eq!(client.response().unwrap().status, 413);
}
