//! Proxies of each kind: what they are asked, and that what goes wrong there is said to be theirs.

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use turnout_client::connect::{
    AddressPolicy, Base, Certificates, Connected, Connector, Place, Proxies, ProxySettings, Tls, TlsSettings,
};
use turnout_client::{Error, Http2, Kind};
use turnout_testkit::certificates::Authority;

use crate::names::NameServer;
use crate::place::{asking, greeter, place};

type Asked = Arc<Mutex<Vec<String>>>;

/// Takes CONNECT, writes its head down, and answers with `answer`; if that is 200, it connects.
async fn connect_proxy(answer: &'static str, acceptor: Option<TlsAcceptor>) -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let given = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (asked, acceptor) = (Arc::clone(&asked), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => serve_connect(socket, answer, &asked).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(socket).await {
                            serve_connect(stream, answer, &asked).await;
                        }
                    }
                }
            });
        }
    });
    (port, given)
}

async fn serve_connect(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str, asked: &Asked) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let authority = head.split(' ').nth(1).unwrap().to_owned();
    asked.lock().push(head);
    stream.write_all(answer.as_bytes()).await.unwrap();
    if answer.contains(" 200 ") {
        let port = authority.rsplit(':').next().unwrap().parse().unwrap();
        let mut target = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        drop(copy_bidirectional(&mut stream, &mut target).await);
    }
    drop(stream.shutdown().await);
}

/// SOCKS 5: takes the method that it is told to want, writes down what it is asked for, and connects if `reply` is 0.
async fn socks_proxy(method: u8, reply: u8) -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let given = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            tokio::spawn(async move {
                drop(serve_socks(&mut socket, method, reply, &asked).await);
            });
        }
    });
    (port, given)
}

async fn serve_socks(socket: &mut TcpStream, method: u8, reply: u8, asked: &Asked) -> std::io::Result<()> {
    let mut greeting = vec![0; 2];
    socket.read_exact(&mut greeting).await?;
    let mut methods = vec![0; greeting[1].into()];
    socket.read_exact(&mut methods).await?;
    let method = if methods.contains(&method) { method } else { 0xff };
    socket.write_all(&[5, method]).await?;
    let text = async |socket: &mut TcpStream| {
        let mut text = vec![0; socket.read_u8().await?.into()];
        socket.read_exact(&mut text).await?;
        std::io::Result::Ok(String::from_utf8(text).unwrap())
    };
    if method == 2 {
        socket.read_u8().await?;
        let credentials = format!("{}:{}", text(socket).await?, text(socket).await?);
        let good = credentials == "user:pass:word";
        socket.write_all(&[1, u8::from(!good)]).await?;
    }
    let mut request = [0; 4];
    socket.read_exact(&mut request).await?;
    let host = match request[3] {
        1 => {
            let mut address = [0; 4];
            socket.read_exact(&mut address).await?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        3 => text(socket).await?,
        _ => unreachable!("tests have no IPv6 targets"),
    };
    let port = socket.read_u16().await?;
    asked.lock().push(host);
    // The address that it is bound to, as a name: rare, and allowed.
    socket.write_all(&[&[5, reply, 0, 3, 4], &b"here"[..], &[0, 80]].concat()).await?;
    if reply == 0 {
        let mut target = TcpStream::connect(("127.0.0.1", port)).await?;
        copy_bidirectional(socket, &mut target).await?;
    }
    Ok(())
}

fn acceptor(authority: &Authority) -> TlsAcceptor {
    let shown = authority.issue(&["localhost"]);
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(shown.der)], PrivateKeyDer::try_from(shown.key).unwrap())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn believing(authority: &Authority) -> Arc<Tls> {
    let roots = vec![Certificates::Bytes(authority.der().to_vec())];
    Arc::new(Tls::new(&TlsSettings { platform_roots: false, roots, ..TlsSettings::default() }).unwrap())
}

fn through(url: &str) -> Arc<Proxies> {
    let url = Some(url.to_owned());
    Arc::new(Proxies::new(&ProxySettings { http: url.clone(), https: url, ..ProxySettings::default() }).unwrap())
}

/// A target that speaks TLS and greets.
async fn secure_greeter(authority: &Authority) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = acceptor(authority);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(socket).await {
                drop(stream.write_all(b"hello").await);
                drop(stream.shutdown().await);
            }
        }
    });
    port
}

async fn greeting(mut connected: Connected) -> String {
    let mut text = String::new();
    connected.stream.read_to_string(&mut text).await.unwrap();
    text
}

async fn said(place: &Place) -> String {
    let error: Error = Connector::default().connect(place).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Proxy);
    assert!(!error.message().contains("secret"), "{error}");
    error.message().to_owned()
}

#[tokio::test]
async fn connect_makes_a_tunnel_and_the_targets_certificate_is_checked_in_it() {
    let authority = Authority::new("ours");
    let target = secure_greeter(&authority).await;
    let (port, asked) = connect_proxy("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n", None).await;
    let place = Place {
        secure: true,
        tls: believing(&authority),
        proxies: through(&format!("http://user:p%40ss@127.0.0.1:{port}")),
        ..place("localhost", target)
    };
    let connected = Connector::default().connect(&place).await.unwrap();
    assert!(connected.forward.is_none() && connected.tls.is_some());
    assert_eq!(connected.remote.port(), port);
    assert_eq!(greeting(connected).await, "hello");
    let head = format!(
        "CONNECT localhost:{target} HTTP/1.1\r\nHost: localhost:{target}\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n\r\n"
    );
    assert_eq!(*asked.lock(), [head]);
    let strangers = Place { tls: Arc::new(Tls::default()), ..place };
    let error = Connector::default().connect(&strangers).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "the target's fault, not the proxy's");
}

#[tokio::test]
async fn a_proxy_may_be_spoken_to_by_tls_also_with_tls_inside() {
    let (theirs, ours) = (Authority::new("the proxy's"), Authority::new("ours"));
    let target = secure_greeter(&ours).await;
    let (port, asked) = connect_proxy("HTTP/1.0 200 OK\r\n\r\n", Some(acceptor(&theirs))).await;
    let settings = ProxySettings {
        https: Some(format!("https://localhost:{port}")),
        tls: believing(&theirs),
        ..ProxySettings::default()
    };
    let proxies = Arc::new(Proxies::new(&settings).unwrap());
    let place = Place { secure: true, tls: believing(&ours), proxies, ..place("localhost", target) };
    assert_eq!(greeting(Connector::default().connect(&place).await.unwrap()).await, "hello");
    assert_eq!(asked.lock().len(), 1);
    let strangers = Place { proxies: through(&format!("https://localhost:{port}")), ..place };
    let said = said(&strangers).await;
    assert!(said.starts_with(&format!("the proxy https://localhost:{port}: the certificate of localhost")), "{said}");
}

#[tokio::test]
async fn plain_requests_are_forwarded_and_not_tunnelled() {
    let proxy = greeter().await;
    let proxies = through(&format!("http://user:pass@127.0.0.1:{proxy}"));
    let connected = Connector::default().connect(&Place { proxies, ..place("nowhere.example", 80) }).await.unwrap();
    let value = connected.forward.clone().expect("to be forwarded").expect("credentials");
    assert_eq!(value, "Basic dXNlcjpwYXNz");
    assert!(value.is_sensitive());
    assert_eq!(greeting(connected).await, "127.0.0.1");
    let proxies = through(&format!("127.0.0.1:{proxy}"));
    let connected = Connector::default().connect(&Place { proxies, ..place("nowhere.example", 80) }).await.unwrap();
    assert_eq!(connected.forward, Some(None));
}

#[tokio::test]
async fn http2_without_tls_is_not_forwarded_but_tunnelled() {
    let target = greeter().await;
    let (port, _) = connect_proxy("HTTP/1.1 200 OK\r\n\r\n", None).await;
    let proxies = through(&format!("http://127.0.0.1:{port}"));
    let place = Place { proxies, http2: Http2::Only, ..place("api.example", target) };
    let connected = Connector::default().connect(&place).await.unwrap();
    assert!(connected.http2 && connected.forward.is_none());
    assert_eq!(greeting(connected).await, "127.0.0.1", "the target speaks first, and nothing of it is lost");
}

#[tokio::test]
async fn what_an_http_proxy_does_wrong_is_said_to_be_the_proxys() {
    let ask = async |answer: &'static str, credentials: &str| {
        let (port, _) = connect_proxy(answer, None).await;
        let proxies = through(&format!("http://{credentials}127.0.0.1:{port}"));
        let place = Place { secure: true, proxies, ..place("api.example", 443) };
        said(&place).await.replace(&port.to_string(), "PORT")
    };
    let prefix = "the proxy http://127.0.0.1:PORT: ";
    let wants = ask("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "").await;
    assert_eq!(wants, format!("{prefix}it wants credentials (407): put them into its URL, as user:password@"));
    let refused = ask("HTTP/1.1 407 No\r\n\r\n", "user:secret@").await;
    assert_eq!(refused, format!("{prefix}it refused our credentials (407)"));
    let forbidden = ask("HTTP/1.1 403 Not \u{1b}[31m there\r\n\r\n", "").await;
    assert_eq!(forbidden, format!("{prefix}it makes no connection to api.example:443: 403 Not [31m there"));
    let other = ask("SSH-2.0-OpenSSH\r\n\r\n", "").await;
    assert!(other.starts_with(&format!("{prefix}it does not speak HTTP/1.1")), "{other}");
    assert_eq!(ask("HTTP/1.1 200 O", "").await, format!("{prefix}it hung up when asked for a tunnel"));
    let endless: &str = Box::leak(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(17 << 10)).into_boxed_str());
    assert!(ask(endless, "").await.contains("longer than 16384 bytes"));
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_said_to_be_the_proxy() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let place = Place { proxies: through(&format!("http://u:secret@127.0.0.1:{closed}")), ..place("a.example", 80) };
    let said = said(&place).await;
    assert!(said.starts_with(&format!("the proxy http://127.0.0.1:{closed}: no connection to 127.0.0.1:{closed}: ")));
}

#[tokio::test]
async fn socks5_is_given_addresses_and_socks5h_names() {
    let target = greeter().await;
    let names = NameServer::saying(&["127.0.0.1"], 30).await;
    let connector = asking(names.address);
    for (scheme, expected) in [("socks5", "127.0.0.1"), ("socks5h", "api.example")] {
        let (port, asked) = socks_proxy(0, 0).await;
        let proxies = through(&format!("{scheme}://127.0.0.1:{port}"));
        let connected = connector.connect(&Place { proxies, ..place("api.example", target) }).await.unwrap();
        assert!(connected.forward.is_none());
        assert_eq!(greeting(connected).await, "127.0.0.1");
        assert_eq!(*asked.lock(), [expected]);
    }
    assert_eq!(names.asked_for("api.example"), 1, "for socks5 only");
}

#[tokio::test]
async fn socks5_shows_credentials_and_says_what_went_wrong() {
    let target = greeter().await;
    let (port, _) = socks_proxy(2, 0).await;
    let proxied = |credentials: &str, port: u16| Place {
        proxies: through(&format!("socks5h://{credentials}127.0.0.1:{port}")),
        ..place("api.example", target)
    };
    let connected = Connector::default().connect(&proxied("user:pass%3Aword@", port)).await.unwrap();
    assert_eq!(greeting(connected).await, "127.0.0.1");
    assert!(said(&proxied("user:secret@", port)).await.ends_with("it refused our credentials"));
    assert!(said(&proxied("", port)).await.contains("it wants credentials"));
    let long = format!("{}:secret@", "u".repeat(256));
    assert!(said(&proxied(&long, port)).await.contains("longer than the 255 bytes"));
    let (port, _) = socks_proxy(0, 5).await;
    assert!(said(&proxied("", port)).await.ends_with("it makes no connection: the connection was refused"));
    let (port, _) = socks_proxy(1, 0).await;
    assert!(said(&proxied("user:secret@", port)).await.contains("it wants to be shown who we are"));
    let said = said(&proxied("", target)).await;
    assert_eq!(said, format!("the proxy socks5h://127.0.0.1:{target}: it does not speak SOCKS 5"));
}

#[tokio::test]
async fn a_proxy_that_resolves_is_forbidden_where_addresses_matter() {
    let target = greeter().await;
    let names = NameServer::saying(&["127.0.0.1"], 30).await;
    let connector = asking(names.address);
    let (http, http_asked) = connect_proxy("HTTP/1.1 200 OK\r\n\r\n", None).await;
    let (socks, socks_asked) = socks_proxy(0, 0).await;
    let attempt = async |host: &str, url: &str, policy: AddressPolicy| {
        let place = Place { proxies: through(url), addresses: Arc::new(policy), ..place(host, target) };
        connector.connect(&place).await.map(drop).map_err(|error| error.kind())
    };
    let http = format!("http://127.0.0.1:{http}");
    let named = format!("socks5h://127.0.0.1:{socks}");
    let resolved = format!("socks5://127.0.0.1:{socks}");
    let forbidden = Err(Kind::ForbiddenAddress);
    for host in ["api.example", "127.0.0.1", "[::ffff:127.0.0.1]"] {
        for url in [&http, &named, &resolved] {
            assert_eq!(attempt(host, url, AddressPolicy::public_only()).await, forbidden, "{host} {url}");
        }
    }
    let denied = || AddressPolicy::new(Base::Any, [], ["10.0.0.0/8"]).unwrap();
    assert_eq!(attempt("api.example", &named, denied()).await, forbidden);
    assert!(http_asked.lock().is_empty() && socks_asked.lock().is_empty());
    // Where the name alone is trusted, or where the address is seen.
    let trusted = || AddressPolicy::new(Base::Public, ["api.example"], []).unwrap();
    attempt("api.example", &http, trusted()).await.unwrap();
    attempt("api.example", &named, trusted()).await.unwrap();
    attempt("api.example", &resolved, denied()).await.unwrap();
}

#[test]
fn who_goes_through_other_proxies_shares_no_connections() {
    assert_eq!(through("http://p:1"), through("p:1"));
    for other in ["http://p:2", "https://p:1", "http://u:x@p:1", "socks5://p:1"] {
        assert_ne!(through("http://p:1"), through(other), "{other}");
    }
    assert_ne!(*through("http://p:1"), Proxies::none());
}
