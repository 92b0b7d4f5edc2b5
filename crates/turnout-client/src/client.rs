//! What calls are made with: the pool, and what is counted.

use std::sync::Arc;

use crate::connect::Connector;
use crate::options::Limits;
use crate::pool::{Pool, PoolStats};

/// Cheap to clone: all clones are one client.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) pool: Arc<Pool>,
}

impl Client {
    /// Opens nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self::with_connector(limits, Connector::default())
    }

    /// With names looked up elsewhere than the system says.
    pub fn with_connector(limits: Limits, connector: Connector) -> Self {
        Self { pool: Arc::new(Pool::new(limits, connector)) }
    }

    /// The connections, and what happened to them.
    pub fn connections(&self) -> PoolStats {
        self.pool.stats()
    }
}
