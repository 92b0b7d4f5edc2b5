//! Ten thousand calls given up at every point there is, and nothing left of them. Alone in its process: it counts descriptors and tasks.
#![allow(clippy::unwrap_used, reason = "a test")]

#[allow(dead_code, reason = "shared with the tests of the wire, which use all of it")]
#[path = "../wire/upstream.rs"]
mod upstream;

use std::future::poll_fn;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use turnout_client::connect::{Connector, NameServers};
use turnout_client::{Body, BodyStream, Chunks, Client, Error, Http2, Limits};

use crate::upstream::{Ask, Upstream, text, until};

const AT_ONCE: usize = 80;

/// Of those for whom the kernel takes megabytes before it takes no more.
const FEW: usize = 8;

/// What is left, when it is quiet.
fn left() -> (usize, usize) {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    (descriptors, Handle::current().metrics().num_alive_tasks())
}

#[tokio::test]
async fn calls_given_up_at_every_await_point_leave_nothing() {
    // Starts what the runtime and the resolver start once.
    drop(tokio::net::lookup_host("localhost:1").await);
    let nameless = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let scene = Scene::new().await;
    let before = left();

    let limits = Limits { max_connections_per_host: AT_ONCE, ..Limits::default() };
    let names = NameServers::These {
        servers: vec![nameless.local_addr().unwrap()],
        hosts: Vec::new(),
        search: Vec::new(),
        patience: Duration::from_secs(5),
    };
    let client = Client::with_connector(limits, Connector::new(names));

    let mut given_up = 0;
    for _ in 0..8 {
        given_up += scene.everywhere(&client).await;
    }
    // Those that come in parts take more turns than the others.
    for polls in 1..=2 {
        given_up += scene.after(&client, polls, Scene::plain).await + scene.after(&client, polls, Scene::shared).await;
    }
    for polls in 1..=6 {
        given_up += scene.after(&client, polls, Scene::in_parts).await;
        given_up += scene.after(&client, polls, Scene::streaming).await;
    }
    assert!(given_up >= 10_000, "{given_up}");

    until(|| {
        let stats = client.connections();
        (stats.open, stats.waiting, stats.lingering) == (stats.idle, 0, 0)
    })
    .await;
    let mut good = JoinSet::new();
    for number in 0..1000 {
        let ask = if number % 2 == 0 { scene.plain() } else { scene.shared() };
        let client = client.clone();
        good.spawn(async move { text(ask.send(&client).await.unwrap()) });
    }
    while let Some(answer) = good.join_next().await {
        assert_eq!(answer.unwrap(), "hello");
    }
    let stats = client.connections();
    assert_eq!((stats.open, stats.waiting, stats.lingering), (stats.idle, 0, 0));
    drop(client);
    until(|| left() == before).await;
}

/// Upstreams that get stuck at one point each, and some that do not.
struct Scene {
    hello: Upstream,
    parts: Upstream,
    shared: Upstream,
    silent: Upstream,
    deaf: Upstream,
    half: Upstream,
    unshaken: Upstream,
    shared_silent: Upstream,
    full: TcpListener,
    _fillers: Vec<std::net::TcpStream>,
    /// Requests that have come to those that get stuck.
    heard: Arc<AtomicUsize>,
    /// Ends those that do not even read.
    released: Arc<Notify>,
}

impl Scene {
    async fn new() -> Self {
        let (heard, released) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let stuck = |answer: &'static str, whole: bool| {
            let (heard, released) = (Arc::clone(&heard), Arc::clone(&released));
            Upstream::start(move |mut peer, _| {
                let (heard, released) = (Arc::clone(&heard), Arc::clone(&released));
                async move {
                    let came = if whole { peer.request().await } else { peer.head().await };
                    if came.is_some() {
                        peer.say(answer).await;
                        heard.fetch_add(1, Ordering::SeqCst);
                        if !whole {
                            // Not reading what is still to come is what the client has to wait for.
                            released.notified().await;
                            return;
                        }
                        peer.silence().await;
                    }
                }
            })
        };
        let (silent, deaf) = (stuck("", true).await, stuck("", false).await);
        let half = stuck("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true).await;
        let unshaken = Upstream::start(|mut peer, _| async move { peer.silence().await }).await;
        let parts = Upstream::start(|mut peer, _| async move {
            while peer.request().await.is_some() {
                for part in ["HTTP/1.1 200 OK\r\n", "Content-Length: 10\r\n\r\n", "hello", "hello"] {
                    peer.say(part).await;
                    tokio::task::yield_now().await;
                }
            }
        })
        .await;
        let (full, fillers) = full();
        Self {
            hello: Upstream::hello().await,
            parts,
            shared: shared(None).await,
            shared_silent: shared(Some(Arc::clone(&heard))).await,
            silent,
            deaf,
            half,
            unshaken,
            full,
            _fillers: fillers,
            heard,
            released,
        }
    }

    fn plain(&self) -> Ask {
        self.hello.get("/")
    }

    fn in_parts(&self) -> Ask {
        self.parts.get("/")
    }

    fn streaming(&self) -> Ask {
        self.parts.get("/").stream()
    }

    fn shared(&self) -> Ask {
        self.shared.get("/").with(|_, options| options.http2 = Http2::Only)
    }

    /// One batch at each point where a call can be stuck. How many were given up.
    async fn everywhere(&self, client: &Client) -> usize {
        let brief = |ask: Ask| ask.within(|timeouts| timeouts.connect = Some(Duration::from_millis(50)));
        let connecting = || client.connections().places.iter().map(|place| place.connecting).sum::<usize>() == AT_ONCE;
        let nowhere = || brief(Ask::new("http://nowhere.example/".parse().unwrap()));
        let mut count = self.stuck(client, AT_ONCE, nowhere, connecting).await;
        let address = self.full.local_addr().unwrap();
        let full = || brief(Ask::new(format!("http://{address}/").parse().unwrap()));
        count += self.stuck(client, AT_ONCE, full, connecting).await;
        let shaking = || {
            brief(self.unshaken.get("/").with(|call, options| {
                call.url.set_scheme("https").unwrap();
                options.http2 = Http2::Off;
            }))
        };
        count += self.stuck(client, AT_ONCE, shaking, connecting).await;

        let heard = || self.heard.load(Ordering::SeqCst) == AT_ONCE;
        let few = || self.heard.load(Ordering::SeqCst) == FEW;
        let large = bytes::Bytes::from(vec![0; 6 << 20]);
        count += self.stuck(client, FEW, || self.deaf.get("/").post(Body::Whole(large.clone())), few).await;
        let slow = || self.deaf.get("/").post(Body::Stream(Some(BodyStream::new(Slow)).into(), None));
        count += self.stuck(client, AT_ONCE, slow, heard).await;
        count += self.stuck(client, AT_ONCE, || self.silent.get("/"), heard).await;
        count += self.stuck(client, AT_ONCE, || self.half.get("/"), heard).await;
        let shared = || self.shared_silent.get("/").with(|_, options| options.http2 = Http2::Only);
        count += self.stuck(client, AT_ONCE, shared, heard).await;

        // As many again as there are connections, and none of them comes back.
        let mut holding = start(client, AT_ONCE, || self.silent.get("/"));
        until(heard).await;
        count += self.stuck(client, AT_ONCE, || self.silent.get("/"), || client.connections().waiting == AT_ONCE).await;
        self.heard.store(0, Ordering::SeqCst);
        count + give_up(&mut holding).await
    }

    /// Starts a batch, waits until it is `there`, and gives it up.
    async fn stuck(&self, client: &Client, many: usize, ask: impl Fn() -> Ask, there: impl Fn() -> bool) -> usize {
        let mut calls = start(client, many, ask);
        until(there).await;
        let count = give_up(&mut calls).await;
        self.heard.store(0, Ordering::SeqCst);
        self.released.notify_waiters();
        // A connect belongs to the pool, and has its own limit.
        until(|| client.connections().places.iter().all(|place| place.connecting == 0)).await;
        count
    }

    /// Calls that are dropped when they have been polled so often, and had not ended by then.
    async fn after(&self, client: &Client, polls: usize, ask: impl Fn(&Self) -> Ask) -> usize {
        let mut calls = JoinSet::new();
        for _ in 0..4 * AT_ONCE {
            let (client, ask) = (client.clone(), ask(self));
            calls.spawn(async move {
                let mut left = polls;
                let mut call = Box::pin(async {
                    let answer = ask.send(&client).await.unwrap();
                    if let turnout_client::AnswerBody::Stream(mut stream) = answer.body {
                        while stream.next().await.is_some() {}
                    }
                });
                poll_fn(|context| {
                    left -= 1;
                    match call.as_mut().poll(context) {
                        Poll::Ready(()) => Poll::Ready(0),
                        Poll::Pending if left == 0 => Poll::Ready(1),
                        Poll::Pending => Poll::Pending,
                    }
                })
                .await
            });
        }
        calls.join_all().await.into_iter().sum()
    }
}

fn start(client: &Client, many: usize, ask: impl Fn() -> Ask) -> JoinSet<()> {
    let mut calls = JoinSet::new();
    for _ in 0..many {
        let (client, ask) = (client.clone(), ask());
        calls.spawn(async move { panic!("ended: {:?}", ask.send(&client).await) });
    }
    calls
}

async fn give_up(calls: &mut JoinSet<()>) -> usize {
    let count = calls.len();
    calls.abort_all();
    while let Some(ended) = calls.join_next().await {
        assert!(ended.unwrap_err().is_cancelled());
    }
    count
}

/// A body whose first piece never comes.
struct Slow;

impl Chunks for Slow {
    fn poll_chunk(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<bytes::Bytes, Error>>> {
        Poll::Pending
    }
}

/// A listener that takes no connection any more: what comes is not even refused.
fn full() -> (TcpListener, Vec<std::net::TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let fillers = std::iter::from_fn(|| connect().ok()).collect();
    (listener, fillers)
}

/// HTTP/2. With a counter: counts what comes, and never answers.
async fn shared(silent: Option<Arc<AtomicUsize>>) -> Upstream {
    Upstream::start(move |peer, _| {
        let silent = silent.clone();
        async move {
            let mut builder = h2::server::Builder::new();
            builder.max_concurrent_streams(20);
            let Ok(mut connection) = builder.handshake::<_, bytes::Bytes>(peer.stream).await else { return };
            let mut held = Vec::new();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                if let Some(heard) = &silent {
                    heard.fetch_add(1, Ordering::SeqCst);
                    held.push(respond);
                    continue;
                }
                // Its call may have been given up meanwhile.
                if let Ok(mut stream) = respond.send_response(http::Response::new(()), false) {
                    let _ = stream.send_data("hello".into(), true);
                }
            }
        }
    })
    .await
}
