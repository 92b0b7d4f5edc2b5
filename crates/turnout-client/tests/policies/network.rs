//! What only sockets show: what of a call that was given up has left, and which connection a hedge takes.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use turnout_client::policy::{After, Hedge, Terms};
use turnout_client::{Answer, Call, Client, Error, Http2, Kind, Limits, Observer, Options, Scope, send};

use crate::support::*;

async fn listening() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    (listener, url)
}

/// The method of the next request; none of these has a body that is looked at.
async fn method(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a request"));
    }
    String::from_utf8_lossy(&head).split(' ').next().map(str::to_owned).expect("a method")
}

async fn reply(stream: &mut TcpStream, status: u16) {
    let text = format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(text.as_bytes()).await.expect("it is read");
}

#[derive(Debug)]
struct Tell(mpsc::UnboundedSender<Result<u16, Kind>>);

impl Observer for Tell {
    fn unawaited(&self, _: &Call, outcome: &Result<Answer, Error>) {
        let _ = self.0.send(outcome.as_ref().map(|answer| answer.head.status.as_u16()).map_err(Error::kind));
    }
}

fn sending_in(client: &Client, call: Arc<Call>, scope: &Scope) -> tokio::task::JoinHandle<Result<Answer, Error>> {
    let (client, scope) = (client.clone(), scope.clone());
    tokio::spawn(async move { send(&client, call, &scope).await })
}

#[tokio::test]
async fn a_post_that_waits_for_a_connection_is_not_sent_for_a_request_that_is_over() {
    let (listener, url) = listening().await;
    let client = Client::new(Limits { max_connections_per_host: 1, ..Limits::default() });
    let scope = Scope::default();
    let first = sending(&client, &get(Options::default()).to(&url).call());
    let (mut stream, _) = listener.accept().await.expect("a connection");
    assert_eq!(method(&mut stream).await, "GET");
    let queued = sending_in(&client, post(Options::default()).to(&url).call(), &scope);
    while client.connections().waiting == 0 {
        tokio::task::yield_now().await;
    }
    scope.cancelled.cancel();
    assert_eq!(queued.await.expect("no panic").kind(), Kind::Cancelled);
    reply(&mut stream, 200).await;
    first.await.expect("no panic").expect("an answer");
    let last = sending(&client, &Draft::new("DELETE", Options::default()).to(&url).call());
    assert_eq!(method(&mut stream).await, "DELETE", "the POST never came");
    reply(&mut stream, 200).await;
    last.await.expect("no panic").expect("an answer");
}

#[tokio::test]
async fn a_post_on_its_way_is_finished_and_told_of() {
    let (listener, url) = listening().await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let client = client().observed_by(Arc::new(Tell(tell)));
    let scope = Scope::default();
    let task = sending_in(&client, post(Options::default()).to(&url).call(), &scope);
    let (mut stream, _) = listener.accept().await.expect("a connection");
    assert_eq!(method(&mut stream).await, "POST");
    scope.cancelled.cancel();
    assert_eq!(task.await.expect("no panic").kind(), Kind::Cancelled);
    reply(&mut stream, 201).await;
    assert_eq!(told.recv().await, Some(Ok(201)));
    // Its connection is as good as new.
    let next = sending(&client, &get(Options::default()).to(&url).call());
    assert_eq!(method(&mut stream).await, "GET");
    reply(&mut stream, 200).await;
    next.await.expect("no panic").expect("an answer");
}

fn hedging(http2: Http2) -> Options {
    let hedge = Some(Hedge { budget: 1.0, ..Hedge::after(After::Fixed(20 * MS)) });
    Options { http2, policy: Some(policy(Terms { hedge, ..Terms::default() })), ..Options::default() }
}

#[tokio::test]
async fn a_hedge_takes_another_connection() {
    let (listener, url) = listening().await;
    let client = client();
    let task = sending(&client, &get(hedging(Http2::Negotiate)).to(&url).call());
    let (mut first, _) = listener.accept().await.expect("a connection");
    assert_eq!(method(&mut first).await, "GET");
    let (mut second, _) = listener.accept().await.expect("another connection");
    assert_eq!(method(&mut second).await, "GET");
    reply(&mut second, 200).await;
    assert!(task.await.expect("no panic").expect("an answer").hedged);
}

#[tokio::test]
async fn on_http2_too_although_the_first_has_room() {
    let (listener, url) = listening().await;
    let client = client();
    let upstream = tokio::spawn(async move {
        // The first connection answers one call and then none; the second answers all.
        let mut number = 0;
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let is_first = number == 0;
            number += 1;
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                let mut held = Vec::new();
                let mut answered = 0;
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    if is_first && answered > 0 {
                        held.push(respond);
                        continue;
                    }
                    answered += 1;
                    let response = http::Response::builder().header("x-first", is_first.to_string()).body(());
                    let mut body = respond.send_response(response.expect("a response"), false).expect("it is open");
                    body.send_data(Bytes::new(), true).expect("it is open");
                }
            });
        }
    });
    let options = hedging(Http2::Only);
    let plain = Options { policy: None, ..options.clone() };
    let warm = sent(&client, &get(plain).to(&url).call()).await.expect("an answer");
    assert_eq!(warm.head.headers["x-first"], "true");
    for _ in 0..3 {
        let answer = sent(&client, &get(options.clone()).to(&url).call()).await.expect("an answer");
        assert!(answer.hedged && answer.head.headers["x-first"] == "false");
    }
    assert_eq!(client.connections().open, 2, "hedges share theirs");
    upstream.abort();
}
