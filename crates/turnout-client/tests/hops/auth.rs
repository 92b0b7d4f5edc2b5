//! Credentials: shown to whom they are for, without being asked where that is possible.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use turnout_client::{Auth, Body, Client, ClientCredentials, Kind, Limits, Options, Scope, send};
use url::Url;

use crate::upstream::{Request, Upstream, answer, call, following, with_fields};

fn with(auth: &Arc<Auth>, upstream: &Arc<Upstream>) -> Options {
    Options { auth: Some(Arc::clone(auth)), ..following(upstream) }
}

/// A parameter of what was shown.
fn shown(request: &Request, name: &str) -> String {
    let field = request.field("authorization");
    let Some(rest) = field.split(&format!(" {name}=")).nth(1) else { return String::new() };
    rest.split(", ").next().unwrap().trim_matches('"').to_owned()
}

#[tokio::test]
async fn basic_and_bearer_are_shown_at_once_and_an_own_field_wins() {
    let upstream = Upstream::new(|_, _| (200, String::new()));
    for (auth, expected) in [
        (Auth::basic("Aladdin", "open sesame").unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (Auth::basic("test", "123\u{a3}").unwrap(), "Basic dGVzdDoxMjPCow=="),
        (Auth::bearer("mF_9.B5f-4.1JqM").unwrap(), "Bearer mF_9.B5f-4.1JqM"),
    ] {
        let options = with(&Arc::new(auth), &upstream);
        answer(call(&Method::GET, "http://a.example/", options.clone())).await.unwrap();
        let seen = upstream.seen().pop().unwrap();
        assert_eq!(seen.field("authorization"), expected);
        assert!(seen.headers["authorization"].is_sensitive());
        let own = with_fields(call(&Method::GET, "http://a.example/", options), &[("authorization", "Own x")]);
        answer(own).await.unwrap();
        assert_eq!(upstream.seen().pop().unwrap().field("authorization"), "Own x");
    }
    assert!(Auth::basic("a:b", "c").is_err());
    for token in ["", "a b", "a\r\nX: y", "\u{e9}"] {
        let error = Auth::bearer(token).unwrap_err();
        assert_eq!(error.kind(), Kind::LocalProtocol, "{token:?}");
    }
}

const CHALLENGE: &str = r#"www-authenticate: Digest realm="r", nonce="n1", qop="auth,auth-int", opaque="o""#;

fn challenging() -> Arc<Upstream> {
    Upstream::new(|request, _| {
        let shown = request.headers.contains_key("authorization");
        if shown { (200, String::new()) } else { (401, CHALLENGE.to_owned()) }
    })
}

#[tokio::test]
async fn digest_costs_a_round_trip_once_and_counts() {
    let upstream = challenging();
    let auth = Arc::new(Auth::digest("user", "secret"));
    for path in ["/one?q=1", "/two"] {
        let mut call = call(&Method::POST, &format!("http://a.example{path}"), with(&auth, &upstream));
        call.body = Body::Whole(Bytes::from_static(b"words"));
        assert_eq!(answer(call).await.unwrap().head.status, 200);
    }
    let seen = upstream.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|request| request.body == "words"));
    assert_eq!(seen[0].field("authorization"), "");
    let parameter = |index: usize, name: &str| shown(&seen[index], name);
    for (index, uri, count) in [(1, "/one?q=1", "00000001"), (2, "/two", "00000002")] {
        assert_eq!(parameter(index, "uri"), uri);
        assert_eq!(parameter(index, "nc"), count);
        assert_eq!(parameter(index, "nonce"), "n1");
        assert_eq!(parameter(index, "opaque"), "o");
        assert_eq!(parameter(index, "qop"), "auth");
        assert!(!seen[index].field("authorization").contains("secret"));
    }
    assert_ne!(parameter(1, "response"), parameter(2, "response"));
    // Another origin has not asked.
    answer(call(&Method::GET, "http://b.example/", with(&auth, &upstream))).await.unwrap();
    assert_eq!(upstream.seen()[3].field("authorization"), "");
}

#[tokio::test]
async fn digest_takes_a_new_nonce_and_does_not_insist_on_a_wrong_password() {
    let upstream = Upstream::new(|request, number| match number {
        0 => (401, CHALLENGE.to_owned()),
        1 => (200, "authentication-info: nextnonce=\"n2\"".to_owned()),
        2 if shown(request, "nonce") == "n2" => (401, CHALLENGE.replace("n1", "n3") + ", stale=true"),
        3 if shown(request, "nonce") == "n3" => (200, String::new()),
        // The nonce is still good: it is the password that is not.
        4 if shown(request, "nonce") == "n3" => (401, CHALLENGE.replace("n1", "n3")),
        _ => (500, String::new()),
    });
    let auth = Arc::new(Auth::digest("user", "secret"));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let answer = answer(call(&Method::GET, "http://a.example/", with(&auth, &upstream))).await.unwrap();
        statuses.push(answer.head.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 401]);
    let counts: Vec<_> = upstream.seen().iter().map(|request| shown(request, "nc")).collect();
    assert_eq!(counts, ["", "00000001", "00000001", "00000001", "00000002"]);
}

#[tokio::test]
async fn digest_answers_the_first_challenge_that_it_understands() {
    // What is asked, and the algorithm that is shown; or that nothing is.
    let table = [
        ("Digest realm=r, nonce=n", Some("")),
        ("Digest realm=r, nonce=n, algorithm=MD5-sess, qop=auth", Some("MD5-sess")),
        ("Basic realm=r, Digest realm=r, nonce=n, algorithm=SHA-256, qop=auth", Some("SHA-256")),
        ("Digest realm=r, nonce=n, algorithm=SHA-999, Digest realm=r, nonce=n, algorithm=MD5", Some("MD5")),
        ("Digest realm=r, nonce=n, algorithm=SHA-512-256-sess, qop=auth-int", Some("SHA-512-256-sess")),
        ("Digest realm=r, nonce=n, qop=other", None),
        ("Digest realm=r", None),
        ("Basic realm=r", None),
        ("", None),
    ];
    for (challenge, algorithm) in table {
        let upstream = Upstream::new(move |_, number| match number {
            0 => (401, format!("www-authenticate: {challenge}")),
            _ => (200, String::new()),
        });
        let auth = Arc::new(Auth::digest("user", "secret"));
        let answer = answer(call(&Method::GET, "http://a.example/", with(&auth, &upstream))).await.unwrap();
        assert_eq!(answer.head.status == 200, algorithm.is_some(), "{challenge}");
        if let Some(algorithm) = algorithm {
            assert_eq!(shown(&upstream.seen()[1], "algorithm"), algorithm, "{challenge}");
        }
    }
}

#[tokio::test]
async fn digest_for_a_body_that_can_be_sent_once_needs_to_know_the_challenge() {
    let upstream = challenging();
    let auth = Arc::new(Auth::digest("user", "secret"));
    let streamed = || {
        let mut call = call(&Method::PUT, "http://a.example/", with(&auth, &upstream));
        call.body = Body::Stream(parking_lot::Mutex::new(Some(turnout_client::BodyStream::new(Nothing))), Some(0));
        call
    };
    assert_eq!(answer(streamed()).await.unwrap().head.status, 401);
    answer(call(&Method::GET, "http://a.example/", with(&auth, &upstream))).await.unwrap();
    assert_eq!(answer(streamed()).await.unwrap().head.status, 200);
}

struct Nothing;

impl turnout_client::Chunks for Nothing {
    fn poll_chunk(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, turnout_client::Error>>> {
        std::task::Poll::Ready(None)
    }
}

fn granting(expires: &'static str) -> Arc<Upstream> {
    Upstream::new(move |request, number| match request.url.as_str() {
        "https://login.example/token" => {
            (200, format!("body: {{\"access_token\": \"t{number}\", \"token_type\": \"Bearer\"{expires}}}"))
        }
        _ if request.field("authorization").ends_with("revoked") => (401, String::new()),
        _ => (200, String::new()),
    })
}

fn tokens() -> Arc<Auth> {
    let credentials = ClientCredentials {
        token_url: Url::parse("https://login.example/token").unwrap(),
        client_id: "me:too".to_owned(),
        client_secret: "s%cret".to_owned(),
        scope: "read write".to_owned(),
        parameters: vec![("audience".to_owned(), "a&b".to_owned())],
    };
    Arc::new(Auth::client_credentials(credentials).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_once_and_again_before_it_expires() {
    let upstream = granting(", \"expires_in\": 100");
    let auth = tokens();
    let client = Client::new(Limits::default());
    let get = || {
        let call = Arc::new(call(&Method::GET, "http://a.example/", with(&auth, &upstream)));
        let client = client.clone();
        async move { send(&client, call, &Scope::default()).await.unwrap() }
    };
    let (one, other) = tokio::join!(get(), get());
    assert_eq!((one.head.status.as_u16(), other.head.status.as_u16()), (200, 200));
    let shown = || upstream.seen().iter().map(|request| request.field("authorization")).collect::<Vec<_>>();
    let ours = "Basic bWUlM0F0b286cyUyNWNyZXQ=";
    assert_eq!(shown(), [ours, "Bearer t0", "Bearer t0"]);
    let asked = &upstream.seen()[0];
    assert_eq!(asked.line(), "POST https://login.example/token");
    assert_eq!(asked.body, "grant_type=client_credentials&scope=read+write&audience=a%26b");
    assert_eq!(asked.field("content-type"), "application/x-www-form-urlencoded");
    tokio::time::advance(Duration::from_secs(69)).await;
    get().await;
    tokio::time::advance(Duration::from_secs(2)).await;
    get().await;
    assert_eq!(shown()[3..], ["Bearer t0", ours, "Bearer t4"]);
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let upstream = Upstream::new(|request, number| match request.url.as_str() {
        "https://login.example/token" => {
            (200, format!("body: {{\"access_token\": \"t{number}\", \"token_type\": \"bearer\"}}"))
        }
        _ if request.field("authorization") == "Bearer t0" && number > 2 => (401, String::new()),
        _ => (200, String::new()),
    });
    let auth = tokens();
    for expected in [200, 200] {
        let answer = answer(call(&Method::GET, "http://a.example/", with(&auth, &upstream))).await.unwrap();
        assert_eq!(answer.head.status, expected);
    }
    let answer = answer(call(&Method::GET, "http://a.example/", with(&auth, &upstream))).await.unwrap();
    assert_eq!(answer.head.status, 200);
    let shown: Vec<_> = upstream.seen().iter().map(|request| request.field("authorization")).collect();
    assert_eq!(shown.iter().filter(|value| value.starts_with("Basic")).count(), 2);
}

#[tokio::test]
async fn no_token_is_an_error_that_says_who_refused() {
    let table = [
        ((400, "body: {\"error\": \"invalid_client\"}"), "400 Bad Request: \"invalid_client\""),
        ((503, "body: <html>"), "login.example gave no token, it answered 503"),
        ((200, "body: {}"), "is not in the form of RFC 6749"),
        ((200, "body: {\"access_token\": \"t\", \"token_type\": \"mac\"}"), "of a type other than bearer"),
        ((200, "body: {\"access_token\": \"a b\", \"token_type\": \"Bearer\"}"), "letters that no token can have"),
    ];
    for ((status, body), words) in table {
        let upstream = Upstream::new(move |_, _| (status, body.to_owned()));
        let error = answer(call(&Method::GET, "http://a.example/", with(&tokens(), &upstream))).await.unwrap_err();
        assert_eq!(error.kind(), Kind::RemoteProtocol);
        assert!(error.message().contains(words), "{error}");
        assert!(!error.message().contains("s%cret"));
        assert_eq!(upstream.lines(), ["POST https://login.example/token"]);
    }
}
