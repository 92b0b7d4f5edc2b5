//! An upstream that does wrong in every way we know: each fault becomes its named error, in time, and the next call is as good as if nothing had been.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::task::JoinSet;
use tokio::time::timeout;
use turnout_client::{AnswerBody, Body, Call, Client, Error, Http2, Kind, Limits, Options, Scope, Timeouts, send};
use turnout_testkit::Chaos;
use turnout_testkit::chaos::faults;

/// What a call to a fault has to end with.
enum Expect {
    /// The answer, whole: its status and its body.
    Answer(u16, &'static str),
    /// An error of one of these kinds; more than one where it depends on who is quicker.
    Fails(&'static [Kind]),
    /// Either: the protocol leaves it to the client.
    Either(u16, &'static str, &'static [Kind]),
}

use Expect::{Answer, Either, Fails};

const OK: Expect = Answer(200, "fine");
const BROKEN: Expect = Fails(&[Kind::Read, Kind::RemoteProtocol]);
const NONSENSE: Expect = Fails(&[Kind::RemoteProtocol]);
const TOO_LARGE: Expect = Fails(&[Kind::ResponseTooLarge]);
const UNDECODABLE: Expect = Fails(&[Kind::Decoding]);
const TLS: Expect = Fails(&[Kind::Tls]);

/// A fault that is not in this table fails the test: whoever adds one says what it becomes.
const TABLE: &[(&str, Expect)] = &[
    ("absent", Fails(&[Kind::Connect])),
    ("deaf", Fails(&[Kind::ConnectTimeout])),
    ("reset-at-accept", Fails(&[Kind::Read, Kind::Write, Kind::RemoteProtocol, Kind::Connect])),
    ("close-at-accept", Fails(&[Kind::Read, Kind::Write, Kind::RemoteProtocol])),
    // Who is quicker than the upstream cannot tell its first word from an answer.
    ("speaks-first", Either(200, "poison", &[Kind::RemoteProtocol])),
    ("tls-reset", TLS),
    ("tls-close", TLS),
    ("tls-silent", Fails(&[Kind::ConnectTimeout])),
    ("tls-garbage", TLS),
    ("tls-alert", TLS),
    ("tls-plain", TLS),
    ("tls-endless", Fails(&[Kind::ConnectTimeout])),
    ("fine", OK),
    ("silent", Fails(&[Kind::ReadTimeout])),
    ("reset-before-head", BROKEN),
    ("close-before-head", BROKEN),
    ("not-http", NONSENSE),
    ("garbage", NONSENSE),
    ("reset-half-head", BROKEN),
    ("close-half-head", BROKEN),
    ("stop-half-head", Fails(&[Kind::ReadTimeout])),
    ("drip-head", Fails(&[Kind::ReadTimeout])),
    ("huge-header", NONSENSE),
    ("endless-header", NONSENSE),
    ("many-headers", NONSENSE),
    ("bad-status", NONSENSE),
    ("bad-version", NONSENSE),
    ("bad-field", NONSENSE),
    ("interim", OK),
    ("interim-flood", Fails(&[Kind::RemoteProtocol, Kind::ReadTimeout])),
    ("interim-drip", Fails(&[Kind::RemoteProtocol, Kind::ReadTimeout])),
    ("switching", NONSENSE),
    ("length-too-long", BROKEN),
    ("length-too-short", OK),
    ("length-twice", NONSENSE),
    ("length-negative", NONSENSE),
    ("length-huge", TOO_LARGE),
    ("body-on-204", Answer(204, "")),
    ("body-on-head", Answer(200, "")),
    ("reset-half-body", BROKEN),
    ("stop-half-body", Fails(&[Kind::ReadTimeout])),
    ("drip-body", Fails(&[Kind::DeadlineExceeded])),
    ("endless-body", TOO_LARGE),
    ("chunk-nonsense", NONSENSE),
    ("chunk-overflow", NONSENSE),
    ("chunk-too-short", NONSENSE),
    ("chunk-cut", BROKEN),
    ("chunk-extensions", NONSENSE),
    ("trailer-flood", NONSENSE),
    ("early-answer", Either(413, "fine", &[Kind::Write])),
    ("never-reads", Fails(&[Kind::WriteTimeout])),
    ("redirect-loop", Fails(&[Kind::TooManyRedirects])),
    ("redirect-nowhere", Fails(&[Kind::RemoteProtocol, Kind::InvalidUrl])),
    ("stray-answer", OK),
    ("late-stray-answer", OK),
    ("closes-idle", OK),
    ("resets-idle", OK),
    ("resets-second", OK),
    ("gzip-bomb", TOO_LARGE),
    ("deflate-bomb", TOO_LARGE),
    ("br-bomb", TOO_LARGE),
    ("zstd-bomb", TOO_LARGE),
    ("double-bomb", TOO_LARGE),
    ("zstd-window", UNDECODABLE),
    ("gzip-broken", UNDECODABLE),
    ("br-broken", UNDECODABLE),
    ("zstd-broken", UNDECODABLE),
    ("deflate-broken", UNDECODABLE),
    ("gzip-cut", UNDECODABLE),
    ("gzip-bad-sum", UNDECODABLE),
    ("many-encodings", UNDECODABLE),
    ("gzip-fine", OK),
    ("deflate-raw", OK),
    ("unknown-encoding", OK),
    ("h2-fine", OK),
    ("h2-garbage", NONSENSE),
    ("h2-http1", NONSENSE),
    ("h2-silent", Fails(&[Kind::ReadTimeout])),
    ("h2-close", BROKEN),
    ("h2-goaway", BROKEN),
    ("h2-goaway-once", OK),
    ("h2-goaway-last", OK),
    ("h2-rst", BROKEN),
    ("h2-refused", BROKEN),
    ("h2-refused-once", OK),
    ("h2-rst-half-body", BROKEN),
    ("h2-close-half-body", BROKEN),
    ("h2-bad-frame", NONSENSE),
    ("h2-bad-fields", NONSENSE),
    ("h2-continuation-flood", BROKEN),
];

/// No call takes as long: each has limits below.
const HANG: Duration = Duration::from_secs(60);

/// Of a call that has to run into it, and of one that must not, on a busy machine.
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

fn options(chaos: &Chaos, fault: &str) -> Options {
    let expect = TABLE.iter().find(|(name, _)| *name == fault).map(|(_, expect)| expect).expect("a row of the table");
    let runs_into = |kind| matches!(expect, Fails(kinds) if kinds.contains(&kind));
    let limit = |kind| Some(if runs_into(kind) { SHORT } else { LONG });
    let mut options = Options {
        timeouts: Timeouts {
            total: limit(Kind::DeadlineExceeded),
            connect: limit(Kind::ConnectTimeout),
            write: limit(Kind::WriteTimeout),
            first_byte: limit(Kind::ReadTimeout),
            read: limit(Kind::ReadTimeout),
            ..Timeouts::default()
        },
        ..Options::default()
    };
    options.redirects.follow = true;
    if chaos.speaks_http2(fault) {
        options.http2 = Http2::Only;
    }
    options
}

fn call(chaos: &Chaos, fault: &str) -> Arc<Call> {
    // Larger than what the kernel takes on behalf of somebody who does not read.
    let large = || Body::Whole(Bytes::from(vec![b'x'; 16 << 20]));
    let (method, body) = match fault {
        "early-answer" | "never-reads" => (Method::PUT, large()),
        "body-on-head" => (Method::HEAD, Body::Empty),
        _ => (Method::GET, Body::Empty),
    };
    Arc::new(Call {
        method,
        url: chaos.url(fault).parse().expect("a URL"),
        headers: HeaderMap::new(),
        body,
        idempotent: true,
        stream: false,
        options: Arc::new(options(chaos, fault)),
    })
}

async fn outcome(client: &Client, call: Arc<Call>) -> Result<(u16, String), Error> {
    let answer = timeout(HANG, send(client, call, &Scope::default())).await.expect("every call ends")?;
    let AnswerBody::Whole(body) = answer.body else { panic!("the body was to be collected") };
    Ok((answer.head.status.as_u16(), String::from_utf8_lossy(&body).into_owned()))
}

/// `None`: as expected.
fn judge(expect: &Expect, outcome: &Result<(u16, String), Error>) -> Option<String> {
    let (answer, kinds) = match expect {
        Answer(status, body) => (Some((*status, *body)), &[][..]),
        Fails(kinds) => (None, *kinds),
        Either(status, body, kinds) => (Some((*status, *body)), *kinds),
    };
    let right = match outcome {
        Ok((status, body)) => answer == Some((*status, body.as_str())),
        Err(error) => kinds.contains(&error.kind()),
    };
    let shown = match outcome {
        Ok((status, body)) => format!("{status} with {} bytes", body.len()),
        Err(error) => format!("{:?}: {error}", error.kind()),
    };
    (!right).then(|| format!("{shown}, not {answer:?} or {kinds:?}"))
}

/// Two calls, for the second meets whatever the first has left behind; then a good one over the same pool.
async fn try_out(chaos: Arc<Chaos>, name: &'static str, expect: &Expect) -> Vec<String> {
    let client = Client::new(Limits::default());
    let mut wrong = Vec::new();
    for round in ["first", "second"] {
        let found = outcome(&client, call(&chaos, name)).await;
        wrong.extend(judge(expect, &found).map(|why| format!("{name}, {round} call: {why}")));
    }
    let after = outcome(&client, call(&chaos, "fine")).await;
    wrong.extend(judge(&OK, &after).map(|why| format!("a good call after {name}: {why}")));
    wrong
}

#[tokio::test]
async fn each_fault_becomes_its_error_and_the_pool_heals() {
    let known: Vec<_> = TABLE.iter().map(|(name, _)| *name).collect();
    let listed: Vec<_> = faults().map(|fault| fault.name).collect();
    assert_eq!(known, listed, "the table and the faults");
    let chaos = Arc::new(Chaos::start().expect("free ports"));
    let mut all = JoinSet::new();
    for (name, expect) in TABLE {
        all.spawn(try_out(Arc::clone(&chaos), name, expect));
    }
    let wrong = all.join_all().await.concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn errors_are_sentences_without_the_query() {
    let chaos = Chaos::start().expect("free ports");
    let client = Client::new(Limits::default());
    for name in ["absent", "reset-before-head", "not-http", "length-too-long"] {
        let mut call = Arc::into_inner(call(&chaos, name)).expect("nobody else has it");
        call.url.set_query(Some("token=s3cret"));
        let error = outcome(&client, Arc::new(call)).await.expect_err("a fault");
        assert!(error.message().contains(' ') && !format!("{error:?}").contains("s3cret"), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn ports_that_heal_are_used_again() {
    let chaos = Chaos::start().expect("free ports");
    let client = Client::new(Limits::default());
    let healing = ["reset-at-accept", "close-at-accept", "h2-goaway", "h2-silent", "h2-bad-frame"];
    for name in healing {
        outcome(&client, call(&chaos, name)).await.expect_err("a fault");
    }
    chaos.heal();
    for name in healing {
        let found = outcome(&client, call(&chaos, name)).await;
        assert_eq!(judge(&OK, &found), None, "{name}");
    }
}

/// The pool keeps no connection that it should have closed: when the client is gone there is none left.
#[tokio::test]
async fn nothing_stays_open() {
    let chaos = Chaos::start().expect("free ports");
    let client = Client::new(Limits::default());
    for name in ["silent", "stop-half-head", "stop-half-body", "drip-body", "interim-drip", "fine", "h2-silent"] {
        let _ = outcome(&client, call(&chaos, name)).await;
    }
    drop(client);
    let empty = async {
        while chaos.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(HANG, empty).await.expect("all connections are closed");
}
