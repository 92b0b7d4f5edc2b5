//! Whether a worker's heartbeat stands still, in time during which the supervisor itself was awake.

use std::time::{Duration, Instant};

/// How often hearts are listened to. A worker's beats once a second.
pub(crate) const TICK: Duration = Duration::from_millis(500);

/// What is known of one worker's heart.
#[derive(Debug)]
pub(crate) struct Hang {
    beat: u64,
    looked: Instant,
    still: Duration,
}

impl Hang {
    /// A worker that has not beaten yet: it cannot hang before its first beat, only boot slowly.
    pub(crate) fn new(now: Instant) -> Self {
        Self { beat: 0, looked: now, still: Duration::ZERO }
    }

    /// For how long the heart has stood still.
    ///
    /// Adds up looks of at most two ticks each rather than subtracting two readings: after a suspended machine or a stopped
    /// process group every worker's beat is old, and none hangs.
    pub(crate) fn look(&mut self, beat: u64, now: Instant) -> Duration {
        let since = now.duration_since(self.looked).min(TICK * 2);
        self.looked = now;
        if beat != self.beat || beat == 0 {
            self.beat = beat;
            self.still = Duration::ZERO;
        } else {
            self.still += since;
        }
        self.still
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heart_that_beats_never_hangs() {
        let start = Instant::now();
        let mut hang = Hang::new(start);
        for beat in 1..100 {
            assert_eq!(hang.look(beat, start + TICK * beat as u32), Duration::ZERO);
        }
    }

    #[test]
    fn only_time_in_which_the_supervisor_was_awake_counts() {
        let start = Instant::now();
        let mut hang = Hang::new(start);
        hang.look(7, start);
        assert_eq!(hang.look(7, start + TICK), TICK);
        assert_eq!(hang.look(7, start + TICK * 2), TICK * 2);
        assert_eq!(hang.look(7, start + Duration::from_secs(3600)), TICK * 4, "asleep for an hour");
        assert_eq!(hang.look(8, start + Duration::from_secs(3601)), Duration::ZERO);
    }

    #[test]
    fn a_worker_that_boots_does_not_hang() {
        let start = Instant::now();
        let mut hang = Hang::new(start);
        assert_eq!(hang.look(0, start + TICK), Duration::ZERO);
        assert_eq!(hang.look(0, start + TICK * 2), Duration::ZERO);
    }
}
