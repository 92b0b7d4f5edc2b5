//! Gather: many calls, one plan.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use turnout_client::gather::{
    AsCompleted, Decode, Ended, Gathered, Outcome, Plan, ReturnWhen, Undecoded, as_completed, gather,
};
use turnout_client::policy::{CircuitBreaker, Terms};
use turnout_client::{Answer, AnswerBody, Call, Error, Kind, Options, Scope, Status};

use crate::support::*;

/// Answers `/n` after n milliseconds; what begins with another letter does what it says.
fn timed() -> Arc<Upstream> {
    upstream(|_, call| {
        let path = call.url.path().trim_start_matches('/');
        let (word, time) = path.split_at(path.find(char::is_numeric).unwrap_or(path.len()));
        let after = Duration::from_millis(time.parse().unwrap_or(0));
        match word {
            "" => answer(200).saying("{}").after(after),
            "bad" => answer(500).after(after),
            "moved" => answer(302).after(after),
            "broken" => answer(200).saying("{").after(after),
            "refused" => unsent(Kind::Connect).after(after),
            "hang" => hang(),
            _ => answer(404),
        }
    })
}

fn calls(options: &Options, paths: &[&str]) -> Vec<Arc<Call>> {
    paths.iter().map(|path| get(options.clone()).to(&format!("http://vendor.example/{path}")).call()).collect()
}

fn words<V>(gathered: &Gathered<V>) -> Vec<&'static str> {
    gathered.outcomes.iter().map(|outcome| outcome.status.as_str()).collect()
}

/// Gathers, and says how long it took.
async fn gathered(paths: &[&str], plan: Plan) -> (Gathered, u128) {
    let upstream = timed();
    let client = client();
    let began = Instant::now();
    let gathered = gather(&client, calls(&upstream.options(), paths), &plan, &Scope::default(), &Undecoded).await;
    let time = began.elapsed().as_millis();
    assert_eq!(upstream.under_way(), 0, "nothing goes on");
    assert_eq!(client.stats().iter().map(|upstream| upstream.in_flight).sum::<u64>(), 0);
    assert_eq!(
        gathered.outcomes.iter().map(|outcome| outcome.index).collect::<Vec<_>>(),
        (0..paths.len()).collect::<Vec<_>>()
    );
    (gathered, time)
}

fn plan() -> Plan {
    Plan::default()
}

#[tokio::test(start_paused = true)]
async fn all_at_once_in_the_order_of_the_calls() {
    let (found, time) = gathered(&["300", "100", "bad200", "moved50"], plan()).await;
    assert_eq!(time, 300);
    assert_eq!(words(&found), ["OK", "OK", "HTTP_ERROR", "HTTP_ERROR"]);
    assert_eq!(found.completion, [3, 1, 2, 0]);
    assert_eq!(found.ended, Ended::Complete);
    assert_eq!(
        found.outcomes.iter().map(|outcome| outcome.elapsed.as_millis()).collect::<Vec<_>>(),
        [300, 100, 200, 50]
    );
    assert!(found.outcomes.iter().all(|outcome| outcome.answer.is_some() && outcome.error.is_none()));
    let (none, _) = gathered(&[], plan()).await;
    assert_eq!((none.outcomes.len(), none.ended), (0, Ended::Complete));
}

#[tokio::test(start_paused = true)]
async fn a_failing_source_fails_alone() {
    let (found, time) = gathered(&["refused10", "100", "hang"], Plan { timeout: Some(200 * MS), ..plan() }).await;
    assert_eq!((words(&found), time), (vec!["CONNECT", "OK", "TIMEOUT"], 200));
    let error = found.outcomes[2].error.as_ref().expect("it has no answer");
    assert_eq!(
        (error.kind(), error.attempts(), error.upstream().map(|name| &**name)),
        (Kind::DeadlineExceeded, 1, Some("vendor"))
    );
}

#[tokio::test(start_paused = true)]
async fn whose_time_was_over_is_told() {
    let late = |time: u64| Plan { deadline: Some(Instant::now() + Duration::from_millis(time)), ..plan() };
    let (found, time) = gathered(&["100", "hang"], late(300)).await;
    assert_eq!((words(&found), time), (vec!["OK", "DEADLINE"], 300));
    let (found, time) = gathered(&["100", "hang"], Plan { timeout: Some(200 * MS), ..late(300) }).await;
    assert_eq!((words(&found), time), (vec!["OK", "TIMEOUT"], 200));

    // The request's deadline, less what is kept back.
    let upstream = timed();
    let began = Instant::now();
    let scope = Scope { deadline: Some(began + 220 * MS), ..Scope::default() };
    let found = gather(&client(), calls(&upstream.options(), &["hang"]), &plan(), &scope, &Undecoded).await;
    assert_eq!((words(&found), began.elapsed()), (vec!["DEADLINE"], 200 * MS));
}

/// A name; calls; the plan; when it ends, what came of the calls, and why it ended.
type Row = (&'static str, &'static [&'static str], Plan, u128, &'static [&'static str], Ended);

#[tokio::test(start_paused = true)]
async fn when_it_is_enough() {
    let quorum = |quorum, grace| Plan { quorum: Some(quorum), grace: Duration::from_millis(grace), ..plan() };
    let when = |return_when| Plan { return_when, ..plan() };
    let require = |require: &[usize], plan| Plan { require: require.to_vec(), ..plan };
    let table: Vec<Row> = vec![
        (
            "first",
            &["200", "bad100", "hang"],
            when(ReturnWhen::FirstCompleted),
            100,
            &["CANCELLED", "HTTP_ERROR", "CANCELLED"],
            Ended::Enough,
        ),
        (
            "first failure",
            &["100", "bad200", "hang"],
            when(ReturnWhen::FirstException),
            200,
            &["OK", "HTTP_ERROR", "CANCELLED"],
            Ended::Enough,
        ),
        ("no failure", &["100", "200"], when(ReturnWhen::FirstException), 200, &["OK", "OK"], Ended::Complete),
        ("two", &["100", "200", "hang"], quorum(2, 0), 200, &["OK", "OK", "CANCELLED"], Ended::Quorum),
        (
            "two good ones",
            &["100", "bad150", "200", "hang"],
            quorum(2, 0),
            200,
            &["OK", "HTTP_ERROR", "OK", "CANCELLED"],
            Ended::Quorum,
        ),
        (
            "two, and grace in vain",
            &["100", "200", "hang"],
            quorum(2, 150),
            350,
            &["OK", "OK", "CANCELLED"],
            Ended::Quorum,
        ),
        (
            "two, and grace for one",
            &["100", "200", "300", "hang"],
            quorum(2, 150),
            350,
            &["OK", "OK", "OK", "CANCELLED"],
            Ended::Quorum,
        ),
        ("two, and grace for all", &["100", "200", "300"], quorum(2, 150), 300, &["OK", "OK", "OK"], Ended::Complete),
        (
            "grace begins once",
            &["100", "150", "200", "hang"],
            quorum(1, 150),
            250,
            &["OK", "OK", "OK", "CANCELLED"],
            Ended::Quorum,
        ),
        (
            "out of reach",
            &["100", "bad50", "bad60"],
            quorum(2, 0),
            100,
            &["OK", "HTTP_ERROR", "HTTP_ERROR"],
            Ended::Complete,
        ),
        (
            "required",
            &["300", "100", "hang"],
            require(&[0], quorum(1, 0)),
            300,
            &["OK", "OK", "CANCELLED"],
            Ended::Quorum,
        ),
        (
            "required in vain",
            &["300", "bad100", "hang"],
            require(&[1], plan()),
            100,
            &["CANCELLED", "HTTP_ERROR", "CANCELLED"],
            Ended::Unmet,
        ),
        ("required and there", &["100", "bad200"], require(&[0], plan()), 200, &["OK", "HTTP_ERROR"], Ended::Complete),
    ];
    for (name, paths, plan, time, statuses, ended) in table {
        let (found, took) = gathered(paths, plan).await;
        assert_eq!((took, words(&found).as_slice(), found.ended), (time, statuses, ended), "{name}");
        for outcome in &found.outcomes {
            let is_given_up = outcome.status == Status::Cancelled;
            assert_eq!(is_given_up, !found.completion.contains(&outcome.index), "{name}");
            assert_eq!(
                is_given_up,
                outcome.error.as_ref().is_some_and(|error| error.kind() == Kind::Cancelled),
                "{name}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_at_a_time() {
    let limited = |deadline: Option<u64>| Plan {
        max_concurrency: Some(2),
        deadline: deadline.map(|time| Instant::now() + Duration::from_millis(time)),
        timeout: Some(150 * MS),
        ..plan()
    };
    let upstream = timed();
    let found =
        gather(&client(), calls(&upstream.options(), &["100"; 5]), &limited(None), &Scope::default(), &Undecoded).await;
    // Each has its own time from its own start.
    assert_eq!(words(&found), ["OK"; 5]);
    assert_eq!((upstream.times(), upstream.most_under_way()), (vec![0, 0, 100, 100, 200], 2));

    let (found, time) = gathered(&["100"; 5], limited(Some(160))).await;
    assert_eq!((words(&found), time), (vec!["OK", "OK", "DEADLINE", "DEADLINE", "SKIPPED"], 160));
    assert_eq!(found.ended, Ended::Deadline);
    let (found, _) = gathered(&["100"; 5], Plan { quorum: Some(1), ..limited(None) }).await;
    assert_eq!(words(&found), ["OK", "CANCELLED", "SKIPPED", "SKIPPED", "SKIPPED"]);
    let (found, _) = gathered(&["100"; 2], Plan { max_concurrency: Some(0), ..plan() }).await;
    assert_eq!(words(&found), ["OK", "OK"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_over_ends_it_and_idempotent_calls_with_it() {
    let upstream = upstream(|_, call| if call.method == "POST" { answer(201).after(SECOND) } else { hang() });
    let client = client();
    let scope = Scope::default();
    let drafts = [get(upstream.options()), post(upstream.options())];
    let calls = drafts.map(Draft::call).to_vec();
    let task = tokio::spawn({
        let (client, scope) = (client.clone(), scope.clone());
        async move { gather(&client, calls, &Plan::default(), &scope, &Undecoded).await }
    });
    settle().await;
    scope.cancelled.cancel();
    let found = task.await.expect("no panic");
    assert_eq!((words(&found), found.ended), (vec!["CANCELLED", "CANCELLED"], Ended::Cancelled));
    settle().await;
    assert_eq!(upstream.under_way(), 1, "the POST is finished");
    sleep(2 * SECOND).await;
    assert_eq!((upstream.finished(), stats(&client).unawaited), (1, 1));
    let late = gather(&client, vec![get(upstream.options()).call()], &plan(), &scope, &Undecoded).await;
    assert_eq!((words(&late), upstream.calls()), (vec!["SKIPPED"], 2), "nothing is begun for it");
}

/// JSON that has to have an end, in so long.
struct Braces {
    takes: Duration,
    decoded: AtomicUsize,
}

impl Decode for Braces {
    type Value = usize;

    async fn decode(&self, index: usize, answer: &Answer) -> Result<usize, Error> {
        sleep(self.takes).await;
        self.decoded.fetch_add(1, SeqCst);
        match &answer.body {
            AnswerBody::Whole(bytes) if bytes.ends_with(b"}") => Ok(index),
            _ => Err(Error::new(Kind::Json, "no end")),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn decoding_is_part_of_the_call() {
    let upstream = timed();
    let braces = Braces { takes: 50 * MS, decoded: AtomicUsize::new(0) };
    let plan = Plan { timeout: Some(200 * MS), quorum: Some(1), ..plan() };
    let began = Instant::now();
    let paths = ["broken10", "bad20", "100", "160"];
    let found = gather(&client(), calls(&upstream.options(), &paths), &plan, &Scope::default(), &braces).await;
    // Neither what cannot be decoded nor what is an error makes the quorum.
    assert_eq!((words(&found), began.elapsed()), (vec!["DECODE", "HTTP_ERROR", "OK", "CANCELLED"], 150 * MS));
    assert_eq!(found.outcomes.iter().map(|outcome| outcome.value).collect::<Vec<_>>(), [None, None, Some(2), None]);
    assert_eq!(braces.decoded.load(SeqCst), 2);
    let broken = &found.outcomes[0];
    assert!(broken.answer.is_some(), "what came is kept, to be looked at");
    assert_eq!(broken.error.as_ref().and_then(|error| error.upstream()).map(|name| &**name), Some("vendor"));
    let good = found.outcomes[2].answer.as_ref().expect("an answer");
    assert_eq!((good.timings.decode, good.timings.total), (Some(50 * MS), 150 * MS));

    let slow = gather(&client(), calls(&upstream.options(), &["160"]), &plan, &Scope::default(), &braces).await;
    assert_eq!(words(&slow), ["TIMEOUT"]);
}

async fn all<V>(mut handle: AsCompleted<V>) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    while let Some(Outcome { index, status, .. }) = handle.next().await {
        found.push((index, status.as_str()));
    }
    found
}

#[tokio::test(start_paused = true)]
async fn as_completed_gives_each_when_it_comes() {
    let upstream = timed();
    let calls_of = |paths: &[&str]| calls(&upstream.options(), paths);
    let began = Instant::now();
    let mut handle = as_completed(client(), calls_of(&["300", "100", "bad200"]), plan(), Scope::default(), Undecoded);
    assert!(handle.try_next().is_none());
    for (index, time) in [(1, 100), (2, 200), (0, 300)] {
        let outcome = handle.next().await.expect("there is another");
        assert_eq!((outcome.index, began.elapsed().as_millis()), (index, time));
    }
    assert!(handle.next().await.is_none());

    let quorum = Plan { quorum: Some(1), max_concurrency: Some(2), ..plan() };
    let handle = as_completed(client(), calls_of(&["300", "100", "200"]), quorum, Scope::default(), Undecoded);
    assert_eq!(all(handle).await, [(1, "OK"), (0, "CANCELLED"), (2, "SKIPPED")]);

    // The calls go on while nobody asks.
    let handle = as_completed(client(), calls_of(&["100", "200"]), plan(), Scope::default(), Undecoded);
    sleep(SECOND).await;
    let began = Instant::now();
    assert_eq!((all(handle).await.len(), began.elapsed()), (2, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn as_completed_dropped_is_the_rest_cancelled() {
    let upstream = timed();
    let client = client();
    let paths = ["100", "hang", "hang"];
    let mut handle =
        as_completed(client.clone(), calls(&upstream.options(), &paths), plan(), Scope::default(), Undecoded);
    assert_eq!(handle.next().await.map(|outcome| outcome.index), Some(0));
    assert_eq!(upstream.under_way(), 2);
    drop(handle);
    settle().await;
    assert_eq!((upstream.under_way(), stats(&client).in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_by_thousands_of_gathers_given_up_anywhere() {
    fastrand::seed(3);
    let upstream = timed();
    let breaker = Some(CircuitBreaker::default());
    let options = upstream.options_with(Terms { breaker, ..Terms::default() });
    let client = client();
    for round in 0..1000_u64 {
        let calls = calls(&options, &["5", "10", "15", "20", "hang"]);
        let plan =
            Plan { quorum: Some(1 + round as usize % 5), max_concurrency: Some(1 + fastrand::usize(..5)), ..plan() };
        let scope = Scope::default();
        let (inner, caller) = (scope.clone(), client.clone());
        let task = tokio::spawn(async move { gather(&caller, calls, &plan, &inner, &Undecoded).await });
        sleep(Duration::from_micros(fastrand::u64(..25_000))).await;
        if fastrand::bool() {
            scope.cancelled.cancel();
            assert_eq!(task.await.expect("no panic").outcomes.len(), 5);
        } else {
            task.abort();
            let _ = task.await;
        }
        settle().await;
        assert_eq!((upstream.under_way(), stats(&client).in_flight), (0, 0), "round {round}");
    }
}
