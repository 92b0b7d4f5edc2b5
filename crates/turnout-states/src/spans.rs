//! What a request did when: for the picture of a slow one.

/// So many stretches of one request are kept.
pub const MOST_SPANS: usize = 64;

/// A stretch of a request's life in which somebody worked for it: a step of the loop, or a call on a thread. In the unit of the request's stamps, or in
/// nanoseconds since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// The thread's number in the system; 0: the loop's.
    pub thread: u32,
    /// When it could have begun: it was in line for the loop, or for a thread.
    pub ready: u64,
    /// When it began.
    pub began: u64,
    /// When it was over.
    pub ended: u64,
    /// How much of it was Waiting for CPU, somewhere between.
    pub waiting_for_cpu: u64,
    /// How much of it was Waiting for I/O. What is left is Processing.
    pub waiting_for_io: u64,
}

/// Those of one request, the first [`MOST_SPANS`] of them.
#[derive(Debug, Default)]
pub struct Spans {
    kept: Vec<Span>,
    dropped: u32,
}

impl Spans {
    /// One more is over.
    #[inline]
    pub fn add(&mut self, span: Span) {
        if self.kept.len() < MOST_SPANS {
            self.kept.push(span);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// As they ended.
    pub fn kept(&self) -> &[Span] {
        &self.kept
    }

    /// How many came after those.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }
}

impl Span {
    /// In nanoseconds since `began`, which is a stamp in the unit of this one's, `factor` nanoseconds each.
    #[must_use]
    #[expect(clippy::cast_sign_loss, reason = "neither is negative")]
    pub fn since(&self, began: u64, factor: f64) -> Self {
        let scaled = |time: u64| (time as f64 * factor) as u64;
        let at = |stamp: u64| scaled(stamp.saturating_sub(began));
        Self {
            thread: self.thread,
            ready: at(self.ready),
            began: at(self.began),
            ended: at(self.ended),
            waiting_for_cpu: scaled(self.waiting_for_cpu),
            waiting_for_io: scaled(self.waiting_for_io),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_the_first_is_counted() {
        let mut spans = Spans::default();
        for place in 0..MOST_SPANS as u64 + 3 {
            spans.add(Span { began: place, ..Span::default() });
        }
        assert_eq!((spans.kept().len(), spans.dropped()), (MOST_SPANS, 3));
        assert_eq!(spans.kept()[7].began, 7);
    }

    #[test]
    fn stamps_become_times_since_the_request_began() {
        let span = Span { thread: 9, ready: 100, began: 110, ended: 150, waiting_for_cpu: 4, waiting_for_io: 8 };
        let told = span.since(105, 2.0);
        let wanted = Span { thread: 9, ready: 0, began: 10, ended: 90, waiting_for_cpu: 8, waiting_for_io: 16 };
        assert_eq!(told, wanted);
    }
}
