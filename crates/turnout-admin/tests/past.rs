//! What was, is told: after a restart of the server, in the same figures, and to those alone who may see them.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use common::{SECRET, site_with_history};
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite3");
    (folder, path)
}

fn keys(value: &Value) -> String {
    value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_one_server_counted_the_next_one_tells() {
    let (_folder, path) = folder();
    for round in 1..=3_u64 {
        let site = site_with_history(&path);
        if round > 1 {
            let past = site.json("/api/v1/history?name=a");
            assert_eq!(past["totals"]["requests"], 2 * (round - 1));
        }
        site.ends("a", 40);
        site.ends("a", 40);
        site.ends("b", 900);
        site.write();
        site.until("/api/v1/now", |now| now["views"].as_array().unwrap().len() == 2);
    }
    let site = site_with_history(&path);
    let past = site.json("/api/v1/history?name=a");
    assert_eq!(keys(&past), "covered from name oldest series step to totals");
    assert_eq!(keys(&past["totals"]), "failed mean p50 p95 p99 parts requests rps shares");
    assert_eq!(keys(&past["series"]), "cpu io p50 p95 processing rps time");
    assert_eq!((past["totals"]["requests"].as_u64(), past["totals"]["mean"].as_f64()), (Some(6), Some(41.0)));
    assert_eq!((past["totals"]["parts"]["io"].as_f64(), past["step"].as_u64()), (Some(40.0), Some(900)));
    let points = past["series"]["time"].as_array().unwrap().len();
    assert!((96..=98).contains(&points), "{points}");
    assert!(past["covered"].as_f64().unwrap() > 0.0);

    let all = site.json("/api/v1/history?step=60");
    let views: Vec<_> = all["views"].as_array().unwrap().iter().map(|view| view["name"].as_str().unwrap()).collect();
    assert_eq!(views, ["b", "a"], "the one that took most time first");
    assert_eq!((all["totals"]["requests"].as_u64(), all["name"].as_str()), (Some(9), None));
    assert_eq!(site.json("/api/v1/history?name=nobody")["totals"]["requests"], 0);
}

#[test]
fn two_windows_are_compared_step_by_step() {
    let (_folder, path) = folder();
    {
        let site = site_with_history(&path);
        site.ends("a", 40);
        site.write();
        site.until("/api/v1/now", |now| now["views"][0]["requests"] == 1);
    }
    let site = site_with_history(&path);
    let compared = site.json("/api/v1/compare?name=a");
    assert_eq!(keys(&compared), "before name now oldest step then");
    assert_eq!(compared["before"], 86_400);
    assert_eq!(compared["now"]["from"].as_u64().unwrap() - compared["then"]["from"].as_u64().unwrap(), 86_400);
    assert_eq!(compared["now"]["totals"]["requests"], 1);
    assert_eq!(
        (compared["then"]["totals"]["requests"].as_u64(), compared["then"]["covered"].as_f64()),
        (Some(0), Some(0.0))
    );
    assert_eq!(compared["then"]["totals"]["rps"], Value::Null, "nobody counted: that is not none");
    let points = |period: &str| compared[period]["series"]["time"].as_array().unwrap().len();
    assert_eq!(points("now"), points("then"));
    // Tomorrow it is what was then.
    let tomorrow = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 86_400;
    let later = site.json(&format!("/api/v1/compare?name=a&to={tomorrow}&from={}", tomorrow - 3600));
    assert_eq!(later["then"]["totals"]["requests"], 1);
}

#[test]
fn a_worker_that_is_replaced_is_counted_once() {
    let (_folder, path) = folder();
    {
        let site = site_with_history(&path);
        site.ends_with_its_worker("a");
    }
    assert_eq!(site_with_history(&path).json("/api/v1/history?name=a")["totals"]["requests"], 2);
}

#[test]
fn it_is_told_to_those_who_have_the_token_and_what_makes_no_sense_is_refused() {
    let (_folder, path) = folder();
    let site = site_with_history(&path);
    assert_eq!(site.json("/api/v1/now")["server"]["history"], true);
    for target in ["/api/v1/history", "/api/v1/compare?name=a"] {
        assert_eq!(site.get(target).status, 401);
        let token = format!("Bearer {SECRET}");
        let foreign = site.ask("GET", target, &[("Authorization", &token), ("Origin", "http://evil.example")]);
        assert_eq!(foreign.status, 403);
        for query in ["from=9&to=3", "step=7", "from=0&to=4102444800", "to=99999999999999999999", "from=%00"] {
            let mark = if target.contains('?') { '&' } else { '?' };
            let response = site.api(&format!("{target}{mark}{query}"));
            assert_eq!(response.status, 400, "{query}");
            let said: Value = serde_json::from_slice(&response.body).unwrap();
            assert!(said["error"].is_string() && said["hint"].is_string(), "{said}");
        }
    }
    let long = "x".repeat(3000);
    assert_eq!(site.json(&format!("/api/v1/history?name={long}"))["totals"]["requests"], 0);
}
