//! What a call costs: CPU time of the calling thread a call, over loopback, against an upstream on another thread that does next to nothing.
//!
//!     cargo run --profile ci -p turnout-client --example calls [CALLS] [AT_ONCE]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example that prints")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method};
use turnout_client::{AnswerBody, Body, Call, Client, Http2, Limits, Options, Scope};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 11:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{\"hotel\":\"one\",\"price\":123}";

fn main() {
    let mut arguments = std::env::args().skip(1).map_while(|argument| argument.parse().ok());
    let calls: usize = arguments.next().unwrap_or(100_000);
    let at_once: usize = arguments.next().unwrap_or(64);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (name, address, http2) in [("HTTP/1.1", one(), Http2::Off), ("HTTP/2", two(), Http2::Only)] {
        for at_once in [1, at_once] {
            let client = Client::new(Limits::default());
            runtime.block_on(run(&client, address, http2, at_once, calls / 10));
            let (started, before) = (Instant::now(), cpu_time());
            runtime.block_on(run(&client, address, http2, at_once, calls));
            let (took, spent) = (started.elapsed(), cpu_time().saturating_sub(before));
            println!(
                "{name} {at_once:>3} at once: {:5.2} us of CPU a call, {:6.0} calls a CPU second, {:6.0} a second",
                spent.as_secs_f64() * 1e6 / calls as f64,
                calls as f64 / spent.as_secs_f64(),
                calls as f64 / took.as_secs_f64(),
            );
        }
    }
}

async fn run(client: &Client, address: SocketAddr, http2: Http2, at_once: usize, calls: usize) {
    let url: url::Url = format!("http://{address}/hotels?city=1").parse().unwrap();
    let options = Arc::new(Options { http2, ..Options::default() });
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::from_static("application/json"));
    headers.insert("user-agent", HeaderValue::from_static("turnout"));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..at_once {
        let (client, url, options, headers) = (client.clone(), url.clone(), Arc::clone(&options), headers.clone());
        tasks.spawn(async move {
            let scope = Scope::default();
            for _ in 0..calls / at_once {
                let call = Call {
                    method: Method::GET,
                    url: url.clone(),
                    headers: headers.clone(),
                    body: Body::Empty,
                    idempotent: true,
                    stream: false,
                    options: Arc::clone(&options),
                };
                let answer = turnout_client::send(&client, Arc::new(call), &scope).await.unwrap();
                assert!(matches!(answer.body, AnswerBody::Whole(body) if body.len() == 27));
            }
        });
    }
    tasks.join_all().await;
}

/// A thread a connection, and a read and a write a request.
fn one() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|count| count > 0) && stream.write_all(ANSWER).is_ok() {}
            });
        }
    });
    address
}

fn two() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((_, mut respond))) = connection.accept().await {
                        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
                        stream.send_data(bytes::Bytes::from_static(&ANSWER[ANSWER.len() - 27..]), true).unwrap();
                    }
                });
            }
        });
    });
    address
}

/// Of this thread, as the scheduler has it.
fn cpu_time() -> Duration {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(line.split(' ').next().unwrap().parse().unwrap())
}
