//! What a policy may be told: plain values, as its user wrote them, and what of that makes no sense.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};

use crate::error::Kind;

/// All policies of a client, an upstream or a call. `None`: that layer is not there and costs nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// Try again.
    pub retry: Option<Retry>,
    /// Try a second time beside the first.
    pub hedge: Option<Hedge>,
    /// Stop trying for a while.
    pub breaker: Option<CircuitBreaker>,
    /// Only so many at a time.
    pub bulkhead: Option<Bulkhead>,
    /// Only so many in a time.
    pub rate: Option<RateLimit>,
    /// Equal calls are one call.
    pub coalesce: Option<Coalesce>,
    /// Equal calls are answered from memory (RFC 9111).
    pub cache: Option<Cache>,
}

/// When a call is tried again. A call that may have reached the upstream is tried again only if it is idempotent, or if its method is named
/// here; one with a streamed body never is.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first included; at least 1.
    pub attempts: u32,
    /// After answers with these.
    pub statuses: Vec<StatusCode>,
    /// After these errors. What a limit of ours refused is never tried again.
    pub kinds: Vec<Kind>,
    /// Methods whose calls may be sent twice. `None`: those that are idempotent, and calls that say that they are.
    pub methods: Option<Vec<Method>>,
    /// How long to wait before.
    pub backoff: Backoff,
    /// Wait as long as `Retry-After` says, where it says so and that is longer.
    pub respect_retry_after: bool,
    /// How many retries the upstream's calls may have together. `None`: any number.
    pub budget: Option<RetryBudget>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            statuses: vec![
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ],
            kinds: vec![
                Kind::AttemptTimeout,
                Kind::Connect,
                Kind::ConnectTimeout,
                Kind::Dns,
                Kind::Read,
                Kind::ReadTimeout,
                Kind::RemoteProtocol,
                Kind::Write,
                Kind::WriteTimeout,
            ],
            methods: None,
            backoff: Backoff::default(),
            respect_retry_after: true,
            budget: Some(RetryBudget::default()),
        }
    }
}

/// Before the n-th retry: anything from 0 to `base * 2^(n-1)` ("full jitter": callers that failed together do not come back together).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The first.
    pub base: Duration,
    /// The longest.
    pub cap: Duration,
    /// Off: exactly the longest of the range.
    pub jitter: bool,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(50), cap: Duration::from_secs(1), jitter: true }
    }
}

/// Each call earns a part of a retry, and some are free; what is not used in `ttl` is gone. Finagle's figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// Earned by a call.
    pub ratio: f64,
    /// Free in a second.
    pub min_per_second: f64,
    /// How long what was earned may be spent.
    pub ttl: Duration,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { ratio: 0.2, min_per_second: 10.0, ttl: Duration::from_secs(10) }
    }
}

/// When a second attempt is made beside the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hedge {
    /// How long the attempts so far may take before the next one is made.
    pub after: After,
    /// Attempts at once, the first included; at least 2.
    pub attempts: u32,
    /// Hedges to calls. They are taken from the budget of `Retry` too, if there is one.
    pub budget: f64,
    /// For a percentile: no hedge before so many answers were seen.
    pub min_samples: u64,
}

/// See [`Hedge::after`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum After {
    /// Always the same.
    Fixed(Duration),
    /// Of the upstream's own answers lately: 0.95 for the time that 95 % of them keep.
    Quantile(f64),
}

impl Hedge {
    /// With everything else as usual.
    pub fn after(after: After) -> Self {
        Self { after, attempts: 2, budget: 0.05, min_samples: 100 }
    }
}

/// When an upstream is left alone for a while. 5xx, connections that fail or break and time-outs of an attempt count; 4xx, calls given up by
/// their callers, hedges that lost and what our own limits refused do not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CircuitBreaker {
    /// Failed attempts to all, from which on it opens.
    pub failure_rate: f64,
    /// Slow attempts to all, from which on it opens.
    pub slow_rate: Option<f64>,
    /// From when on an attempt is slow.
    pub slow_after: Option<Duration>,
    /// Over how long they are counted.
    pub window: Duration,
    /// Never with fewer attempts than these.
    pub min_calls: u32,
    /// How long nothing is sent.
    pub open_for: Duration,
    /// How many attempts then try it at once; so many successes close it, one failure opens it again.
    pub half_open_calls: u32,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            failure_rate: 0.5,
            slow_rate: None,
            slow_after: None,
            window: Duration::from_secs(30),
            min_calls: 20,
            open_for: Duration::from_secs(5),
            half_open_calls: 3,
        }
    }
}

/// How many attempts may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bulkhead {
    /// At a time.
    pub max_concurrent: usize,
    /// Others that may wait. Those above are refused.
    pub max_queue: usize,
    /// How long they may wait. `None`: as long as the call may take.
    pub queue_timeout: Option<Duration>,
}

/// How many attempts may be made in a time. A process counts for itself: k workers make k times as many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// So many
    pub rate: f64,
    /// in so long.
    pub per: Duration,
    /// At once, after a pause. `None`: `rate`, but at least 1.
    pub burst: Option<u32>,
    /// What happens to the others.
    pub when_full: WhenFull,
}

/// See [`RateLimit::when_full`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// They wait in order, unless their time would be over before their turn: then they are refused at once.
    Wait,
    /// They are refused.
    Reject,
}

/// Equal calls that are under way at the same time are one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coalesce {
    /// Calls of this name are equal, whatever they ask for and with whatever rights: the caller's word.
    pub key: Option<Arc<str>>,
    /// Without `key`: calls are equal if method, URL, body, these fields and all that carry credentials are.
    pub vary: Vec<HeaderName>,
}

impl Default for Coalesce {
    fn default() -> Self {
        use http::header::{ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE};
        Self { key: None, vary: vec![AUTHORIZATION, COOKIE, ACCEPT, ACCEPT_LANGUAGE] }
    }
}

/// Answers are kept as RFC 9111 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Bodies, heads and keys together.
    pub max_bytes: u64,
    /// Used for many users: keeps nothing `private`, nothing with `Set-Cookie`.
    pub shared: bool,
    /// How long after its end an answer may stand in for a failure, if it does not say so itself.
    pub stale_if_error: Duration,
    /// How long after its end an answer is given while a new one is fetched, if it does not say so itself.
    pub stale_while_revalidate: Duration,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
            shared: true,
            stale_if_error: Duration::ZERO,
            stale_while_revalidate: Duration::ZERO,
        }
    }
}

/// Terms that make no sense: which, and what would.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadTerms(&'static str);

impl Terms {
    /// Whether the numbers can be kept.
    pub(super) fn check(&self) -> Result<(), BadTerms> {
        let sound = |holds: bool, text| if holds { Ok(()) } else { Err(BadTerms(text)) };
        let part = |value: f64| value > 0.0 && value <= 1.0;
        if let Some(retry) = &self.retry {
            sound(retry.attempts >= 1, "Retry.attempts counts the first attempt too: at least 1")?;
            if let Some(budget) = retry.budget {
                let usable = |value: f64| value.is_finite() && (0.0..=1000.0).contains(&value);
                sound(usable(budget.ratio), "RetryBudget.ratio is retries to calls: 0 to 1000")?;
                sound(usable(budget.min_per_second), "RetryBudget.min_per_second is a number of retries: 0 to 1000")?;
                sound(budget.ttl >= Duration::from_secs(1), "RetryBudget.ttl is at least one second")?;
            }
        }
        if let Some(hedge) = &self.hedge {
            sound(hedge.attempts >= 2, "Hedge.attempts counts the first attempt too: at least 2")?;
            sound(part(hedge.budget), "Hedge.budget is hedges to calls: above 0, at most 1")?;
            if let After::Quantile(quantile) = hedge.after {
                sound(quantile > 0.0 && quantile < 1.0, "a percentile to hedge after lies between 0 and 100")?;
            }
        }
        if let Some(breaker) = &self.breaker {
            sound(part(breaker.failure_rate), "CircuitBreaker.failure_rate is above 0 and at most 1")?;
            sound(breaker.slow_rate.is_none_or(part), "CircuitBreaker.slow_rate is above 0 and at most 1")?;
            sound(
                breaker.slow_rate.is_none() || breaker.slow_after.is_some(),
                "CircuitBreaker.slow_rate needs slow_after: from when on an attempt is slow",
            )?;
            sound(breaker.window >= Duration::from_millis(100), "CircuitBreaker.window is at least 0.1 s")?;
            sound(breaker.half_open_calls >= 1, "CircuitBreaker.half_open_calls is at least 1, or it never closes")?;
        }
        if let Some(bulkhead) = &self.bulkhead {
            sound(bulkhead.max_concurrent >= 1, "Bulkhead.max_concurrent is at least 1, or nothing is ever sent")?;
            sound(
                bulkhead.max_concurrent <= tokio::sync::Semaphore::MAX_PERMITS,
                "Bulkhead.max_concurrent is larger than anything could use",
            )?;
        }
        if let Some(rate) = &self.rate {
            sound(rate.rate.is_finite() && rate.rate > 0.0, "RateLimit.rate is a number above 0")?;
            sound(!rate.per.is_zero(), "RateLimit.per is a time above 0")?;
            let apart = rate.per.as_secs_f64() / rate.rate;
            sound(
                (1e-9..=1e9).contains(&apart),
                "RateLimit lets something through between once a nanosecond and once in 30 years",
            )?;
            sound(rate.burst != Some(0), "RateLimit.burst is at least 1, or nothing is ever sent")?;
        }
        Ok(())
    }
}
