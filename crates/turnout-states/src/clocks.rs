//! What the kernel knows of the calling thread: how long it computed, and how long it was ready to and had no processor.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::time::{ClockId, clock_gettime};

/// Longest line of `schedstat`: three 64-bit numbers in decimal.
const LINE: usize = 64;

/// Sums since the thread began, in nanoseconds. Two readings subtracted say what happened between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// On a processor.
    pub computed: u64,
    /// Ready to compute, and in the run queue. A cgroup's quota that is used up counts here, the time a hypervisor takes away does not.
    pub queued: u64,
}

impl Reading {
    /// What came since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            computed: self.computed.saturating_sub(earlier.computed),
            queued: self.queued.saturating_sub(earlier.queued),
        }
    }
}

/// The clocks of one thread, for that thread. A reading is two system calls, 2 us together.
#[derive(Debug)]
pub struct Clocks {
    /// `/proc/self/task/TID/schedstat`; `None` where the kernel has none (no `CONFIG_SCHED_INFO`, gVisor).
    schedstat: Option<File>,
}

impl Clocks {
    /// Opens the calling thread's. To be used on that thread only, and not in a child that it forks.
    pub fn for_this_thread() -> Self {
        let thread = rustix::thread::gettid().as_raw_nonzero();
        let schedstat = File::open(format!("/proc/self/task/{thread}/schedstat")).ok();
        let mut clocks = Self { schedstat };
        // Some sandboxes open the file and refuse to read it.
        if clocks.run_queue().is_err() {
            clocks.schedstat = None;
        }
        clocks
    }

    /// Whether waiting in the run queue can be told from waiting for anything else.
    pub fn know_the_run_queue(&self) -> bool {
        self.schedstat.is_some()
    }

    /// How it stands now.
    pub fn read(&self) -> Reading {
        Reading { queued: self.queued(), computed: self.computed() }
    }

    /// [`Reading::computed`] alone: one system call.
    pub fn computed(&self) -> u64 {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
    }

    /// [`Reading::queued`] alone.
    pub fn queued(&self) -> u64 {
        self.run_queue().unwrap_or(0)
    }

    fn run_queue(&self) -> io::Result<u64> {
        let Some(schedstat) = &self.schedstat else { return Ok(0) };
        let mut line = [0; LINE];
        let length = schedstat.read_at(&mut line, 0)?;
        second_number(&line[..length]).ok_or_else(|| io::Error::other("schedstat has no second number"))
    }
}

/// The kernel brings the first field up to date only now and then; the second one is exact.
fn second_number(line: &[u8]) -> Option<u64> {
    let second = line.split(|&byte| byte == b' ').nth(1)?;
    if second.is_empty() {
        return None;
    }
    second.iter().try_fold(0u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_second_number_of_a_line_is_read_and_nothing_else() {
        assert_eq!(second_number(b"160 31415926 2\n"), Some(31_415_926));
        assert_eq!(second_number(b"160"), None);
        assert_eq!(second_number(b"160  2"), None);
        assert_eq!(second_number(b"160 -1 2"), None);
        assert_eq!(second_number(b"1 99999999999999999999999 2"), None);
    }

    #[test]
    fn who_computes_grows_older_on_a_processor_or_in_the_queue_and_who_sleeps_does_not() {
        let clocks = Clocks::for_this_thread();
        // The clock of the whole is read around the others, so that it has all that they have.
        let began = Instant::now();
        let before = clocks.read();
        while began.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        let busy = clocks.read().since(before);
        let took = began.elapsed().as_nanos() as u64;
        assert!(busy.computed > 0 && busy.computed <= took, "{busy:?} of {took}");
        if clocks.know_the_run_queue() {
            // What neither has is the time between the last two readings.
            assert!(busy.computed + busy.queued > took * 9 / 10, "{busy:?} of {took}");
        }
        let before = clocks.read();
        std::thread::sleep(Duration::from_millis(50));
        let asleep = clocks.read().since(before);
        assert!(asleep.computed < 25_000_000, "{asleep:?}");
    }
}
