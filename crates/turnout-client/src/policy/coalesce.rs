//! Equal calls that are under way at the same time are one. It belongs to none of its callers: each keeps its own deadline and may go, and when the
//! last has gone it is given up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Policy;
use super::cache::directives;
use super::hedge::may_be_sent_at_once;
use super::key::Key;
use super::terms::Coalesce;
use crate::answer::{Answer, AnswerBody};
use crate::call::Call;
use crate::client::Client;
use crate::error::{Error, Kind};
use crate::layers::{self, Latest, Progress, Trip, Until};

/// Callers that wait for one call.
const MOST_SEATS: usize = 10_000;

type Outcome = Result<Answer, Error>;

/// The calls under way that may be shared. As many as there are calls under way at most.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Arc<Key>, Arc<Flight>>>>);

/// One of them.
#[derive(Debug)]
struct Flight {
    /// Its callers; changed only under the lock of the flights.
    seats: AtomicUsize,
    latest: Latest,
    progress: Progress,
    outcome: watch::Receiver<Option<Outcome>>,
    task: OnceLock<AbortHandle>,
}

/// A call, or a place in another's.
pub(super) async fn run(trip: Trip<'_>, call: &Arc<Call>, policy: &Arc<Policy>) -> Outcome {
    let key = policy.terms.coalesce.as_ref().and_then(|terms| key_of(terms, call));
    let Some(key) = key else { return layers::redirected(trip, call, Some(policy)).await };
    let (seat, is_first) = policy.flights.join(trip, call, policy, key)?;
    let mut outcome = seat.flight.outcome.clone();
    let outcome = match outcome.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.as_ref().map(shared).expect("it was waited for"),
        // A panic in it, or the runtime ends.
        Err(_) => Err(Error::new(Kind::Cancelled, "the call that this one shared was broken off")),
    };
    if !is_first {
        trip.counters.coalesced.fetch_add(1, Relaxed);
    }
    outcome.map(|answer| Answer { coalesced: !is_first, ..answer })
}

fn key_of(terms: &Coalesce, call: &Call) -> Option<Arc<Key>> {
    if call.stream || !may_be_sent_at_once(call) || directives(&call.headers).any(|(name, _)| name == "no-store") {
        return None;
    }
    let key = match &terms.key {
        Some(name) => Some(Key::of_name(call, name)),
        None => Key::of_call(call, &terms.vary),
    };
    key.map(Arc::new)
}

fn shared(outcome: &Outcome) -> Outcome {
    let answer = outcome.as_ref().map_err(Clone::clone)?;
    let AnswerBody::Whole(bytes) = &answer.body else {
        return Err(Error::new(Kind::LocalProtocol, "an answer whose body is a stream cannot be shared"));
    };
    Ok(Answer {
        head: answer.head.clone(),
        body: AnswerBody::Whole(bytes.clone()),
        timings: answer.timings.clone(),
        history: answer.history.clone(),
        ..*answer
    })
}

impl Flights {
    /// A seat, and whether it is the first.
    fn join<'a>(
        &self,
        trip: Trip<'a>,
        call: &Arc<Call>,
        policy: &Arc<Policy>,
        key: Arc<Key>,
    ) -> Result<(Seat<'a>, bool), Error> {
        let deadline = trip.until.deadline();
        let mut flights = self.0.lock();
        let seat = |flight, key| Seat { flights: self.clone(), key, flight, progress: trip.progress };
        if let Some(flight) = flights.get(&key) {
            if flight.seats.load(Relaxed) >= MOST_SEATS {
                let text = format!("not sent: {MOST_SEATS} calls wait for the answer to an equal one already");
                return Err(Error::new(Kind::Overloaded, text));
            }
            flight.seats.fetch_add(1, Relaxed);
            flight.latest.extend(deadline);
            return Ok((seat(Arc::clone(flight), key), false));
        }
        let (sender, outcome) = watch::channel(None);
        let flight = Arc::new(Flight {
            seats: AtomicUsize::new(1),
            latest: Latest::new(deadline),
            progress: Progress::default(),
            outcome,
            task: OnceLock::new(),
        });
        flights.insert(Arc::clone(&key), Arc::clone(&flight));
        let landing = Landing { flights: self.clone(), key: Arc::clone(&key), flight: Arc::clone(&flight) };
        let task = tokio::spawn(fly(trip.client.clone(), Arc::clone(call), Arc::clone(policy), landing, sender));
        let _ = flight.task.set(task.abort_handle());
        Ok((seat(flight, key), true))
    }

    /// Others are not let into this one any more.
    fn close(&self, key: &Arc<Key>, flight: &Arc<Flight>) {
        let mut flights = self.0.lock();
        if flights.get(key).is_some_and(|found| Arc::ptr_eq(found, flight)) {
            flights.remove(key);
        }
    }
}

async fn fly(
    client: Client,
    call: Arc<Call>,
    policy: Arc<Policy>,
    landing: Landing,
    sender: watch::Sender<Option<Outcome>>,
) {
    let counters = client.stats.of(&call);
    let Flight { progress, latest, .. } = &*landing.flight;
    let trip = Trip { client: &client, counters: &counters, progress, until: Until::Last(latest) };
    let outcome = layers::redirected(trip, &call, Some(&policy)).await;
    // Who comes from now on wants a newer answer.
    drop(landing);
    let _ = sender.send(Some(outcome));
}

/// A flight in the air; whatever ends it drops this.
struct Landing {
    flights: Flights,
    key: Arc<Key>,
    flight: Arc<Flight>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.flights.close(&self.key, &self.flight);
    }
}

/// One caller's. The last to be dropped ends the call.
struct Seat<'a> {
    flights: Flights,
    key: Arc<Key>,
    flight: Arc<Flight>,
    progress: &'a Progress,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.progress.copy(&self.flight.progress);
        let is_last = {
            let mut flights = self.flights.0.lock();
            let is_last = self.flight.seats.fetch_sub(1, Relaxed) == 1;
            if is_last && flights.get(&self.key).is_some_and(|found| Arc::ptr_eq(found, &self.flight)) {
                flights.remove(&self.key);
            }
            is_last
        };
        if is_last && let Some(task) = self.flight.task.get() {
            task.abort();
        }
    }
}
