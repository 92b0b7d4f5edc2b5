//! Streams: one event a second, a hundred at once, and readers that do not read.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::{Duration, Instant};

use common::{PATIENCE, SECRET, Site, openmetrics, site};
use serde_json::Value;
use turnout_testkit::{Client, Ending};

fn open(site: &Site, mut client: Client) -> Client {
    let (host, token) = (site.address, SECRET);
    client
        .send(format!(
            "GET /api/v1/stream?seconds=60 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        ))
        .unwrap();
    client
}

/// The bytes up to the end of the next line.
fn line(client: &mut Client) -> String {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.extend(client.bytes(1).unwrap());
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

/// The next event's JSON.
fn event(client: &mut Client) -> Value {
    loop {
        if let Some(data) = line(client).strip_prefix("data: ") {
            return serde_json::from_str(data).unwrap();
        }
    }
}

fn open_streams(site: &Site) -> String {
    openmetrics::read(&site.api("/metrics").text())["turnout_admin_streams"].samples[0].2.to_string()
}

fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !seen() {
        assert!(Instant::now() < end, "never so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_stream_tells_the_live_table_again_and_again() {
    let site = site();
    site.ends("a", 5);
    site.write();
    let mut client = open(&site, Client::connect(site.address));
    let head: Vec<_> = std::iter::repeat_with(|| line(&mut client)).take_while(|line| !line.is_empty()).collect();
    assert!(
        head[0].starts_with("HTTP/1.1 200") && head.contains(&"content-type: text/event-stream".to_owned()),
        "{head:?}"
    );
    let first = event(&mut client);
    let second = event(&mut client);
    assert!(second["time"].as_f64() > first["time"].as_f64());
    let end = Instant::now() + PATIENCE;
    while event(&mut client)["views"][0]["requests"] != 1 {
        assert!(Instant::now() < end, "never told of");
    }
    drop(client);
    until("its place is free again", || open_streams(&site) == "0");
}

#[test]
fn a_hundred_streams_are_open_and_no_more() {
    let site = site();
    let mut clients: Vec<_> = (0..100).map(|_| open(&site, Client::connect(site.address))).collect();
    until("a hundred are open", || open_streams(&site) == "100");
    let response = open(&site, Client::connect(site.address)).response().unwrap();
    assert_eq!(response.status, 503, "{response:?}");
    assert!(response.text().contains("hint"));
    assert_eq!(site.get("/healthz").status, 200);
    for client in &mut clients {
        assert_eq!(event(client)["version"], 1);
    }
    clients.pop();
    until("one is free", || open_streams(&site) == "99");
    event(&mut open(&site, Client::connect(site.address)));
}

#[test]
fn who_does_not_read_is_dropped_and_holds_nobody_up() {
    let site = site();
    // More than a socket takes that nobody reads.
    for number in 0..500 {
        site.ends(&format!("{number} {}", "x".repeat(230)), 5);
    }
    site.write();
    site.until("/api/v1/now", |now| now["views"].as_array().unwrap().len() == 500);
    let deaf: Vec<_> = (0..20).map(|_| open(&site, Client::connect_with_small_window(site.address))).collect();
    let slow = || {
        let mut client = Client::connect_with_small_window(site.address);
        let host = site.address;
        client
            .send(format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {SECRET}\r\n\r\n"))
            .unwrap();
        client
    };
    let slow: Vec<_> = (0..20).map(|_| slow()).collect();
    let mut reader = open(&site, Client::connect(site.address));
    until("all are open", || open_streams(&site) == "21");
    until("the deaf are dropped", || {
        event(&mut reader);
        open_streams(&site) == "1"
    });
    for mut client in deaf.into_iter().chain(slow) {
        assert_ne!(client.ending(PATIENCE).0, Ending::Open);
    }
    event(&mut reader);
}
