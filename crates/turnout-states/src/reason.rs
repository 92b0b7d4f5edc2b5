//! What a blocked thread waits for, as far as its system call says: one reading of `/proc/self/task/TID/syscall` (proc(5)), and, where the call waits
//! for one of several descriptors, of the memory in which they are listed.
//!
//! Only numbers: whose the other end of a descriptor is, is asked by whoever may.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A time to be over.
    Sleep,
    /// Another thread: a lock, an event, a queue.
    Lock,
    /// Something to be read from, or written to, this descriptor.
    Descriptor(i32),
    /// A file by its name.
    File,
    /// Another process to end.
    Process,
    /// Something else.
    Other,
}

/// What a thread was doing when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// On a processor, or ready to be.
    Computing,
    /// Blocked on the interpreter's lock.
    WaitingForGil,
    /// Blocked on anything else.
    Waiting(Call),
}

/// The system call that a thread is blocked in. Equal ones wait for the same thing, as long as the thread has not gone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// `None`: in none; a page fault, say.
    number: Option<i64>,
    arguments: [u64; 4],
}

/// So many bytes of a `select` set are looked at: 1,024 descriptors, the most there may be in one.
const SET: usize = 128;

impl Look {
    /// What a line of that file says; `None`: it is none.
    pub(crate) fn of_line(line: &str, interpreter: &Range<usize>) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let first = words.next()?;
        if first == "running" {
            return Some(Self::Computing);
        }
        let number = first.parse().ok().filter(|number: &i64| *number >= 0);
        if number.is_none() && first != "-1" {
            return None;
        }
        let mut arguments = [0; 4];
        if number.is_some() {
            for (argument, word) in arguments.iter_mut().zip(words) {
                *argument = u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()?;
            }
        }
        let call = Call { number, arguments };
        Some(if call.is_futex_in(interpreter) { Self::WaitingForGil } else { Self::Waiting(call) })
    }
}

impl Call {
    fn is_futex_in(&self, memory: &Range<usize>) -> bool {
        self.number == Some(libc::SYS_futex) && memory.contains(&(self.arguments[0] as usize))
    }

    /// What it waits for. Reads the memory of this process, which the thread may be changing: the answer is right if the thread has not gone on.
    pub fn reason(&self) -> Reason {
        let Some(number) = self.number else { return Reason::Other };
        let [first, second, third, _] = self.arguments;
        match number {
            libc::SYS_nanosleep | libc::SYS_clock_nanosleep => Reason::Sleep,
            libc::SYS_futex => Reason::Lock,
            libc::SYS_wait4 | libc::SYS_waitid => Reason::Process,
            libc::SYS_openat | libc::SYS_statx | libc::SYS_newfstatat | libc::SYS_getdents64 => Reason::File,
            libc::SYS_ppoll => polled(first, second),
            libc::SYS_pselect6 => selected(first, [second, third]),
            libc::SYS_epoll_pwait => watched(first),
            _ if OF_DESCRIPTORS.contains(&number) => Reason::Descriptor(first as i32),
            _ => of_this_machine(number, first, second, third),
        }
    }
}

/// Calls whose first argument is what they wait for.
const OF_DESCRIPTORS: [i64; 21] = [
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_connect,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendfile,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
];

/// Calls that only this processor's table has.
#[cfg(target_arch = "x86_64")]
fn of_this_machine(number: i64, first: u64, second: u64, third: u64) -> Reason {
    match number {
        libc::SYS_poll => polled(first, second),
        libc::SYS_select => selected(first, [second, third]),
        libc::SYS_epoll_wait => watched(first),
        libc::SYS_open | libc::SYS_stat | libc::SYS_lstat => Reason::File,
        _ => Reason::Other,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn of_this_machine(_number: i64, _first: u64, _second: u64, _third: u64) -> Reason {
    Reason::Other
}

/// `poll(fds, nfds, ...)`: the first of them. Without any it is a sleep.
fn polled(list: u64, count: u64) -> Reason {
    if count == 0 {
        return Reason::Sleep;
    }
    // `struct pollfd` begins with the descriptor.
    let mut first = [0; 4];
    if read_memory(list, &mut first) { Reason::Descriptor(i32::from_ne_bytes(first)) } else { Reason::Other }
}

/// `select(nfds, readfds, writefds, ...)`: the lowest of those that are to be read, else of those to be written.
fn selected(count: u64, sets: [u64; 2]) -> Reason {
    if count == 0 {
        return Reason::Sleep;
    }
    for set in sets.into_iter().filter(|set| *set != 0) {
        let mut bits = [0; SET];
        let length = (count as usize).div_ceil(64) * 8;
        let bits = &mut bits[..length.min(SET)];
        if !read_memory(set, bits) {
            return Reason::Other;
        }
        if let Some(byte) = bits.iter().position(|byte| *byte != 0) {
            let lowest = byte * 8 + bits[byte].trailing_zeros() as usize;
            return i32::try_from(lowest).map_or(Reason::Other, Reason::Descriptor);
        }
    }
    Reason::Other
}

/// `epoll_wait(epfd, ...)`: what is watched there, if it is only one.
fn watched(descriptor: u64) -> Reason {
    let Ok(text) = std::fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")) else { return Reason::Other };
    let mut all =
        text.lines().filter_map(|line| line.strip_prefix("tfd:")?.split_ascii_whitespace().next()?.parse().ok());
    match (all.next(), all.next()) {
        (Some(only), None) => Reason::Descriptor(only),
        _ => Reason::Other,
    }
}

/// Memory of this process, by way of its file: where there is none the kernel says so.
fn read_memory(at: u64, into: &mut [u8]) -> bool {
    File::open("/proc/self/mem").and_then(|memory| memory.read_exact_at(into, at)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsFd, AsRawFd};
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;
    use crate::thread::tests::{probed, until};

    #[test]
    fn a_line_that_is_none_is_told_from_one_that_is() {
        let call = |line: &str| match Look::of_line(line, &(0..0)) {
            Some(Look::Waiting(call)) => call.reason(),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(call(&format!("{} 0x0 0x0 0x0 0x0 0x0 0x0 0x7f 0x7f\n", libc::SYS_clock_nanosleep)), Reason::Sleep);
        assert_eq!(
            call(&format!("{} 0xc 0x7f 0x0 0x0 0x0 0x0 0x7f 0x7f\n", libc::SYS_recvfrom)),
            Reason::Descriptor(12)
        );
        assert_eq!(call(&format!("{} 0x0 0x0 0x0 0x0 0x0 0x0 0x7f 0x7f\n", libc::SYS_ppoll)), Reason::Sleep);
        // Nothing is mapped there.
        assert_eq!(call(&format!("{} 0x8 0x1 0x0 0x0 0x0 0x0 0x7f 0x7f\n", libc::SYS_ppoll)), Reason::Other);
        assert_eq!(call("-1 0x7f 0x7f\n"), Reason::Other);
        for none in ["", "-7 0x1", "x", "202 1 2 3"] {
            assert_eq!(Look::of_line(none, &(0..0)), None, "{none:?}");
        }
    }

    fn is_seen(wait: impl FnOnce(&AtomicBool) + Send + 'static, wanted: Reason, end: impl FnOnce()) {
        let (probe, join) = probed(wait);
        until(|| match probe.look(&(0..0)).expect("the thread lives") {
            Look::Waiting(call) => call.reason() == wanted,
            Look::Computing | Look::WaitingForGil => false,
        });
        end();
        join();
    }

    #[test]
    fn a_thread_that_waits_says_for_what() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let ours = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let (mut theirs, _) = listener.accept().expect("accepted");
        let wanted = Reason::Descriptor(ours.as_raw_fd());
        let polled = ours.try_clone().expect("another descriptor");
        let its = Reason::Descriptor(polled.as_raw_fd());
        let mut end = || theirs.write_all(b"x").expect("the other end is open");
        is_seen(move |_| drop((&ours).read_exact(&mut [0])), wanted, &mut end);
        let forever = Timespec { tv_sec: 60, tv_nsec: 0 };
        is_seen(
            move |_| assert!(poll(&mut [PollFd::new(&polled.as_fd(), PollFlags::IN)], Some(&forever)).is_ok()),
            its,
            &mut end,
        );
        let waiting = |stop: &AtomicBool| {
            while !stop.load(Relaxed) {
                std::thread::park();
            }
        };
        is_seen(waiting, Reason::Lock, || ());
        let sleeping = |stop: &AtomicBool| {
            while !stop.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
            }
        };
        is_seen(sleeping, Reason::Sleep, || ());
    }
}
