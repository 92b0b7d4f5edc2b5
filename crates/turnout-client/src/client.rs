//! What calls are made with: the pool, and what is counted.

use std::sync::Arc;

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
        Self { pool: Arc::new(Pool::new(limits)) }
    }

    /// The connections, and what happened to them.
    pub fn connections(&self) -> PoolStats {
        self.pool.stats()
    }
}
