//! What the calling thread is at: for a request that asks in the middle of it, and for whoever looks from outside.

use std::cell::Cell;

use super::meter::{Mark, Meter};
use super::watch::Watch;

/// See the module.
#[derive(Clone, Copy)]
pub(crate) enum Doing {
    Nothing,
    /// A job of a pool: when it was taken, and the mark from about then.
    Job(u64, Mark),
    /// A step of the loop: since when it was ready, when it began, and the clocks before it.
    Step(u64, u64, Watch),
}

thread_local! {
    /// Of this thread.
    pub(super) static DOING: Cell<Doing> = const { Cell::new(Doing::Nothing) };
}

impl Doing {
    /// From now on, on this thread.
    #[inline]
    pub(crate) fn begin(self) {
        DOING.set(self);
        match self {
            Self::Step(_, began, watch) => watch.begins(began),
            Self::Job(taken, _) => {
                if let Some(meter) = Meter::of_this_thread() {
                    meter.present().begin(taken, false);
                }
            }
            Self::Nothing => {
                if let Some(meter) = Meter::of_this_thread() {
                    meter.present().end();
                }
            }
        }
    }
}
