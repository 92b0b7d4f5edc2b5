//! The epoll set of Python's descriptors, with the doorbell and Python's deadline in it.

use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::io::Result;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};

use crate::raw::with_borrowed;

/// asyncio's `EVENT_READ`.
const READ: u32 = 1;
/// asyncio's `EVENT_WRITE`.
const WRITE: u32 = 2;

const DOORBELL: u64 = u64::MAX;
const DEADLINE: u64 = u64::MAX - 1;

/// How much earlier than asked the deadline may fire: an armed timer this near is kept, which saves a system call.
const NEAR: Duration = Duration::from_micros(20);

/// Longer waits are cut to this, as asyncio itself does at one day.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// How many descriptors one `select` reports; the rest come with the next one.
const BATCH: usize = 128;

/// A ready descriptor of Python's, with asyncio's mask.
pub(super) type Ready = (RawFd, u32);

/// What the last drain found.
#[derive(Default)]
pub(super) struct Events {
    ready: Vec<Ready>,
    deadline: bool,
    /// Something that may still be there at the next drain: all but the deadline, which is edge-triggered.
    lasting: bool,
}

impl Events {
    /// The ready descriptors with what they are ready for.
    pub(super) fn take_ready(&mut self) -> Vec<Ready> {
        mem::take(&mut self.ready)
    }

    pub(super) fn clear(&mut self) {
        self.ready.clear();
        self.deadline = false;
        self.lasting = false;
    }

    /// True if nothing is left in the set: only then the next thing in it makes an edge.
    pub(super) fn is_empty(&self) -> bool {
        !self.lasting
    }
}

/// The set itself; shared with the runtime, which watches it.
#[derive(Clone)]
pub(super) struct Descriptors(Arc<OwnedFd>);

impl AsRawFd for Descriptors {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Descriptors {
    pub(super) fn new(doorbell: &OwnedFd) -> Result<Self> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&set, doorbell, epoll::EventData::new_u64(DOORBELL), epoll::EventFlags::IN)?;
        Ok(Self(Arc::new(set)))
    }

    /// For tokio to watch.
    pub(super) fn share(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.0)
    }

    pub(super) fn add(&self, number: RawFd, mask: u32) -> Result<()> {
        with_borrowed(number, |fd| epoll::add(&*self.0, fd, data(number), flags(mask)))
    }

    pub(super) fn modify(&self, number: RawFd, mask: u32) -> Result<()> {
        with_borrowed(number, |fd| epoll::modify(&*self.0, fd, data(number), flags(mask)))
    }

    pub(super) fn remove(&self, number: RawFd) -> Result<()> {
        with_borrowed(number, |fd| epoll::delete(&*self.0, fd))
    }

    /// What is ready now, or within `wait` (`None`: whenever something is).
    pub(super) fn drain(&self, events: &mut Events, wait: Option<Duration>, doorbell: &OwnedFd) -> Result<()> {
        // Whole milliseconds, rounded up: what epoll_wait can do, and what `selectors` asks of it.
        let wait = wait.map(|wait| {
            let millis = wait.min(LONGEST).as_nanos().div_ceil(1_000_000) as i64;
            Timespec { tv_sec: millis / 1000, tv_nsec: millis % 1000 * 1_000_000 }
        });
        events.clear();
        let mut buffer = [const { MaybeUninit::uninit() }; BATCH];
        let (found, _) = epoll::wait(&*self.0, &mut buffer[..], wait.as_ref())?;
        for event in found {
            match event.data.u64() {
                DEADLINE => {
                    events.deadline = true;
                    continue;
                }
                DOORBELL => drop(rustix::io::read(doorbell, &mut [0_u8; 8])),
                // It was made from a RawFd, so it fits.
                number => events.ready.push((number as RawFd, mask(event.flags))),
            }
            events.lasting = true;
        }
        Ok(())
    }
}

/// Errors and hang-ups count as both, as in `selectors`.
fn mask(flags: epoll::EventFlags) -> u32 {
    let mut mask = 0;
    if !flags.difference(epoll::EventFlags::IN).is_empty() {
        mask |= WRITE;
    }
    if !flags.difference(epoll::EventFlags::OUT).is_empty() {
        mask |= READ;
    }
    mask
}

fn data(number: RawFd) -> epoll::EventData {
    // Never negative: `with_borrowed` refused it.
    epoll::EventData::new_u64(u64::from(number.unsigned_abs()))
}

fn flags(mask: u32) -> epoll::EventFlags {
    let mut flags = epoll::EventFlags::empty();
    flags.set(epoll::EventFlags::IN, mask & READ != 0);
    flags.set(epoll::EventFlags::OUT, mask & WRITE != 0);
    flags
}

/// Python's next deadline as a descriptor in the set: tokio's timers round up to a millisecond twice.
pub(super) struct Deadline {
    timer: OwnedFd,
    armed: Option<Instant>,
}

impl Deadline {
    pub(super) fn new(descriptors: &Descriptors) -> Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        // By edge: it need not be read when it fired, which is a system call a timer. Arming it makes the next edge.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&*descriptors.0, &timer, epoll::EventData::new_u64(DEADLINE), flags)?;
        Ok(Self { timer, armed: None })
    }

    /// Makes the set ready `after` from now. An earlier deadline that is still armed is replaced.
    pub(super) fn arm(&mut self, after: Duration) -> Result<()> {
        let after = after.min(LONGEST);
        let wanted = Instant::now() + after;
        if self.armed.is_some_and(|armed| armed <= wanted && wanted - armed < NEAR) {
            return Ok(());
        }
        // Zero would disarm it.
        let after = after.max(Duration::from_nanos(1));
        let value = Timespec { tv_sec: after.as_secs().cast_signed(), tv_nsec: i64::from(after.subsec_nanos()) };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        self.armed = Some(wanted);
        Ok(())
    }

    /// Takes note if the deadline is in `events`.
    pub(super) fn observe(&mut self, events: &Events) {
        if events.deadline {
            self.armed = None;
        }
    }
}
