//! The two halves of the lab, each judged by the other.

use std::sync::Arc;
use std::time::Duration;

use turnout_lab::load::{self, Plan, Progress, Report, Target};
use turnout_lab::upstream::{Config, Keepalive, Running};

fn upstreams() -> Running {
    upstreams_that(Keepalive::default())
}

fn upstreams_that(keepalive: Keepalive) -> Running {
    let config = Config { keepalive, ..Config::default() };
    Running::start("127.0.0.1:0".parse().expect("an address"), config).expect("a free port")
}

fn load(upstreams: &Running, path: &str, connections: usize, requests: u64, expect: u16) -> Report {
    let url = format!("http://{}{path}", upstreams.address());
    let plan = Plan {
        requests: Some(requests),
        time: Duration::from_secs(10),
        expect,
        ..Plan::new(Target::parse(&url).expect("a URL"), connections)
    };
    load::run(plan, Arc::<Progress>::default()).expect("a runtime")
}

#[test]
fn a_delay_is_never_shorter_and_hardly_longer_than_asked() {
    let upstreams = upstreams();
    // A machine that is busy with other things delays all forty of a load: it has several tries.
    let close = (0..20).any(|_| {
        let report = load(&upstreams, "/?ms=7.3", 4, 40, 200);
        assert_eq!((report.requests, report.errors.total), (40, 0), "{report:?}");
        assert!(report.latency_ms.min >= 7.3, "{report:?}");
        report.latency_ms.min < 8.0
    });
    // tokio's own timer could not do this: it would take 8 to 9 ms for the fastest.
    assert!(close, "not one of 800 answers came within 0.7 ms of its time");
}

#[test]
fn all_connections_of_a_load_are_out_at_once() {
    let upstreams = upstreams();
    let report = load(&upstreams, "/wait/200", 100, 100, 200);
    assert_eq!(report.errors.total, 0, "{report:?}");
    assert_eq!(upstreams.stats().snapshot().all.most_in_flight, 100);
    assert_eq!(upstreams.stats().in_flight(), 0);
}

#[test]
fn an_upstream_above_its_rate_says_429_and_when_to_come_back() {
    let upstreams = upstreams();
    let report = load(&upstreams, "/lanternkeys/offers?city=Ghent&nights=2", 90, 90, 200);
    let refused = report.statuses.get(&429).copied().unwrap_or(0);
    assert!((5..=30).contains(&refused), "90 at once, of which 60 and 40 a second are welcome: {report:?}");
    assert_eq!(report.errors.status, refused, "{report:?}");
}

#[test]
fn a_shaky_upstream_fails_at_its_rate_and_the_same_way_each_time() {
    let failed =
        || load(&upstreams(), "/quillow/offers?city=Porto&nights=1", 100, 300, 200).statuses.get(&503).copied();
    let once = failed();
    assert!(once.is_some_and(|count| (6..=36).contains(&count)), "6 % of 300: {once:?}");
    assert_eq!(once, failed());
}

#[test]
fn questions_that_make_no_sense_are_refused_and_what_is_not_there_is_not_found() {
    let upstreams = upstreams();
    for path in [
        "/quillow/offers",
        "/quillow/offers?city=Porto&nights=0",
        "/?ms=soon",
        "/wait/-1",
        "/wait/1e9",
        "/?bytes=99999999999",
        "/?json=much",
        "/?json=99999999999",
        "/?slow=2",
        "/?slow=1&slow_ms=1e9",
    ] {
        assert_eq!(load(&upstreams, path, 1, 1, 400).errors.total, 0, "{path}");
    }
    for path in ["/nobody/offers?city=Porto", "/wait", "/a/b/c"] {
        assert_eq!(load(&upstreams, path, 1, 1, 404).errors.total, 0, "{path}");
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error_and_the_load_ends() {
    let address = {
        let gone = upstreams();
        gone.address()
    };
    let plan = Plan { requests: Some(3), ..Plan::new(Target::parse(&format!("http://{address}/")).expect("a URL"), 2) };
    let report = load::run(plan, Arc::<Progress>::default()).expect("a runtime");
    assert_eq!(report.requests, 0);
    assert!(report.errors.connect > 0, "{report:?}");
}

#[test]
fn the_share_that_is_slow_is_slow_and_the_header_says_so() {
    let upstreams = upstreams();
    let url = format!("http://{}/?ms=1&slow=0.1&slow_ms=40", upstreams.address());
    let plan = Plan {
        requests: Some(300),
        sample: Some("x-waited-ms".to_owned()),
        ..Plan::new(Target::parse(&url).expect("a URL"), 8)
    };
    let report = load::run(plan, Arc::<Progress>::default()).expect("a runtime");
    let waited = report.sample.as_ref().expect("every answer says what it waited");
    assert_eq!(report.errors.total, 0, "{report:?}");
    // Which calls are slow follows from the seed: of the first 300 a tenth, give or take.
    assert!(waited.min >= 1.0 && waited.p999 >= 40.0, "{report:?}");
    assert!(report.latency_ms.p999 >= waited.p999, "nobody had an answer before it was written: {report:?}");
}

#[test]
fn documents_have_the_size_asked_for() {
    let upstreams = upstreams();
    let report = load(&upstreams, "/?json=10240&source=a", 1, 2, 200);
    assert_eq!((report.body_bytes.min, report.body_bytes.max), (10_240, 10_240), "{report:?}");
}

#[test]
fn a_load_with_a_rate_keeps_to_it_and_counts_from_when_a_request_was_due() {
    let upstreams = upstreams();
    let url = format!("http://{}/wait/50", upstreams.address());
    // Forty are due within a second, and one connection can do twenty: the last had to wait for about a second.
    let plan = Plan { requests: Some(40), rate: Some(40.0), ..Plan::new(Target::parse(&url).expect("a URL"), 1) };
    let report = load::run(plan, Arc::<Progress>::default()).expect("a runtime");
    assert_eq!((report.requests, report.errors.total), (40, 0), "{report:?}");
    assert!(report.seconds >= 2.0 && report.latency_ms.max >= 1000.0, "{report:?}");
    assert!(report.latency_ms.min < 1000.0, "the first did not wait: {report:?}");
}

#[test]
fn connections_are_closed_after_so_many_calls_and_when_idle() {
    let counted = upstreams_that(Keepalive { calls: Some(5), idle: None });
    let report = load(&counted, "/wait/3", 1, 20, 200);
    assert_eq!((report.requests, report.errors.total), (20, 0), "the last answer says that it is the last: {report:?}");
    assert_eq!(counted.stats().snapshot().connections.total, 4);

    let idle = upstreams_that(Keepalive { calls: None, idle: Some(Duration::from_millis(20)) });
    let report = load(&idle, "/wait/100", 2, 8, 200);
    assert_eq!((report.requests, report.errors.total), (8, 0), "a call that is out keeps its connection: {report:?}");
    while idle.stats().snapshot().connections.in_flight > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_call_that_hangs_ends_when_its_caller_leaves() {
    let upstreams = upstreams();
    let url = format!("http://{}/?hang=1", upstreams.address());
    let plan = Plan {
        requests: Some(2),
        patience: Duration::from_millis(30),
        ..Plan::new(Target::parse(&url).expect("a URL"), 2)
    };
    let report = load::run(plan, Arc::<Progress>::default()).expect("a runtime");
    assert_eq!((report.requests, report.errors.timeout), (0, 2), "{report:?}");
    while upstreams.stats().in_flight() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn what_is_out_when_the_time_is_over_is_no_error() {
    let upstreams = upstreams();
    let url = format!("http://{}/?hang=1", upstreams.address());
    let plan = Plan { time: Duration::from_millis(50), ..Plan::new(Target::parse(&url).expect("a URL"), 3) };
    let report = load::run(plan, Arc::<Progress>::default()).expect("a runtime");
    assert_eq!((report.requests, report.errors.total, report.unfinished), (0, 0, 3), "{report:?}");
}
