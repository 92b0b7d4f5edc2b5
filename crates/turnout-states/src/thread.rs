//! One reading of `/proc/self/task/TID/syscall` (proc(5)), which needs no right but being the same process.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::reason::Look;

/// Longest line: a number and eight 64-bit words in hexadecimal.
const LINE: usize = 192;

/// A handle on one thread of this process, kept open so that a reading is a single `pread`.
#[derive(Debug)]
pub struct Probe {
    syscall: File,
}

impl Probe {
    /// Opens the calling thread's own state.
    ///
    /// # Errors
    /// Where `/proc` does not have it (no `CONFIG_HAVE_ARCH_TRACEHOOK`, gVisor), or the process is not dumpable.
    pub fn for_this_thread() -> io::Result<Self> {
        let thread = rustix::thread::gettid().as_raw_nonzero();
        let probe = Self { syscall: File::open(format!("/proc/self/task/{thread}/syscall"))? };
        // Some sandboxes open the file and refuse to read it: better known now than at every reading.
        probe.look(&(0..0))?;
        Ok(probe)
    }

    /// Looks once. `interpreter` is where the interpreter's global state lies: a futex inside it is its lock.
    ///
    /// # Errors
    /// When the thread has ended, or the line is not what proc(5) says.
    pub fn look(&self, interpreter: &Range<usize>) -> io::Result<Look> {
        let mut line = [0; LINE];
        let length = self.syscall.read_at(&mut line, 0)?;
        let line = std::str::from_utf8(&line[..length]).map_err(io::Error::other)?;
        Look::of_line(line, interpreter).ok_or_else(|| io::Error::other(format!("unknown state line {line:?}")))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::sync::{Arc, mpsc};
    use std::time::{Duration, Instant};

    #[test]
    fn a_line_tells_the_lock_of_the_interpreter_from_any_other() {
        let interpreter = 0x1000..0x2000;
        let futex = |address: &str| format!("{} {address} 0x189 0x0 0x7f 0x0 0xffffffff 0x7f 0x7f\n", libc::SYS_futex);
        let gil = |line: &str| Look::of_line(line, &interpreter).map(|look| look == Look::WaitingForGil);
        assert_eq!(Look::of_line("running\n", &interpreter), Some(Look::Computing));
        assert_eq!(gil(&futex("0x1004")), Some(true));
        assert_eq!(gil(&futex("0x2004")), Some(false));
        assert_eq!(gil("7 0x1004 0x1 0xffffffff 0x0 0x0 0x0 0x7f 0x7f\n"), Some(false));
        assert_eq!(gil("-1 0x7f 0x7f\n"), Some(false));
        assert_eq!(gil(""), None);
    }

    #[test]
    fn a_thread_that_waits_and_one_that_computes_are_told_apart() {
        let (waiting, stop_waiting) = probed(|stop| {
            while !stop.load(Relaxed) {
                std::thread::park();
            }
        });
        let (computing, stop_computing) = probed(|stop| {
            while !stop.load(Relaxed) {
                std::hint::spin_loop();
            }
        });
        until(|| matches!(waiting.look(&(0..0)).expect("the thread lives"), Look::Waiting(_)));
        until(|| computing.look(&(0..0)).expect("the thread lives") == Look::Computing);
        stop_waiting();
        stop_computing();
    }

    /// A thread that runs `work`, how to look at it, and how to end it.
    pub(crate) fn probed(work: impl FnOnce(&AtomicBool) + Send + 'static) -> (Probe, impl FnOnce()) {
        let (send, receive) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            send.send(Probe::for_this_thread().expect("/proc is there on Linux")).expect("the test listens");
            work(&told);
        });
        let end = move || {
            stop.store(true, Relaxed);
            thread.thread().unpark();
            thread.join().expect("the thread ends well");
        };
        (receive.recv().expect("the thread sends its probe"), end)
    }

    pub(crate) fn until(so: impl Fn() -> bool) {
        let patience = Instant::now() + Duration::from_secs(20);
        while !so() {
            assert!(Instant::now() < patience, "never so");
            std::thread::yield_now();
        }
    }
}
