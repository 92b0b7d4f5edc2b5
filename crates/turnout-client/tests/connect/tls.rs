//! TLS: what is believed, what is shown, and what is said when it fails.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use turnout_client::connect::{Certificates, ClientCertificate, Connector, Place, Tls, TlsSettings, TlsVersion};
use turnout_client::{Error, Http2, Kind};
use turnout_testkit::certificates::{Authority, Certified, DAY};

use crate::place::place;

const H1: &[u8] = b"http/1.1";
const H2: &[u8] = b"h2";

/// Greets over TLS with the kind of the handshake.
async fn serve(config: ServerConfig) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(socket).await {
                let kind = stream.get_ref().1.handshake_kind();
                let word = if kind == Some(HandshakeKind::Resumed) { "again" } else { "first" };
                drop(stream.write_all(word.as_bytes()).await);
                drop(stream.shutdown().await);
            }
        }
    });
    port
}

fn server(shown: &Certified, protocols: &[&[u8]], clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(authority.der().to_vec())).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::try_from(shown.key.clone()).unwrap();
    let mut config = builder.with_single_cert(vec![CertificateDer::from(shown.der.clone())], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

fn believing(authority: &Authority) -> TlsSettings {
    TlsSettings {
        platform_roots: false,
        roots: vec![Certificates::Bytes(authority.pem().into_bytes())],
        ..TlsSettings::default()
    }
}

fn secure(host: &str, port: u16, settings: &TlsSettings) -> Place {
    Place { secure: true, tls: Arc::new(Tls::new(settings).unwrap()), ..place(host, port) }
}

async fn greeted(connector: &Connector, place: &Place) -> Result<(String, bool), Error> {
    let mut connected = connector.connect(place).await?;
    assert!(connected.tls.is_some());
    let mut greeting = String::new();
    connected.stream.read_to_string(&mut greeting).await.map_err(|error| Error::new(Kind::Read, error.to_string()))?;
    Ok((greeting, connected.http2))
}

async fn refusal(certified: &Certified, host: &str, settings: &TlsSettings) -> String {
    let port = serve(server(certified, &[H1], None)).await;
    let error = Connector::default().connect(&secure(host, port, settings)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Tls);
    assert!(!error.sent());
    error.message().to_owned()
}

#[tokio::test]
async fn an_authority_of_ones_own_is_believed_for_names_and_addresses() {
    let authority = Authority::new("ours");
    let port = serve(server(&authority.issue(&["localhost", "127.0.0.1"]), &[H1], None)).await;
    let connector = Connector::default();
    for host in ["localhost", "localhost.", "127.0.0.1"] {
        let place = secure(host, port, &believing(&authority));
        let greeting = greeted(&connector, &place).await.unwrap_or_else(|error| panic!("{host}: {error}"));
        assert!(!greeting.1, "HTTP/1.1");
    }
    let der = TlsSettings { roots: vec![Certificates::Bytes(authority.der().to_vec())], ..believing(&authority) };
    greeted(&connector, &secure("localhost", port, &der)).await.unwrap();
}

#[tokio::test]
async fn an_authority_may_be_added_to_the_platforms() {
    let authority = Authority::new("ours");
    let port = serve(server(&authority.issue(&["localhost"]), &[H1], None)).await;
    let folder = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(folder.path().join("ours.pem")).unwrap();
    file.write_all(authority.pem().as_bytes()).unwrap();
    for path in [folder.path().to_owned(), folder.path().join("ours.pem")] {
        let settings = TlsSettings { roots: vec![Certificates::Path(path)], ..TlsSettings::default() };
        greeted(&Connector::default(), &secure("localhost", port, &settings)).await.unwrap();
    }
}

#[tokio::test]
async fn http2_is_agreed_upon_where_both_want_it() {
    let authority = Authority::new("ours");
    let certified = authority.issue(&["localhost"]);
    let both = serve(server(&certified, &[H2, H1], None)).await;
    let old = serve(server(&certified, &[H1], None)).await;
    let silent = serve(server(&certified, &[], None)).await;
    let connector = Connector::default();
    let agreed = async |port, http2| {
        let place = Place { http2, ..secure("localhost", port, &believing(&authority)) };
        greeted(&connector, &place).await.map(|(_, http2)| http2)
    };
    assert!(agreed(both, Http2::Negotiate).await.unwrap());
    assert!(agreed(both, Http2::Only).await.unwrap());
    assert!(!agreed(both, Http2::Off).await.unwrap());
    assert!(!agreed(old, Http2::Negotiate).await.unwrap());
    assert!(!agreed(silent, Http2::Negotiate).await.unwrap());
    for port in [old, silent] {
        assert_eq!(agreed(port, Http2::Only).await.unwrap_err().kind(), Kind::Tls);
    }
}

#[tokio::test]
async fn sessions_are_resumed_by_clients_of_equal_settings_only() {
    let authority = Authority::new("ours");
    let port = serve(server(&authority.issue(&["localhost"]), &[H1], None)).await;
    let connector = Connector::default();
    let kind =
        async |settings: &TlsSettings| greeted(&connector, &secure("localhost", port, settings)).await.unwrap().0;
    assert_eq!(kind(&believing(&authority)).await, "first");
    assert_eq!(kind(&believing(&authority)).await, "again");
    let careless = TlsSettings { dangerous_accept_any_certificate: true, ..TlsSettings::default() };
    assert_eq!(kind(&careless).await, "first");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_wanted() {
    let authority = Authority::new("ours");
    let clients = Authority::new("their clients");
    let port = serve(server(&authority.issue(&["localhost"]), &[H1], Some(&clients))).await;
    let pem = Certificates::Bytes(clients.issue(&["us"]).pem().into_bytes());
    let shown =
        TlsSettings { client: Some(ClientCertificate { chain: pem.clone(), key: pem }), ..believing(&authority) };
    greeted(&Connector::default(), &secure("localhost", port, &shown)).await.unwrap();
    // TLS 1.3 says so only to the first read.
    let error = greeted(&Connector::default(), &secure("localhost", port, &believing(&authority))).await.unwrap_err();
    assert!(error.message().contains("CertificateRequired"), "{error}");
}

#[tokio::test]
async fn what_is_older_than_wanted_is_not_spoken() {
    let authority = Authority::new("ours");
    let certified = authority.issue(&["localhost"]);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(certified.key.clone()).unwrap();
    let old = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certified.der.clone())], key)
        .unwrap();
    let port = serve(old).await;
    greeted(&Connector::default(), &secure("localhost", port, &believing(&authority))).await.unwrap();
    let settings = TlsSettings { oldest: TlsVersion::V13, ..believing(&authority) };
    let error = Connector::default().connect(&secure("localhost", port, &settings)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Tls);
    assert!(error.message().contains("no version or cipher of TLS in common"), "{error}");
}

#[tokio::test]
async fn a_stranger_is_refused_and_it_is_said_what_to_do() {
    let said = refusal(&Authority::new("theirs").issue(&["localhost"]), "localhost", &TlsSettings::default()).await;
    assert!(said.starts_with("the certificate of localhost is signed by nobody we believe: "), "{said}");
    assert!(said.contains("add its certificate to the roots"), "{said}");
}

#[tokio::test]
async fn another_name_is_refused_and_the_names_are_said() {
    let authority = Authority::new("ours");
    let said = refusal(&authority.issue(&["a.example", "*.b.example"]), "localhost", &believing(&authority)).await;
    assert_eq!(said, "the certificate of localhost is for a.example, *.b.example, not for localhost");
}

#[tokio::test]
async fn what_has_expired_or_is_not_valid_yet_is_refused_with_a_word_about_the_clock() {
    let authority = Authority::new("ours");
    let now = SystemTime::now();
    let expired = authority.issue_for(&["localhost"], now - 3 * DAY, now - DAY);
    let said = refusal(&expired, "localhost", &believing(&authority)).await;
    assert!(said.starts_with("the certificate of localhost has expired: "), "{said}");
    let early = authority.issue_for(&["localhost"], now + DAY, now + 3 * DAY);
    let said = refusal(&early, "localhost", &believing(&authority)).await;
    assert!(said.starts_with("the certificate of localhost is not valid yet: "), "{said}");
}

#[tokio::test]
async fn anybody_is_believed_only_when_that_is_asked_for_by_its_loud_name() {
    let now = SystemTime::now();
    let bad = Authority::new("theirs").issue_for(&["other.example"], now - 3 * DAY, now - DAY);
    let port = serve(server(&bad, &[H1], None)).await;
    let settings = TlsSettings { dangerous_accept_any_certificate: true, ..TlsSettings::default() };
    greeted(&Connector::default(), &secure("localhost", port, &settings)).await.unwrap();
}

#[tokio::test]
async fn another_name_than_the_hosts_may_be_expected() {
    let authority = Authority::new("ours");
    let port = serve(server(&authority.issue(&["api.example"]), &[H1], None)).await;
    let settings = TlsSettings { server_name: Some("api.example".to_owned()), ..believing(&authority) };
    greeted(&Connector::default(), &secure("127.0.0.1", port, &settings)).await.unwrap();
}

async fn saying(words: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut hello = [0; 1024];
            drop(socket.read(&mut hello).await);
            drop(socket.write_all(words).await);
        }
    });
    address
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_apart_from_who_speaks_it_badly() {
    let connect = async |words: &'static [u8]| {
        let port = saying(words).await.port();
        let error =
            Connector::default().connect(&secure("127.0.0.1", port, &TlsSettings::default())).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Tls);
        error.message().to_owned()
    };
    let plain = connect(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(plain, "127.0.0.1 does not speak TLS on this port: is the URL to begin with http://?");
    assert_eq!(connect(b"").await, "127.0.0.1 hung up during the TLS handshake");
    // Alert: handshake failure.
    let alert = connect(&[21, 3, 3, 0, 2, 2, 40]).await;
    assert!(alert.contains("no version or cipher of TLS in common"), "{alert}");
}

#[test]
fn equal_bytes_make_equal_settings() {
    let authority = Authority::new("ours");
    let tls = |settings: &TlsSettings| Tls::new(settings).unwrap();
    assert_eq!(tls(&TlsSettings::default()), Tls::default());
    let pem = tls(&believing(&authority));
    let der = TlsSettings { roots: vec![Certificates::Bytes(authority.der().to_vec())], ..believing(&authority) };
    assert_eq!(pem, tls(&der));
    let more = TlsSettings { platform_roots: true, ..believing(&authority) };
    let careless = TlsSettings { dangerous_accept_any_certificate: true, ..believing(&authority) };
    let named = TlsSettings { server_name: Some("api.example".to_owned()), ..believing(&authority) };
    let key = Certificates::Bytes(authority.issue(&["us"]).pem().into_bytes());
    let shown = TlsSettings { client: Some(ClientCertificate { chain: key.clone(), key }), ..believing(&authority) };
    let newer = tls(&TlsSettings { oldest: TlsVersion::V13, ..believing(&authority) });
    assert_ne!(pem, newer);
    let only = TlsSettings { oldest: TlsVersion::V13, ..TlsSettings::default() };
    assert_ne!(tls(&only), Tls::default());
    for other in [more, careless, named, shown, believing(&Authority::new("ours"))] {
        assert_ne!(pem, tls(&other));
    }
}

#[test]
fn files_that_cannot_be_used_are_named_when_the_client_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, words: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, words).unwrap();
        Certificates::Path(path)
    };
    let roots = |from| TlsSettings { roots: vec![from], ..TlsSettings::default() };
    let refused = |settings: &TlsSettings| {
        let error = Tls::new(settings).unwrap_err();
        assert_eq!(error.kind(), Kind::Tls);
        error.message().to_owned()
    };
    assert!(refused(&roots(Certificates::Path("/nowhere/roots.pem".into()))).contains("/nowhere/roots.pem"));
    assert!(refused(&roots(file("words.pem", "no certificate"))).contains("words.pem has no certificate"));
    let chain = Certificates::Bytes(Authority::new("ours").pem().into_bytes());
    let words = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let key = file("locked.pem", words);
    let locked = TlsSettings { client: Some(ClientCertificate { chain, key }), ..TlsSettings::default() };
    let said = refused(&locked);
    assert!(said.contains("locked.pem") && said.contains("openssl pkey"), "{said}");
    let nobody = TlsSettings { platform_roots: false, ..TlsSettings::default() };
    assert!(refused(&nobody).contains("no certificate could ever be believed"));
}
