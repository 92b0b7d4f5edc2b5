//! How long a thread may keep the processor once it has it.

/// Nanoseconds, the least that Linux takes. Its own choice is 1.4 ms on two cores and more on others.
const TURN: u64 = 100_000;

/// The calling thread gives the processor to whoever else wants it after a turn of 0.1 ms, not after some milliseconds. It gets no less of it: its turns come
/// more often. Its nice value stays. Linux since 6.12; refused, as before, or elsewhere, nothing changes.
pub(crate) fn take_short_turns() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: `sched_getattr(2)` for the calling thread (0), with a structure of the size that is told, all of whose fields are integers.
        let (known, mut attributes) = unsafe {
            let mut attributes: libc::sched_attr = std::mem::zeroed();
            let size = size_of::<libc::sched_attr>();
            (libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) == 0, attributes)
        };
        if !known || attributes.sched_policy != libc::SCHED_OTHER.unsigned_abs() {
            return;
        }
        attributes.size = size_of::<libc::sched_attr>() as u32;
        attributes.sched_runtime = TURN;
        // SAFETY: `sched_setattr(2)` for the calling thread reads that structure. What it answers makes no difference here.
        let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    }
}
