//! Wrong tokens. A few are somebody's typing; where more come they may be guesses, and from then on every token is looked at late.
//!
//! The right one too: who could tell a wrong one by not being answered at once would not have to wait. But it is never refused, and a session is not
//! looked at late, so no stranger can lock anybody out. What is guessed is bounded by the number of connections.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

/// So many wrong tokens in a row are let pass, and one more in so many seconds: a collector that has an old token asks less often than that.
const MOST: f64 = 10.0;
const SECONDS_EACH: f64 = 5.0;
/// So much later tokens are looked at then: a person does not mind, and a collector waits ten times as long for an answer.
const LATE: Duration = Duration::from_secs(1);

/// See the module. One for the whole socket: strangers have many addresses, and behind a proxy everybody has the same.
#[derive(Debug)]
pub(crate) struct Failures(Mutex<Left>);

/// How many wrong tokens may come, and when that was so.
#[derive(Debug)]
struct Left {
    count: f64,
    at: Instant,
}

impl Default for Failures {
    fn default() -> Self {
        Self(Mutex::new(Left { count: MOST, at: Instant::now() }))
    }
}

impl Failures {
    /// To be awaited before a token is looked at. True: too many wrong ones came, and this one waited for that.
    pub(crate) async fn delay(&self) -> bool {
        let late = self.left(0.0) < 1.0;
        if late {
            sleep(LATE).await;
        }
        late
    }

    /// It was a wrong one.
    pub(crate) fn count(&self) {
        self.left(1.0);
    }

    fn left(&self, less: f64) -> f64 {
        let mut left = self.0.lock();
        let now = Instant::now();
        let more = now.duration_since(left.at).as_secs_f64() / SECONDS_EACH;
        *left = Left { count: ((left.count + more).min(MOST) - less).max(0.0), at: now };
        left.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn delayed(failures: &Failures) -> (bool, Duration) {
        let before = Instant::now();
        (failures.delay().await, before.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn after_some_wrong_tokens_each_is_looked_at_late_until_a_while_after_the_last() {
        let failures = Failures::default();
        for _ in 0..10 {
            assert_eq!(delayed(&failures).await, (false, Duration::ZERO));
            failures.count();
        }
        for _ in 0..100 {
            assert_eq!(delayed(&failures).await, (true, LATE));
            failures.count();
        }
        sleep(Duration::from_secs(5)).await;
        assert_eq!(delayed(&failures).await, (false, Duration::ZERO));
        failures.count();
        assert_eq!(delayed(&failures).await, (true, LATE));
        sleep(Duration::from_secs(3600)).await;
        for _ in 0..10 {
            assert_eq!(delayed(&failures).await, (false, Duration::ZERO));
            failures.count();
        }
        assert_eq!(delayed(&failures).await, (true, LATE));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_not_kept_longer_by_others_that_fail() {
        let failures = Failures::default();
        for _ in 0..1000 {
            failures.count();
        }
        let before = Instant::now();
        let many = (0..1000).map(|_| async {
            failures.delay().await;
            failures.count();
        });
        let right = async { delayed(&failures).await };
        let ((), waited) = tokio::join!(all(many), right);
        assert_eq!((waited, before.elapsed()), ((true, LATE), LATE));
    }

    async fn all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
        let mut futures: Vec<_> = futures.map(Box::pin).collect();
        std::future::poll_fn(|context| {
            futures.retain_mut(|future| future.as_mut().poll(context).is_pending());
            if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}
