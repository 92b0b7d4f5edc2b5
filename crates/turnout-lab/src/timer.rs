//! A sleep that is right to the microsecond.
//!
//! tokio's timer counts in whole milliseconds and rounds up, which would make an upstream of "50 ms" one of 51 to 52. Here one timerfd, armed for the
//! nearest deadline, wakes every sleeper; a sleep costs no descriptor and, unless it is the nearest, no system call.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// A moment: nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Moment(u64);

impl Moment {
    /// The present.
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        Self(now.tv_sec.cast_unsigned() * NANOS + now.tv_nsec.cast_unsigned())
    }

    /// This moment, later by `delay`.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long ago this was; zero if it is still to come.
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Nanoseconds of the monotonic clock, as every process of this machine reads it.
    pub fn nanos(self) -> u64 {
        self.0
    }

    fn as_timespec(self) -> Timespec {
        Timespec { tv_sec: (self.0 / NANOS).cast_signed(), tv_nsec: (self.0 % NANOS).cast_signed() }
    }
}

const NANOS: u64 = 1_000_000_000;

/// Hands out sleeps. Dropping the timer leaves its sleepers asleep for ever, so it lives as long as the server that uses it.
#[derive(Clone)]
pub struct Timer(Arc<Shared>);

struct Shared {
    fd: AsyncFd<OwnedFd>,
    sleepers: Mutex<Sleepers>,
}

/// Who sleeps, nearest first. The number makes equal deadlines distinct.
#[derive(Default)]
struct Sleepers {
    queue: BTreeMap<(Moment, u64), Waker>,
    next: u64,
}

impl Timer {
    /// A timer on the current runtime. Run [`Timer::drive`] beside the tasks that sleep.
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its replacement is an unsafe fn because a type may lie about its descriptor; an OwnedFd cannot"
        )]
        let fd = AsyncFd::new(fd)?;
        Ok(Self(Arc::new(Shared { fd, sleepers: Mutex::default() })))
    }

    /// Wakes sleepers when their time has come; never ends while the descriptor works. Dropping it stops all sleeps.
    pub async fn drive(&self) -> io::Result<()> {
        loop {
            let mut ready = self.0.fd.readable().await?;
            let mut expirations = [0; 8];
            match rustix::io::read(ready.get_inner(), &mut expirations) {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    ready.clear_ready();
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            ready.clear_ready();
            let mut sleepers = self.0.sleepers.lock();
            let later = sleepers.queue.split_off(&(Moment::now(), u64::MAX));
            let due = std::mem::replace(&mut sleepers.queue, later);
            self.0.arm(&sleepers)?;
            drop(sleepers);
            due.into_values().for_each(Waker::wake);
        }
    }

    /// A future that is ready at `deadline` and not before. Cancel-safe; dropping it forgets the sleep.
    pub fn sleep_until(&self, deadline: Moment) -> Sleep {
        Sleep { shared: Arc::clone(&self.0), deadline, key: None }
    }
}

impl Shared {
    /// Sets the descriptor to the nearest deadline.
    fn arm(&self, sleepers: &Sleepers) -> io::Result<()> {
        let Some((&(nearest, _), _)) = sleepers.queue.first_key_value() else { return Ok(()) };
        let time = Itimerspec { it_interval: Timespec::default(), it_value: nearest.as_timespec() };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::ABSTIME, &time)?;
        Ok(())
    }
}

/// See [`Timer::sleep_until`].
pub struct Sleep {
    shared: Arc<Shared>,
    deadline: Moment,
    key: Option<(Moment, u64)>,
}

impl Future for Sleep {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if Moment::now() >= self.deadline {
            return Poll::Ready(Ok(()));
        }
        let (shared, deadline) = (Arc::clone(&self.shared), self.deadline);
        let mut sleepers = shared.sleepers.lock();
        let key = *self.key.get_or_insert_with(|| {
            sleepers.next += 1;
            (deadline, sleepers.next)
        });
        sleepers.queue.insert(key, context.waker().clone());
        if sleepers.queue.first_key_value().is_some_and(|(first, _)| *first == key) {
            shared.arm(&sleepers)?;
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.shared.sleepers.lock().queue.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_in_order_of_their_deadlines_and_never_early() -> io::Result<()> {
        let timer = Timer::new()?;
        let driver = tokio::spawn({
            let timer = timer.clone();
            async move { timer.drive().await }
        });
        let start = Moment::now();
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = [3_500_u64, 700, 2_100, 700]
            .into_iter()
            .map(|micros| {
                let (timer, order) = (timer.clone(), Arc::clone(&order));
                tokio::spawn(async move {
                    timer.sleep_until(start.after(Duration::from_micros(micros))).await?;
                    assert!(start.elapsed() >= Duration::from_micros(micros), "woke before {micros} us");
                    order.lock().push(micros);
                    io::Result::Ok(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        assert_eq!(*order.lock(), [700, 700, 2_100, 3_500]);
        driver.abort();
        Ok(())
    }

    #[tokio::test]
    async fn a_dropped_sleep_leaves_the_queue() -> io::Result<()> {
        let timer = Timer::new()?;
        let sleep = timer.sleep_until(Moment::now().after(Duration::from_secs(60)));
        assert!(tokio::time::timeout(Duration::from_millis(5), sleep).await.is_err());
        assert!(timer.0.sleepers.lock().queue.is_empty());
        Ok(())
    }
}
