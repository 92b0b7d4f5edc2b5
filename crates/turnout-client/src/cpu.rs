//! A few threads for work that would hold up the thread that reads the network: large bodies to decode and large JSON to index.
//!
//! Threads start with the first job and end when there has been none for a while. After a fork, the child's owner makes a new [`Cpu`] and
//! forgets the old one, whose threads are not there.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Semaphore, oneshot};

use crate::error::{Error, Kind};

/// More would take processors from the views of the worker, and there is one worker for each processor.
const MAX_THREADS: usize = 4;

/// Jobs that are queued or run. More callers wait their turn without a place in the queue.
const MAX_JOBS: usize = 64;

/// How long a thread waits for another job.
const IDLE: Duration = Duration::from_secs(10);

/// The threads' nice value. Whoever waits for what they do waits for a large body anyway; everybody else waits for the thread that serves, which is
/// on a processor at once when both want it.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

/// See the module. Dropped, its threads finish what is queued and end.
pub struct Cpu {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    threads: usize,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    /// What each thread does first.
    begin: fn(),
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new(Self::most_threads())
    }
}

impl Cpu {
    /// How many threads there should be here.
    pub fn most_threads() -> usize {
        thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)
    }

    /// With at most so many threads; none is started yet.
    pub fn new(threads: usize) -> Self {
        Self::beginning_with(threads, || ())
    }

    /// The same; each thread calls `begin` first, which may ask the system for what only unsafe code can ask.
    pub fn beginning_with(threads: usize, begin: fn()) -> Self {
        let shared = Shared { queue: Mutex::default(), work: Condvar::new(), begin };
        Self { shared: Arc::new(shared), places: Arc::new(Semaphore::new(MAX_JOBS)), threads: threads.max(1) }
    }

    /// Runs `job` on a thread of its own kind and waits for it. Dropped before the job has begun, it will not begin.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let lost = || Error::new(Kind::Decoding, "turnout failed to decode the body: the fault is turnout's");
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| lost())?;
        let (sender, receiver) = oneshot::channel();
        self.push(Box::new(move || {
            let _place = place;
            if !sender.is_closed() {
                // A panic ends this call and no other.
                drop(catch_unwind(AssertUnwindSafe(job)).map(|done| sender.send(done)));
            }
        }))?;
        receiver.await.map_err(|_| lost())
    }

    fn push(&self, job: Job) -> Result<(), Error> {
        let mut queue = self.shared.queue.lock();
        queue.jobs.push_back(job);
        if queue.jobs.len() <= queue.idle || queue.threads == self.threads {
            drop(queue);
            self.shared.work.notify_one();
        } else {
            queue.threads += 1;
            let alone = queue.threads == 1;
            drop(queue);
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new().name("turnout-cpu".into()).spawn(move || shared.serve());
            if let Err(error) = started {
                let mut queue = self.shared.queue.lock();
                queue.threads -= 1;
                if alone {
                    queue.jobs.clear();
                    return Err(
                        Error::new(Kind::Overloaded, "no thread could be started to decode the body").caused_by(error)
                    );
                }
            }
        }
        Ok(())
    }
}

impl Shared {
    fn serve(&self) {
        // Linux has it for each thread; elsewhere it would be the process's. Refused, nothing is lost but the order.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, NICE);
        (self.begin)();
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                job();
                queue = self.queue.lock();
                continue;
            }
            if queue.closed {
                break;
            }
            queue.idle += 1;
            let waited = self.work.wait_for(&mut queue, IDLE);
            queue.idle -= 1;
            if waited.timed_out() && queue.jobs.is_empty() {
                break;
            }
        }
        queue.threads -= 1;
    }
}

impl Drop for Cpu {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.work.notify_all();
    }
}

impl fmt::Debug for Cpu {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cpu").field("threads", &self.threads).finish_non_exhaustive()
    }
}
