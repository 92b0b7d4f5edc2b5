//! What an operator meets when choosing where to listen.
#![allow(clippy::unwrap_used)]

use std::os::fd::{AsFd, OwnedFd};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turnout_net::{Bind, BindError, Listener, Waiting};

#[test]
fn addresses_are_read_and_shown() {
    for (text, shown) in [
        ("127.0.0.1:8000", "127.0.0.1:8000"),
        ("localhost:0", "localhost:0"),
        ("[::1]:65535", "[::1]:65535"),
        ("unix:/run/x.sock", "unix:/run/x.sock"),
    ] {
        assert_eq!(Bind::parse(text).unwrap().to_string(), shown);
    }
    for text in [
        "",
        "8000",
        ":8000",
        "host:",
        "host:70000",
        "host:+80",
        "::1:80",
        "[::1]",
        "[x]:80",
        "unix:",
        "http://h:80",
        "a b:80",
    ] {
        let error = Bind::parse(text).expect_err(text);
        assert!(error.to_string().contains("HOST:PORT"), "{error}");
    }
}

#[test]
fn a_port_in_use_is_said_clearly() {
    let first = Bind::parse("127.0.0.1:0").unwrap().listen(16, false).unwrap();
    let taken = first.to_string().strip_prefix("http://").unwrap().to_owned();
    let error = Bind::parse(&taken).unwrap().listen(16, false).unwrap_err();
    assert_eq!(error.to_string(), format!("{taken} is in use: another process listens there"));
}

#[test]
fn a_host_that_is_not_ours_is_said_clearly() {
    let error = Bind::parse("192.0.2.1:0").unwrap().listen(16, false).unwrap_err();
    assert!(matches!(error, BindError::Host { .. }), "{error:?}");
    assert!(error.to_string().starts_with("cannot listen on 192.0.2.1:0: "), "{error}");
}

#[test]
fn two_sockets_share_a_port_only_when_asked() {
    let first = Bind::parse("127.0.0.1:0").unwrap().listen(16, true).unwrap();
    let taken = first.to_string().strip_prefix("http://").unwrap().to_owned();
    Bind::parse(&taken).unwrap().listen(16, true).unwrap();
    assert!(matches!(Bind::parse(&taken).unwrap().listen(16, false), Err(BindError::InUse(_))));
}

#[test]
fn a_stale_socket_file_is_replaced_a_live_one_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turnout.sock");
    let bind = Bind::Unix(path.clone());
    let live = bind.listen(16, false).unwrap();
    assert_eq!(live.to_string(), format!("unix:{}", path.display()));
    assert!(matches!(bind.listen(16, false), Err(BindError::InUse(_))));
    drop(live);
    assert!(path.exists());
    bind.listen(16, false).unwrap();
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "mine").unwrap();
    assert!(matches!(Bind::Unix(path.clone()).listen(16, false), Err(BindError::NotASocket(_))));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    let long = Bind::Unix(folder.path().join("x".repeat(200))).listen(16, false).unwrap_err();
    assert!(matches!(long, BindError::Other { .. }), "{long:?}");
}

#[test]
fn only_listening_sockets_are_taken_over() {
    let file: OwnedFd = tempfile::tempfile().unwrap().into();
    Listener::try_from(file).unwrap_err();
    let (one, _two) = std::os::unix::net::UnixStream::pair().unwrap();
    Listener::try_from(OwnedFd::from(one)).unwrap_err();
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    let taken = Listener::try_from(OwnedFd::from(plain)).unwrap();
    assert_eq!(taken.local_addr(), Some(address));
    let flags = rustix::io::fcntl_getfd(taken.as_fd()).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[tokio::test]
async fn connections_are_accepted_with_their_facts() {
    let listener = Bind::parse("0.0.0.0:0").unwrap().listen(16, false).unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = listener.into_acceptor().unwrap();
    let mut client = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut stream, facts) = acceptor.accept().await.unwrap();
    assert_eq!(facts.peer, Some(client.local_addr().unwrap()));
    assert_eq!(facts.local, Some(client.peer_addr().unwrap()), "the address the client used, not 0.0.0.0");
    let options = socket2::SockRef::from(&stream);
    assert!(options.tcp_nodelay().unwrap(), "inherited from the listener");
    assert_eq!(options.tcp_notsent_lowat().unwrap(), 128 * 1024, "inherited from the listener");
    assert!(options.keepalive().unwrap(), "inherited from the listener");
    assert_eq!(stream.waiting(), Waiting::Nothing);
    client.write_all(b"ping").await.unwrap();
    while stream.waiting() == Waiting::Nothing {
        tokio::task::yield_now().await;
    }
    assert_eq!(stream.waiting(), Waiting::Bytes);
    let mut got = [0; 4];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"ping");
    client.shutdown().await.unwrap();
    while stream.waiting() == Waiting::Nothing {
        tokio::task::yield_now().await;
    }
    assert_eq!(stream.waiting(), Waiting::Fin);
}

#[tokio::test]
async fn a_reset_after_a_fin_is_noticed() {
    let listener = Bind::parse("127.0.0.1:0").unwrap().listen(16, false).unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = listener.into_acceptor().unwrap();
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut stream, _) = acceptor.accept().await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    let mut broken = std::pin::pin!(stream.breakage().unwrap());
    let soon = std::time::Duration::from_millis(50);
    tokio::time::timeout(soon, &mut broken).await.unwrap_err();
    socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    tokio::time::timeout(std::time::Duration::from_secs(5), broken).await.unwrap();
}

#[tokio::test]
async fn unix_sockets_carry_their_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let acceptor = Bind::Unix(path.clone()).listen(16, false).unwrap().into_acceptor().unwrap();
    let _client = tokio::net::UnixStream::connect(&path).await.unwrap();
    let (_, facts) = acceptor.accept().await.unwrap();
    assert_eq!(facts.unix_path.as_deref(), path.to_str());
    assert_eq!(facts.peer, None);
}
