//! From counts of [`ticks`] to nanoseconds, and back: the one place that knows how long a tick is.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::raw::ticks;

static ORIGIN: OnceLock<(u64, Instant)> = OnceLock::new();

/// To be called when the extension is loaded: the longer ago that is, the better the rate is known.
pub(crate) fn begin() {
    ORIGIN.get_or_init(|| (ticks(), Instant::now()));
}

/// The rate as it was last measured, as bits, and when that was.
static KNOWN: AtomicU64 = AtomicU64::new(0);
static KNOWN_AT: AtomicU64 = AtomicU64::new(0);
/// It is measured again after so many ticks: a fraction of a second.
const KEPT: u64 = 1 << 28;

/// Measured over the life of the process, so it gets better with time; a tenth of a second is good for a millionth.
#[inline]
pub(crate) fn nanoseconds_a_tick() -> f64 {
    let known = KNOWN.load(Relaxed);
    if known != 0 && ticks().saturating_sub(KNOWN_AT.load(Relaxed)) < KEPT {
        return f64::from_bits(known);
    }
    measure()
}

#[cold]
fn measure() -> f64 {
    let (first, began) = *ORIGIN.get_or_init(|| (ticks(), Instant::now()));
    let now = ticks();
    let rate = began.elapsed().as_nanos() as f64 / now.saturating_sub(first).max(1) as f64;
    KNOWN.store(rate.to_bits(), Relaxed);
    KNOWN_AT.store(now, Relaxed);
    rate
}

/// So many nanoseconds in ticks.
pub(crate) fn ticks_in(nanoseconds: u64) -> u64 {
    scaled(nanoseconds, 1.0 / nanoseconds_a_tick())
}

/// So many ticks in nanoseconds.
pub(crate) fn nanoseconds_in(ticks: u64) -> u64 {
    scaled(ticks, nanoseconds_a_tick())
}

/// What [`ticks`] was at that moment.
pub(crate) fn ticks_at(moment: Instant) -> u64 {
    ticks().saturating_sub(ticks_in(moment.elapsed().as_nanos() as u64))
}

/// When that was by the system's clock, in nanoseconds since 1970.
pub(crate) fn unix_time_of(stamp: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    now.saturating_sub(nanoseconds_in(ticks().saturating_sub(stamp)))
}

/// So much time in another unit: of many, who knows the rate already need not ask for it each time.
#[inline]
#[expect(clippy::cast_sign_loss, reason = "neither is negative")]
pub(super) fn scaled(time: u64, rate: f64) -> u64 {
    (time as f64 * rate) as u64
}
