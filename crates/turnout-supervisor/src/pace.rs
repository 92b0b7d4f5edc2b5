//! How soon a dead worker is replaced: at once, unless it keeps dying young.

use std::time::Duration;

/// A worker that lived longer did its work: its death says nothing about the next one's.
pub(crate) const YOUNG: Duration = Duration::from_secs(10);
/// So many young deaths in a row are replaced at once: enough for bad luck, too few to melt a machine.
const FREE: u32 = 3;
/// No pause is longer: the cause may have been repaired.
const LONGEST: Duration = Duration::from_secs(30);

/// The history of one seat.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    young_deaths: u32,
}

impl Pace {
    /// How long to wait before the next start.
    pub(crate) fn after_death(&mut self, lived: Duration) -> Duration {
        if lived >= YOUNG {
            self.young_deaths = 0;
            return Duration::ZERO;
        }
        self.young_deaths = self.young_deaths.saturating_add(1);
        match self.young_deaths.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(doublings) => Duration::from_secs(1 << doublings.min(5)).min(LONGEST),
        }
    }

    /// How many young deaths in a row.
    pub(crate) fn young_deaths(&self) -> u32 {
        self.young_deaths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_loop_is_slowed_and_forgiven() {
        let mut pace = Pace::default();
        let pauses: Vec<_> = (0..10).map(|_| pace.after_death(Duration::from_secs(1)).as_secs()).collect();
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pace.after_death(YOUNG), Duration::ZERO);
        assert_eq!(pace.after_death(Duration::ZERO), Duration::ZERO);
    }
}
