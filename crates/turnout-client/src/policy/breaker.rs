//! Leaves an upstream alone that mostly fails: closed until too many attempts of the last while failed, open for a while, then half open: a few
//! attempts try it. The state is the process's own: k workers make k times as many probes.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::latencies::Latencies;
use super::terms::CircuitBreaker;
use crate::answer::Answer;
use crate::error::{Error, Kind};
use crate::stats::Counters;

/// Parts of the window that are forgotten one by one.
const SLOTS: usize = 10;
/// With nothing known of the upstream, an attempt that had this long and was given up at its deadline was not given too little time.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Breaker {
    terms: CircuitBreaker,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Changes with the phase: what was sent in an earlier one says nothing about this one.
    era: u64,
}

#[derive(Debug)]
enum Phase {
    Closed(Window),
    Open { until: Instant },
    HalfOpen { under_way: u32, good: u32 },
}

/// What an attempt says of its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Failed,
    /// Nothing: it was not the upstream that ended it.
    Silent,
}

impl Breaker {
    pub(crate) fn new(terms: CircuitBreaker) -> Self {
        let window = Window::new(terms.window);
        Self { terms, state: Mutex::new(State { phase: Phase::Closed(window), era: 0 }) }
    }

    /// Lets an attempt through, or says when to come back.
    pub(crate) fn admit<'a>(&'a self, counters: &'a Counters) -> Result<Pass<'a>, Error> {
        let mut state = self.state.lock();
        if let Phase::Open { until } = state.phase {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let text = format!("not sent: most calls failed lately, so none is made for another {left:.1?}");
                return Err(Error::new(Kind::CircuitOpen, text).retry_in(left));
            }
            state.enter(Phase::HalfOpen { under_way: 0, good: 0 });
        }
        if let Phase::HalfOpen { under_way, good } = &mut state.phase {
            if *under_way + *good >= self.terms.half_open_calls {
                let text =
                    "not sent: most calls failed lately, and the few that try whether that is over are under way";
                return Err(Error::new(Kind::CircuitOpen, text));
            }
            *under_way += 1;
        }
        Ok(Pass { breaker: self, counters, era: state.era, sent: None, deadline: None, patience: PATIENCE })
    }

    /// Whether this made it open.
    fn hear(&self, era: u64, verdict: Verdict, slow: bool) -> bool {
        let terms = &self.terms;
        let mut state = self.state.lock();
        if state.era != era {
            return false;
        }
        let opens = match &mut state.phase {
            Phase::Open { .. } => false,
            Phase::Closed(window) => {
                if verdict == Verdict::Silent {
                    return false;
                }
                let Counts { calls, failed, slow } = window.add(verdict == Verdict::Failed, slow);
                let rate = |count: u32| f64::from(count) / f64::from(calls.max(1));
                calls >= terms.min_calls.max(1)
                    && (rate(failed) >= terms.failure_rate || terms.slow_rate.is_some_and(|most| rate(slow) >= most))
            }
            Phase::HalfOpen { under_way, good } => {
                *under_way = under_way.saturating_sub(1);
                let failed = verdict == Verdict::Failed || (slow && terms.slow_rate.is_some());
                *good += u32::from(verdict == Verdict::Good && !failed);
                if *good >= terms.half_open_calls {
                    let window = Window::new(terms.window);
                    state.enter(Phase::Closed(window));
                    return false;
                }
                failed && verdict != Verdict::Silent
            }
        };
        if opens {
            state.enter(Phase::Open { until: Instant::now() + terms.open_for });
        }
        opens
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.era += 1;
    }
}

/// An attempt that was let through. Dropped without an outcome it says nothing, unless its time was over and had been long enough for anybody; the
/// place of a probe is free again either way.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breaker: &'a Breaker,
    counters: &'a Counters,
    era: u64,
    sent: Option<Instant>,
    deadline: Option<Instant>,
    patience: Duration,
}

impl Pass<'_> {
    /// It leaves for the pool now, and is given up at `deadline`.
    pub(crate) fn sent(&mut self, deadline: Option<Instant>, latencies: &Latencies) {
        self.sent = Some(Instant::now());
        self.deadline = deadline;
        self.patience = self.breaker.terms.slow_after.unwrap_or_else(|| PATIENCE.max(latencies.p99() * 2));
    }

    pub(crate) fn end(mut self, outcome: &Result<Answer, Error>) {
        let slow_after = self.breaker.terms.slow_after;
        let slow = self.sent.take().zip(slow_after).is_some_and(|(sent, limit)| sent.elapsed() >= limit);
        self.say(judge(outcome), slow);
        // Nothing is left for drop to say.
        self.era = u64::MAX;
    }

    fn say(&self, verdict: Verdict, slow: bool) {
        if self.breaker.hear(self.era, verdict, slow) {
            self.counters.circuit_opened.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let is_hanging = self.sent.zip(self.deadline).is_some_and(|(sent, deadline)| {
            let now = Instant::now();
            now >= deadline && now - sent >= self.patience
        });
        let verdict = if is_hanging { Verdict::Failed } else { Verdict::Silent };
        self.say(verdict, is_hanging);
    }
}

fn judge(outcome: &Result<Answer, Error>) -> Verdict {
    match outcome {
        Ok(answer) if answer.head.status >= StatusCode::INTERNAL_SERVER_ERROR => Verdict::Failed,
        // 4xx: it works, and does not want this.
        Ok(_) => Verdict::Good,
        Err(error) => match error.kind() {
            Kind::AttemptTimeout
            | Kind::Connect
            | Kind::ConnectTimeout
            | Kind::Dns
            | Kind::Proxy
            | Kind::Read
            | Kind::ReadTimeout
            | Kind::RemoteProtocol
            | Kind::Tls
            | Kind::Write
            | Kind::WriteTimeout => Verdict::Failed,
            _ => Verdict::Silent,
        },
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    calls: u32,
    failed: u32,
    slow: u32,
}

/// Counts of the last while, in slots.
#[derive(Debug)]
struct Window {
    began: Instant,
    slot: Duration,
    now: u64,
    slots: [Counts; SLOTS],
}

impl Window {
    fn new(length: Duration) -> Self {
        Self { began: Instant::now(), slot: length / SLOTS as u32, now: 0, slots: [Counts::default(); SLOTS] }
    }

    /// Counts one, and says how many there are of all.
    fn add(&mut self, failed: bool, slow: bool) -> Counts {
        let now = (self.began.elapsed().as_nanos() / self.slot.as_nanos().max(1)) as u64;
        for step in 1..=now.saturating_sub(self.now).min(SLOTS as u64) {
            self.slots[((self.now + step) % SLOTS as u64) as usize] = Counts::default();
        }
        self.now = self.now.max(now);
        let slot = &mut self.slots[(self.now % SLOTS as u64) as usize];
        slot.calls += 1;
        slot.failed += u32::from(failed);
        slot.slow += u32::from(slow);
        self.slots.iter().fold(Counts::default(), |sum, slot| Counts {
            calls: sum.calls + slot.calls,
            failed: sum.failed + slot.failed,
            slow: sum.slow + slot.slow,
        })
    }
}
