//! Slow requests: listed, whole, as a trace, and as long as a worker or this socket keeps them.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Site, site};
use serde_json::{Value, json};
use turnout_states::{Ended, Finished, Kind, Span, Times, Wait};
use url::form_urlencoded;

const MS: u64 = 1_000_000;
const BEGAN: u64 = 1_800_000_000_000_000_000;
const CALL: &str = "hotels/views.py:41 search; <b>";
const HOSTILE: &str = "</script>\"; rm\n-rf \u{202e}";

/// A request that began so many milliseconds after [`BEGAN`], waited so long, and had this done for it.
fn slow(site: &Site, view: &str, after: u64, waited: u64, spans: Vec<Span>, dropped: u32) {
    let times = Times { processing: 2 * MS, gil: MS, io: waited * MS, ..Times::default() };
    let address = site.views.addresses.id_of("10.0.0.5:5432");
    let site_of_call = site.views.sites.id_of(CALL);
    let waits =
        [Wait { kind: Kind::Database, address, site: site_of_call, began: MS, ended: (1 + waited) * MS }].into();
    let ended = Ended { times, kinds: [waited * MS, 0, 0, 0, 0, 0, 0, 0], ..Ended::default() };
    let finished = Finished { ended, began: BEGAN + after * MS, status: 200, waits };
    site.views.record(site.views.place_of(view), finished, || (spans, dropped));
}

fn step(thread: u32, ready: u64, began: u64, ended: u64) -> Span {
    Span { thread, ready, began, ended, waiting_for_cpu: (ended - began) / 4, waiting_for_io: (ended - began) / 2 }
}

fn listed(site: &Site, query: &str) -> Vec<Value> {
    let told = site.json(&format!("/api/v1/slow{query}"));
    let requests = told["requests"].as_array().unwrap();
    assert_eq!(told["kept"], requests.len());
    requests.clone()
}

/// The view's page, once it is so.
fn page(site: &Site, view: &str, seen: impl Fn(&Value) -> bool) -> Value {
    let known = |now: &Value| now["views"].as_array().unwrap().iter().any(|known| known["name"] == view);
    site.until("/api/v1/now", known);
    site.until(&format!("/api/v1/view?name={view}"), seen)
}

fn until_listed(site: &Site, count: usize) -> Vec<Value> {
    site.until("/api/v1/slow", |told| told["requests"].as_array().unwrap().len() == count);
    listed(site, "")
}

#[test]
fn the_slowest_come_first_and_a_view_may_be_asked_for() {
    let site = site();
    slow(&site, "a", 0, 30, Vec::new(), 0);
    slow(&site, "b", 5, 90, Vec::new(), 0);
    slow(&site, HOSTILE, 9, 50, Vec::new(), 0);
    site.write();
    let all = until_listed(&site, 3);
    let told: Vec<_> = all.iter().map(|one| (one["view"].as_str().unwrap(), one["wall"].as_f64().unwrap())).collect();
    assert_eq!(told, [("b", 93.0), (HOSTILE, 53.0), ("a", 33.0)]);
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("view", HOSTILE).finish();
    let one = listed(&site, &format!("?{query}"));
    assert_eq!(one, [all[1].clone()]);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&all[0]), "began calls gone id process shares status view wall worker");
    assert_eq!((&all[0]["status"], &all[0]["calls"], &all[0]["gone"]), (&json!(200), &json!(1), &json!(false)));
    assert!((all[0]["began"].as_f64().unwrap() - 1.8e9 - 0.005).abs() < 1e-3);
    let unknown = site.api("/api/v1/slow?view=nobody");
    assert_eq!((unknown.status, unknown.text().contains("/api/v1/now names those")), (404, true));
}

#[test]
fn one_is_told_whole() {
    let site = site();
    slow(&site, "a", 0, 30, vec![step(0, 0, MS, 3 * MS), step(17, 3 * MS, 5 * MS, 33 * MS)], 4);
    site.write();
    let id = until_listed(&site, 1)[0]["id"].as_str().unwrap().to_owned();
    let whole = site.json(&format!("/api/v1/slow/{id}"));
    assert_eq!((&whole["view"], &whole["wall"], &whole["dropped"]), (&json!("a"), &json!(33.0), &json!(4)));
    assert_eq!((&whole["parts"]["gil"], &whole["parts"]["io"]), (&json!(1.0), &json!(30.0)));
    assert_eq!(
        whole["waits"],
        json!([{ "kind": "db", "address": "10.0.0.5:5432", "site": CALL, "began": 1.0, "ended": 31.0 }])
    );
    assert_eq!(whole["more_waits"], false);
    let spans = json!([
        { "thread": null, "ready": 0.0, "began": 1.0, "ended": 3.0, "processing": 0.5, "cpu": 0.5, "io": 1.0 },
        { "thread": 17, "ready": 3.0, "began": 5.0, "ended": 33.0, "processing": 7.0, "cpu": 7.0, "io": 14.0 },
    ]);
    assert_eq!(whole["spans"], spans);
}

#[test]
fn what_is_not_kept_is_said_to_be_so() {
    let site = site();
    slow(&site, "a", 0, 30, Vec::new(), 0);
    site.write();
    let id = until_listed(&site, 1)[0]["id"].as_str().unwrap().to_owned();
    for path in ["0123456789abcdef", "x", "", "../now", &id.to_uppercase(), &format!("{id}/"), &format!("{id}/trace/x")]
    {
        let answer = site.api(&format!("/api/v1/slow/{path}"));
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("no request of that id is kept"), "{path}: {answer:?}");
    }
    assert_eq!(site.get(&format!("/api/v1/slow/{id}")).status, 401);
    assert_eq!(site.get(&format!("/api/v1/slow/{id}/trace")).status, 401);
}

#[test]
fn an_id_stays_as_long_as_its_request_and_slower_ones_take_its_place() {
    let site = site();
    for after in 0..8 {
        // Two that began at once are two.
        slow(&site, "a", after / 2, 30 + after, Vec::new(), 0);
    }
    site.write();
    let before = until_listed(&site, 8);
    let fastest = before[7]["id"].as_str().unwrap().to_owned();
    slow(&site, "a", 100, 500, Vec::new(), 0);
    site.write();
    let after = site.until("/api/v1/slow", |told| told["requests"][0]["wall"] == 503.0);
    let after = after["requests"].as_array().unwrap();
    assert_eq!(after[1..], before[..7], "the others are as they were");
    assert_eq!(site.api(&format!("/api/v1/slow/{fastest}")).status, 404);
}

#[test]
fn those_of_a_worker_that_is_gone_are_kept_with_their_names() {
    let site = site();
    slow(&site, "a", 0, 30, Vec::new(), 0);
    site.write();
    until_listed(&site, 1);
    slow(&site, "late", 7, 60, Vec::new(), 0);
    site.write();
    site.running.gone(0);
    let kept = listed(&site, "");
    let told: Vec<_> = kept.iter().map(|one| (one["view"].as_str().unwrap(), &one["gone"])).collect();
    assert_eq!(told, [("late", &json!(true)), ("a", &json!(true))], "with what it told last");
    let whole = site.json(&format!("/api/v1/slow/{}", kept[0]["id"].as_str().unwrap()));
    assert_eq!((&whole["waits"][0]["address"], &whole["waits"][0]["site"]), (&json!("10.0.0.5:5432"), &json!(CALL)));
}

#[test]
fn a_trace_is_a_file_in_which_slices_nest() {
    let site = site();
    let spans = vec![
        step(0, 0, MS, 3 * MS),
        // Ready while the one before it ran, and as short as a clock can tell.
        step(0, 2 * MS, 3 * MS, 3 * MS + 700),
        step(0, 3 * MS + 650, 3 * MS + 701, 9 * MS + 333),
        step(17, 3 * MS, 5 * MS + 499, 33 * MS + 501),
    ];
    slow(&site, HOSTILE, 0, 30, spans, 2);
    site.write();
    let id = until_listed(&site, 1)[0]["id"].as_str().unwrap().to_owned();
    let answer = site.api(&format!("/api/v1/slow/{id}/trace"));
    assert_eq!(answer.status, 200);
    let name = format!("attachment; filename=\"turnout-{id}.json\"");
    assert_eq!(answer.header("content-disposition"), Some(&*name));
    let trace: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(trace["displayTimeUnit"], "ms");
    assert_eq!((&trace["otherData"]["view"], &trace["otherData"]["dropped_stretches"]), (&json!(HOSTILE), &json!(2)));
    let events = trace["traceEvents"].as_array().unwrap();
    assert!(events.iter().all(|event| event["pid"] == 7 && event["tid"].is_u64() && event["name"].is_string()));
    let names: Vec<_> = of(events, "M").map(|event| (event["tid"].as_u64(), &event["args"]["name"])).collect();
    let threads = [(Some(7), &json!("loop")), (Some(17), &json!("thread 17"))];
    assert_eq!(names, [&[(Some(7), &json!("turnout worker 1"))], &threads[..]].concat());
    for tid in [7, 17] {
        nest(of(events, "X").filter(|event| event["tid"] == tid));
    }
    let states: Vec<_> = of(events, "X").filter(|event| event["tid"] == 17).map(told).collect();
    assert_eq!(
        states,
        [
            ("in line for a thread", 3000, 2000),
            ("call", 5000, 28_001),
            ("Processing", 5000, 7001),
            ("Waiting for CPU", 12_001, 7000),
            ("Waiting for I/O", 19_001, 14_000)
        ]
    );
    // Each that begins ends, not earlier, under the same id; calls have lines of their own.
    let (began, ended): (Vec<_>, Vec<_>) = (of(events, "b").collect(), of(events, "e").collect());
    assert_eq!((began.len(), ended.len()), (2, 2));
    for (began, ended) in began.iter().zip(&ended) {
        let same = |key: &str| began[key].is_string() && began[key] == ended[key];
        assert!(same("id") && same("cat") && same("name") && began["ts"].as_u64() <= ended["ts"].as_u64());
    }
    assert_eq!((&began[0]["name"], &ended[0]["ts"]), (&json!(HOSTILE), &json!(33_000)));
    assert_eq!((&began[1]["name"], &began[1]["ts"]), (&json!("db 10.0.0.5:5432"), &json!(1000)));
}

fn of<'a>(events: &'a [Value], ph: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["ph"] == ph)
}

fn told(event: &Value) -> (&str, u64, u64) {
    (event["name"].as_str().unwrap(), event["ts"].as_u64().unwrap(), event["dur"].as_u64().unwrap())
}

/// As the format wants it: of two slices of a thread one lies in the other, or they do not touch but at their ends.
fn nest<'a>(slices: impl Iterator<Item = &'a Value>) {
    let mut open: Vec<u64> = Vec::new();
    let (mut last, mut count) = (0, 0);
    for (name, at, took) in slices.map(told) {
        assert!(at >= last, "{name} at {at} comes before {last}");
        while open.last().is_some_and(|end| *end <= at) {
            open.pop();
        }
        assert!(open.last().is_none_or(|end| at + took <= *end), "{name} at {at} ends after what it lies in");
        open.push(at + took);
        (last, count) = (at, count + 1);
    }
    assert!(count > 0);
}

#[test]
fn what_a_view_waits_for_is_summed_over_workers_that_are_gone_too() {
    let site = site();
    slow(&site, "a", 0, 30, Vec::new(), 0);
    slow(&site, "a", 1, 90, Vec::new(), 0);
    slow(&site, "b", 1, 500, Vec::new(), 0);
    site.write();
    let first = json!({
        "kind": "db", "address": "10.0.0.5:5432", "site": CALL,
        "calls": 2, "mean": 60.0, "longest": 90.0, "share": 1.0,
    });
    assert_eq!(page(&site, "a", |page| page["spots"][0]["calls"] == 2)["spots"], json!([first]));
    slow(&site, "a", 2, 30, Vec::new(), 0);
    site.write();
    site.running.gone(0);
    // Another process has it all to tell anew: under other numbers, if it likes.
    let other = turnout_states::Views::default();
    other.addresses.id_of("somewhere else");
    let again = Site { views: other, worker: turnout_states::Worker { process: 8, ..site.worker }, ..site };
    slow(&again, "a", 3, 10, Vec::new(), 0);
    again.write();
    let told = page(&again, "a", |page| page["spots"][0]["calls"] == 4);
    assert_eq!(told["spots"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!((&told["spots"][0]["mean"], &told["spots"][0]["longest"]), (&json!(40.0), &json!(90.0)));
}

#[test]
fn who_computed_while_a_view_waited_is_told() {
    let site = site();
    let ends = |view: &str, processing: u64, gil: u64| {
        let times = Times { processing: processing * MS, gil: gil * MS, io: MS, ..Times::default() };
        let finished =
            Finished { ended: Ended { times, ..Ended::default() }, began: BEGAN, status: 200, waits: Box::default() };
        site.views.record(site.views.place_of(view), finished, || (Vec::new(), 0));
    };
    ends("waits", 100, 400);
    ends(HOSTILE, 300, 0);
    site.write();
    let told = page(&site, "waits", |page| page["neighbours"]["views"].as_array().unwrap().len() == 2);
    let told: Vec<_> =
        told["neighbours"]["views"].as_array().unwrap().iter().map(|it| (&it["name"], &it["share"])).collect();
    assert_eq!(told, [(&json!(HOSTILE), &json!(0.75)), (&json!("waits"), &json!(0.25))]);
}

#[test]
fn stacks_are_lines_of_frames_and_microseconds() {
    let site = site();
    slow(&site, "a", 0, 30, Vec::new(), 0);
    slow(&site, HOSTILE, 0, 10, Vec::new(), 0);
    site.write();
    until_listed(&site, 2);
    let answer = site.api("/api/v1/stacks");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    let text = answer.text();
    for line in text.lines() {
        let (frames, count) = line.rsplit_once(' ').unwrap();
        assert!(count.parse::<u64>().is_ok() && frames.split(';').all(|frame| !frame.is_empty()), "{line}");
    }
    assert!(text.contains("a;Waiting for CPU;GIL 1000\n"), "{text}");
    assert!(text.contains("a;hotels/views.py:41 search\\u{3b} <b>;db 10.0.0.5:5432 30000\n"), "{text}");
    assert!(!text.contains("a;other I/O"), "all of it was told by calls: {text}");
    assert!(text.contains("</script>\"\\u{3b} rm\\u{a}-rf \\u{202e};Waiting for CPU;GIL 1000\n"), "{text}");
    let one = site.api("/api/v1/stacks?view=a&seconds=60").text();
    assert!(one.lines().all(|line| line.starts_with("a;")) && !one.is_empty(), "{one}");
    assert_eq!(site.api("/api/v1/stacks?view=b").status, 404);
    assert_eq!(site.api("/api/v1/stacks?seconds=1").status, 400);
}
