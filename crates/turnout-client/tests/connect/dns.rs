//! Names: who is asked, what is remembered, and to which address a connection goes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::RecordType;
use socket2::{Domain, Socket, Type};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use turnout_client::connect::{AddressPolicy, Base, Connector, Place};
use turnout_client::{Error, Kind};

use crate::names::{NameServer, Reply};
use crate::place::{asking, asking_with, greeter, pass, place};

/// The address that the other end has.
async fn reached(connector: &Connector, place: &Place) -> Result<String, Error> {
    let mut connected = connector.connect(place).await?;
    let mut greeting = String::new();
    connected.stream.read_to_string(&mut greeting).await.unwrap();
    assert_eq!(connected.remote.ip().to_string(), greeting);
    Ok(greeting)
}

fn loopback(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

#[tokio::test]
async fn an_answer_is_remembered_for_its_ttl() {
    let port = greeter().await;
    let names =
        NameServer::start(|_, _, before| Reply::Addresses(vec![loopback(1 + u8::try_from(before).unwrap())], 30)).await;
    let connector = asking(names.address);
    let place = place("api.example", port);
    assert_eq!(reached(&connector, &place).await.unwrap(), "127.0.0.1");
    pass(Duration::from_secs(28)).await;
    assert_eq!(reached(&connector, &place).await.unwrap(), "127.0.0.1");
    assert_eq!(names.asked_for("api.example"), 1);
    pass(Duration::from_secs(3)).await;
    assert_eq!(reached(&connector, &place).await.unwrap(), "127.0.0.2");
}

#[tokio::test]
async fn no_ttl_is_believed_for_more_than_five_minutes() {
    let port = greeter().await;
    let names = NameServer::saying(&["127.0.0.1"], 86_400).await;
    let connector = asking(names.address);
    reached(&connector, &place("api.example", port)).await.unwrap();
    pass(Duration::from_secs(301)).await;
    reached(&connector, &place("api.example", port)).await.unwrap();
    assert_eq!(names.asked_for("api.example"), 2);
}

#[tokio::test]
async fn no_such_name_is_said_so_and_remembered_for_ten_seconds_at_most() {
    let names = NameServer::start(|_, _, _| Reply::NoName(3600)).await;
    let connector = asking(names.address);
    for _ in 0..3 {
        let error = connector.connect(&place("nobody.example", 80)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Dns);
        assert_eq!(error.message(), "nobody.example has no address: there is no such name");
        assert!(!error.sent());
    }
    assert_eq!(names.asked_for("nobody.example"), 1);
    pass(Duration::from_secs(11)).await;
    connector.connect(&place("nobody.example", 80)).await.unwrap_err();
    assert_eq!(names.asked_for("nobody.example"), 2);
}

#[tokio::test]
async fn a_broken_name_server_is_left_alone_for_a_second() {
    let names = NameServer::start(|_, _, _| Reply::Failure).await;
    let connector = asking(names.address);
    let error = connector.connect(&place("api.example", 80)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Dns);
    assert!(error.message().contains("name server"), "{error}");
    let asked = names.asked_for("api.example");
    connector.connect(&place("api.example", 80)).await.unwrap_err();
    assert_eq!(names.asked_for("api.example"), asked);
    pass(Duration::from_secs(2)).await;
    connector.connect(&place("api.example", 80)).await.unwrap_err();
    assert!(names.asked_for("api.example") > asked);
}

#[tokio::test]
async fn an_old_address_is_better_than_none() {
    let port = greeter().await;
    let names = NameServer::start(|_, _, before| match before {
        0 => Reply::Addresses(vec![loopback(1)], 5),
        _ => Reply::Failure,
    })
    .await;
    let connector = asking(names.address);
    let place = place("api.example", port);
    reached(&connector, &place).await.unwrap();
    pass(Duration::from_secs(3000)).await;
    assert_eq!(reached(&connector, &place).await.unwrap(), "127.0.0.1");
    assert!(names.asked_for("api.example") > 1);
    pass(Duration::from_secs(1000)).await;
    assert_eq!(reached(&connector, &place).await.unwrap_err().kind(), Kind::Dns, "an hour after its TTL");
}

#[tokio::test]
async fn an_old_address_does_not_survive_that_the_name_is_gone() {
    let port = greeter().await;
    let names = NameServer::start(|_, _, before| match before {
        0 => Reply::Addresses(vec![loopback(1)], 5),
        _ => Reply::NoName(5),
    })
    .await;
    let connector = asking(names.address);
    reached(&connector, &place("api.example", port)).await.unwrap();
    pass(Duration::from_secs(6)).await;
    assert_eq!(reached(&connector, &place("api.example", port)).await.unwrap_err().kind(), Kind::Dns);
}

#[tokio::test]
async fn a_lookup_that_hangs_holds_nobody_who_has_an_old_address() {
    let port = greeter().await;
    let names = NameServer::start(|_, _, before| match before {
        0 => Reply::Addresses(vec![loopback(1)], 5),
        _ => Reply::Silence,
    })
    .await;
    let connector = Arc::new(asking(names.address));
    let place = place("api.example", port);
    reached(&connector, &place).await.unwrap();
    pass(Duration::from_secs(6)).await;
    let waiting = tokio::spawn({
        let (connector, place) = (Arc::clone(&connector), place.clone());
        async move { reached(&connector, &place).await }
    });
    names.until_asked(3).await;
    pass(Duration::from_millis(1900)).await;
    assert_eq!(waiting.await.unwrap().unwrap(), "127.0.0.1");
}

#[tokio::test]
async fn a_family_without_answer_holds_the_other_for_a_moment_only() {
    let port = greeter().await;
    let names = NameServer::start(|_, family, _| match family {
        RecordType::A => Reply::Addresses(vec![loopback(1)], 30),
        _ => Reply::Silence,
    })
    .await;
    // Its patience is 2 s: what fails here waits for that twice.
    let limit = tokio::time::timeout(Duration::from_secs(2), async {
        reached(&asking(names.address), &place("api.example", port)).await.unwrap()
    });
    assert_eq!(limit.await.unwrap(), "127.0.0.1");
}

#[tokio::test]
async fn equal_lookups_are_one_and_it_belongs_to_none_of_its_callers() {
    let port = greeter().await;
    let (release, released) = std::sync::mpsc::channel::<()>();
    let names = NameServer::start(move |_, _, _| {
        let _ = released.recv_timeout(Duration::from_secs(5));
        Reply::Addresses(vec![loopback(1)], 30)
    });
    // Its own thread: it blocks until it may speak.
    let names = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let names = runtime.block_on(names);
        let given = names.clone();
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        given
    })
    .join()
    .unwrap();
    let connector = Arc::new(asking(names.address));
    let call = || {
        let (connector, place) = (Arc::clone(&connector), place("api.example", port));
        tokio::spawn(async move { reached(&connector, &place).await })
    };
    let first = call();
    names.until_asked(1).await;
    let others: Vec<_> = (0..20).map(|_| call()).collect();
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    drop(release);
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), "127.0.0.1");
    }
    assert_eq!(names.asked_for("api.example"), 1);
}

#[test]
fn a_connector_outlives_the_runtimes_it_is_used_on() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime();
    let (port, names) = server.block_on(async {
        let names = NameServer::start(|name, _, before| match (name, before) {
            ("slow.example", 0) => Reply::Silence,
            _ => Reply::Addresses(vec![loopback(1)], 0),
        });
        (greeter().await, names.await)
    });
    std::thread::spawn(move || server.block_on(std::future::pending::<()>()));
    let connector = Arc::new(asking(names.address));
    runtime().block_on(reached(&connector, &place("api.example", port))).unwrap();
    // This one ends in the middle of a lookup.
    runtime().block_on(async {
        let call = {
            let connector = Arc::clone(&connector);
            tokio::spawn(async move { connector.connect(&place("slow.example", port)).await.map(drop) })
        };
        let asked = names.asked().len();
        names.until_asked(2 * asked + 2).await;
        drop(call);
    });
    runtime().block_on(reached(&connector, &place("slow.example", port))).unwrap();
    runtime().block_on(reached(&connector, &place("api.example", port))).unwrap();
}

#[tokio::test]
async fn literals_localhost_and_the_file_of_hosts_are_not_asked_for() {
    let port = greeter().await;
    let names = NameServer::saying(&["127.0.0.9"], 30).await;
    let connector = asking(names.address);
    for host in ["127.0.0.1", "localhost", "a.LocalHost.", "listed.example", "LISTED.example"] {
        assert_eq!(reached(&connector, &place(host, port)).await.unwrap(), "127.0.0.1", "{host}");
    }
    assert_eq!(names.asked(), [""; 0]);
    assert_eq!(reached(&connector, &place("localhost.example", port)).await.unwrap(), "127.0.0.9");
}

#[tokio::test]
async fn short_names_are_tried_in_each_search_domain() {
    let port = greeter().await;
    let names = NameServer::start(|name, _, _| match name {
        "db.two.example" | "api.example" => Reply::Addresses(vec![loopback(1)], 30),
        _ => Reply::NoName(30),
    })
    .await;
    let connector = asking_with(names.address, &["one.example", "two.example"]);
    reached(&connector, &place("db", port)).await.unwrap();
    reached(&connector, &place("api.example", port)).await.unwrap();
    connector.connect(&place("db.", port)).await.unwrap_err();
    assert_eq!(names.asked(), ["db.one.example", "db.two.example", "api.example", "db"]);
}

#[tokio::test]
async fn a_name_in_one_family_is_not_sought_elsewhere_in_the_other() {
    let port = greeter().await;
    let names = NameServer::start(|name, family, _| match (name, family) {
        ("api.example", RecordType::A) => Reply::Addresses(vec![loopback(1)], 30),
        ("api.example", _) => Reply::Addresses(vec![], 30),
        // A search domain that has everything.
        _ => Reply::Addresses(vec!["::1".parse().unwrap()], 30),
    })
    .await;
    let connector = asking_with(names.address, &["corp.example"]);
    assert_eq!(reached(&connector, &place("api.example", port)).await.unwrap(), "127.0.0.1");
    assert_eq!(names.asked(), ["api.example"]);
}

#[tokio::test]
async fn rebinding_the_second_answer_is_checked_as_the_first_was() {
    let port = greeter().await;
    let names = NameServer::start(|_, _, before| Reply::Addresses(vec![loopback(1 + u8::from(before > 0))], 0)).await;
    let connector = asking(names.address);
    let mut place = place("rebound.example", port);
    place.addresses = Arc::new(AddressPolicy::new(Base::Nothing, ["127.0.0.1"], []).unwrap());
    assert_eq!(reached(&connector, &place).await.unwrap(), "127.0.0.1");
    assert_eq!(names.asked_for("rebound.example"), 1, "checked and connected to by one and the same answer");
    let error = reached(&connector, &place).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ForbiddenAddress);
    assert!(!error.message().contains("127.0.0"), "{error}");
    assert!(!error.sent());
}

#[tokio::test]
async fn of_mixed_answers_only_what_is_permitted_is_connected_to() {
    let port = greeter().await;
    let names = NameServer::saying(&["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"], 0).await;
    let connector = asking(names.address);
    let mut place = place("mixed.example", port);
    place.addresses = Arc::new(AddressPolicy::new(Base::Any, [], ["127.0.0.1", "127.0.0.2", "127.0.0.4"]).unwrap());
    for _ in 0..8 {
        assert_eq!(reached(&connector, &place).await.unwrap(), "127.0.0.3");
    }
}

#[tokio::test]
async fn all_addresses_of_a_name_get_their_share() {
    let port = greeter().await;
    let names = NameServer::saying(&["127.0.0.1", "127.0.0.2", "127.0.0.3"], 300).await;
    let connector = asking(names.address);
    let mut seen = std::collections::BTreeSet::new();
    // Missing one of three in 200 draws: less than once in 10^35.
    for _ in 0..200 {
        seen.insert(reached(&connector, &place("many.example", port)).await.unwrap());
    }
    assert_eq!(seen.len(), 3);
    assert_eq!(names.asked_for("many.example"), 1);
}

/// Listens, but takes no more connections: whoever connects waits.
fn full(address: SocketAddr) -> (Socket, Vec<std::net::TcpStream>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(0).unwrap();
    let held = vec![std::net::TcpStream::connect(address).unwrap()];
    (socket, held)
}

#[tokio::test]
async fn happy_eyeballs_an_address_that_is_silent_costs_a_moment() {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = full(SocketAddr::new(loopback(1), port));
    let names = NameServer::saying(&["127.0.0.1", "127.0.0.2"], 300).await;
    let connector = asking(names.address);
    for _ in 0..3 {
        let connected = connector.connect(&place("half.example", port)).await.unwrap();
        assert_eq!(connected.remote.ip(), loopback(2));
        drop(listener.accept().await.unwrap());
    }
    drop(silent);
}

#[tokio::test]
async fn happy_eyeballs_a_family_that_refuses_costs_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let names = NameServer::saying(&["::1", "127.0.0.1"], 300).await;
    let connected = asking(names.address).connect(&place("both.example", port)).await.unwrap();
    assert_eq!(connected.remote.ip(), loopback(1));
    assert!(connected.stream.socket().nodelay().unwrap());
}

#[tokio::test]
async fn happy_eyeballs_where_ipv4_has_won_it_comes_first_for_a_while() {
    let v4 = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = v4.local_addr().unwrap().port();
    let names = NameServer::saying(&["::1", "127.0.0.1"], 300).await;
    let connector = asking(names.address);
    let family = async || connector.connect(&place("both.example", port)).await.unwrap().remote.ip();
    assert_eq!(family().await, loopback(1), "nobody listens at ::1");
    let _v6 = TcpListener::bind(("::1", port)).await.unwrap();
    assert_eq!(family().await, loopback(1));
    pass(Duration::from_secs(601)).await;
    assert_eq!(family().await, IpAddr::from(std::net::Ipv6Addr::LOCALHOST));
}

#[tokio::test]
async fn what_every_address_has_said_is_in_one_sentence() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let names = NameServer::saying(&["127.0.0.1", "127.0.0.2"], 300).await;
    let error = asking(names.address).connect(&place("down.example", closed)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Connect);
    let message = error.message();
    assert!(message.starts_with(&format!("no connection to down.example:{closed}: ")), "{message}");
    assert!(message.contains("127.0.0.1: Connection refused") && message.contains("127.0.0.2: Connection refused"));
    assert!(std::error::Error::source(&error).is_some());
}
