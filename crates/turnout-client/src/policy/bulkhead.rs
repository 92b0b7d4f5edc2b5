//! How many attempts are under way: so that an upstream that hangs has its own seats and no more of the process.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::rate::Waiting;
use super::terms::Bulkhead;
use crate::error::{Error, Kind};

/// See the module.
#[derive(Debug)]
pub(crate) struct Seats {
    terms: Bulkhead,
    /// Fair: those that wait are served in order, and none comes between.
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Until it is dropped.
pub(crate) type Seat = OwnedSemaphorePermit;

impl Seats {
    pub(crate) fn new(terms: Bulkhead) -> Self {
        Self { terms, free: Arc::new(Semaphore::new(terms.max_concurrent)), waiting: AtomicUsize::new(0) }
    }

    /// Cancel-safe.
    pub(crate) async fn take(&self) -> Result<Seat, Error> {
        if let Ok(seat) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(seat);
        }
        let Bulkhead { max_concurrent, max_queue, queue_timeout } = self.terms;
        let place = Waiting::new(&self.waiting);
        if place.before >= max_queue {
            let text = format!("not sent: {max_concurrent} calls are under way and {max_queue} wait, as many as may");
            return Err(Error::new(Kind::Overloaded, text));
        }
        let turn = Arc::clone(&self.free).acquire_owned();
        let seat = match queue_timeout {
            None => turn.await,
            Some(limit) => timeout(limit, turn).await.map_err(|_| {
                let text = format!("not sent: {max_concurrent} calls are under way, and none ended in {limit:.1?}");
                Error::new(Kind::Overloaded, text)
            })?,
        };
        Ok(seat.expect("seats are never closed"))
    }
}
