//! How many threads work at a time: as many as help.
//!
//! Work that computes is done one at a time: a second thread would only fight the first for the GIL, and both would make the loop wait for it.
//! So a thread is added (an idle one woken, or a new one started) only when those that have a job all wait for something
//! else than the GIL, or when nobody has taken a job for a while: then a long computation must not stop the short ones behind it.
//! How long a while depends on how many were seen to want the GIL at a time, so code that computes without it is soon given threads.
//! A thread that has finished sits down while another computes. See docs/decisions/0009-a-pool-that-reads-its-threads.md.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::queue::{Line, Standing};
use super::{Contention, Pool};
use crate::reactor::Handle;

/// A line that has stood this long while one thread wants the GIL is a reason for one more; with more of them it must stand longer, by
/// their number cubed: jobs that take 20 ms get two threads, those of 300 ms four. A job that waited this long is a reason for a
/// new thread.
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
        let mut crowd = Crowd { before: reactor.times_queued(), ..Crowd::default() };
        while let Some(line) = pool.queue.line() {
            let pause = if let Some(next) = line.next.filter(|_| line.idle > 0 || line.threads < pool.most_threads()) {
                let Contention { computing, contending } = pool.contention(line.threads);
                crowd.look(next.stood, contending, reactor.times_queued());
                if add(&pool, line, next, computing, crowd.size(computing)) {
                    crowd.joined();
                    // The next job may have a claim too.
                    tokio::task::yield_now().await;
                    continue;
                }
                LOOK_AGAIN * (computing as u32).clamp(1, 4)
            } else {
                LOOK_LATER
            };
            // While it looks every millisecond, answers need not wake the runtime one by one: see `Pool::complete`.
            pool.looks_soon.store(pause <= LOOK_AGAIN, SeqCst);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // A job that may be taken, where those before it may not.
                () = pool.queue.stirred(), if line.next.is_none() => {}
            }
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

/// How many want the GIL, of the pool's threads and the loop's: the most seen at a time since the line last moved, for one look may come
/// while one hands it to another. Without it, threads that compute outside the GIL could not be told from those that are just not
/// waiting for it.
#[derive(Default)]
struct Crowd {
    stood: Duration,
    most: usize,
    /// How often the loop thread had queued for the GIL when the line last moved, and by now.
    before: u64,
    now: u64,
}

impl Crowd {
    fn look(&mut self, stood: Duration, contending: usize, loop_queued: u64) {
        if stood < self.stood {
            *self = Self { most: contending, before: loop_queued, ..Self::default() };
        }
        self.most = self.most.max(contending);
        self.stood = stood;
        self.now = loop_queued;
    }

    fn size(&self, computing: usize) -> usize {
        self.most.min(computing) + usize::from(self.now != self.before)
    }

    /// One more was put to work: it will want the GIL, but takes a moment to get there.
    fn joined(&mut self) {
        self.most += 1;
    }
}

/// Puts one more thread to work, if that helps.
fn add(pool: &Arc<Pool>, line: Line, next: Standing, computing: usize, crowd: usize) -> bool {
    let stands = next.stood >= PATIENCE * (crowd as u32).pow(3);
    let helps = computing == 0 || (stands && computing <= MOST_COMPUTING);
    if !helps {
        return false;
    }
    if line.idle > 0 {
        return pool.queue.activate();
    }
    next.waited >= PATIENCE && pool.start_thread()
}
