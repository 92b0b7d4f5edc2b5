//! One reading of `/proc/self/task/TID/syscall` (proc(5)), which needs no right but being the same process.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// The number of `futex(2)`.
#[cfg(target_arch = "x86_64")]
const FUTEX: u64 = 202;
/// The number of `futex(2)`.
#[cfg(not(target_arch = "x86_64"))]
const FUTEX: u64 = 98; // the generic table: aarch64, riscv64, loongarch64

/// Longest line: a number and eight 64-bit words in hexadecimal.
const LINE: usize = 192;

/// What a thread was doing when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// On a processor, or ready to be.
    Computing,
    /// Blocked on the interpreter's lock.
    WaitingForGil,
    /// Blocked on anything else: a socket, a lock, a sleep.
    Waiting,
}

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
        probe.read(&(0..0))?;
        Ok(probe)
    }

    /// Looks once. `interpreter` is where the interpreter's global state lies: a futex inside it is its lock.
    ///
    /// # Errors
    /// When the thread has ended, or the line is not what proc(5) says.
    pub fn read(&self, interpreter: &Range<usize>) -> io::Result<Activity> {
        let mut line = [0; LINE];
        let length = self.syscall.read_at(&mut line, 0)?;
        let line = std::str::from_utf8(&line[..length]).map_err(io::Error::other)?;
        classify(line, interpreter).ok_or_else(|| io::Error::other(format!("unknown state line {line:?}")))
    }
}

fn classify(line: &str, interpreter: &Range<usize>) -> Option<Activity> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next()?;
    if first == "running" {
        return Some(Activity::Computing);
    }
    // "-1" means blocked, but not in a system call: a page fault, say.
    if first == "-1" || first.parse::<u64>().ok()? != FUTEX {
        return Some(Activity::Waiting);
    }
    let address = usize::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    Some(if interpreter.contains(&address) { Activity::WaitingForGil } else { Activity::Waiting })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::sync::{Arc, mpsc};
    use std::time::{Duration, Instant};

    #[test]
    fn a_line_tells_the_lock_of_the_interpreter_from_any_other() {
        let interpreter = 0x1000..0x2000;
        let futex = |address: &str| format!("{FUTEX} {address} 0x189 0x0 0x7f 0x0 0xffffffff 0x7f 0x7f\n");
        assert_eq!(classify("running\n", &interpreter), Some(Activity::Computing));
        assert_eq!(classify(&futex("0x1004"), &interpreter), Some(Activity::WaitingForGil));
        assert_eq!(classify(&futex("0x2004"), &interpreter), Some(Activity::Waiting));
        assert_eq!(classify("7 0x1004 0x1 0xffffffff 0x0 0x0 0x0 0x7f 0x7f\n", &interpreter), Some(Activity::Waiting));
        assert_eq!(classify("-1 0x7f 0x7f\n", &interpreter), Some(Activity::Waiting));
        assert_eq!(classify("", &interpreter), None);
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
        until(&waiting, Activity::Waiting);
        until(&computing, Activity::Computing);
        stop_waiting();
        stop_computing();
    }

    /// A thread that runs `work`, how to look at it, and how to end it.
    fn probed(work: impl FnOnce(&AtomicBool) + Send + 'static) -> (Probe, impl FnOnce()) {
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

    fn until(probe: &Probe, wanted: Activity) {
        let patience = Instant::now() + Duration::from_secs(20);
        while probe.read(&(0..0)).expect("the thread lives") != wanted {
            assert!(Instant::now() < patience, "never seen {wanted:?}");
            std::thread::yield_now();
        }
    }
}
