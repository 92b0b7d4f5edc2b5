//! What may be spent on attempts beyond the first, of all calls of an upstream together: else retries make of a slow upstream a dead one.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::terms::RetryBudget;

/// Slots of the time in which a deposit may be spent.
const SLOTS: usize = 10;
/// What is counted: thousandths of an attempt.
const ATTEMPT: i64 = 1000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Budget {
    deposit: i64,
    /// What is there without any deposit, for each `ttl`.
    free: i64,
    slot: Duration,
    ledger: Mutex<Ledger>,
}

#[derive(Debug)]
struct Ledger {
    began: Instant,
    /// The slot now: so many lengths of one since `began`.
    now: u64,
    /// By slot: deposits less what was spent.
    slots: [i64; SLOTS],
}

impl Budget {
    pub(crate) fn new(terms: RetryBudget) -> Self {
        let free = terms.min_per_second * terms.ttl.as_secs_f64() * ATTEMPT as f64;
        Self {
            deposit: (terms.ratio * ATTEMPT as f64) as i64,
            free: free as i64,
            slot: terms.ttl / SLOTS as u32,
            ledger: Mutex::new(Ledger { began: Instant::now(), now: 0, slots: [0; SLOTS] }),
        }
    }

    /// A call is made.
    pub(crate) fn deposit(&self) {
        let mut ledger = self.ledger.lock();
        let slot = ledger.slot(self.slot);
        // More than a billion calls in a slot do not count.
        *slot = slot.saturating_add(self.deposit);
    }

    /// Whether there was enough for an attempt; then it is spent.
    pub(crate) fn withdraw(&self) -> bool {
        let mut ledger = self.ledger.lock();
        ledger.slot(self.slot);
        let balance = ledger.slots.iter().fold(self.free, |sum, slot| sum.saturating_add(*slot));
        if balance < ATTEMPT {
            return false;
        }
        *ledger.slot(self.slot) -= ATTEMPT;
        true
    }

    /// What was withdrawn was not needed after all.
    pub(crate) fn give_back(&self) {
        *self.ledger.lock().slot(self.slot) += ATTEMPT;
    }
}

impl Ledger {
    /// The slot of now; those whose time is over are empty.
    fn slot(&mut self, length: Duration) -> &mut i64 {
        let now = (self.began.elapsed().as_nanos() / length.as_nanos().max(1)) as u64;
        let passed = now.saturating_sub(self.now).min(SLOTS as u64);
        for step in 1..=passed {
            self.slots[((self.now + step) % SLOTS as u64) as usize] = 0;
        }
        // After a long pause all are empty, and it does not matter which one is first.
        self.now = self.now.max(now);
        &mut self.slots[(self.now % SLOTS as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn budget(ratio: f64, min_per_second: f64) -> Budget {
        Budget::new(RetryBudget { ratio, min_per_second, ttl: Duration::from_secs(10) })
    }

    fn withdrawn(budget: &Budget) -> usize {
        (0..10_000).take_while(|_| budget.withdraw()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_fifth_of_the_calls_and_what_is_free_may_be_spent() {
        let budget = budget(0.2, 10.0);
        for _ in 0..1000 {
            budget.deposit();
        }
        assert_eq!(withdrawn(&budget), 200 + 100);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_spent_comes_back_when_its_time_is_over() {
        let budget = budget(0.0, 1.0);
        assert_eq!(withdrawn(&budget), 10);
        advance(Duration::from_secs(9)).await;
        assert_eq!(withdrawn(&budget), 0);
        advance(Duration::from_secs(1)).await;
        assert_eq!(withdrawn(&budget), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_spent_in_its_time_is_gone() {
        let budget = budget(1.0, 0.0);
        for _ in 0..5 {
            budget.deposit();
        }
        advance(Duration::from_secs(1000)).await;
        assert_eq!(withdrawn(&budget), 0);
        budget.deposit();
        assert_eq!(withdrawn(&budget), 1);
    }
}
