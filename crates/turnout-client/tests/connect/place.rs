//! What tests ask for: places, connectors, and time that passes at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use turnout_client::Http2;
use turnout_client::connect::{AddressPolicy, Connector, NameServers, Place, Proxies, Tls};

/// `http://HOST:PORT`, with everything at its default.
pub(crate) fn place(host: &str, port: u16) -> Place {
    Place {
        secure: false,
        host: Arc::from(host),
        port,
        tls: Arc::new(Tls::default()),
        proxies: Arc::new(Proxies::default()),
        addresses: Arc::new(AddressPolicy::any()),
        http2: Http2::Negotiate,
        lane: 0,
    }
}

/// One that asks this name server only.
pub(crate) fn asking(server: SocketAddr) -> Connector {
    asking_with(server, &[])
}

pub(crate) fn asking_with(server: SocketAddr, search: &[&str]) -> Connector {
    Connector::new(NameServers::These {
        servers: vec![server],
        hosts: vec![("listed.example".to_owned(), [127, 0, 0, 1].into())],
        search: search.iter().map(|domain| (*domain).to_owned()).collect(),
        patience: Duration::from_secs(2),
    })
}

/// Accepts for ever and says which address it was reached at, at all of 127.0.0.0/8. Its port.
pub(crate) async fn greeter() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let at = socket.local_addr().unwrap().ip().to_string();
            drop(socket.write_all(at.as_bytes()).await);
        }
    });
    port
}

/// The clock is put forward; nothing runs meanwhile that has to wait for the network.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
