//! The cheapest clock there is: the processor's time-stamp counter, where the kernel itself keeps time by it.

use std::sync::OnceLock;

use rustix::time::{ClockId, clock_gettime};

/// A count that grows evenly on all processors, in units of its own; see `reactor::steps` for seconds.
///
/// Read with a third of the cost of `clock_gettime`. The reads of two processors agree as far as the kernel's own clock needs
/// it; whoever subtracts must expect a few counts below zero.
#[inline]
pub(crate) fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    if counter_is_steady() {
        // SAFETY: every x86-64 processor has the instruction, and a kernel that takes its time from it does not forbid it.
        return unsafe { std::arch::x86_64::_rdtsc() };
    }
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Whether the kernel found the counter constant, never stopping and equal on all processors: then it is its clock source.
#[cfg(target_arch = "x86_64")]
#[inline]
fn counter_is_steady() -> bool {
    static STEADY: OnceLock<bool> = OnceLock::new();
    *STEADY.get_or_init(|| {
        std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource")
            .is_ok_and(|name| name.trim() == "tsc")
    })
}
