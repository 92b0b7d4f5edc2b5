//! The same over a Unix socket, as behind a proxy on the same machine.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use turnout_http::{Admission, App, Body, Config, Drain, Request, Response, serve};
use turnout_net::Bind;

/// Answers with what it knows of the connection, or never.
#[derive(Default)]
struct Teller {
    dropped: AtomicUsize,
}

struct Guard<'a>(&'a AtomicUsize);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl App for Teller {
    async fn call(&self, request: Request) -> Response {
        if request.target.path() == "/never" {
            let _guard = Guard(&self.dropped);
            std::future::pending::<()>().await;
        }
        let facts = &request.connection;
        let text = format!("{:?} {:?} {:?} {}", facts.peer, facts.local, facts.unix_path, facts.scheme);
        let mut response = Response::plain(StatusCode::OK, "");
        response.body = Body::Full(text.into());
        response
    }
}

#[test]
fn unix_sockets_are_served_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turnout.sock");
    let listener = Bind::Unix(path.clone()).listen(16, false).unwrap();
    let (app, drain) = (Arc::new(Teller::default()), Drain::new());
    let (served, stop) = (Arc::clone(&app), drain.clone());
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let admission = Arc::new(Admission::new(10, None));
            tokio::spawn(serve(vec![listener], served, Arc::new(Config::default()), admission, drain.clone()));
            drain.finished().await;
        });
    });

    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let expected = format!("None None Some({:?}) http", path.to_str().unwrap());
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(&expected), "{answer}");

    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");

    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    drop(client);
    let end = Instant::now() + Duration::from_secs(10);
    while app.dropped.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < end, "what nobody waits for is dropped");
        std::thread::sleep(Duration::from_millis(2));
    }
    stop.abort();
    thread.join().unwrap();
}
