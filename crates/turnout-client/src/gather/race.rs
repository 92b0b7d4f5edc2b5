//! Calls under way and calls that wait for their turn.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use super::{Decode, Ended, Outcome, Plan};
use crate::answer::Answer;
use crate::call::Call;
use crate::client::Client;
use crate::error::{Error, Kind};
use crate::layers;
use crate::scope::Scope;
use crate::status::Status;

/// One call and the time it has.
pub(super) struct Start {
    index: usize,
    call: Arc<Call>,
    started: Instant,
    /// Its own.
    own: Option<Instant>,
    /// Of all calls, or of the request.
    shared: Option<Instant>,
}

/// See the module. Dropping it gives up what is under way.
pub(super) struct Race<M, F> {
    under_way: FuturesUnordered<F>,
    waiting: VecDeque<(usize, Arc<Call>)>,
    /// By the call's place: when it was begun. `None`: it waits, or has its outcome.
    begun: Vec<Option<Instant>>,
    make: M,
    at_a_time: usize,
    timeout: Option<std::time::Duration>,
    shared: Option<Instant>,
}

impl<V, M, F> Race<M, F>
where
    M: Fn(Start) -> F,
    F: Future<Output = Outcome<V>>,
{
    pub(super) fn new(calls: Vec<Arc<Call>>, plan: &Plan, scope: &Scope, make: M) -> Self {
        Self {
            under_way: FuturesUnordered::new(),
            begun: vec![None; calls.len()],
            waiting: calls.into_iter().enumerate().collect(),
            make,
            at_a_time: plan.max_concurrency.unwrap_or(usize::MAX).max(1),
            timeout: plan.timeout,
            shared: plan.deadline.into_iter().chain(scope.until()).min(),
        }
    }

    /// The next outcome; `None`: all have one, or there is no time left for those that wait. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Outcome<V>> {
        self.begin();
        let outcome = self.under_way.next().await?;
        self.begun[outcome.index] = None;
        Some(outcome)
    }

    /// No call is under way or waits.
    pub(super) fn is_complete(&self) -> bool {
        self.under_way.is_empty() && self.waiting.is_empty()
    }

    /// Drops the rest and says so of each.
    pub(super) fn give_up(self, ended: Ended) -> impl Iterator<Item = Outcome<V>> {
        // Their futures go first: what they hold is free before anybody hears that it is over.
        drop(self.under_way);
        let waiting: Vec<usize> = self.waiting.into_iter().map(|(index, _)| index).collect();
        let begun = self.begun.into_iter().enumerate();
        let cancelled = begun.filter_map(|(index, begun)| Some((index, Status::Cancelled, Some(begun?))));
        let skipped = waiting.into_iter().map(|index| (index, Status::Skipped, None));
        cancelled.chain(skipped).map(move |(index, status, begun)| Outcome {
            index,
            status,
            answer: None,
            value: None,
            error: Some(why(ended)),
            elapsed: begun.map(|begun| begun.elapsed()).unwrap_or_default(),
        })
    }

    fn begin(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let now = Instant::now();
        while self.under_way.len() < self.at_a_time && self.shared.is_none_or(|shared| now < shared) {
            let Some((index, call)) = self.waiting.pop_front() else { return };
            let own = self.timeout.into_iter().chain(call.options.timeouts.total).min().map(|time| now + time);
            self.begun[index] = Some(now);
            self.under_way.push((self.make)(Start { index, call, started: now, own, shared: self.shared }));
        }
    }
}

/// One call from its start to its outcome.
pub(super) async fn leg<D: Decode>(client: &Client, decode: &D, start: Start) -> Outcome<D::Value> {
    let Start { index, call, started, own, shared } = start;
    let until = own.into_iter().chain(shared).min();
    let (status, answer, value, error) = match layers::send_until(client, &call, started, until).await {
        Err(error) => (Status::of_error(error.kind()), None, None, Some(error)),
        Ok(mut answer) => match Status::of_answer(&answer) {
            status if status.is_good() => match decoded(client, &call, decode, index, &mut answer, until).await {
                Ok(value) => (status, Some(answer), Some(value), None),
                Err(error) => (Status::of_error(error.kind()), Some(answer), None, Some(error)),
            },
            status => (status, Some(answer), None, None),
        },
    };
    let is_late = error.as_ref().is_some_and(|error| error.kind() == Kind::DeadlineExceeded);
    let status = if is_late && shared.is_some() && until == shared { Status::Deadline } else { status };
    Outcome { index, status, answer, value, error, elapsed: started.elapsed() }
}

async fn decoded<D: Decode>(
    client: &Client,
    call: &Call,
    decode: &D,
    index: usize,
    answer: &mut Answer,
    until: Option<Instant>,
) -> Result<D::Value, Error> {
    let began = Instant::now();
    let decoding = decode.decode(index, answer);
    let decoded = match until {
        None => decoding.await,
        Some(until) => timeout_at(until, decoding).await.unwrap_or_else(|_| {
            let text = "the time for the call was over while its answer was decoded";
            Err(Error::new(Kind::DeadlineExceeded, text).after_sending())
        }),
    };
    let counters = client.stats.of(call);
    counters.decoded(began.elapsed());
    answer.timings.decode = Some(began.elapsed());
    answer.timings.total += began.elapsed();
    decoded.map_err(|error| error.of(Arc::clone(&counters.name)).attempted(answer.attempts))
}

fn why(ended: Ended) -> Error {
    match ended {
        Ended::Deadline => {
            Error::new(Kind::DeadlineExceeded, "the time for all calls was over before this one was begun")
        }
        Ended::Unmet => Error::new(Kind::Cancelled, "given up: a call that was required had failed"),
        Ended::Cancelled => Error::new(Kind::Cancelled, "given up: the request that it was made for is over"),
        Ended::Complete | Ended::Quorum | Ended::Enough => {
            Error::new(Kind::Cancelled, "given up: enough other calls had their outcome")
        }
    }
}
