//! Knowing that this process is a fork, without a system call.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many forks lie between this process and the one that loaded the extension.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// What `pthread_atfork` answered.
static REGISTERED: OnceLock<libc::c_int> = OnceLock::new();

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::SeqCst);
}

/// From now on [`fork_generation`] tells a child from its parent. May be called any number of times; fails for want of
/// memory.
pub(crate) fn watch_forks() -> io::Result<()> {
    let answer = *REGISTERED.get_or_init(|| {
        // SAFETY: the handler is async-signal-safe (one atomic addition, no allocation, no lock) and lives as long as the
        // process, because CPython never unloads an extension module.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) }
    });
    if answer == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(answer)) }
}

/// Differs from an earlier value exactly if a fork lies between. Meaningful after [`watch_forks`].
pub(crate) fn fork_generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}
