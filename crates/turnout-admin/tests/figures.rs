//! What is shown: names as data, sums as metrics, and nothing lost with a worker.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::openmetrics::{self, Families};
use common::{Site, site};
use turnout_states::{Finding, Found};
use url::form_urlencoded;

const HOSTILE: [&str; 7] = [
    "</script><script>alert(1)</script>",
    "a\"} 1\nfoo{x=\"",
    "back\\slash\\n",
    "# EOF",
    "tab\tnul\0bell\x07\r",
    "ünïcödé \u{2028} \u{202e}",
    "view,with=\"label\"",
];

fn metrics(site: &Site) -> Families {
    let response = site.api("/metrics");
    assert_eq!(response.status, 200);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(response.header("content-type"), Some(kind));
    openmetrics::read(&String::from_utf8(response.body).unwrap())
}

fn requests(families: &Families, view: &str) -> Option<f64> {
    let samples = families["turnout_view_requests"].samples.iter();
    samples.filter(|(_, labels, _)| labels["view"] == view).map(|(_, _, value)| *value).next()
}

#[test]
fn hostile_names_are_data_everywhere() {
    let site = site();
    let long = "x/".repeat(5000);
    for name in HOSTILE.into_iter().chain([long.as_str()]) {
        site.ends(name, 12);
    }
    site.write();
    let now = site.until("/api/v1/now", |now| now["views"].as_array().unwrap().len() == HOSTILE.len() + 1);
    let names: Vec<_> = now["views"].as_array().unwrap().iter().map(|view| view["name"].as_str().unwrap()).collect();
    let families = metrics(&site);
    for name in HOSTILE {
        assert!(names.contains(&name), "{name:?} in {names:?}");
        assert_eq!(requests(&families, name), Some(1.0), "{name:?}");
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("name", name).finish();
        let view = site.json(&format!("/api/v1/view?{query}"));
        assert_eq!((view["name"].as_str(), view["totals"]["requests"].as_u64()), (Some(name), Some(1)));
    }
    assert!(names.iter().any(|name| name.len() == 240 && long.starts_with(name)), "cut, not refused");
}

#[test]
fn what_was_noticed_is_told_as_it_is_described_whatever_its_names_are() {
    let site = site();
    assert_eq!(site.json("/api/v1/findings")["findings"], serde_json::json!([]));
    for name in HOSTILE {
        site.ends(name, 12);
        let view = site.views.place_of(name).place();
        let (place, what) = (name.to_owned(), name.to_owned());
        let found = Found::once(Finding::BlockedLoop, view, 1_000_000_000, 12_000_000);
        site.views.findings.found(Found { place, what, ..found });
    }
    site.write();
    let all = site.until("/api/v1/findings", |all| all["findings"].as_array().unwrap().len() == HOSTILE.len());
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&all), "findings time version");
    for found in all["findings"].as_array().unwrap() {
        assert_eq!(
            keys(found),
            "active advice count first id kind last number other_view place text typical view what worst"
        );
        assert!(HOSTILE.contains(&found["view"].as_str().unwrap()), "{found}");
        assert_eq!((&found["place"], &found["what"]), (&found["view"], &found["view"]));
        assert!(!found["text"].as_str().unwrap().contains(char::is_control), "{found}");
        assert_eq!((&found["typical"], &found["worst"]), (&12.0.into(), &12.0.into()));
    }
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("view", HOSTILE[0]).finish();
    assert_eq!(site.json(&format!("/api/v1/findings?{query}"))["findings"].as_array().unwrap().len(), 1);
    let families = metrics(&site);
    let samples = &families["turnout_findings"].samples;
    for name in HOSTILE {
        let found = samples.iter().find(|(_, labels, _)| labels["view"] == name);
        assert_eq!(found.map(|(_, _, value)| *value), Some(1.0), "{name:?}");
    }
}

#[test]
fn metrics_are_what_their_format_says() {
    let site = site();
    for milliseconds in [1, 20, 20, 400, 90_000] {
        site.ends("a", milliseconds);
    }
    site.write();
    site.until("/api/v1/now", |now| now["views"][0]["requests"] == 5);
    let families = metrics(&site);
    assert_eq!(requests(&families, "a"), Some(5.0));
    let wall = &families["turnout_view_duration_seconds"];
    assert_eq!((wall.kind.as_str(), wall.unit.as_str()), ("histogram", "seconds"));
    let bucket = |le: &str| {
        let found = wall.samples.iter().find(|(_, labels, _)| labels.get("le").is_some_and(|known| known == le));
        found.map(|(_, _, value)| *value)
    };
    assert_eq!(
        (bucket("0.001"), bucket("0.025"), bucket("1.0"), bucket("60.0")),
        (Some(0.0), Some(3.0), Some(4.0), Some(4.0))
    );
    assert_eq!(bucket("+Inf"), Some(5.0));
    let parts = &families["turnout_view_time_seconds"].samples;
    let sum: f64 = parts.iter().map(|(_, _, value)| value).sum();
    assert!((sum - 90.446).abs() < 1e-6, "{sum}");
    assert_eq!(families["turnout"].samples[0].1["version"], "0");
    assert_eq!(families["turnout_worker_in_flight"].samples[0].1["worker"], "1");
}

#[test]
fn a_worker_that_is_gone_leaves_its_sums() {
    let site = site();
    site.ends_with_its_worker("a");
    let families = metrics(&site);
    assert_eq!(requests(&families, "a"), Some(2.0), "with what it told last");
    assert_eq!(families["turnout_worker_in_flight"].samples.len(), 0, "but it is no worker any more");
    site.until("/api/v1/now", |now| now["views"][0]["requests"] == 2 && now["workers"][0]["state"] == "gone");
}

#[test]
fn the_answer_is_as_it_is_described() {
    let site = site();
    site.ends("a", 5);
    site.write();
    let now = site.until("/api/v1/now?seconds=30", |now| now["views"][0]["requests"] == 1);
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&now), "machine seconds server time version views workers");
    assert_eq!((now["version"].as_u64(), now["seconds"].as_u64()), (Some(1), Some(30)));
    assert_eq!(keys(&now["server"]), "history started title workers");
    assert_eq!(keys(&now["machine"]), "cores load pressure_cpu steal throttled");
    assert_eq!(
        keys(&now["workers"][0]),
        "accounting began blocked_for cpu gil_switches gil_utilisation in_flight loop_queue loop_utilisation memory \
         number overhead process queued state threads threads_busy threads_most written"
    );
    assert_eq!(
        keys(&now["views"][0]),
        "clamped failed knee mean name p50 p95 p99 parts requests rps seconds_a_minute shares trend waits"
    );
    // One request with 2 ms of the database, as `Site::ends` has it.
    let waits = &now["views"][0]["waits"];
    assert_eq!(keys(waits), "cache db file http lock other sleep socket");
    assert!(
        waits.as_object().unwrap().iter().all(|(kind, time)| *time == if kind == "db" { 2.0 } else { 0.0 }),
        "{waits}"
    );
    assert_eq!(
        keys(&now["views"][0]["parts"]),
        "client gil io loop_queue no_thread_cpu no_thread_io processing run_queue"
    );
    let view = site.json("/api/v1/view?name=a");
    assert_eq!(keys(&view), "bins name neighbours seconds series spots totals");
    assert_eq!(keys(&view["series"]), "cpu io p95 processing rps step time");
    assert_eq!(keys(&view["bins"][0]), "cpu from io processing requests to");
    assert_eq!(keys(&view["totals"]), keys(&now["views"][0]));
}
