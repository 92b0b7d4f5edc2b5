//! How many threads work at a time: as many as help.
//!
//! Work that computes is done one at a time: a second thread would only fight the first for the GIL, and both would make the loop wait for it.
//! So a thread is added (an idle one woken, or a new one started) only when those that have a job all wait for something
//! else than the GIL, or when nobody has taken a job for a while: then a long computation must not stop the short ones behind it.
//! A thread that has finished sits down while another computes. See docs/decisions/0009-a-pool-that-reads-its-threads.md.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::Pool;
use super::queue::Line;
use crate::reactor::Handle;

/// A line that has stood this long while one thread computes is a reason for one more, and half as long again for each further one: jobs that
/// take 20 ms get three threads, those of 100 ms all that may compute. A job that waited this long is a reason for a new thread.
const PATIENCE: Duration = Duration::from_millis(10);
/// With more threads than this computing or waiting for the GIL another one would only join the fight for it.
const MOST_COMPUTING: usize = 8;
/// How often the threads are looked at while jobs wait and one computes; with more of them computing less often (to a quarter), for
/// then it matters less that one of them begins to wait. A look is a turn of the runtime and 2 us a thread.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// How often when nothing could be done about it: all threads there may be have a job.
const LOOK_LATER: Duration = Duration::from_millis(10);

/// Runs on the runtime until the pool is closed. Reads thread states, wakes and starts threads, expires jobs; never takes the GIL.
pub(super) async fn watch(pool: Arc<Pool>, reactor: Handle) {
    while !pool.queue.is_closed() {
        pool.queue.stirred().await;
        expire(&pool);
        while let Some(line) = pool.queue.line() {
            let pause = if line.idle == 0 && line.threads >= pool.limits.threads {
                LOOK_LATER
            } else {
                let computing = pool.computing(line.threads);
                if add(&pool, line, computing) {
                    // The next job may have a claim too.
                    tokio::task::yield_now().await;
                    continue;
                }
                LOOK_AGAIN * (computing as u32).clamp(1, 4)
            };
            // While it looks every millisecond, answers need not wake the runtime one by one: see `Pool::complete`.
            pool.looks_soon.store(pause <= LOOK_AGAIN, SeqCst);
            tokio::time::sleep(pause).await;
            pool.looks_soon.store(false, SeqCst);
            reactor.look();
            expire(&pool);
        }
    }
}

fn expire(pool: &Pool) {
    let Some(limit) = pool.limits.queue_timeout.and_then(|timeout| Instant::now().checked_sub(timeout)) else { return };
    while let Some(job) = pool.queue.pop_older_than(limit) {
        job.expire();
    }
}

/// Puts one more thread to work, if that helps.
fn add(pool: &Arc<Pool>, line: Line, computing: usize) -> bool {
    let stands = line.stood >= PATIENCE * (computing as u32 + 1) / 2;
    let helps = computing == 0 || (stands && computing <= MOST_COMPUTING);
    if !helps {
        return false;
    }
    if line.idle > 0 {
        return pool.queue.activate();
    }
    line.waited >= PATIENCE && pool.start_thread()
}
