//! The scope: what happens to calls when the request that they belong to is over, or its time is.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};
use turnout_client::policy::{Backoff, Bulkhead, Retry, Terms};
use turnout_client::{Answer, Call, Client, Error, Kind, Observer, Scope, send};

use crate::support::*;

/// Writes down what it is told.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<(String, Result<u16, Kind>)>>);

impl Observer for Notes {
    fn unawaited(&self, call: &Call, outcome: &Result<Answer, Error>) {
        let outcome = outcome.as_ref().map(|answer| answer.head.status.as_u16()).map_err(Error::kind);
        self.0.lock().push((call.method.to_string(), outcome));
    }
}

fn observed() -> (Client, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    (client().observed_by(Arc::clone(&notes) as _), notes)
}

fn sending_in(client: &Client, call: Arc<Call>, scope: &Scope) -> tokio::task::JoinHandle<Result<Answer, Error>> {
    let (client, scope) = (client.clone(), scope.clone());
    tokio::spawn(async move { send(&client, call, &scope).await })
}

#[tokio::test(start_paused = true)]
async fn idempotent_calls_are_dropped_when_the_request_is_over() {
    let upstream = script([hang()]);
    let (client, notes) = observed();
    let scope = Scope::default();
    let task = sending_in(&client, get(upstream.options()).call(), &scope);
    settle().await;
    assert_eq!(upstream.under_way(), 1);
    let began = Instant::now();
    scope.cancelled.cancel();
    assert_eq!(task.await.expect("no panic").kind(), Kind::Cancelled);
    assert_eq!((began.elapsed(), upstream.under_way(), notes.0.lock().len()), (Duration::ZERO, 0, 0));
    assert_eq!(send(&client, get(upstream.options()).call(), &scope).await.kind(), Kind::Cancelled);
    assert_eq!(upstream.calls(), 1, "nothing is sent for a request that is over");
}

#[tokio::test(start_paused = true)]
async fn a_post_that_was_sent_is_finished_and_its_outcome_told() {
    for (step, outcome) in [
        (answer(201).after(SECOND), Ok(201)),
        (fail(Kind::Read).after(SECOND), Err(Kind::Read)),
        // Its own ten seconds go on.
        (hang(), Err(Kind::DeadlineExceeded)),
    ] {
        let upstream = script([step]);
        let (client, notes) = observed();
        let scope = Scope::default();
        let task = sending_in(&client, post(upstream.options()).call(), &scope);
        settle().await;
        scope.cancelled.cancel();
        assert_eq!(task.await.expect("no panic").kind(), Kind::Cancelled, "whoever waits is free at once");
        assert_eq!(upstream.under_way(), 1);
        sleep(11 * SECOND).await;
        assert_eq!(*notes.0.lock(), [("POST".to_owned(), outcome)]);
        assert_eq!((upstream.under_way(), stats(&client).unawaited), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_and_cancelling_twice_are_the_same_as_once() {
    let upstream = script([answer(201).after(SECOND)]);
    let (client, notes) = observed();
    let scope = Scope::default();
    let task = sending_in(&client, post(upstream.options()).call(), &scope);
    settle().await;
    scope.cancelled.cancel();
    task.abort();
    let _ = task.await;
    scope.cancelled.cancel();
    sleep(2 * SECOND).await;
    assert_eq!((upstream.finished(), notes.0.lock().len()), (1, 1));

    // Dropped from where no runtime is entered.
    let scope = Scope::default();
    let mut sending = Box::pin(send(&client, post(upstream.options()).call(), &scope));
    assert!(timeout(MS, &mut sending).await.is_err());
    std::thread::scope(|threads| {
        threads.spawn(|| drop(sending));
    });
    sleep(2 * SECOND).await;
    assert_eq!((upstream.finished(), notes.0.lock().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_post_still_in_a_queue_is_not_sent_any_more() {
    let bulkhead = Some(Bulkhead { max_concurrent: 1, max_queue: 10, queue_timeout: None });
    let upstream = script([answer(200).after(SECOND)]);
    let options = upstream.options_with(Terms { bulkhead, ..Terms::default() });
    let (client, notes) = observed();
    let first = sending(&client, &get(options.clone()).call());
    settle().await;
    let scope = Scope::default();
    let second = sending_in(&client, post(options).call(), &scope);
    settle().await;
    scope.cancelled.cancel();
    assert_eq!(second.await.expect("no panic").kind(), Kind::Cancelled);
    first.await.expect("no panic").expect("an answer");
    sleep(20 * SECOND).await;
    assert_eq!((upstream.calls(), notes.0.lock().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_post_that_nobody_waits_for_is_not_tried_again() {
    let retry = Some(Retry { methods: Some(vec![http::Method::POST]), ..Retry::default() });
    let upstream = script([answer(503).after(SECOND)]);
    let (client, notes) = observed();
    let call = post(upstream.options_with(Terms { retry, ..Terms::default() })).call();
    let task = sending_in(&client, call, &Scope::default());
    settle().await;
    task.abort();
    sleep(20 * SECOND).await;
    assert_eq!((upstream.calls(), notes.0.lock().clone()), (1, vec![("POST".to_owned(), Ok(503))]));
}

#[tokio::test(start_paused = true)]
async fn a_post_between_two_attempts_is_not_sent_any_more() {
    let backoff = Backoff { base: SECOND, cap: SECOND, jitter: false };
    let retry = Some(Retry { backoff, ..Retry::default() });
    let upstream = script([unsent(Kind::Connect), answer(201)]);
    let (client, notes) = observed();
    let call = post(upstream.options_with(Terms { retry, ..Terms::default() })).call();
    let task = sending_in(&client, call, &Scope::default());
    sleep(100 * MS).await;
    task.abort();
    sleep(20 * SECOND).await;
    assert_eq!((upstream.calls(), notes.0.lock().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_post_is_not_waited_for_longer_than_half_a_minute() {
    let upstream = script([hang()]);
    let (client, notes) = observed();
    let mut options = upstream.options();
    options.timeouts.total = None;
    let task = sending_in(&client, post(options).call(), &Scope::default());
    settle().await;
    task.abort();
    sleep(31 * SECOND).await;
    assert_eq!((upstream.under_way(), notes.0.lock()[0].1), (0, Err(Kind::DeadlineExceeded)));
}

#[tokio::test(start_paused = true)]
async fn the_effective_limit_is_the_lesser_of_own_time_and_what_is_left_less_the_reserve() {
    let table = [
        // Own time; of the request; kept back; when the call ends. In milliseconds.
        (500, None, 20, 500),
        (500, Some(1000), 20, 500),
        (500, Some(300), 20, 280),
        (500, Some(300), 50, 250),
        (500, Some(300), 0, 300),
        (500, Some(10), 20, 0),
    ];
    for (own, request, reserve, ends) in table {
        let upstream = script([hang()]);
        let began = Instant::now();
        let scope = Scope {
            deadline: request.map(|request: u64| began + Duration::from_millis(request)),
            reserve: Duration::from_millis(reserve),
            ..Scope::default()
        };
        let call = get(upstream.options()).within(Duration::from_millis(own)).call();
        let error = send(&client(), call, &scope).await.expect_err("the upstream hangs");
        assert_eq!((error.kind(), began.elapsed().as_millis()), (Kind::DeadlineExceeded, ends));
        assert_eq!(error.timings().total.as_millis(), ends);
    }
    assert_eq!(Scope::default().reserve, 20 * MS);
}

#[tokio::test(start_paused = true)]
async fn our_deadline_is_not_their_time_out() {
    let upstream = script([fail(Kind::ReadTimeout).after(50 * MS), hang()]);
    let client = client();
    assert_eq!(sent(&client, &get(upstream.options()).call()).await.kind(), Kind::ReadTimeout);
    let call = get(upstream.options()).within(100 * MS).call();
    let error = sent(&client, &call).await.expect_err("the upstream hangs");
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert_eq!(error.message(), "vendor did not answer within the time for the call, 100.0ms");
    let call = get(upstream.options()).within(SECOND).attempt_within(100 * MS).call();
    assert_eq!(sent(&client, &call).await.kind(), Kind::AttemptTimeout);
}

#[tokio::test(start_paused = true)]
async fn the_time_goes_on_while_a_body_is_streamed() {
    struct Slow(std::pin::Pin<Box<tokio::time::Sleep>>);
    impl turnout_client::Chunks for Slow {
        fn poll_chunk(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<bytes::Bytes, Error>>> {
            use std::future::Future;
            std::task::ready!(self.0.as_mut().poll(context));
            self.0 = Box::pin(sleep(100 * MS));
            std::task::Poll::Ready(Some(Ok("x".into())))
        }
    }
    #[derive(Debug)]
    struct Dripping;
    impl turnout_client::Transport for Dripping {
        fn send(&self, call: Arc<Call>) -> std::pin::Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>> {
            Box::pin(async move {
                let stream = turnout_client::BodyStream::new(Slow(Box::pin(sleep(100 * MS))));
                Ok(Answer { body: turnout_client::AnswerBody::Stream(stream), ..answered(&call, 200) })
            })
        }
    }
    for (own, attempt, chunks, kind) in
        [(1000, None, 9, Kind::DeadlineExceeded), (1000, Some(500), 4, Kind::AttemptTimeout)]
    {
        let bulkhead = Some(Bulkhead { max_concurrent: 1, max_queue: 0, queue_timeout: None });
        let upstream = script([hang()]);
        let mut options = upstream.options_with(Terms { bulkhead, ..Terms::default() });
        options.transport = Some(Arc::new(Dripping));
        options.timeouts.attempt = attempt.map(Duration::from_millis);
        let client = client();
        let call = get(options.clone()).streamed().within(Duration::from_millis(own)).call();
        let answer = sent(&client, &call).await.expect("a head");
        let turnout_client::AnswerBody::Stream(mut stream) = answer.body else { panic!("not a stream") };
        let other = sent(&client, &get(options.clone()).streamed().call()).await;
        assert_eq!(other.kind(), Kind::Overloaded, "its seat is taken until the body's end");
        let mut read = 0;
        let error = loop {
            match stream.next().await.expect("it never ends of itself") {
                Ok(_) => read += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((read, error.kind()), (chunks, kind));
        sent(&client, &get(options).streamed().call()).await.expect("the seat is free");
    }
}
