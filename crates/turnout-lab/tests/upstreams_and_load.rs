//! The two halves of the lab, each judged by the other.

use std::sync::Arc;
use std::time::Duration;

use turnout_lab::load::{self, Plan, Progress, Report, Target};
use turnout_lab::upstream::{Config, Running};

fn upstreams() -> Running {
    Running::start("127.0.0.1:0".parse().expect("an address"), Config::default()).expect("a free port")
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
