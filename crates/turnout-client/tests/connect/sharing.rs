//! The pool's key: what one caller believes, permits or goes through opens no connection for another who does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::{HeaderMap, Method};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use turnout_client::connect::{AddressPolicy, Certificates, Proxies, ProxySettings, Tls, TlsSettings};
use turnout_client::{Body, Call, Client, Error, Http2, Kind, Limits, Options, Scope, send};
use turnout_testkit::certificates::Authority;

/// Answers every request, over TLS if it has an acceptor, and counts connections.
async fn upstream(acceptor: Option<TlsAcceptor>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                match acceptor {
                    None => serve(socket, &counted).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(socket).await {
                            serve(stream, &counted).await;
                        }
                    }
                }
            });
        }
    });
    (port, connections)
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, connections: &AtomicUsize) {
    connections.fetch_add(1, Relaxed);
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await);
            drop(stream.flush().await);
        }
    }
}

async fn get(client: &Client, url: &str, options: Options) -> Result<u16, Error> {
    let call = Call {
        method: Method::GET,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: Body::Empty,
        idempotent: true,
        stream: false,
        options: Arc::new(options),
    };
    Ok(send(client, Arc::new(call), &Scope::default()).await?.head.status.as_u16())
}

#[tokio::test]
async fn pool_key_a_connection_made_without_checking_serves_nobody_who_checks() {
    let authority = Authority::new("theirs");
    let shown = authority.issue(&["127.0.0.1"]);
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(shown.der)], PrivateKeyDer::try_from(shown.key).unwrap())
        .unwrap();
    let (port, connections) = upstream(Some(TlsAcceptor::from(Arc::new(config)))).await;
    let url = format!("https://127.0.0.1:{port}/");
    let with = |settings: &TlsSettings| Options { tls: Arc::new(Tls::new(settings).unwrap()), ..Options::default() };
    let careless = TlsSettings { dangerous_accept_any_certificate: true, ..TlsSettings::default() };
    let roots = vec![Certificates::Bytes(authority.der().to_vec())];
    let believing = TlsSettings { platform_roots: false, roots, ..TlsSettings::default() };
    let client = Client::new(Limits::default());
    for _ in 0..2 {
        assert_eq!(get(&client, &url, with(&careless)).await.unwrap(), 200);
        assert_eq!(get(&client, &url, Options::default()).await.unwrap_err().kind(), Kind::Tls);
        // Made anew each time, and still the same.
        assert_eq!(get(&client, &url, with(&believing)).await.unwrap(), 200);
    }
    assert_eq!(connections.load(Relaxed), 2);
}

#[tokio::test]
async fn pool_key_a_connection_to_a_private_address_serves_nobody_who_forbids_them() {
    let (port, connections) = upstream(None).await;
    let url = format!("http://127.0.0.1:{port}/");
    let guarded = || Options { addresses: Arc::new(AddressPolicy::public_only()), ..Options::default() };
    let client = Client::new(Limits::default());
    for _ in 0..2 {
        assert_eq!(get(&client, &url, Options::default()).await.unwrap(), 200);
        let error = get(&client, &url, guarded()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::ForbiddenAddress);
        assert!(!error.sent());
    }
    assert_eq!(connections.load(Relaxed), 1);
}

#[tokio::test]
async fn pool_key_a_connection_through_a_proxy_serves_nobody_who_goes_through_none() {
    let (port, direct) = upstream(None).await;
    let (proxy, proxied) = upstream(None).await;
    let url = format!("http://127.0.0.1:{port}/");
    let through = || {
        let settings = ProxySettings { http: Some(format!("http://127.0.0.1:{proxy}")), ..ProxySettings::default() };
        Options { proxies: Arc::new(Proxies::new(&settings).unwrap()), ..Options::default() }
    };
    let client = Client::new(Limits::default());
    for _ in 0..2 {
        assert_eq!(get(&client, &url, through()).await.unwrap(), 200);
        assert_eq!(get(&client, &url, Options::default()).await.unwrap(), 200);
        let other = Options { http2: Http2::Off, ..through() };
        assert_eq!(get(&client, &url, other).await.unwrap(), 200);
    }
    assert_eq!((direct.load(Relaxed), proxied.load(Relaxed)), (1, 2));
}
