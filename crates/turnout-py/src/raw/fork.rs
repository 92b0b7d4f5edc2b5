//! Knowing that this process is a fork, without a system call.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many forks lie between this process and the one that loaded the extension.
static GENERATION: AtomicU64 = AtomicU64::new(0);

static REGISTER: Once = Once::new();

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::SeqCst);
}

/// From now on [`fork_generation`] tells a child from its parent. May be called any number of times.
pub(crate) fn watch_forks() {
    REGISTER.call_once(|| {
        // SAFETY: the handler is async-signal-safe (one atomic addition, no allocation, no lock) and lives as long as the
        // process, because CPython never unloads an extension module. A failure (ENOMEM) leaves the generation at its
        // value: Python's own fork hook (turnout.loop) then still replaces the selector's state.
        unsafe {
            libc::pthread_atfork(None, None, Some(in_child));
        }
    });
}

/// Differs from an earlier value exactly if a fork lies between. Meaningful after [`watch_forks`].
pub(crate) fn fork_generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}
