//! How many attempts leave in a time: the generic cell rate algorithm, which is one moment (when the next one would be due if all had come evenly).

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::terms::{RateLimit, WhenFull};
use crate::error::{Error, Kind};

/// Attempts that wait. More would be memory that grows with a flood; the pool's queue has the same length.
const MOST_WAITING: usize = 1000;
/// A burst longer than this is no burst.
const LONGEST_BURST: Duration = Duration::from_secs(365 * 24 * 3600);

/// See the module.
#[derive(Debug)]
pub(crate) struct Rate {
    /// Between two attempts.
    apart: Duration,
    /// How much earlier than evenly they may come.
    tolerance: Duration,
    when_full: WhenFull,
    /// When the next attempt would be due.
    due: Mutex<Instant>,
    /// Only the first in the line waits for time; the others wait for it. So whoever leaves the line has used up nothing.
    line: Semaphore,
    waiting: AtomicUsize,
}

impl Rate {
    pub(crate) fn new(terms: RateLimit) -> Self {
        let apart = Duration::from_secs_f64(terms.per.as_secs_f64() / terms.rate);
        #[expect(clippy::cast_sign_loss, reason = "at least 1")]
        let burst = terms.burst.unwrap_or(terms.rate.clamp(1.0, 1e6) as u32).max(1);
        Self {
            apart,
            tolerance: apart.saturating_mul(burst - 1).min(LONGEST_BURST),
            when_full: terms.when_full,
            due: Mutex::new(Instant::now()),
            line: Semaphore::new(1),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Returns when an attempt may leave. Cancel-safe: nothing is used up before.
    pub(crate) async fn pass(&self, deadline: Option<Instant>) -> Result<(), Error> {
        let refused = |after: Duration, text| Err(Error::new(Kind::RateLimited, text).retry_in(after));
        let before = self.waiting.load(Relaxed);
        let Some(first) = (if before == 0 { self.take() } else { Some(Instant::now()) }) else { return Ok(()) };
        if self.when_full == WhenFull::Reject {
            let after = first.saturating_duration_since(Instant::now());
            return refused(after, format!("not sent: the rate limit is used up for {after:.1?}"));
        }
        let place = Waiting::new(&self.waiting);
        if place.before >= MOST_WAITING {
            let after = self.apart.saturating_mul(MOST_WAITING as u32);
            return refused(after, format!("not sent: {MOST_WAITING} calls wait for the rate limit already"));
        }
        let turn = self.free_at() + self.apart.saturating_mul(place.before as u32);
        if deadline.is_some_and(|deadline| turn >= deadline) {
            let after = turn.saturating_duration_since(Instant::now());
            let text = format!("not sent: the rate limit would let it through in {after:.1?}, when its time is over");
            return refused(after, text);
        }
        let _first_in_line = self.line.acquire().await.expect("the line is never closed");
        while let Some(free) = self.take() {
            sleep_until(free).await;
        }
        Ok(())
    }

    /// `None`: it may leave. Else when it may.
    fn take(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut due = self.due.lock();
        if now + self.tolerance < *due {
            return Some(due.checked_sub(self.tolerance).unwrap_or(*due));
        }
        *due = (*due).max(now) + self.apart;
        None
    }

    fn free_at(&self) -> Instant {
        let due = *self.due.lock();
        due.checked_sub(self.tolerance).unwrap_or(due).max(Instant::now())
    }
}

/// One of those that wait, until it is dropped.
pub(super) struct Waiting<'a> {
    count: &'a AtomicUsize,
    pub(super) before: usize,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(count: &'a AtomicUsize) -> Self {
        Self { count, before: count.fetch_add(1, Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Relaxed);
    }
}
