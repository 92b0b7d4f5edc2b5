//! A load generator: N keep-alive connections, each sends its next request when the last was answered (a closed loop), or, at a given rate, when its
//! time has come (an open loop: what a server that falls behind keeps waiting is counted from then on).
//!
//! One thread, and its own few lines of HTTP instead of a client library: the instrument must cost less than what it measures. All connections are open
//! before the first request goes out, so that "100 at a time" means 100.

mod connection;
mod report;
mod target;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Barrier;
use tokio::time::{sleep, timeout};

use crate::timer::{Moment, Timer};
use connection::{Answer, Connection};
pub use report::{Errors, Latency, Report, Size};
pub use target::{Target, TargetError};

/// What to send, and when to stop.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to.
    pub target: Target,
    /// How many connections, each with one request out at a time.
    pub connections: usize,
    /// Stop after so many requests; without it, after the time alone.
    pub requests: Option<u64>,
    /// Stop after so long. Always set: a load that cannot end is a fault.
    pub time: Duration,
    /// A request that takes longer is an error, and its connection is replaced.
    pub patience: Duration,
    /// Any other status is an error.
    pub expect: u16,
    /// Requests a second, evenly spaced, over all connections; without it, each connection sends as soon as it can.
    pub rate: Option<f64>,
    /// A header of the answers whose number is worth knowing beside the latency.
    pub sample: Option<String>,
}

impl Plan {
    /// The usual plan: 200 expected, 60 s at most, 30 s for one request.
    pub fn new(target: Target, connections: usize) -> Self {
        Self {
            target,
            connections,
            requests: None,
            time: Duration::from_secs(60),
            patience: Duration::from_secs(30),
            expect: 200,
            rate: None,
            sample: None,
        }
    }
}

/// How far a load is; for a progress bar on another thread.
#[derive(Debug, Default)]
pub struct Progress {
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Progress {
    /// Requests that were answered as expected.
    pub fn answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }

    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }
}

/// Runs the plan on a runtime of its own on this thread, and returns when every request was answered, failed or given up.
pub fn run(plan: Plan, progress: Arc<Progress>) -> std::io::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(send(Arc::new(plan), progress))
}

async fn send(plan: Arc<Plan>, progress: Arc<Progress>) -> std::io::Result<Report> {
    let timer = Timer::new()?;
    let driver = tokio::spawn({
        let timer = timer.clone();
        async move { timer.drive().await }
    });
    let load = Arc::new(Load {
        request: plan.target.request(),
        issued: AtomicU64::new(0),
        timer,
        start_line: Barrier::new(plan.connections + 1),
        plan: Arc::clone(&plan),
        progress,
    });
    let lanes: Vec<_> = (0..plan.connections).map(|_| tokio::spawn(Arc::clone(&load).lane())).collect();
    load.start_line.wait().await;
    let (start, cpu) = (Instant::now(), thread_cpu());
    let mut tally = report::Tally::new();
    for lane in lanes {
        match lane.await {
            Ok(lane) => tally.add(&lane),
            Err(_) => tally.errors.lane += 1,
        }
    }
    driver.abort();
    Ok(Report::new(&plan, &tally, start.elapsed(), thread_cpu().saturating_sub(cpu)))
}

/// What all connections share.
struct Load {
    plan: Arc<Plan>,
    request: Vec<u8>,
    issued: AtomicU64,
    timer: Timer,
    start_line: Barrier,
    progress: Arc<Progress>,
}

/// A connection that was refused is tried again so often at most in a row, then its lane gives up.
const CONNECT_TRIES: u32 = 20;
const CONNECT_PAUSE: Duration = Duration::from_millis(10);

impl Load {
    /// One connection's life.
    async fn lane(self: Arc<Self>) -> report::Tally {
        let mut tally = report::Tally::new();
        let mut connection = self.connect(&mut tally).await;
        self.start_line.wait().await;
        let start = Moment::now();
        let end = start.after(self.plan.time);
        while let Some(due) = self.take_ticket(start).filter(|due| *due < end) {
            if self.timer.sleep_until(due).await.is_err() {
                tally.errors.lane += 1;
                break;
            }
            if connection.is_none() {
                connection = self.connect(&mut tally).await;
            }
            let Some(open) = connection.as_mut() else {
                self.progress.failed.fetch_add(1, Relaxed);
                break;
            };
            // What is out when the time ends may still be answered: a second of grace, not a whole patience.
            let patience = self.plan.patience.min(end.since(Moment::now()) + GRACE);
            let keep = match timeout(patience, open.exchange(&self.request, self.plan.sample.as_deref())).await {
                Ok(Ok(answer)) => {
                    self.count(&mut tally, &answer, due.elapsed());
                    answer.keep_alive
                }
                Ok(Err(error)) => {
                    self.progress.failed.fetch_add(1, Relaxed);
                    tally.errors.count(&error);
                    false
                }
                // A load that is only to last so long has no quarrel with what was still out when it ended.
                Err(_) if patience < self.plan.patience && self.plan.requests.is_none() => {
                    tally.unfinished += 1;
                    false
                }
                Err(_) => {
                    self.progress.failed.fetch_add(1, Relaxed);
                    tally.errors.timeout += 1;
                    false
                }
            };
            if !keep {
                connection = None;
            }
        }
        tally
    }

    /// When the next request is due: by the rate, or now. `None`: there were enough.
    fn take_ticket(&self, start: Moment) -> Option<Moment> {
        let number = self.issued.fetch_add(1, Relaxed);
        let wanted = self.plan.requests.is_none_or(|requests| number < requests);
        wanted.then(|| match self.plan.rate {
            Some(rate) => start.after(Duration::from_secs_f64(number as f64 / rate)),
            None => Moment::now(),
        })
    }

    async fn connect(&self, tally: &mut report::Tally) -> Option<Connection> {
        for _ in 0..CONNECT_TRIES {
            if let Ok(Ok(connection)) = timeout(self.plan.patience, Connection::open(&self.plan.target)).await {
                return Some(connection);
            }
            tally.errors.connect += 1;
            sleep(CONNECT_PAUSE).await;
        }
        None
    }

    fn count(&self, tally: &mut report::Tally, answer: &Answer, took: Duration) {
        tally.answer(answer, took);
        if answer.status == self.plan.expect {
            self.progress.answered.fetch_add(1, Relaxed);
        } else {
            self.progress.failed.fetch_add(1, Relaxed);
            tally.errors.status += 1;
        }
    }
}

/// See [`Load::lane`].
const GRACE: Duration = Duration::from_secs(1);

/// CPU time of this thread: the whole load runs on it.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::from_secs(time.tv_sec.cast_unsigned()) + Duration::from_nanos(time.tv_nsec.cast_unsigned())
}
