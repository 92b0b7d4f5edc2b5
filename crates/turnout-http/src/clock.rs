//! When a peer is too slow. Looks at the time only when there is something to wait for.

use std::time::{Duration, Instant};

use crate::config::Limits;

/// What one connection waits for, and since when.
#[derive(Debug)]
pub(crate) struct Clock {
    head_time: Duration,
    idle_time: Duration,
    write_time: Duration,
    body_grace: Duration,
    /// Bytes a second; 0: no lower bound.
    body_rate: u32,
    connected: Instant,
    served: bool,
    /// Since when the connection is between requests: set when first waited for.
    idle_since: Option<Instant>,
    head_since: Option<Instant>,
    body: BodyClock,
    read: Option<(Due, Instant)>,
    write: Option<Instant>,
}

/// Only the time in which we wanted bytes counts, not the time in which the app did not.
#[derive(Debug, Default)]
struct BodyClock {
    came: u64,
    waited: Duration,
    since: Option<Instant>,
}

/// What was not in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Idle,
    Head,
    Body,
    Write,
}

impl Clock {
    pub(crate) fn new(limits: &Limits, connected: Instant) -> Self {
        Self {
            head_time: limits.head_time,
            idle_time: limits.idle_time,
            write_time: limits.write_time,
            body_grace: limits.body_grace,
            body_rate: limits.body_rate,
            connected,
            served: false,
            idle_since: None,
            head_since: None,
            body: BodyClock::default(),
            read: None,
            write: None,
        }
    }

    /// An answer is over.
    pub(crate) fn idle(&mut self) {
        self.served = true;
        self.idle_since = None;
        self.head_since = None;
        self.read = None;
    }

    /// A head is complete: since when there was something of it, and when that was.
    pub(crate) fn head_came(&mut self) -> (Instant, Instant) {
        self.body = BodyClock::default();
        self.read = None;
        let now = Instant::now();
        (self.head_since.unwrap_or(now), now)
    }

    /// So many bytes were read.
    pub(crate) fn came(&mut self, bytes: usize) {
        self.body.came += bytes as u64;
        if let Some(since) = self.body.since.take() {
            self.body.waited += since.elapsed();
        }
    }

    /// hyper waits for bytes, and there are none.
    pub(crate) fn waits(&mut self, between_messages: bool, begun: bool) {
        self.read = match (between_messages, begun) {
            (true, false) => Some(self.waits_idle()),
            (true, true) => Some(self.waits_head()),
            (false, _) => self.waits_body(),
        };
    }

    /// Something was written, or could not be.
    pub(crate) fn wrote(&mut self, progress: bool) {
        if progress {
            self.write = None;
        } else if self.write.is_none() {
            self.write = Some(Instant::now() + self.write_time);
        }
    }

    pub(crate) fn deadline(&self, reading: bool) -> Option<Instant> {
        let read = self.read.filter(|_| reading).map(|(_, at)| at);
        match (read, self.write) {
            (Some(read), Some(write)) => Some(read.min(write)),
            (read, write) => read.or(write),
        }
    }

    pub(crate) fn due(&self, reading: bool, now: Instant) -> Option<Due> {
        if self.write.is_some_and(|at| at <= now) {
            return Some(Due::Write);
        }
        self.read.filter(|(_, at)| reading && *at <= now).map(|(due, _)| due)
    }

    /// A little more time for what is being read.
    pub(crate) fn grant(&mut self, more: Duration) {
        if let Some((_, at)) = &mut self.read {
            *at = Instant::now() + more;
        }
    }

    fn waits_idle(&mut self) -> (Due, Instant) {
        if !self.served {
            return (Due::Idle, self.connected + self.head_time);
        }
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        (Due::Idle, since + self.idle_time)
    }

    fn waits_head(&mut self) -> (Due, Instant) {
        let begun = *self.head_since.get_or_insert_with(Instant::now);
        let since = if self.served { begun } else { self.connected };
        (Due::Head, since + self.head_time)
    }

    /// The grace, and a second more for each `body_rate` bytes that came.
    fn waits_body(&mut self) -> Option<(Due, Instant)> {
        if self.body_rate == 0 {
            return None;
        }
        let earned = Duration::from_secs_f64(self.body.came as f64 / f64::from(self.body_rate));
        let allowed = self.body_grace.saturating_add(earned);
        let since = *self.body.since.get_or_insert_with(Instant::now);
        // A body that came so far ahead of its rate that the sum overflows has no bound that matters.
        let at = since.checked_add(allowed.saturating_sub(self.body.waited))?;
        Some((Due::Body, at))
    }
}
