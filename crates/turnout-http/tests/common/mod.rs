//! A server in a thread of its own, with an app that does what the path says and writes down every call.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test")]

pub(crate) mod corpus;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use turnout_http::{
    AccessEntry, AccessLog, Admission, App, Body, BodyError, Config, Drain, Fault, Limits, Outcome, ReasonPhrase,
    Request, Response, serve,
};
use turnout_net::Bind;
use turnout_testkit::Client;

/// One call of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// What was read of the body, and how reading it ended.
    pub(crate) body: Result<Vec<u8>, BodyError>,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_slice()).collect()
    }
}

/// Method, status, bytes sent, outcome.
pub(crate) type Entry = (Option<String>, Option<u16>, u64, Outcome);

#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) calls: Mutex<Vec<Call>>,
    /// Calls begun, and calls whose future was dropped before it answered.
    pub(crate) begun: AtomicUsize,
    pub(crate) dropped: AtomicUsize,
    pub(crate) faults: Mutex<Vec<Fault>>,
    pub(crate) entries: Mutex<Vec<Entry>>,
    /// Chunks that a streaming answer could hand over.
    pub(crate) streamed: AtomicUsize,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) notes: Arc<Notes>,
    pub(crate) drain: Drain,
    pub(crate) admission: Arc<Admission>,
    thread: Option<JoinHandle<()>>,
}

/// Does what the path says.
struct Obedient(Arc<Notes>);

struct DropGuard<'a>(&'a Notes, bool);

impl Drop for DropGuard<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl App for Obedient {
    async fn call(&self, request: Request) -> Response {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        let mut guard = DropGuard(&self.0, false);
        let response = self.answer(request).await;
        guard.1 = true;
        response
    }
}

impl Obedient {
    async fn answer(&self, mut request: Request) -> Response {
        let path = request.target.path().to_owned();
        let mut read = Ok(Vec::new());
        if !path.starts_with("/unread") {
            while let Some(chunk) = request.body.next().await {
                match (chunk, &mut read) {
                    (Ok(chunk), Ok(read)) => read.extend_from_slice(&chunk),
                    (Err(error), _) => read = Err(error),
                    _ => {}
                }
            }
        }
        let failed = read.is_err();
        self.0.calls.lock().unwrap().push(Call {
            method: request.method.to_string(),
            target: request.target.to_string(),
            headers: request
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                .collect(),
            body: read,
        });
        if failed {
            // As an interface does: there is nobody to answer. The server knows better what to say.
            std::future::pending::<()>().await;
        }
        self.act(&path, &request).await
    }

    async fn act(&self, path: &str, request: &Request) -> Response {
        let argument = |at| path.split('/').nth(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        match path.split('/').nth(1).unwrap_or_default() {
            "sleep" => tokio::time::sleep(Duration::from_millis(argument(2))).await,
            "never" | "unread-never" => std::future::pending().await,
            "block" => std::thread::sleep(Duration::from_millis(argument(2))),
            "panic" => panic!("as asked"),
            "status" => {
                let status = StatusCode::from_u16(argument(2).try_into().unwrap()).unwrap();
                return answer(status, &[], Body::Full("content".into()));
            }
            "teapot" => {
                let reason = Some(ReasonPhrase::from_static(b"Short \xf9 And Stout"));
                return Response { reason, ..answer(StatusCode::IM_A_TEAPOT, &[], Body::Empty) };
            }
            "large" => {
                return answer(StatusCode::OK, &[], Body::Full(vec![b'x'; argument(2).try_into().unwrap()].into()));
            }
            "empty" => return answer(StatusCode::OK, &[], Body::Empty),
            "length" => {
                // /length/PROMISED/GIVEN, whole or (with a third part) streamed
                let promised = argument(2).to_string();
                let given = Bytes::from(vec![b'x'; argument(3).try_into().unwrap()]);
                let body = if path.ends_with("/stream") { self.stream(vec![given], None) } else { Body::Full(given) };
                return answer(StatusCode::OK, &[("content-length", &promised)], body);
            }
            "lengths" => {
                return answer(
                    StatusCode::OK,
                    &[("content-length", "3"), ("content-length", "4")],
                    Body::Full("abc".into()),
                );
            }
            "stream" => {
                // /stream/CHUNKS/SIZE
                let chunk = Bytes::from(vec![b'y'; argument(3).try_into().unwrap()]);
                let chunks = vec![chunk; argument(2).try_into().unwrap()];
                return answer(StatusCode::OK, &[], self.stream(chunks, None));
            }
            "ordered" => {
                let fields = [("x-a", "1"), ("content-length", "2"), ("keep-alive", "5"), ("x-b", "3"), ("x-c", "4")];
                return answer(StatusCode::OK, &fields, Body::Full("ab".into()));
            }
            "trailers" => {
                let (sender, body) = Body::channel();
                sender.set_trailers(answer(StatusCode::OK, &[("x-sum", "7"), ("x-unnamed", "8")], Body::Empty).headers);
                // Into the channel's room: nobody has to wait.
                sender.try_send("content".into()).unwrap();
                return answer(StatusCode::OK, &[("trailer", "x-sum")], body);
            }
            "hint" => {
                // /hint/HOW-MANY/BYTES
                let padding = "x".repeat(argument(3).try_into().unwrap());
                for number in 0..argument(2) {
                    let links = [format!("</{number}.css>; rel=preload"), format!("</{padding}.js>; rel=preload")];
                    request.hints.send(&links.map(|link| HeaderValue::from_str(&link).unwrap()));
                }
            }
            "hint-late" => {
                let hints = request.hints.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    hints.send(&[HeaderValue::from_static("</late.css>; rel=preload")]);
                });
            }
            "abort" => {
                let chunks = vec![Bytes::from_static(b"begun"); 2];
                return answer(StatusCode::OK, &[], self.stream(chunks, Some(())));
            }
            "hop" => {
                return answer(
                    StatusCode::OK,
                    &[
                        ("transfer-encoding", "chunked"),
                        ("connection", "close, x-y"),
                        ("upgrade", "h2c"),
                        ("trailer", "x"),
                    ],
                    Body::Full("content".into()),
                );
            }
            _ => {}
        }
        let text = format!("{} {}", request.method, request.target);
        answer(StatusCode::OK, &[("content-type", "text/plain")], Body::Full(text.into()))
    }

    fn stream(&self, chunks: Vec<Bytes>, abort: Option<()>) -> Body {
        let (sender, body) = Body::channel();
        let notes = Arc::clone(&self.0);
        tokio::spawn(async move {
            for chunk in chunks {
                if sender.send(chunk).await.is_err() {
                    return;
                }
                notes.streamed.fetch_add(1, Ordering::SeqCst);
            }
            if abort.is_some() {
                // After the peer got the beginning: otherwise there would be nothing to break off.
                tokio::time::sleep(Duration::from_millis(50)).await;
                sender.abort();
            }
        });
        body
    }
}

fn answer(status: StatusCode, headers: &[(&'static str, &str)], body: Body) -> Response {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    Response { status, reason: None, headers: map, body, spent: None }
}

struct Log(Arc<Notes>);

impl AccessLog for Log {
    fn record(&self, entry: &AccessEntry<'_>) {
        self.0.entries.lock().unwrap().push((
            entry.method.map(Method::to_string),
            entry.status.map(|status| status.as_u16()),
            entry.sent,
            entry.outcome,
        ));
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::full(change, Admission::new(10_000, None))
    }

    pub(crate) fn full(change: impl FnOnce(&mut Config), admission: Admission) -> Self {
        let notes = Arc::new(Notes::default());
        Self::run(change, admission, Arc::clone(&notes), Arc::new(Obedient(notes)))
    }

    /// With an app of the test's own.
    pub(crate) fn of(app: Arc<impl App>) -> Self {
        Self::run(|_| {}, Admission::new(10_000, None), Arc::default(), app)
    }

    fn run(change: impl FnOnce(&mut Config), admission: Admission, notes: Arc<Notes>, app: Arc<impl App>) -> Self {
        let faults = Arc::clone(&notes);
        let mut config = Config {
            access_log: Some(Arc::new(Log(Arc::clone(&notes)))),
            on_fault: Some(Arc::new(move |fault| faults.faults.lock().unwrap().push(fault))),
            ..Config::default()
        };
        // Short enough for a test, long enough for a machine with other work.
        config.limits = Limits { linger_time: Duration::from_millis(500), ..Limits::default() };
        change(&mut config);
        let listener = Bind::parse("127.0.0.1:0").unwrap().listen(1024, false).unwrap();
        let address = listener.local_addr().unwrap();
        let drain = Drain::new();
        let admission = Arc::new(admission);
        let (for_drain, for_admission) = (drain.clone(), Arc::clone(&admission));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                tokio::spawn(serve(vec![listener], app, Arc::new(config), for_admission, for_drain.clone()));
                for_drain.finished().await;
            });
        });
        Self { address, notes, drain, admission, thread: Some(thread) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    pub(crate) fn client_with_small_window(&self) -> Client {
        Client::connect_with_small_window(self.address)
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.notes.calls.lock().unwrap().clone()
    }

    pub(crate) fn begun(&self) -> usize {
        self.notes.begun.load(Ordering::SeqCst)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.notes.dropped.load(Ordering::SeqCst)
    }

    /// The next good request, on a connection of its own.
    pub(crate) fn still_serves(&self) {
        let mut client = self.client();
        client.send("GET /still HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let response = client.response().unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "GET /still"));
    }

    /// Waits until `what` holds.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(10);
        while !holds(self) {
            assert!(Instant::now() < end, "not in time: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.drain.abort();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the server's thread ended well");
            }
        }
    }
}
