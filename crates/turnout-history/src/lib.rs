//! What requests took, minute by minute, in a file: so that today can be compared with yesterday.
//!
//! [`History::open`] takes a file and keeps it on a thread of its own; [`History::write`] hands it a minute and never waits;
//! [`History::ask`] has a window of time read. The file is SQLite's, written by one process alone, and bounded by size and age. Knows nothing
//! of sockets, of workers and of Python.
#![forbid(unsafe_code)]

mod figures;
mod file;
mod keeper;
mod open;
mod tidy;
mod window;
mod write;

pub use figures::{Figures, Minute};
pub use keeper::{History, Unanswered};
pub use open::OpenError;
pub use window::{Question, Step, Window};

use std::time::Duration;

/// How much a file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes on the disk, with what SQLite keeps beside the file. Never less than [`LEAST_SIZE`].
    pub size: u64,
    /// What is older is deleted.
    pub age: Duration,
}

/// The least [`Bounds::size`]: below it the room for the file's log would be most of it.
pub const LEAST_SIZE: u64 = 4 << 20;

/// Seconds of a minute, the finest that is kept, and of what minutes become when nobody looks at single ones any more.
pub const MINUTE: i64 = 60;
/// See [`MINUTE`].
pub const QUARTER: i64 = 900;
/// How long minutes stay minutes: a day, and so much more that the last two hours can be compared with the same of yesterday, minute by minute.
pub(crate) const MINUTES_FOR: i64 = 26 * 3600;

/// The last multiple of `step` that is not after `at`.
pub(crate) fn aligned(at: i64, step: i64) -> i64 {
    at.div_euclid(step) * step
}

#[cfg(test)]
mod tests;
