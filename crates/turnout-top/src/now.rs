//! What the server tells, as its JSON has it (`/api/v1/now`). What it does not know is `None`, what it does not say is nothing.

use serde::Deserialize;

/// The machine and the live table.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Now {
    pub(crate) time: f64,
    pub(crate) server: Server,
    pub(crate) machine: Machine,
    pub(crate) workers: Vec<Worker>,
    pub(crate) views: Vec<View>,
    /// Told apart, and not by every server: [`Found`].
    #[serde(skip)]
    pub(crate) findings: Vec<Finding>,
}

/// What was noticed (`/api/v1/findings`).
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Found {
    pub(crate) findings: Vec<Finding>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Finding {
    pub(crate) kind: String,
    pub(crate) last: f64,
    pub(crate) active: bool,
    pub(crate) text: String,
    pub(crate) advice: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Server {
    pub(crate) started: f64,
    pub(crate) title: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cores: u32,
    pub(crate) steal: Option<f64>,
    pub(crate) throttled: Option<f64>,
    pub(crate) pressure_cpu: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Worker {
    pub(crate) number: u32,
    pub(crate) process: u32,
    pub(crate) written: f64,
    pub(crate) state: State,
    pub(crate) blocked_for: f64,
    pub(crate) in_flight: u64,
    pub(crate) threads: u64,
    pub(crate) threads_busy: u64,
    pub(crate) queued: u64,
    pub(crate) loop_utilisation: f64,
    pub(crate) loop_queue: f64,
    pub(crate) gil_utilisation: Option<f64>,
    pub(crate) cpu: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Serving,
    Blocked,
    Silent,
    Gone,
    /// A later server may know more.
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct View {
    pub(crate) name: String,
    pub(crate) requests: u64,
    pub(crate) rps: f64,
    pub(crate) failed: u64,
    pub(crate) p50: Option<f64>,
    pub(crate) p95: Option<f64>,
    pub(crate) mean: Option<f64>,
    pub(crate) seconds_a_minute: f64,
    pub(crate) shares: Shares,
}

/// Of the view's time; together one, or nothing.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Shares {
    pub(crate) processing: f64,
    pub(crate) cpu: f64,
    pub(crate) io: f64,
}

impl Now {
    /// 1 + W/P over all requests: with fewer threads a core idles, with more they queue for it.
    pub(crate) fn knee(&self) -> Option<f64> {
        let over = |share: fn(&Shares) -> f64| -> f64 {
            self.views.iter().map(|it| it.requests as f64 * it.mean.unwrap_or(0.0) * share(&it.shares)).sum()
        };
        let computing = over(|it| it.processing);
        (computing > 0.0).then(|| 1.0 + over(|it| it.io) / computing)
    }

    /// What was noticed in the last minute.
    pub(crate) fn noticed(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.active)
    }

    /// The workers there are: what a dead one leaves in its place is no figure of now.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter().filter(|worker| worker.state != State::Gone)
    }
}
