//! When one more thread is worth it: the oldest job waited 10 ms, and the threads that are busy mostly wait.
//!
//! CPU-bound work stays on few threads (more would only fight for the GIL), work that waits gets many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Pool;

/// A job that waited this long is a reason to grow.
const PATIENCE: Duration = Duration::from_millis(10);
/// With more threads than this computing or waiting for the GIL another one would only join the fight for it.
const MOST_COMPUTING: usize = 8;
/// How soon to look again when growing would not help now.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Runs on the runtime until the pool is closed. Reads thread states, starts threads, expires jobs; never takes the GIL.
pub(super) async fn watch(pool: Arc<Pool>) {
    while !pool.queue.is_closed() {
        pool.queue.stirred().await;
        while let Some(oldest) = pool.queue.oldest() {
            let left = PATIENCE.saturating_sub(oldest.elapsed());
            if !left.is_zero() {
                tokio::time::sleep(left).await;
                continue;
            }
            expire(&pool);
            if grow(&pool) {
                // The new thread takes the oldest job; the next one may have waited long enough too.
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

fn expire(pool: &Pool) {
    let Some(limit) = pool.limits.queue_timeout.and_then(|timeout| Instant::now().checked_sub(timeout)) else { return };
    while let Some(job) = pool.queue.pop_older_than(limit) {
        job.expire();
    }
}

fn grow(pool: &Arc<Pool>) -> bool {
    if pool.queue.oldest().is_none_or(|oldest| oldest.elapsed() < PATIENCE) {
        return false;
    }
    let (threads, computing) = pool.busy();
    let worth_it = threads < pool.limits.threads && computing <= MOST_COMPUTING;
    if worth_it {
        pool.start_thread();
    }
    worth_it
}
