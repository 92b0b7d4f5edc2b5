//! A token bucket: what an upstream's rate limit is made of.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::profile::RateLimit;

pub(super) struct Bucket {
    limit: RateLimit,
    level: Mutex<Level>,
}

struct Level {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self { limit, level: Mutex::new(Level { tokens: limit.burst, at: Instant::now() }) }
    }

    /// Takes a token, or says how long it is until there is one.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut level = self.level.lock();
        let grown = now.saturating_duration_since(level.at).as_secs_f64() * self.limit.per_second;
        level.tokens = (level.tokens + grown).min(self.limit.burst);
        level.at = level.at.max(now);
        if level.tokens >= 1.0 {
            level.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - level.tokens) / self.limit.per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_served_then_the_rate() {
        let bucket = Bucket::new(RateLimit { per_second: 10.0, burst: 2.0 });
        let start = Instant::now();
        assert!(bucket.take(start).is_ok());
        assert!(bucket.take(start).is_ok());
        let wait = bucket.take(start).expect_err("the third of a burst of two");
        assert!(wait <= Duration::from_millis(100) && wait > Duration::from_millis(50), "{wait:?}");
        assert!(bucket.take(start + Duration::from_millis(101)).is_ok());
    }
}
