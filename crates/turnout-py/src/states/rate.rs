//! From counts of [`ticks`] to nanoseconds.

use std::sync::OnceLock;
use std::time::Instant;

use crate::raw::ticks;

static ORIGIN: OnceLock<(u64, Instant)> = OnceLock::new();

/// To be called when the extension is loaded: the longer ago that is, the better the rate is known.
pub(crate) fn begin() {
    ORIGIN.get_or_init(|| (ticks(), Instant::now()));
}

/// Measured over the life of the process, so it gets better with time; a tenth of a second is good for a millionth.
pub(crate) fn nanoseconds_a_tick() -> f64 {
    let (first, began) = *ORIGIN.get_or_init(|| (ticks(), Instant::now()));
    began.elapsed().as_nanos() as f64 / ticks().saturating_sub(first).max(1) as f64
}

/// What [`ticks`] was so long ago.
#[expect(clippy::cast_sign_loss, reason = "neither is negative")]
pub(crate) fn ticks_at(moment: Instant) -> u64 {
    ticks().saturating_sub((moment.elapsed().as_nanos() as f64 / nanoseconds_a_tick()) as u64)
}
