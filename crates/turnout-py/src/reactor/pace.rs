//! How many deliveries reach Python in one turn of the loop: as many as are worth about a millisecond.
//!
//! With all of a burst in one turn the loop thread would be away for longer than the standby's patience, and the two would
//! change places for nothing (docs/decisions/0002). How long one takes differs by a factor of a hundred between a bare
//! application and a page, so it is measured: the time until the loop thread comes back to `select`, shared out.

use std::time::{Duration, Instant};

/// What the deliveries of one turn may take: half of the standby's patience, so that a slow one among them does no harm.
const BUDGET: Duration = Duration::from_millis(1);
/// Of a bare application a burst crosses in this many at most: the runtime waits for its turn meanwhile.
const MOST: u32 = 32;
/// What a delivery is taken to cost before any was measured.
const FIRST_GUESS: Duration = Duration::from_micros(125);
pub(super) struct Pace {
    /// What a delivery takes: a moving mean, in which the last turn counts for a quarter.
    each: Duration,
    /// When the last deliveries were handed over, and how many they were.
    handed: Option<(Instant, u32)>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { each: FIRST_GUESS, handed: None }
    }

    /// The loop thread is back in `select`.
    pub(super) fn back(&mut self) {
        if let Some((since, count)) = self.handed.take() {
            self.each = self.each * 3 / 4 + since.elapsed() / count / 4;
        }
    }

    /// How many deliveries the next turn may have; never none.
    pub(super) fn allowance(&self) -> u32 {
        ((BUDGET.as_nanos() / self.each.as_nanos().max(1)) as u32).clamp(1, MOST)
    }

    /// So many are being handed over now.
    pub(super) fn hand(&mut self, count: u32) {
        self.handed = (count > 0).then(|| (Instant::now(), count));
    }
}
