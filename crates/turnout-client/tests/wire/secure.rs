//! Over TLS, where the first handshake tells what is spoken.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use turnout_client::connect::{Certificates, Tls, TlsSettings};
use turnout_testkit::certificates::Authority;

use crate::upstream::{Ask, Upstream, client, text, until};

/// Speaks whatever is agreed upon, and greets in it.
async fn upstream(protocols: &[&str]) -> (Upstream, Arc<Tls>) {
    let authority = Authority::new("trusted");
    let shown = authority.issue(&["127.0.0.1"]);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(shown.key.clone()).unwrap();
    let certificates = vec![CertificateDer::from(shown.der.clone())];
    let mut config = builder.with_no_client_auth().with_single_cert(certificates, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let upstream = Upstream::start(move |peer, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(peer.stream).await else { return };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
                    stream.send_data(bytes::Bytes::from_static(b"two"), true).unwrap();
                }
                return;
            }
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none").await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    })
    .await;
    let settings = TlsSettings {
        platform_roots: false,
        roots: vec![Certificates::Bytes(authority.pem().into_bytes())],
        ..TlsSettings::default()
    };
    (upstream, Arc::new(Tls::new(&settings).unwrap()))
}

fn get(upstream: &Upstream, tls: &Arc<Tls>) -> Ask {
    upstream.get("/").with(|call, options| {
        call.url.set_scheme("https").unwrap();
        options.tls = Arc::clone(tls);
    })
}

#[tokio::test]
async fn a_hundred_calls_to_an_upstream_that_shares_make_one_connection() {
    let (upstream, tls) = upstream(&["h2", "http/1.1"]).await;
    let client = client(|_| {});
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let (client, ask) = (client.clone(), get(&upstream, &tls));
            tokio::spawn(async move { ask.send(&client).await })
        })
        .collect();
    for call in calls {
        assert_eq!(text(call.await.unwrap().unwrap()), "two");
    }
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn where_connections_are_not_shared_the_others_follow_the_first_handshake() {
    let (upstream, tls) = upstream(&["http/1.1"]).await;
    let client = client(|limits| limits.max_connections_per_host = 5);
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (client, ask) = (client.clone(), get(&upstream, &tls));
            tokio::spawn(async move { ask.send(&client).await })
        })
        .collect();
    for call in calls {
        let answer = call.await.unwrap().unwrap();
        assert_eq!(text(answer), "one");
    }
    assert!((2..=5).contains(&upstream.accepted()), "{}", upstream.accepted());
    let stats = client.connections();
    let made = stats.places[0].counts.made as usize;
    // Session tickets that come with the first answer are no stray bytes.
    assert_eq!((made, stats.idle), (upstream.accepted(), upstream.accepted()));
    let again = get(&upstream, &tls).send(&client).await.unwrap();
    assert_eq!((again.timings.tls, text(again)), (None, "one".to_owned()));
}

#[tokio::test]
async fn who_is_not_believed_fails_all_that_waited_for_the_one_handshake() {
    let (upstream, _) = upstream(&["h2"]).await;
    let nobody = TlsSettings { platform_roots: false, ..TlsSettings::default() };
    let other = Authority::new("other");
    let settings = TlsSettings { roots: vec![Certificates::Bytes(other.pem().into_bytes())], ..nobody };
    let tls = Arc::new(Tls::new(&settings).unwrap());
    let client = client(|_| {});
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (client, ask) = (client.clone(), get(&upstream, &tls));
            tokio::spawn(async move { ask.send(&client).await })
        })
        .collect();
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.sent()), (turnout_client::Kind::Tls, false), "{error}");
    }
    assert_eq!(upstream.accepted(), 1);
    until(|| client.connections().open == 0).await;
}
