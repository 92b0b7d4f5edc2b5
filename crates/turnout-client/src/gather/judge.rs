//! Whether the outcomes so far are enough. Knows neither calls nor time.

use super::{Ended, Plan, ReturnWhen};
use crate::status::Status;

/// What an outcome means for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are still wanted.
    Wait,
    /// They are wanted if they hurry. Said once.
    Grace,
    /// They are not.
    End(Ended),
}

/// Hears outcomes one after another.
pub(super) struct Judge<'a> {
    plan: &'a Plan,
    good: usize,
    /// Of those required, still without an outcome.
    missing: usize,
    /// `Grace` was said.
    in_grace: bool,
}

impl<'a> Judge<'a> {
    pub(super) fn new(plan: &'a Plan, count: usize) -> Self {
        let missing = (0..count).filter(|index| plan.require.contains(index)).count();
        Self { plan, good: 0, missing, in_grace: false }
    }

    pub(super) fn hear(&mut self, index: usize, status: Status) -> Verdict {
        let good = status.is_good();
        self.good += usize::from(good);
        if self.plan.require.contains(&index) {
            if !good {
                return Verdict::End(Ended::Unmet);
            }
            self.missing -= 1;
        }
        match self.plan.return_when {
            ReturnWhen::FirstCompleted => return Verdict::End(Ended::Enough),
            ReturnWhen::FirstException if !good => return Verdict::End(Ended::Enough),
            _ => {}
        }
        let enough = self.plan.quorum.is_some_and(|quorum| self.good >= quorum) && self.missing == 0;
        if !enough || self.in_grace {
            return Verdict::Wait;
        }
        if self.plan.grace.is_zero() {
            return Verdict::End(Ended::Quorum);
        }
        self.in_grace = true;
        Verdict::Grace
    }
}
