//! An upstream that does what a test tells it, and the calls to it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use turnout_client::{Answer, AnswerBody, Body, Call, Client, Error, Limits, Options, Scope, Timeouts};
use url::Url;

/// A listener whose connections each run a script. Dropping it closes everything.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Upstream {
    /// `script` gets each connection and its number, from 0.
    pub(crate) async fn start<F, S>(script: S) -> Self
    where
        S: Fn(Peer, usize) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, held) = (Arc::clone(&accepted), Arc::clone(&open));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                held.fetch_add(1, Ordering::SeqCst);
                let script = script(Peer { stream, read: Vec::new() }, number);
                let held = Arc::clone(&held);
                connections.spawn(async move {
                    script.await;
                    held.fetch_sub(1, Ordering::SeqCst);
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, accepted, open, task: task.abort_handle() }
    }

    /// Answers everything with 200 and `hello`, for as long as anybody asks.
    pub(crate) async fn hello() -> Self {
        Self::start(|mut peer, _| async move {
            while peer.request().await.is_some() {
                peer.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
            }
        })
        .await
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Scripts that have not ended.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Ask {
        Ask::new(self.url(path))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The upstream's end of a connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    /// The next request's head only.
    pub(crate) async fn head(&mut self) -> Option<String> {
        self.until(b"\r\n\r\n").await
    }

    /// The next request's head and body (by its Content-Length, or chunked as it came). `None`: the client closed.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let head = self.head().await?;
        let lower = head.to_ascii_lowercase();
        if let Some(at) = lower.find("content-length: ") {
            let length: usize = lower[at + 16..].split("\r\n").next()?.parse().ok()?;
            let body = self.take(length).await?;
            return Some(head + &body);
        }
        if lower.contains("transfer-encoding: chunked") {
            let body = self.until(b"0\r\n\r\n").await?;
            return Some(head + &body);
        }
        Some(head)
    }

    /// Errors are the client's business.
    pub(crate) async fn say(&mut self, text: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(text.as_ref()).await;
    }

    /// Until the client closes.
    pub(crate) async fn silence(&mut self) {
        let mut buffer = [0; 4096];
        while self.stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    }

    /// Not FIN but RST.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    async fn until(&mut self, end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return Some(self.split(at + end.len()));
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, length: usize) -> Option<String> {
        while self.read.len() < length {
            self.more().await?;
        }
        Some(self.split(length))
    }

    fn split(&mut self, at: usize) -> String {
        let rest = self.read.split_off(at);
        String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap()
    }

    async fn more(&mut self) -> Option<()> {
        let count = self.stream.read_buf(&mut self.read).await.ok()?;
        (count > 0).then_some(())
    }
}

/// A call in the making.
pub(crate) struct Ask {
    pub(crate) call: Call,
    pub(crate) options: Options,
}

impl Ask {
    pub(crate) fn new(url: Url) -> Self {
        // What is asked for beside the request itself is another test's business.
        let options = Options { decode: false, ..Options::default() };
        let call = Call {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Body::Empty,
            idempotent: true,
            stream: false,
            options: Arc::new(options.clone()),
        };
        Self { call, options }
    }

    pub(crate) fn post(mut self, body: Body) -> Self {
        self.call.method = Method::POST;
        self.call.idempotent = false;
        self.call.body = body;
        self
    }

    pub(crate) fn stream(mut self) -> Self {
        self.call.stream = true;
        self
    }

    pub(crate) fn within(mut self, change: impl FnOnce(&mut Timeouts)) -> Self {
        change(&mut self.options.timeouts);
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Call, &mut Options)) -> Self {
        change(&mut self.call, &mut self.options);
        self
    }

    pub(crate) async fn send(mut self, client: &Client) -> Result<Answer, Error> {
        self.call.options = Arc::new(self.options);
        turnout_client::send(client, Arc::new(self.call), &Scope::default()).await
    }
}

pub(crate) fn client(change: impl FnOnce(&mut Limits)) -> Client {
    let mut limits = Limits::default();
    change(&mut limits);
    Client::new(limits)
}

pub(crate) fn text(answer: Answer) -> String {
    match answer.body {
        AnswerBody::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        AnswerBody::Stream(_) => panic!("the body was not collected"),
    }
}

pub(crate) async fn collect(answer: Answer) -> Result<Vec<u8>, Error> {
    let AnswerBody::Stream(mut stream) = answer.body else { panic!("the body was collected") };
    let mut collected = Vec::new();
    while let Some(piece) = stream.next().await {
        collected.extend_from_slice(&piece?);
    }
    Ok(collected)
}

/// A body that comes in these pieces.
pub(crate) fn pieces(pieces: &[&'static str]) -> turnout_client::BodyStream {
    struct Pieces(Vec<Bytes>);
    impl turnout_client::Chunks for Pieces {
        fn poll_chunk(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Bytes, Error>>> {
            std::task::Poll::Ready(self.0.pop().map(Ok))
        }
    }
    turnout_client::BodyStream::new(Pieces(
        pieces.iter().rev().map(|piece| Bytes::from_static(piece.as_bytes())).collect(),
    ))
}

/// Runs other tasks until `done`. It always comes; that it does not within ten thousand turns is a failure.
pub(crate) async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not happen");
}
