//! What goes beside an answer: early hints before it, trailers after it, and the app's fields in their order.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use common::Server;

#[test]
fn hints_come_before_the_answer() {
    let server = Server::start();
    let mut client = server.client();
    for _ in 0..2 {
        client.send("GET /hint/2/1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        for number in 0..2 {
            let hint = client.response().unwrap();
            assert_eq!(hint.status, 103);
            let links = [format!("</{number}.css>; rel=preload"), "</x.js>; rel=preload".to_owned()];
            assert_eq!(hint.headers, links.map(|link| ("link".to_owned(), link)));
        }
        let answer = client.response().unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "GET /hint/2/1"));
    }
}

#[test]
fn http_1_0_knows_no_hints() {
    let server = Server::start();
    let mut client = server.client();
    client.send("GET /hint/1/1 HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 200);
}

#[test]
fn a_hint_after_the_answer_is_dropped_also_while_the_next_request_runs() {
    let server = Server::start();
    let mut client = server.client();
    client.send("GET /hint-late HTTP/1.1\r\nHost: a\r\n\r\nGET /sleep/100 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().text(), "GET /hint-late");
    assert_eq!(client.response().unwrap().text(), "GET /sleep/100");
    client.send("GET /after HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().text(), "GET /after");
}

#[test]
fn hints_to_a_client_that_does_not_read_neither_pile_up_nor_land_inside_an_answer() {
    let server = Server::start();
    let mut client = server.client_with_small_window();
    // The answer before is still on its way when the hints are given; then more of them than the sockets hold.
    client.send("GET /large/3000000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    client.send("GET /hint/5/1000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    client.send("GET /hint/5000/1000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let mut statuses = Vec::new();
    while statuses.iter().filter(|status| **status == 200).count() < 3 {
        statuses.push(client.response().unwrap().status);
    }
    assert!(statuses.iter().all(|status| matches!(status, 103 | 200)), "{statuses:?}");
    assert!(statuses.len() < 5000, "{} hints were kept for a client that does not read", statuses.len());
}

#[test]
fn trailers_go_to_those_who_want_them_and_only_those_that_were_named() {
    let server = Server::start();
    let mut client = server.client();
    client.send("GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n").unwrap();
    let answer = client.response().unwrap();
    assert_eq!((answer.text().as_str(), answer.header("trailer")), ("content", Some("x-sum")));
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    client.send("GET /trailers HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let answer = client.response().unwrap();
    assert_eq!((answer.text().as_str(), answer.trailers.len()), ("content", 0));
    client.send("GET /after HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().text(), "GET /after");
}

#[test]
fn the_app_s_fields_keep_their_order() {
    let server = Server::start();
    let mut client = server.client();
    client.send("GET /ordered HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let answer = client.response().unwrap();
    let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "date").collect();
    assert_eq!(names, ["x-a", "content-length", "x-b", "x-c"]);
}
