//! Files as content: exact, bounded, and never short without the client seeing it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Notes, Server};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use turnout_http::{App, Body, Fault, FileRange, Outcome, Request, Response};
use turnout_testkit::{Client, Ending, ReadError};

const SOON: Duration = Duration::from_secs(5);
const PIECE: usize = 64 * 1024;

/// Answers with the file it was given, as the query says: `/STATUS?START-LENGTH`, or all of it without a query.
struct Files {
    path: PathBuf,
    /// Opened so that it cannot be read.
    unreadable: bool,
    /// A Content-Length of the app's own.
    promise: Mutex<Option<u64>>,
}

impl App for Files {
    async fn call(&self, request: Request) -> Response {
        let file = File::options().read(!self.unreadable).write(self.unreadable).open(&self.path).unwrap();
        let range = match request.target.query().and_then(|query| query.split_once('-')) {
            Some((start, length)) => FileRange::new(file, start.parse().unwrap(), length.parse().unwrap()),
            None => FileRange::rest(file, 0).unwrap(),
        };
        let status =
            request.target.path()[1..].parse().map_or(StatusCode::OK, |code| StatusCode::from_u16(code).unwrap());
        let mut headers = HeaderMap::new();
        if let Some(length) = *self.promise.lock().unwrap() {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        Response { status, reason: None, headers, body: Body::File(range), spent: None }
    }
}

struct Setting {
    server: Server,
    app: Arc<Files>,
    content: Vec<u8>,
    _folder: tempfile::TempDir,
}

fn serving(length: usize) -> Setting {
    serving_with(length, false)
}

fn serving_with(length: usize, unreadable: bool) -> Setting {
    let content: Vec<u8> = (0..length).map(|nth| (nth * 7 % 251) as u8).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("content");
    File::create(&path).unwrap().write_all(&content).unwrap();
    let app = Arc::new(Files { path, unreadable, promise: Mutex::new(None) });
    Setting { server: Server::of(app.clone()), app, content, _folder: folder }
}

fn notes(setting: &Setting) -> &Notes {
    &setting.server.notes
}

fn ask(client: &mut Client, method: &str, target: &str) -> turnout_testkit::Response {
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    if method == "HEAD" { client.response_to_head() } else { client.response() }.unwrap()
}

fn is_open(path: &Path) -> bool {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .any(|entry| entry.and_then(|entry| std::fs::read_link(entry.path())).is_ok_and(|target| target == path))
}

#[test]
fn a_file_is_sent_whole_with_its_length() {
    for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 1_000_000] {
        let setting = serving(length);
        let mut client = setting.server.client();
        for _ in 0..2 {
            let response = ask(&mut client, "GET", "/");
            assert_eq!((response.status, response.chunked), (200, false));
            assert_eq!(response.header("content-length"), Some(length.to_string().as_str()));
            assert!(response.body == setting.content, "{length}");
        }
        setting.server.until("it is closed", |_| !is_open(&setting.app.path));
        assert_eq!(notes(&setting).faults.lock().unwrap().len(), 0);
        let entry = (Some("GET".to_owned()), Some(200), length as u64, Outcome::Complete);
        setting
            .server
            .until("it is logged", |server| *server.notes.entries.lock().unwrap() == [entry.clone(), entry.clone()]);
    }
}

#[test]
fn a_range_is_sent_as_asked() {
    let setting = serving(500_000);
    let mut client = setting.server.client();
    for (start, length) in [(0, 1), (1, 100), (PIECE - 1, 2), (499_999, 1), (100_000, 400_000), (500_000, 0), (7, 0)] {
        let response = ask(&mut client, "GET", &format!("/206?{start}-{length}"));
        assert_eq!((response.status, response.header("content-length")), (206, Some(length.to_string().as_str())));
        assert!(response.body == setting.content[start..start + length], "{start}-{length}");
    }
}

#[test]
fn head_and_statuses_without_content_send_none_and_do_not_read() {
    let setting = serving_with(1000, true);
    let mut client = setting.server.client();
    let head = ask(&mut client, "HEAD", "/");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("1000"), 0));
    for status in [204, 304] {
        let response = ask(&mut client, "GET", &format!("/{status}"));
        assert_eq!((response.status, response.header("content-length"), response.body.len()), (status, None, 0));
    }
    assert_eq!(notes(&setting).faults.lock().unwrap().len(), 0);
    assert!(!is_open(&setting.app.path));
}

#[test]
fn a_file_that_cannot_be_read_or_is_short_from_the_start_is_one_500() {
    let setting = serving_with(10, true);
    let mut client = setting.server.client();
    assert_eq!(ask(&mut client, "GET", "/").status, 500);
    let faults = notes(&setting).faults.lock().unwrap().clone();
    assert!(matches!(faults[..], [Fault::Unreadable { missing: 10, .. }]), "{faults:?}");

    let setting = serving(10);
    let mut client = setting.server.client();
    assert_eq!(ask(&mut client, "GET", "/200?5-6").status, 500);
    assert_eq!(ask(&mut client, "GET", "/200?11-1").status, 500);
    assert_eq!(ask(&mut client, "GET", "/200?5-5").body, setting.content[5..], "the connection is as good as before");
    let faults = notes(&setting).faults.lock().unwrap().clone();
    assert_eq!(faults, [Fault::TooShort { missing: 1 }, Fault::TooShort { missing: 1 }]);
}

#[test]
fn a_promise_of_another_length_is_one_500() {
    let setting = serving(10);
    let mut client = setting.server.client();
    for promised in [9, 11] {
        *setting.app.promise.lock().unwrap() = Some(promised);
        assert_eq!(ask(&mut client, "GET", "/").status, 500);
        assert_eq!(notes(&setting).faults.lock().unwrap().pop(), Some(Fault::WrongLength { promised, given: 10 }));
    }
    *setting.app.promise.lock().unwrap() = Some(10);
    assert_eq!(ask(&mut client, "GET", "/").body, setting.content);
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_never_looks_whole() {
    let setting = serving(20_000_000);
    let mut client = Client::connect_with_small_window(setting.server.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    setting.server.until("it is opened", |_| is_open(&setting.app.path));
    File::options().write(true).open(&setting.app.path).unwrap().set_len(10_000_000).unwrap();
    let error = client.response().unwrap_err();
    assert!(matches!(error, ReadError::CutShort(_) | ReadError::Io(_)), "{error}");
    let fault = notes(&setting).faults.lock().unwrap().pop();
    assert_eq!(fault, Some(Fault::TooShort { missing: 10_000_000 }));
    assert_eq!(notes(&setting).entries.lock().unwrap().pop().unwrap().3, Outcome::Aborted);
}

#[test]
fn a_client_that_reads_slowly_stops_the_reading_and_one_that_leaves_closes_the_file() {
    let setting = serving(30_000_000);
    let mut clients: Vec<_> = (0..40).map(|_| Client::connect_with_small_window(setting.server.address)).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    setting.server.until("all are being answered", |server| server.admission.in_flight() == 40);
    // However many read slowly, the next one gets its file.
    let mut quick = setting.server.client();
    assert!(ask(&mut quick, "GET", "/").body == setting.content);
    drop(clients);
    setting.server.until("they are gone", |server| server.admission.in_flight() == 0);
    setting.server.until("the file is closed", |_| !is_open(&setting.app.path));
    let entries = notes(&setting).entries.lock().unwrap().clone();
    let left: Vec<u64> = entries.iter().filter(|entry| entry.3 == Outcome::Disconnected).map(|entry| entry.2).collect();
    assert_eq!(left.len(), 40);
    // What the socket buffers of the system took (a few MiB at most), and two pieces.
    assert!(left.iter().all(|sent| *sent < 15_000_000), "{left:?}");
}

#[test]
fn a_pipe_is_no_file_to_read_at() {
    let folder = tempfile::tempdir().unwrap();
    let folder = File::open(folder.path()).unwrap();
    assert!(FileRange::rest(folder, 0).is_err());
    let file = tempfile::tempfile().unwrap();
    file.set_len(10).unwrap();
    assert_eq!(FileRange::rest(file.try_clone().unwrap(), 3).unwrap().length(), 7);
    assert_eq!(FileRange::rest(file.try_clone().unwrap(), 30).unwrap().length(), 0);
    assert_eq!(FileRange::rest(file, 3).unwrap().with_length(2).length(), 2);
}

#[test]
fn a_drain_waits_for_a_file_that_is_being_sent() {
    let setting = serving(20_000_000);
    let mut client = Client::connect_with_small_window(setting.server.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    setting.server.until("it is opened", |_| is_open(&setting.app.path));
    setting.server.drain.begin();
    let begun = Instant::now();
    assert!(client.response().unwrap().body == setting.content, "{:?}", begun.elapsed());
    assert_eq!(client.ending(SOON), (Ending::Fin, vec![]));
}
