//! One request's time, split into the three states and what they consist of.

/// Nanoseconds. The parts that are listed here sum to [`Times::wall`], by construction: whatever is known of an interval is taken from it, and
/// what is left has a name too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// **Processing**: a thread of the request was on a processor.
    pub processing: u64,
    /// **Waiting for CPU**: in the kernel's run queue.
    pub run_queue: u64,
    /// **Waiting for CPU**: for the interpreter's lock.
    pub gil: u64,
    /// **Waiting for CPU**: ready, while the loop ran somebody else.
    pub loop_queue: u64,
    /// For a free thread, while those that were busy computed or waited for a processor: **Waiting for CPU**.
    pub no_thread_cpu: u64,
    /// For a free thread, while those that were busy waited themselves: **Waiting for I/O**.
    pub no_thread_io: u64,
    /// **Waiting for I/O**: for the rest of the request's own body.
    pub client: u64,
    /// **Waiting for I/O**: for anything else.
    pub io: u64,
}

impl Times {
    /// From the first byte to the end.
    pub fn wall(&self) -> u64 {
        self.processing + self.waiting_for_cpu() + self.waiting_for_io()
    }

    /// The second state.
    pub fn waiting_for_cpu(&self) -> u64 {
        self.run_queue + self.gil + self.loop_queue + self.no_thread_cpu
    }

    /// The third state.
    pub fn waiting_for_io(&self) -> u64 {
        self.no_thread_io + self.client + self.io
    }

    /// Processing, Waiting for CPU, Waiting for I/O.
    pub fn states(&self) -> [u64; 3] {
        [self.processing, self.waiting_for_cpu(), self.waiting_for_io()]
    }

    /// Each part, in the order of the fields.
    pub fn parts(&self) -> [u64; Self::PARTS] {
        let Self { processing, run_queue, gil, loop_queue, no_thread_cpu, no_thread_io, client, io } = *self;
        [processing, run_queue, gil, loop_queue, no_thread_cpu, no_thread_io, client, io]
    }

    /// How many there are.
    pub const PARTS: usize = 8;

    /// The other way round.
    pub fn from_parts(parts: [u64; Self::PARTS]) -> Self {
        let [processing, run_queue, gil, loop_queue, no_thread_cpu, no_thread_io, client, io] = parts;
        Self { processing, run_queue, gil, loop_queue, no_thread_cpu, no_thread_io, client, io }
    }

    /// Part by part.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut parts = self.parts();
        for (mine, theirs) in parts.iter_mut().zip(other.parts()) {
            *mine = mine.saturating_add(theirs);
        }
        Self::from_parts(parts)
    }

    /// What came since an earlier state of these sums, part by part. One that went down is no change.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut parts = self.parts();
        for (mine, theirs) in parts.iter_mut().zip(earlier.parts()) {
            *mine = mine.saturating_sub(theirs);
        }
        Self::from_parts(parts)
    }

    /// Each part times `factor`: from the unit of some clock to nanoseconds.
    #[must_use]
    #[expect(clippy::cast_sign_loss, reason = "neither is negative")]
    pub fn scaled(&self, factor: f64) -> Self {
        Self::from_parts(self.parts().map(|part| (part as f64 * factor) as u64))
    }
}
