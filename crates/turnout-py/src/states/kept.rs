//! A thread that a request keeps and does not use.

/// See the module. Stamps of [`crate::raw::ticks`].
#[derive(Debug)]
pub(super) struct Kept {
    /// What makes it.
    pub(super) what: Box<str>,
    /// Until a call of the request begins on a thread; else until it is said that it is over.
    pub(super) between_calls: bool,
    /// How long it was so, as far as it is over.
    pub(super) sum: u64,
    /// 0: not now.
    since: u64,
}

impl Kept {
    /// From now on; `before`: as it was kept earlier.
    pub(super) fn begin(before: Option<Self>, what: &str, between_calls: bool, now: u64) -> Self {
        let sum = before.map_or(0, |mut before| {
            before.is_over(now);
            before.sum
        });
        Self { what: what.into(), between_calls, sum, since: now }
    }

    /// No longer.
    pub(super) fn is_over(&mut self, now: u64) {
        if self.since != 0 {
            self.sum += now.saturating_sub(self.since);
            self.since = 0;
        }
    }
}
