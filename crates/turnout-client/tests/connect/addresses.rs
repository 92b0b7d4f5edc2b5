//! The address policy: where a caller with URLs from elsewhere cannot be led (SSRF).

use std::sync::Arc;

use tokio::net::TcpListener;
use turnout_client::connect::{AddressPolicy, Base, Connector, Place};
use turnout_client::{Error, Kind};
use url::Url;

use crate::names::NameServer;
use crate::place::{asking, place};

fn guarded(url: &str, policy: &Arc<AddressPolicy>) -> Place {
    let url = Url::parse(url).unwrap();
    let port = url.port_or_known_default().unwrap();
    Place { addresses: Arc::clone(policy), ..place(url.host_str().unwrap(), port) }
}

/// A port that is listened to at all loopback addresses, and must not be reached.
async fn untouched() -> (TcpListener, u16) {
    let listener = TcpListener::bind("[::]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn kind(connector: &Connector, place: &Place) -> Kind {
    connector.connect(place).await.map(drop).map_err(|error: Error| error.kind()).unwrap_err()
}

#[tokio::test]
async fn odd_notations_of_addresses_lead_nowhere() {
    let (_listener, port) = untouched().await;
    let policy = Arc::new(AddressPolicy::public_only());
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "0",
        "0.0.0.0",
        "127.0.0.1.",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[0:0:0:0:0:0:0:1]",
    ] {
        let place = guarded(&format!("http://{host}:{port}/"), &policy);
        assert_eq!(kind(&Connector::default(), &place).await, Kind::ForbiddenAddress, "{host}");
    }
}

#[tokio::test]
async fn names_that_lead_inside_lead_nowhere_and_it_is_not_said_where() {
    let (_listener, port) = untouched().await;
    let policy = Arc::new(AddressPolicy::public_only());
    for inside in ["127.0.0.1", "::1", "10.1.2.3", "169.254.169.254", "fd00:ec2::254", "::ffff:10.1.2.3"] {
        let names = NameServer::saying(&[inside], 30).await;
        let place = guarded(&format!("http://nice.example:{port}/"), &policy);
        let error = asking(names.address).connect(&place).await.unwrap_err();
        assert_eq!(error.kind(), Kind::ForbiddenAddress);
        assert_eq!(error.message(), "nice.example leads where the address policy forbids: nothing was sent");
        assert!(std::error::Error::source(&error).is_none());
    }
}

#[tokio::test]
async fn rules_come_before_the_base_and_denials_before_permissions() {
    use Base::{Any, Nothing, Public};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let names = NameServer::saying(&["127.0.0.1"], 30).await;
    let connector = asking(names.address);
    let with_port = |rule: &str| rule.replace("PORT", &port.to_string());
    let table: [(Base, &[&str], &[&str], bool); 19] = [
        (Any, &[], &[], true),
        (Public, &[], &[], false),
        (Nothing, &[], &[], false),
        (Nothing, &["127.0.0.0/8"], &[], true),
        (Public, &["127.0.0.1"], &[], true),
        (Public, &["127.0.0.1:PORT"], &[], true),
        (Public, &["127.0.0.1:1"], &[], false),
        (Public, &["api.example"], &[], true),
        (Public, &["API.example.:PORT"], &[], true),
        (Public, &["*.example"], &[], true),
        (Public, &[".example:PORT"], &[], true),
        (Public, &["pi.example", "*.api.example"], &[], false),
        (Nothing, &[":PORT"], &[], true),
        (Nothing, &["*"], &[], true),
        (Any, &[], &["127.0.0.0/8"], false),
        (Any, &[], &["api.example"], false),
        (Any, &[], &[":25"], true),
        (Any, &["api.example"], &["127.0.0.1"], false),
        (Public, &["*.example"], &["api.example:PORT"], false),
    ];
    for (base, allow, deny, permitted) in table {
        let rules = |rules: &[&str]| rules.iter().map(|rule| with_port(rule)).collect::<Vec<_>>();
        let policy = Arc::new(AddressPolicy::new(base, rules(allow), rules(deny)).unwrap());
        let outcome = connector.connect(&guarded(&format!("http://api.example:{port}"), &policy)).await;
        assert_eq!(outcome.is_ok(), permitted, "{base:?} {allow:?} {deny:?}");
    }
}

#[test]
fn rules_that_mean_nothing_are_refused() {
    for rule in
        ["", "10.0.0.0/40", "a b", "api.example:99999", "http://api.example", "*a.example", "a.*.example", "a/8"]
    {
        let error = AddressPolicy::new(Base::Any, [rule], []).unwrap_err();
        assert!(error.message().contains(&format!("{rule:?}")), "{error}");
    }
}

#[test]
fn equal_rules_make_equal_policies_and_others_do_not_share_connections() {
    let policy = |base, allow: &[&str]| AddressPolicy::new(base, allow.iter().copied(), []).unwrap();
    assert_eq!(policy(Base::Public, &[]), AddressPolicy::public_only());
    assert_eq!(policy(Base::Any, &[]), AddressPolicy::any());
    assert_eq!(policy(Base::Public, &["10.0.0.0/8"]), policy(Base::Public, &["10.0.0.0/8"]));
    assert_ne!(policy(Base::Public, &["10.0.0.0/8"]), AddressPolicy::public_only());
    assert_ne!(AddressPolicy::any(), AddressPolicy::public_only());
}
