//! What a worker says of itself.

/// Words of [`Worker`].
pub(super) const WORKER_WORDS: usize = 32;

/// See the module. Sums are since it began, times in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worker {
    /// Its process; 0: there is none, or it has not written yet.
    pub process: u64,
    /// When it began and when it wrote this, in milliseconds since 1970.
    pub began: u64,
    /// See [`Worker::began`].
    pub written: u64,
    /// Requests accepted and not yet answered.
    pub in_flight: u64,
    /// Threads of the sync pool: alive, at work, the most there may be; and the requests in line for one.
    pub threads: u64,
    /// See [`Worker::threads`].
    pub threads_busy: u64,
    /// See [`Worker::threads`].
    pub threads_most: u64,
    /// See [`Worker::threads`].
    pub queued: u64,
    /// Steps of the loop: how many, how long they ran, how long they were ready before, the longest.
    pub steps: u64,
    /// See [`Worker::steps`].
    pub steps_ran: u64,
    /// See [`Worker::steps`].
    pub steps_queued: u64,
    /// See [`Worker::steps`].
    pub steps_longest: u64,
    /// Steps that belonged to no request: how long they ran.
    pub overhead: u64,
    /// How long the loop thread has been in its present step, 0 if it waits.
    pub step_now: u64,
    /// How often the interpreter's lock was looked at, how often somebody had it, how often it changed hands.
    pub gil_looks: u64,
    /// See [`Worker::gil_looks`].
    pub gil_held: u64,
    /// See [`Worker::gil_looks`].
    pub gil_switches: u64,
    /// Waits for the interpreter's lock that are timed: how many, and how long they took.
    pub gil_waits: u64,
    /// See [`Worker::gil_waits`].
    pub gil_waited: u64,
    /// The interpreter's switch interval; 0: not known.
    pub gil_interval: u64,
    /// Processor time of the process.
    pub cpu: u64,
    /// Resident memory, in bytes.
    pub memory: u64,
    /// What stands on which rung of accounting: see the extension.
    pub rungs: u64,
    /// How many views have a record, "other" among them.
    pub views: u64,
}

impl Worker {
    pub(super) fn words(&self) -> [u64; WORKER_WORDS] {
        let mut words = [0; WORKER_WORDS];
        let fields = [
            self.process,
            self.began,
            self.written,
            self.in_flight,
            self.threads,
            self.threads_busy,
            self.threads_most,
            self.queued,
            self.steps,
            self.steps_ran,
            self.steps_queued,
            self.steps_longest,
            self.overhead,
            self.step_now,
            self.gil_looks,
            self.gil_held,
            self.gil_switches,
            self.cpu,
            self.memory,
            self.rungs,
            self.views,
            self.gil_waits,
            self.gil_waited,
            self.gil_interval,
        ];
        words[..fields.len()].copy_from_slice(&fields);
        words
    }

    pub(super) fn from_words(words: &[u64]) -> Self {
        let at = |place: usize| words.get(place).copied().unwrap_or(0);
        Self {
            process: at(0),
            began: at(1),
            written: at(2),
            in_flight: at(3),
            threads: at(4),
            threads_busy: at(5),
            threads_most: at(6),
            queued: at(7),
            steps: at(8),
            steps_ran: at(9),
            steps_queued: at(10),
            steps_longest: at(11),
            overhead: at(12),
            step_now: at(13),
            gil_looks: at(14),
            gil_held: at(15),
            gil_switches: at(16),
            cpu: at(17),
            memory: at(18),
            rungs: at(19),
            views: at(20),
            gil_waits: at(21),
            gil_waited: at(22),
            gil_interval: at(23),
        }
    }
}
