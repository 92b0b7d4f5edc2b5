//! A connection that nobody waits for any more leaves no socket, wherever it was.

use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use turnout_client::connect::{Place, Proxies, ProxySettings};

use crate::names::NameServer;
use crate::place::{asking, place};

/// Where the last connection of a test comes from, so that the other end knows that it has seen all.
const LAST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3)), 0);

/// Drops the making of a connection after each number of polls, until it is made or waits for something that does not come. Then the other
/// end must see every one of its sockets closed. `answers` are what that end says, each after it has read something.
async fn dropped_everywhere(answers: &'static [&'static [u8]], target: impl Fn(u16) -> Place) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let other_end = tokio::spawn(async move {
        let mut conversations = JoinSet::new();
        loop {
            let (socket, peer) = listener.accept().await.unwrap();
            if peer.ip() == LAST.ip() {
                return conversations.join_all().await.len();
            }
            conversations.spawn(converse(socket, answers));
        }
    });
    let connector = asking(NameServer::saying(&["127.0.0.1"], 300).await.address);
    let place = target(address.port());
    let mut most = 0;
    loop {
        let mut connecting = Box::pin(connector.connect(&place));
        let mut polls = 0;
        let given_up = poll_fn(|context| {
            if polls == most {
                return Poll::Ready(true);
            }
            polls += 1;
            connecting.as_mut().poll(context).map(|_| false)
        });
        // Stalled: there are no more polls to come.
        if tokio::time::timeout(Duration::from_millis(50), given_up).await != Ok(true) {
            break;
        }
        most += 1;
    }
    assert!(most >= 2, "{most} polls");
    let last = TcpSocket::new_v4().unwrap();
    last.bind(LAST).unwrap();
    drop(last.connect(address).await.unwrap());
    let ended = tokio::time::timeout(Duration::from_secs(5), other_end).await.expect("a socket is still open");
    assert!(ended.unwrap() > 0);
}

/// Until the other end has closed.
async fn converse(mut socket: TcpStream, answers: &[&[u8]]) {
    let mut words = [0; 4096];
    for answer in answers {
        if !matches!(socket.read(&mut words).await, Ok(1..)) || socket.write_all(answer).await.is_err() {
            return;
        }
    }
    while matches!(socket.read(&mut words).await, Ok(1..)) {}
}

fn through(scheme: &str, port: u16) -> Arc<Proxies> {
    let url = Some(format!("{scheme}://127.0.0.1:{port}"));
    Arc::new(Proxies::new(&ProxySettings { http: url.clone(), https: url, ..ProxySettings::default() }).unwrap())
}

#[tokio::test]
async fn while_a_name_is_looked_up_and_a_socket_connected() {
    dropped_everywhere(&[], |port| place("api.example", port)).await;
}

#[tokio::test]
async fn during_a_tls_handshake() {
    dropped_everywhere(&[], |port| Place { secure: true, ..place("api.example", port) }).await;
}

#[tokio::test]
async fn while_a_proxy_makes_a_tunnel_and_during_the_handshake_in_it() {
    let answers: &[&[u8]] = &[b"HTTP/1.1 200 OK\r\n\r\n"];
    dropped_everywhere(answers, |port| {
        let proxies = through("http", port);
        Place { secure: true, proxies, ..place("api.example", 443) }
    })
    .await;
    dropped_everywhere(&[], |port| Place {
        secure: true,
        proxies: through("https", port),
        ..place("api.example", 443)
    })
    .await;
}

#[tokio::test]
async fn while_a_socks_proxy_connects_and_during_the_handshake_behind_it() {
    let answers: &[&[u8]] = &[&[5, 0], &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]];
    dropped_everywhere(answers, |port| {
        let proxies = through("socks5h", port);
        Place { secure: true, proxies, ..place("api.example", 443) }
    })
    .await;
}
