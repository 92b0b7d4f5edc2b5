//! Getting a connection: one that is there, or a seat in the queue until one is.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Shared;
use super::lease::Held;
use super::opening::{Start, too_late};
use super::state::Look;
use super::stats::Discard;
use crate::connect::Place;
use crate::error::{Error, Kind};
use crate::options::Timeouts;
use crate::timings::Timings;

impl Shared {
    /// A connection to `place`. `fresh`: none that was idle. Dropping the future gives up the seat; a connect that was begun goes on.
    pub(super) async fn lease(
        self: &Arc<Self>,
        place: &Place,
        timeouts: &Timeouts,
        fresh: bool,
        timings: &mut Timings,
    ) -> Result<Held, Error> {
        let started = Instant::now();
        loop {
            let (host, found) = self.change(|state, now, after| {
                let host = state.host(place);
                let found = state.take(host, fresh, now, after).ok_or_else(|| {
                    let start = Start { runtime: Handle::current(), limit: timeouts.connect };
                    state.wait(host, start, now, after).ok_or(state.limits.max_queue)
                });
                (host, found)
            });
            let given = match found {
                Ok(grant) => Ok((Held::new(grant, self, host), None)),
                Err(Ok(key)) => {
                    let seat = Seat { shared: Some(self), host, key, timer: None, armed: None };
                    seat.granted(place, timeouts, started).await
                }
                Err(Err(most)) => Err(queue_is_full(place, most)),
            };
            let (held, began) = given.map_err(|error| {
                timings.pool = Some(started.elapsed());
                error.timed(timings.clone())
            })?;
            if let Some(held) = examined(held) {
                timings.pool = Some(began.unwrap_or_else(Instant::now).duration_since(started));
                return Ok(held);
            }
        }
    }
}

/// Looks at a used connection once more: its upstream may have closed it, or said what nobody asked for.
fn examined(held: Held) -> Option<Held> {
    let Held::Own(mut lease) = held else { return Some(held) };
    if lease.used && !lease.connection().is_quiet() {
        lease.reason = Discard::Stale;
        return None;
    }
    Some(Held::Own(lease))
}

/// A place in the queue. Dropped, it is given up, with what it may just have been granted.
struct Seat<'a> {
    /// `None` once it has ended.
    shared: Option<&'a Arc<Shared>>,
    host: usize,
    key: usize,
    timer: Option<Pin<Box<Sleep>>>,
    /// Until when `timer` runs.
    armed: Option<Instant>,
}

impl Seat<'_> {
    /// What comes of it, and since when a connect was under way for it.
    async fn granted(
        mut self,
        place: &Place,
        timeouts: &Timeouts,
        started: Instant,
    ) -> Result<(Held, Option<Instant>), Error> {
        let mut began = None;
        let held = poll_fn(|context| self.poll(place, timeouts, started, &mut began, context)).await?;
        Ok((held, began))
    }

    fn poll(
        &mut self,
        place: &Place,
        timeouts: &Timeouts,
        started: Instant,
        began: &mut Option<Instant>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Held, Error>> {
        let shared = self.shared.expect("a seat is not polled after its end");
        let looked = shared.state.lock().look(self.key, context.waker());
        let late = match looked {
            Look::Granted(granted) => {
                self.shared = None;
                return Poll::Ready(granted.map(|grant| Held::new(grant, shared, self.host)));
            }
            Look::Waiting(covered) => {
                *began = covered;
                match covered {
                    Some(began) => timeouts.connect.map(|limit| began + limit),
                    None => timeouts.pool.map(|limit| started + limit),
                }
            }
        };
        if late != self.armed {
            self.armed = late;
            self.timer = late.map(|late| Box::pin(sleep_until(late)));
        }
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        timer.as_mut().poll(context).map(|()| {
            Err(match (*began, timeouts.connect) {
                (Some(_), Some(limit)) => too_late(place, limit),
                _ => pool_is_busy(place, timeouts),
            })
        })
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.change(|state, now, after| state.withdraw(self.key, now, after));
        }
    }
}

fn queue_is_full(place: &Place, most: usize) -> Error {
    let message = format!(
        "{most} calls wait for a connection to {}:{} already: nothing was sent; raise Limits(max_queue=) or call less at once",
        place.host, place.port
    );
    Error::new(Kind::Overloaded, message)
}

fn pool_is_busy(place: &Place, timeouts: &Timeouts) -> Error {
    let limit = timeouts.pool.unwrap_or_default();
    let message = format!(
        "no connection to {}:{} became free within {limit:?}: raise Limits(max_connections_per_host=), or Timeout(pool=)",
        place.host, place.port
    );
    Error::new(Kind::PoolTimeout, message)
}
