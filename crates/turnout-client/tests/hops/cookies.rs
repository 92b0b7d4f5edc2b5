//! Cookies: kept only in a jar that the caller brings, and sent only where they belong.

use std::sync::Arc;

use http::Method;
use turnout_client::{Jar, Options};
use url::Url;

use crate::upstream::{Upstream, answer, call, following, with_fields};

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn sent(jar: &Jar, to: &str) -> String {
    jar.header(&url(to)).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn nobody_has_cookies_who_brings_no_jar() {
    let upstream = Upstream::new(|_, _| (200, "set-cookie: a=1".to_owned()));
    for _ in 0..2 {
        answer(call(&Method::GET, "http://a.example/", following(&upstream))).await.unwrap();
    }
    assert_eq!(upstream.seen()[1].field("cookie"), "");
}

#[tokio::test]
async fn each_jar_is_one_users() {
    let upstream = Upstream::new(|_, number| (200, format!("set-cookie: user={number}")));
    let jars = [Arc::new(Jar::new()), Arc::new(Jar::new())];
    for round in 0..2 {
        for jar in &jars {
            let options = Options { cookies: Some(Arc::clone(jar)), ..following(&upstream) };
            answer(call(&Method::GET, "http://a.example/", options)).await.unwrap();
        }
        let seen = upstream.seen();
        let cookies: Vec<_> = seen[2 * round..].iter().map(|request| request.field("cookie")).collect();
        assert_eq!(cookies, if round == 0 { ["", ""] } else { ["user=0", "user=1"] });
    }
}

#[tokio::test]
async fn each_hop_gets_its_own_cookies_and_may_set_some() {
    let upstream = Upstream::new(|request, _| match request.url.as_str() {
        "http://a.example/" => (302, "location: http://b.example/\nset-cookie: a=1\nset-cookie: c=3".to_owned()),
        "http://b.example/" => (302, "location: http://a.example/end\nset-cookie: b=2".to_owned()),
        _ => (200, String::new()),
    });
    let jar = Arc::new(Jar::new());
    assert!(jar.set(&url("http://b.example/"), "old=0"));
    let options = Options { cookies: Some(Arc::clone(&jar)), ..following(&upstream) };
    let start = call(&Method::GET, "http://a.example/", options);
    answer(with_fields(start, &[("cookie", "own=9")])).await.unwrap();
    let cookies: Vec<_> = upstream.seen().iter().map(|request| request.field("cookie")).collect();
    // The caller's own is stripped where the origin changes, the jar's go where they belong.
    assert_eq!(cookies, ["own=9", "old=0", "a=1; c=3"]);
    assert_eq!(sent(&jar, "http://b.example/"), "b=2; old=0");
}

#[test]
fn cookies_go_where_they_belong_and_nowhere_else() {
    // Where it is from, the cookie, where to, whether it goes along.
    let table = [
        ("http://a.example/", "c=1", "http://a.example/", true),
        ("http://a.example/", "c=1", "http://a.example:8080/x", true),
        ("http://a.example/", "c=1", "https://a.example/", true),
        ("http://a.example/", "c=1", "http://www.a.example/", false),
        ("http://a.example/", "c=1", "http://b.example/", false),
        ("http://www.a.example/", "c=1; Domain=a.example", "http://a.example/", true),
        ("http://www.a.example/", "c=1; Domain=.a.example", "http://x.y.a.example/", true),
        ("http://www.a.example/", "c=1; Domain=a.example", "http://ba.example/", false),
        ("http://a.example/", "c=1; Domain=www.a.example", "http://www.a.example/", false),
        ("http://a.example/", "c=1; Domain=b.example", "http://b.example/", false),
        ("http://a.example/", "c=1; Domain=b.example", "http://a.example/", false),
        ("http://a.example/x/y", "c=1", "http://a.example/x/", true),
        ("http://a.example/x/y", "c=1", "http://a.example/", false),
        ("http://a.example/", "c=1; Path=/x", "http://a.example/x/y", true),
        ("http://a.example/", "c=1; Path=/x", "http://a.example/xy", false),
        ("https://a.example/", "c=1; Secure", "https://a.example/", true),
        ("https://a.example/", "c=1; Secure", "http://a.example/", false),
        ("http://a.example/", "c=1; HttpOnly", "http://a.example/", true),
        ("http://a.example/", "c=1; Max-Age=100", "http://a.example/", true),
        ("http://a.example/", "c=1; Max-Age=0", "http://a.example/", false),
        ("http://a.example/", "c=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.example/", false),
        ("http://127.0.0.1/", "c=1", "http://127.0.0.1:81/", true),
        ("http://127.0.0.1/", "c=1; Domain=0.0.1", "http://127.0.0.1/", false),
        // Public suffixes: everybody has names below them.
        ("http://a.co.uk/", "c=1; Domain=co.uk", "http://b.co.uk/", false),
        ("http://a.github.io/", "c=1; Domain=github.io", "http://b.github.io/", false),
        ("http://a.example/", "c=1; Domain=example", "http://b.example/", false),
        ("http://a.internal/", "c=1; Domain=internal", "http://b.internal/", false),
        ("http://github.io/", "c=1; Domain=github.io", "http://github.io/", true),
        ("http://github.io/", "c=1; Domain=github.io", "http://a.github.io/", false),
        ("http://www.a.co.uk/", "c=1; Domain=a.co.uk", "http://a.co.uk/", true),
    ];
    for (from, cookie, to, goes) in table {
        let jar = Jar::new();
        jar.set(&url(from), cookie);
        assert_eq!(sent(&jar, to), if goes { "c=1" } else { "" }, "{cookie} from {from} to {to}");
    }
}

#[test]
fn a_jar_is_bounded_and_can_be_read_and_emptied() {
    let jar = Jar::new();
    let here = url("https://a.example/x/");
    assert!(!jar.set(&here, &format!("c={}", "x".repeat(4096))));
    assert!(!jar.set(&here, "no cookie"));
    assert!(jar.set(&here, "c=1; Secure; Path=/x; Domain=a.example"));
    assert!(jar.set(&here, "c=2; Path=/"));
    assert_eq!(sent(&jar, "https://a.example/x/y"), "c=1; c=2", "the longer path first");
    let mut cookies = jar.cookies();
    cookies.sort_by(|a, b| a.value.cmp(&b.value));
    let (first, second) = (&cookies[0], &cookies[1]);
    assert_eq!((&*first.domain, &*first.path, first.secure, first.host_only), ("a.example", "/x", true, false));
    assert_eq!((&*second.domain, &*second.path, second.secure, second.host_only), ("a.example", "/", false, true));
    assert!(jar.header(&here).unwrap().is_sensitive());
    let mut number = 0;
    while jar.set(&here, &format!("n{number}=1")) {
        number += 1;
    }
    assert_eq!(number + 2, 3000);
    jar.clear();
    assert_eq!(sent(&jar, "https://a.example/x/y"), "");
    assert!(jar.set(&here, "again=1"));
}
