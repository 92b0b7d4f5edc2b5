use serde_json::Value;
use turnout_states::{Ended, Finding, Finished, Found, NO_REQUEST, Times, Views, Worker};

use super::*;
use crate::api;
use crate::metrics::metrics;

const START: f64 = 1_000_000.0;
const BEGAN: u64 = 1_000_000_000;

/// A worker at one place of the board.
struct Told {
    board: Arc<Board>,
    index: usize,
    views: Views,
    own: Worker,
}

impl Told {
    fn new(board: &Arc<Board>, index: usize, process: u64) -> Self {
        let own = Worker { process, began: BEGAN, ..Worker::default() };
        Self { board: Arc::clone(board), index, views: Views::default(), own }
    }

    fn ends(&self, name: &str, processing: u64, io: u64) {
        let times = Times { processing: processing * 1_000_000, io: io * 1_000_000, ..Times::default() };
        let ended = Ended { times, ..Ended::default() };
        let finished = Finished { ended, began: 1, status: 200, waits: Box::default() };
        self.views.record(self.views.place_of(name), finished, || (Vec::new(), 0));
    }

    #[expect(clippy::cast_sign_loss, reason = "after 1970")]
    fn writes(&mut self, at: f64) {
        self.own.written = (at * 1e3) as u64;
        self.board.write(self.index, &self.own, &self.views).expect("written");
    }
}

fn store(workers: usize) -> (Arc<Board>, Store) {
    let board = Arc::new(Board::create(workers).expect("memfd"));
    let facts =
        Facts { title: "turnout 0".to_owned(), cores: 2, started: START, rungs: |rungs| vec![rungs.to_string()] };
    let machine = Machine::below(std::path::Path::new("/nonexistent"));
    (Arc::clone(&board), Store::new(board, facts, machine, None))
}

fn now(store: &Store, seconds: u32) -> Value {
    serde_json::to_value(api::now(store, seconds)).expect("JSON")
}

fn total(store: &Store, name: &str) -> u64 {
    store.totals().find(|(known, _)| *known == name).map_or(0, |(_, totals)| totals.requests)
}

#[test]
fn a_dead_workers_sums_are_kept_and_nothing_is_counted_twice() {
    let (board, mut store) = store(2);
    let (mut first, mut second) = (Told::new(&board, 0, 7), Told::new(&board, 1, 8));
    first.ends("a", 1, 9);
    second.ends("a", 1, 9);
    first.writes(START);
    second.writes(START);
    store.tick(START + 1.0, 1.0);
    assert_eq!(total(&store, "a"), 2);
    first.ends("a", 1, 9);
    first.ends("b", 1, 9);
    first.writes(START + 1.5);
    store.gone(0);
    assert_eq!((total(&store, "a"), total(&store, "b")), (3, 1), "what it told last is in");
    assert_eq!(board.worker(0).expect("read"), None, "and its stretch is clear");
    for second in 2..5 {
        store.tick(START + f64::from(second), 1.0);
    }
    assert_eq!((total(&store, "a"), total(&store, "b"), store.deaths), (3, 1, 1));
    let mut third = Told::new(&board, 0, 9);
    third.ends("a", 1, 9);
    third.writes(START + 5.0);
    store.tick(START + 5.0, 1.0);
    assert_eq!(total(&store, "a"), 4, "one that replaces it begins from nothing");
    assert_eq!(now(&store, 60)["views"][0]["requests"], 4);
}

#[test]
fn a_worker_that_took_its_place_unseen_is_another_one() {
    let (board, mut store) = store(1);
    let mut first = Told::new(&board, 0, 7);
    for _ in 0..5 {
        first.ends("a", 1, 1);
    }
    first.writes(START);
    store.tick(START, 1.0);
    board.clear(0).expect("written");
    let mut second = Told::new(&board, 0, 8);
    second.ends("a", 1, 1);
    second.writes(START + 1.0);
    store.tick(START + 1.0, 1.0);
    assert_eq!(total(&store, "a"), 6);
}

#[test]
fn a_window_has_what_ended_in_it() {
    let (board, mut store) = store(1);
    let mut worker = Told::new(&board, 0, 7);
    for second in 1..=100_u32 {
        worker.ends("early", 10, 30);
        if second > 90 {
            worker.ends("late", 200, 0);
        }
        worker.writes(START + f64::from(second));
        store.tick(START + f64::from(second), 1.0);
    }
    let minute = now(&store, 60);
    let views = minute["views"].as_array().expect("a list");
    assert_eq!(views.len(), 2);
    let (early, late) = (&views[0], &views[1]);
    assert_eq!(
        (early["name"].as_str(), early["requests"].as_u64()),
        (Some("early"), Some(60)),
        "the dearest first: {early}"
    );
    assert_eq!(
        (early["rps"].as_f64(), early["mean"].as_f64(), early["knee"].as_f64()),
        (Some(1.0), Some(40.0), Some(4.0))
    );
    assert_eq!(early["shares"], serde_json::json!({"processing": 0.25, "cpu": 0.0, "io": 0.75}));
    assert_eq!(early["seconds_a_minute"].as_f64(), Some(2.4));
    assert!(early["p95"].as_f64().is_some_and(|p95| (40.0..42.0).contains(&p95)), "{early}");
    assert_eq!(early["trend"].as_array().map(Vec::len), Some(60));
    assert_eq!(early["trend"][59], serde_json::json!([0.01, 0.0, 0.03]));
    assert_eq!((late["requests"].as_u64(), late["seconds_a_minute"].as_f64()), (Some(10), Some(2.0)));
    assert_eq!(now(&store, 5)["views"][0]["name"], "late");
    let whole = now(&store, 900);
    assert_eq!(whole["views"][0]["requests"], 100);
    assert_eq!(whole["views"][0]["rps"], 1.0, "of the time there was, not of the window");
}

#[test]
fn a_views_page_says_when_and_what_the_slow_ones_wait_for() {
    let (board, mut store) = store(1);
    let mut worker = Told::new(&board, 0, 7);
    for second in 1..=60_u32 {
        if second > 30 {
            worker.ends("a", 2, 18);
            worker.ends("a", 1, 0);
        }
        worker.writes(START + f64::from(second));
        store.tick(START + f64::from(second), 1.0);
    }
    let page = serde_json::to_value(api::view(&store, "a", 900).expect("it is known")).expect("JSON");
    assert_eq!((page["seconds"].as_u64(), page["totals"]["requests"].as_u64()), (Some(900), Some(60)));
    let series = &page["series"];
    assert_eq!(series["step"], 5);
    let count = series["time"].as_array().map(Vec::len);
    for name in ["rps", "processing", "cpu", "io", "p95"] {
        assert_eq!(series[name].as_array().map(Vec::len), count, "{name}");
    }
    assert_eq!((&series["io"][0], &series["rps"][0]), (&Value::Null, &serde_json::json!(0.0)), "none ended yet");
    assert_eq!(series["io"][10], 9.0);
    let bins = page["bins"].as_array().expect("a list");
    let ends: Vec<_> = bins.iter().map(|bin| (bin["from"].as_f64(), bin["requests"].as_u64())).collect();
    assert_eq!((ends.first(), ends.last()), (Some(&(Some(1.0), Some(30))), Some(&(Some(20.0), Some(30)))), "{ends:?}");
    assert_eq!(bins[0]["processing"], 1.0);
    assert!(bins.last().is_some_and(|bin| bin["io"].as_f64().is_some_and(|io| (io - 0.9).abs() < 1e-3)), "{bins:?}");
    assert!(api::view(&store, "b", 900).is_none());
    assert!(page["totals"]["trend"].as_array().is_some_and(|trend| trend.len() <= 60));
}

#[test]
fn a_worker_is_blocked_silent_or_gone() {
    let (board, mut store) = store(2);
    let mut worker = Told::new(&board, 0, 7);
    worker.writes(START);
    store.tick(START, 1.0);
    let state = |store: &Store, index: usize| now(store, 60)["workers"][index]["state"].as_str().map(str::to_owned);
    assert_eq!((state(&store, 0).as_deref(), state(&store, 1).as_deref()), (Some("serving"), Some("gone")));
    worker.own.step_now = 1_500_000_000;
    worker.writes(START + 1.0);
    store.tick(START + 1.0, 1.0);
    assert_eq!(state(&store, 0).as_deref(), Some("blocked"));
    assert_eq!(now(&store, 60)["workers"][0]["blocked_for"], 1500.0);
    store.tick(START + 4.0, 3.0);
    assert_eq!(state(&store, 0).as_deref(), Some("silent"));
    store.gone(0);
    assert_eq!(state(&store, 0).as_deref(), Some("gone"));
    assert_eq!(now(&store, 60)["workers"][0]["process"], 0);
}

#[test]
fn rates_are_of_the_last_seconds() {
    let (board, mut store) = store(1);
    let mut worker = Told::new(&board, 0, 7);
    worker.own.rungs = 5;
    for second in 0..=20_u32 {
        let at = START + f64::from(second);
        worker.own.steps += 100;
        worker.own.steps_ran += 250_000_000;
        worker.own.steps_queued += 100_000_000;
        worker.own.overhead += 50_000_000;
        worker.own.cpu += 500_000_000;
        worker.writes(at);
        store.tick(at, 1.0);
    }
    let told = &now(&store, 60)["workers"][0];
    let of = |name: &str| told[name].as_f64();
    assert_eq!((of("loop_utilisation"), of("loop_queue"), of("overhead")), (Some(0.25), Some(1.0), Some(0.05)));
    assert_eq!((of("cpu"), of("gil_utilisation"), of("gil_switches")), (Some(0.5), None, None));
    assert_eq!(told["accounting"], serde_json::json!(["5"]));
    worker.own.gil_looks = 100;
    worker.own.gil_held = 40;
    worker.own.gil_switches = 1000;
    worker.writes(START + 21.0);
    store.tick(START + 21.0, 1.0);
    let told = &now(&store, 60)["workers"][0];
    assert_eq!((&told["gil_utilisation"], &told["gil_switches"]), (&serde_json::json!(0.4), &serde_json::json!(100.0)));
}

#[test]
fn ready_is_said_when_all_are_and_while_any_is() {
    let (board, mut store) = store(2);
    assert!(!store.is_ready());
    store.all_ready();
    assert!(store.is_ready());
    store.gone(0);
    assert!(store.is_ready(), "the other one serves");
    store.gone(1);
    assert!(!store.is_ready());
    store.ready(1);
    assert!(store.is_ready());
    store.draining();
    assert!(!store.is_ready());
    drop(board);
}

#[test]
fn names_are_bounded() {
    let (board, mut store) = store(1);
    for process in 1..4 {
        let mut worker = Told::new(&board, 0, process);
        for number in 0..MOST_VIEWS {
            worker.ends(&format!("{process} {number}"), 1, 1);
        }
        worker.writes(START);
        store.tick(START, 1.0);
        board.clear(0).expect("written");
    }
    assert_eq!(store.totals().count(), MOST_VIEWS + 1);
    assert_eq!(store.totals().map(|(_, totals)| totals.requests).sum::<u64>(), 3 * MOST_VIEWS as u64);
    assert_eq!(total(&store, OTHER), 2 * MOST_VIEWS as u64);
}

#[test]
fn metrics_end_with_their_end() {
    let (_board, store) = store(1);
    let text = metrics(&store, "0", 0);
    assert!(text.ends_with("\n# EOF\n") && text.starts_with("# TYPE turnout info\n"), "{text}");
}

#[test]
fn slow_requests_of_the_dead_are_bounded_and_the_oldest_give_way() {
    let (board, mut store) = store(1);
    for process in 1..=4 {
        let mut worker = Told::new(&board, 0, process);
        for view in 0..100 {
            worker.ends(&view.to_string(), 1, 1);
        }
        worker.writes(START);
        store.gone(0);
    }
    assert!(store.slow().all(|(_, gone)| gone));
    let of = |process| store.slow().filter(|(slow, _)| slow.process == process).count();
    assert_eq!([1, 2, 3, 4].map(of), [0, 56, 100, 100]);
    let ids: std::collections::HashSet<_> = store.slow().map(|(slow, _)| slow.id).collect();
    assert_eq!(ids.len(), 256, "although all began at once");
}

/// What is told of each of ten seconds, and the findings after that.
fn found_after(mut told: impl FnMut(&mut Told)) -> Vec<Value> {
    let (board, mut store) = store(1);
    let mut worker = Told::new(&board, 0, 7);
    for second in 0..10 {
        told(&mut worker);
        worker.writes(START + f64::from(second));
        store.tick(START + f64::from(second), 1.0);
    }
    let found = serde_json::to_value(api::findings(&store, None)).expect("JSON");
    found["findings"].as_array().expect("a list").clone()
}

fn ended(worker: &Told, name: &str, requests: u64, times: Times) {
    for _ in 0..requests {
        let ended = Ended { times, ..Ended::default() };
        let finished = Finished { ended, began: 1, status: 200, waits: Box::default() };
        worker.views.record(worker.views.place_of(name), finished, || (Vec::new(), 0));
    }
}

const MS: u64 = 1_000_000;

#[test]
fn a_view_that_computes_while_another_waits_for_cpu_is_its_hungry_neighbour() {
    let found = found_after(|worker| {
        ended(worker, "hog", 4, Times { processing: 150 * MS, ..Times::default() });
        ended(worker, "waits", 20, Times { processing: MS, loop_queue: 12 * MS, io: 20 * MS, ..Times::default() });
        ended(worker, "quiet", 20, Times { processing: MS, run_queue: MS / 10, io: 30 * MS, ..Times::default() });
    });
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        (&one["kind"], &one["view"], &one["other_view"]),
        (&"hungry-neighbour".into(), &"hog".into(), &"waits".into())
    );
    assert_eq!((&one["typical"], &one["number"]), (&12.0.into(), &600.into()));
    assert_eq!(one["text"], "waits waited 12.0 ms a request for a processor while hog used 60 % of one.");
}

#[test]
fn nobody_is_hungry_where_the_processor_went_to_another_program() {
    let found = found_after(|worker| {
        ended(worker, "some", 4, Times { processing: 20 * MS, ..Times::default() });
        ended(worker, "waits", 20, Times { processing: 2 * MS, run_queue: 12 * MS, io: 20 * MS, ..Times::default() });
    });
    assert_eq!(found, Vec::<Value>::new());
}

#[test]
fn waits_for_the_gil_that_are_long_and_many_are_a_convoy() {
    let convoy = |wait: u64| {
        found_after(|worker| {
            worker.own.gil_interval = MS / 2;
            worker.own.gil_waits += 1000;
            worker.own.gil_waited += 1000 * wait;
            ended(worker, "io", 50, Times { processing: 2 * MS, gil: 3 * MS, io: 15 * MS, ..Times::default() });
        })
    };
    let found = convoy(MS / 2);
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&one["kind"], &one["view"], &one["number"]), (&"gil-convoy".into(), &"io".into(), &1000.into()));
    assert_eq!(one["typical"], 0.5);
    assert_eq!(convoy(MS / 20), Vec::<Value>::new(), "a lock that is had soon is no convoy, however often it is taken");
}

#[test]
fn threads_that_all_wait_while_requests_are_in_line_are_too_few() {
    let few = |times: Times| {
        found_after(|worker| {
            (worker.own.threads_busy, worker.own.threads_most, worker.own.queued) = (4, 4, 12);
            ended(worker, "slow", 20, times);
        })
    };
    let found = few(Times { processing: MS, no_thread_io: 150 * MS, io: 49 * MS, ..Times::default() });
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&one["kind"], &one["view"], &one["number"]), (&"too-few-threads".into(), &"slow".into(), &16.into()));
    assert!(one["advice"].as_str().expect("text").contains("--threads 16"), "{one}");
    // More threads would not help those who compute.
    assert_eq!(few(Times { processing: 50 * MS, no_thread_cpu: 150 * MS, ..Times::default() }), Vec::<Value>::new());
}

#[test]
fn what_a_dead_worker_noticed_is_kept() {
    let (board, mut store) = store(1);
    let mut first = Told::new(&board, 0, 7);
    ended(&first, "a", 1, Times { io: MS, ..Times::default() });
    first.views.findings.found(Found::once(
        Finding::LongStep,
        first.views.place_of("a").place(),
        1_000_000_000,
        80 * MS,
    ));
    first.writes(START);
    store.gone(0);
    let mut second = Told::new(&board, 0, 8);
    ended(&second, "a", 1, Times { io: MS, ..Times::default() });
    second.views.findings.found(Found::once(
        Finding::LongStep,
        second.views.place_of("a").place(),
        1_000_000_000,
        80 * MS,
    ));
    second.writes(START + 1.0);
    store.tick(START + 1.0, 1.0);
    store.tick(START + 2.0, 1.0);
    let found = serde_json::to_value(api::findings(&store, Some("a"))).expect("JSON");
    assert_eq!((&found["findings"][0]["count"], &found["findings"][1]), (&2.into(), &Value::Null));
    assert!(metrics(&store, "0", 0).contains("turnout_findings_total{finding=\"long-step\",view=\"a\"} 2\n"));
    let none = serde_json::to_value(api::findings(&store, Some("b"))).expect("JSON");
    assert_eq!(none["findings"], Value::Array(Vec::new()));
}

#[test]
fn what_is_noticed_of_code_that_has_answered_no_request_is_told_and_is_no_view() {
    let (board, mut store) = store(1);
    let mut worker = Told::new(&board, 0, 7);
    let view = worker.views.place_of(NO_REQUEST).place();
    worker.views.findings.found(Found::once(Finding::BlockedLoop, view, 1_000_000_000, 80 * MS));
    worker.writes(START);
    let lines = store.tick(START, 1.0);
    assert_eq!(lines, ["Code that runs for no request blocked the event loop for 80.0 ms, once."]);
    let found = serde_json::to_value(api::findings(&store, Some(NO_REQUEST))).expect("JSON");
    assert_eq!(found["findings"][0]["count"], Value::from(1));
    let metrics = metrics(&store, "0", 0);
    assert!(metrics.contains("turnout_findings_total{finding=\"blocked-loop\",view=\"(no request)\"} 1\n"));
    assert!(!metrics.contains("turnout_view_requests_total"), "{metrics}");
    assert_eq!((&now(&store, 60)["views"], store.place(NO_REQUEST)), (&Value::Array(Vec::new()), None));
}
