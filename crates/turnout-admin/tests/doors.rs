//! Who gets in: tokens, login links, sessions, hosts, origins; and what every answer carries.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{SECRET, site, site_with};
use serde_json::Value;

const GUARDED: [&str; 10] = [
    "/api/v1/findings",
    "/api/v1/now",
    "/api/v1/slow",
    "/api/v1/slow/0123456789abcdef/trace",
    "/api/v1/stacks",
    "/api/v1/view?name=a",
    "/api/v1/stream",
    "/api/v1/history",
    "/api/v1/compare?name=a",
    "/metrics",
];

#[test]
fn figures_need_the_token() {
    let site = site();
    let long = format!("Bearer {SECRET}x");
    let wrong = [
        None,
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer wrong"),
        Some(long.as_str()),
        Some(&long[..long.len() - 2]),
        Some("Basic YTpi"),
        Some(SECRET),
    ];
    let none = GUARDED.map(|target| (target, None));
    for (target, value) in none.into_iter().chain(wrong.map(|value| ("/api/v1/now", value))) {
        let fields: Vec<_> = value.iter().map(|value| ("Authorization", *value)).collect();
        let response = site.ask("GET", target, &fields);
        assert_eq!(response.status, 401, "{target} {value:?}");
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
        let said: Value = serde_json::from_slice(&response.body).unwrap();
        assert!(said["error"].is_string() && said["hint"].is_string(), "{said}");
        assert!(!response.text().contains(SECRET));
    }
    assert_eq!(site.api("/api/v1/now").status, 200);
    assert_eq!(site.ask("GET", "/metrics", &[("Authorization", &format!("bEARER  {SECRET}"))]).status, 200);
}

#[test]
fn who_guesses_is_told_to_wait_and_the_right_token_opens_all_the_same() {
    let site = site();
    let cookie = site.get(&format!("/login?token={SECRET}")).header("set-cookie").unwrap().to_owned();
    let guess = || site.ask("GET", "/metrics", &[("Authorization", "Bearer wrong")]);
    // One in five seconds is let pass: a busy machine may be as slow as that.
    let refused = (0..30).map(|_| guess()).find(|response| response.status != 401).unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("5")));
    let said: Value = serde_json::from_slice(&refused.body).unwrap();
    assert!(said["error"].is_string() && said["hint"].is_string(), "{said}");
    assert_eq!(site.api("/api/v1/now").status, 200);
    assert_eq!(site.get(&format!("/login?token={SECRET}")).status, 303);
    assert_eq!(site.ask("GET", "/api/v1/now", &[("Cookie", cookie.split(';').next().unwrap())]).status, 200);
    assert_eq!(site.get("/api/v1/now").status, 401, "who has no token has not guessed");
    let (first, second) = (("Authorization", "Bearer wrong"), ("Authorization", &*format!("Bearer {SECRET}")));
    assert_ne!(site.ask("GET", "/api/v1/now", &[first, second]).status, 200, "one guess a request");
}

#[test]
fn metrics_are_open_where_nobody_could_know_the_token() {
    let site = site_with(None);
    assert_eq!(site.get("/metrics").status, 200);
    assert_eq!(site.get("/api/v1/now").status, 401);
    assert_eq!(site.ask("GET", "/api/v1/now", &[("Authorization", "Bearer ")]).status, 401);
}

#[test]
fn a_login_link_works_once() {
    let site = site_with(None);
    let link = site.running.login_link().unwrap().unwrap();
    let target = link.strip_prefix(&format!("http://{}", site.address)).unwrap();
    assert_eq!(site.ask("HEAD", target, &[]).status, 401, "who only looks does not use it up");
    let response = site.get(target);
    assert_eq!((response.status, response.header("location")), (303, Some("/")));
    let cookie = response.header("set-cookie").unwrap().to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let pair = cookie.split(';').next().unwrap();
    assert!(!target.contains(pair.split_once('=').unwrap().1), "the cookie is not the link's token");
    let fields = [("Cookie", &*format!("other=1; {pair}"))];
    assert_eq!(site.ask("GET", "/api/v1/now", &fields).status, 200);
    assert_eq!(site.ask("GET", target, &fields).status, 303, "twice by the same browser");

    let again = site.get(target);
    assert_eq!((again.status, again.header("set-cookie")), (401, None), "{again:?}");
    let person = site.ask("GET", target, &[("Accept", "text/html,*/*")]);
    assert_eq!((person.status, person.header("content-type")), (401, Some("text/html; charset=utf-8")));
    let (name, value) = pair.split_once('=').unwrap();
    for wrong in [format!("{name}={value}x"), format!("{name}="), format!("other={value}"), name.to_owned()] {
        assert_eq!(site.ask("GET", "/api/v1/now", &[("Cookie", &wrong)]).status, 401, "{wrong}");
    }
}

#[test]
fn the_token_itself_logs_in_too_and_is_not_the_cookie() {
    let site = site();
    let response = site.get(&format!("/login?token={SECRET}"));
    assert_eq!(response.status, 303);
    assert!(!response.header("set-cookie").unwrap().contains(SECRET));
    for wrong in ["/login", "/login?token=", "/login?token=wrong", &format!("/login?Token={SECRET}")] {
        assert_eq!(site.get(wrong).status, 401, "{wrong}");
    }
}

#[test]
fn a_foreign_host_and_a_foreign_origin_are_refused() {
    let site = site();
    let token = format!("Bearer {SECRET}");
    for target in ["/", "/login", "/metrics", "/api/v1/now", "/api/v1/history", "/api/v1/compare", "/api/v1/findings"] {
        for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example"] {
            let response = site.ask("GET", target, &[("Host", host), ("Authorization", &token)]);
            assert_eq!(response.status, 403, "{target} {host}");
            assert!(!response.text().contains("evil"));
        }
        for origin in ["http://evil.example", "null", "http://localhost:1"] {
            let response = site.ask("GET", target, &[("Origin", origin), ("Authorization", &token)]);
            assert_eq!(response.status, 403, "{target} {origin}");
            assert_eq!(response.header("access-control-allow-origin"), None);
        }
    }
    let fields = [("Host", "localhost:1"), ("Origin", "http://localhost:1"), ("Authorization", &token)];
    assert_eq!(site.ask("GET", "/api/v1/now", &fields).status, 200, "a forwarded port");
    assert_eq!(site.ask("GET", "/api/v1/now", &[("Host", "admin.example"), ("Authorization", &token)]).status, 200);
    for probe in ["/healthz", "/readyz"] {
        assert_ne!(site.ask("GET", probe, &[("Host", "10.1.2.3:9180")]).status, 403, "probes know no names");
    }
}

#[test]
fn every_answer_carries_the_fields_that_protect_a_browser() {
    let site = site();
    for target in ["/", "/healthz", "/readyz", "/login", "/metrics", "/api/v1/now", "/nothing"] {
        let response = site.get(target);
        let policy = response.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "connect-src 'self'"] {
            assert!(policy.contains(part), "{target}: {policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(response.header("referrer-policy"), Some("no-referrer"), "{target}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{target}");
    }
}

#[test]
fn only_reading_is_done() {
    let site = site();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        for target in ["/", "/api/v1/now", "/healthz", "/login"] {
            let response = site.ask(method, target, &[("Authorization", &format!("Bearer {SECRET}"))]);
            assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")), "{method} {target}");
        }
    }
    assert_eq!(site.ask("HEAD", "/", &[]).status, 200);
    let body = [("Authorization", &*format!("Bearer {SECRET}")), ("Content-Length", "5")];
    assert_eq!(site.ask("GET", "/api/v1/now", &body).status, 413, "and nothing is sent here");
}

#[test]
fn what_is_not_there_and_what_is_wrong_is_said_with_a_hint() {
    let site = site();
    for (target, status) in [
        ("/api/v1/nothing", 404),
        ("/api/v2/now", 404),
        ("/nothing", 404),
        ("/api/v1/view", 404),
        ("/api/v1/view?name=nobody", 404),
        ("/api/v1/history", 404),
        ("/api/v1/history?from=x", 400),
        ("/api/v1/compare?name=nobody", 404),
        ("/api/v1/now?seconds=4", 400),
        ("/api/v1/now?seconds=x", 400),
        ("/api/v1/stream?seconds=901", 400),
        ("/%3Cscript%3E", 404),
    ] {
        let response = site.api(target);
        assert_eq!(response.status, status, "{target}");
        let said: Value = serde_json::from_slice(&response.body).unwrap();
        assert!(said["error"].is_string() && said["hint"].is_string(), "{said}");
        assert!(!response.text().contains("script"), "nothing of a request is said again");
    }
    assert_eq!(site.get(&format!("/{}", "x".repeat(5000))).status, 414);
    assert_eq!(site.get("/nothing").status, 404, "with the token or without");
}

#[test]
fn health_and_readiness_follow_the_server() {
    let site = site();
    let ready = || {
        let response = site.get("/readyz");
        (response.status, response.text())
    };
    assert_eq!((site.get("/healthz").status, ready()), (200, (503, "starting\n".to_owned())));
    site.running.all_ready();
    assert_eq!(ready(), (200, "ready\n".to_owned()));
    site.running.gone(0);
    assert_eq!(ready(), (503, "no worker\n".to_owned()));
    site.running.ready(0);
    assert_eq!(ready().0, 200);
    site.running.draining();
    assert_eq!((site.get("/healthz").status, ready()), (200, (503, "draining\n".to_owned())));
}
