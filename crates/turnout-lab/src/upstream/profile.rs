//! The manners of each upstream: how slow, how shaky, how patient.

use std::time::Duration;

use serde::Serialize;

/// One upstream.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    /// The name in the path.
    pub name: &'static str,
    /// The name people read.
    pub title: &'static str,
    /// How long an answer takes, in the middle, in milliseconds.
    pub latency_ms: f64,
    /// By how much at most it is earlier or later, in milliseconds.
    pub jitter_ms: f64,
    /// The share of calls answered with 503.
    pub failures: f64,
    /// Above it: 429 with Retry-After, at once.
    pub rate: Option<RateLimit>,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RateLimit {
    /// Calls a second, for ever.
    pub per_second: f64,
    /// Calls at once, after a pause.
    pub burst: f64,
}

impl Profile {
    /// The delay of a call whose luck is `fraction` (0 to 1).
    pub(super) fn delay(&self, fraction: f64) -> Duration {
        Duration::from_secs_f64((self.latency_ms + self.jitter_ms * (2.0 * fraction - 1.0)).max(0.0) / 1000.0)
    }
}

/// The eight upstreams of examples/hotels. One after another they take 1.1 s, all at once a quarter of a second; one fails now and then, one does not
/// like a hundred callers at once.
pub fn standard() -> Vec<Profile> {
    let calm =
        |name, title, latency_ms, jitter_ms| Profile { name, title, latency_ms, jitter_ms, failures: 0.0, rate: None };
    vec![
        calm("bettboerse", "Bettbörse", 60.0, 8.0),
        calm("kissenpost", "Kissenpost", 80.0, 8.0),
        calm("zimmerlei", "Zimmerlei", 110.0, 12.0),
        calm("doorbell", "Doorbell & Sons", 130.0, 12.0),
        Profile { failures: 0.06, ..calm("quillow", "Quillow", 150.0, 15.0) },
        calm("moonladder", "Moonladder", 170.0, 15.0),
        Profile {
            rate: Some(RateLimit { per_second: 40.0, burst: 60.0 }),
            ..calm("lanternkeys", "Lanternkeys", 190.0, 20.0)
        },
        calm("nightjar", "Nightjar Rooms", 230.0, 20.0),
    ]
}
