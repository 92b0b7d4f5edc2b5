//! Many calls at once, with one plan: all are polled by the one future that waits for them, and none outlives it but those that cannot be
//! taken back ([`crate::layers`]).
//!
//! Dropping what waits (the future of [`gather`], the handle of [`as_completed`]) gives up the calls that are still under way.

mod judge;
mod race;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::answer::Answer;
use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::scope::Scope;
use crate::status::Status;
use judge::{Judge, Verdict};
use race::Race;

/// How many calls are made, and what they have to bring.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// When all ends. What the calls allow themselves can only be less.
    pub deadline: Option<Instant>,
    /// How long each call may take, from its own start; its own `total` can only be less.
    pub timeout: Option<Duration>,
    /// When it is enough.
    pub return_when: ReturnWhen,
    /// So many good outcomes are enough,
    pub quorum: Option<usize>,
    /// and so long more is waited for the others.
    pub grace: Duration,
    /// Calls (by their place in the list) without which all is in vain: when one fails the others are given up, and a quorum waits for them.
    pub require: Vec<usize>,
    /// Under way at a time. `None`: all.
    pub max_concurrency: Option<usize>,
}

/// See [`Plan::return_when`]; asyncio's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReturnWhen {
    /// When there is an outcome of each.
    #[default]
    AllCompleted,
    /// With the first outcome, whatever it is.
    FirstCompleted,
    /// With the first outcome that is not good.
    FirstException,
}

/// What becomes of a good answer before it counts: JSON read, or a part of it. It is done within the call's time, and what cannot be decoded
/// is no good outcome.
pub trait Decode: Send + Sync {
    /// What it makes of an answer.
    type Value: Send + 'static;

    /// `index` is the call's place in the list.
    fn decode(&self, index: usize, answer: &Answer) -> impl Future<Output = Result<Self::Value, Error>> + Send;
}

/// Answers are left as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Undecoded;

impl Decode for Undecoded {
    type Value = ();

    async fn decode(&self, _: usize, _: &Answer) -> Result<(), Error> {
        Ok(())
    }
}

/// What came of one call.
#[derive(Debug)]
pub struct Outcome<V = ()> {
    /// The call's place in the list.
    pub index: usize,
    /// In one word.
    pub status: Status,
    /// What came back, if anything did; it need not be good.
    pub answer: Option<Answer>,
    /// What was decoded of it.
    pub value: Option<V>,
    /// Why there is no answer, or why it could not be decoded.
    pub error: Option<Error>,
    /// From the call's start to this.
    pub elapsed: Duration,
}

/// Why a gather ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Each call has an outcome of its own.
    Complete,
    /// Enough were good.
    Quorum,
    /// As `return_when` says.
    Enough,
    /// One of `require` is not good.
    Unmet,
    /// The plan's time, or the request's, was over before all calls were begun.
    Deadline,
    /// The request is over.
    Cancelled,
}

/// All outcomes.
#[derive(Debug)]
pub struct Gathered<V = ()> {
    /// In the order of the calls, one for each.
    pub outcomes: Vec<Outcome<V>>,
    /// Those that came of themselves, in the order in which they came; the others were given up.
    pub completion: Vec<usize>,
    /// Why no more was waited for.
    pub ended: Ended,
}

/// Makes the calls and waits for as many outcomes as the plan asks for.
pub async fn gather<D: Decode>(
    client: &Client,
    calls: Vec<Arc<Call>>,
    plan: &Plan,
    scope: &Scope,
    decode: &D,
) -> Gathered<D::Value> {
    let mut outcomes: Vec<Option<Outcome<D::Value>>> = Vec::new();
    outcomes.resize_with(calls.len(), || None);
    let mut completion = Vec::with_capacity(calls.len());
    let ended = run(client, calls, plan, scope, decode, |outcome, given_up| {
        if !given_up {
            completion.push(outcome.index);
        }
        let place = outcome.index;
        outcomes[place] = Some(outcome);
    })
    .await;
    Gathered { outcomes: outcomes.into_iter().flatten().collect(), completion, ended }
}

/// Outcomes one by one, as they come. The calls go on between two of them, in a task of their own: a runtime has to be entered.
pub fn as_completed<D: Decode + 'static>(
    client: Client,
    calls: Vec<Arc<Call>>,
    plan: Plan,
    scope: Scope,
    decode: D,
) -> AsCompleted<D::Value> {
    // One place for each outcome: the calls never wait for who takes them.
    let (sender, outcomes) = mpsc::channel(calls.len().max(1));
    let task = tokio::spawn(async move {
        let hear = |outcome, _| drop(sender.try_send(outcome));
        run(&client, calls, &plan, &scope, &decode, hear).await
    });
    AsCompleted { outcomes, task }
}

/// See [`as_completed`]. Dropping it gives up the calls that are still under way.
#[derive(Debug)]
pub struct AsCompleted<V = ()> {
    outcomes: mpsc::Receiver<Outcome<V>>,
    task: JoinHandle<Ended>,
}

impl<V> AsCompleted<V> {
    /// The next outcome; `None` after the last. Cancel-safe. Calls given up by the plan come last.
    pub async fn next(&mut self) -> Option<Outcome<V>> {
        self.outcomes.recv().await
    }

    /// As [`AsCompleted::next`].
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Outcome<V>>> {
        self.outcomes.poll_recv(context)
    }

    /// An outcome that is there already.
    pub fn try_next(&mut self) -> Option<Outcome<V>> {
        self.outcomes.try_recv().ok()
    }
}

impl<V> Drop for AsCompleted<V> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `hear` gets each outcome once, and whether the call was given up.
async fn run<D: Decode>(
    client: &Client,
    calls: Vec<Arc<Call>>,
    plan: &Plan,
    scope: &Scope,
    decode: &D,
    mut hear: impl FnMut(Outcome<D::Value>, bool),
) -> Ended {
    let mut judge = Judge::new(plan, calls.len());
    let mut race = Race::new(calls, plan, scope, |start| race::leg(client, decode, start));
    let mut cancelled = pin!(scope.cancelled.cancelled());
    let mut grace = pin!(sleep_until(Instant::now()));
    let mut in_grace = false;
    let ended = loop {
        // Before anything is sent, too.
        if scope.cancelled.is_cancelled() {
            break Ended::Cancelled;
        }
        let outcome = tokio::select! {
            biased;
            outcome = race.next() => outcome,
            () = &mut cancelled => break Ended::Cancelled,
            () = &mut grace, if in_grace => break Ended::Quorum,
        };
        let Some(outcome) = outcome else {
            break if race.is_complete() { Ended::Complete } else { Ended::Deadline };
        };
        let verdict = judge.hear(outcome.index, outcome.status);
        hear(outcome, false);
        match verdict {
            Verdict::Wait => {}
            _ if race.is_complete() => break Ended::Complete,
            Verdict::End(ended) => break ended,
            Verdict::Grace => {
                grace.as_mut().reset(Instant::now() + plan.grace);
                in_grace = true;
            }
        }
    };
    for outcome in race.give_up(ended) {
        hear(outcome, true);
    }
    ended
}
