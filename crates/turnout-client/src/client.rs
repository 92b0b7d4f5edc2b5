//! What calls are made with: the pool, and what is counted.

use std::sync::Arc;

use crate::options::Limits;
use crate::pool::Pool;

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
}
