//! What calls are made with: the pool, and what is counted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::answer::Answer;
use crate::call::Call;
use crate::connect::Connector;
use crate::cpu::Cpu;
use crate::error::Error;
use crate::options::Limits;
use crate::pool::{Pool, PoolStats};
use crate::stats::{Snapshot, Stats};

/// Cheap to clone: all clones are one client.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) pool: Arc<Pool>,
    pub(crate) cpu: Arc<Cpu>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

/// Where attempts go that no transport answers.
#[derive(Clone, Debug)]
pub struct Network(Arc<Pool>);

impl Network {
    /// One attempt, below all policies.
    pub async fn attempt(&self, call: &Arc<Call>) -> Result<Answer, Error> {
        // Whether it was sent, an error says itself; whoever gives up here has asked a transport, which counts as sent.
        self.0.attempt(call, 0, &AtomicBool::new(false)).await
    }
}

/// Is told what no caller hears any more. Called on the runtime's threads: it must neither wait nor take locks that are held for long.
pub trait Observer: Send + Sync + fmt::Debug {
    /// A call that was not idempotent and had been sent was given up by its caller; this is how it ended all the same.
    fn unawaited(&self, call: &Call, outcome: &Result<Answer, Error>);
}

impl Client {
    /// Opens nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self::with_connector(limits, Connector::default())
    }

    /// With names looked up elsewhere than the system says.
    pub fn with_connector(limits: Limits, connector: Connector) -> Self {
        let pool = Arc::new(Pool::new(limits, connector));
        Self { pool, cpu: Arc::default(), stats: Arc::default(), observer: None }
    }

    pub(crate) fn network(&self) -> Network {
        Network(Arc::clone(&self.pool))
    }

    /// With somebody who is told.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// With other threads for what is large.
    #[must_use]
    pub fn computing_on(mut self, cpu: Arc<Cpu>) -> Self {
        self.cpu = cpu;
        self
    }

    /// The threads for what is large: decoding, and JSON.
    pub fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// What happened so far, by upstream.
    pub fn stats(&self) -> Vec<Snapshot> {
        self.stats.snapshot()
    }

    /// The connections, and what happened to them.
    pub fn connections(&self) -> PoolStats {
        self.pool.stats()
    }
}
