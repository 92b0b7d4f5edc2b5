//! The threads for heavy work: how many, who waits, and what becomes of work that nobody wants any more.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use turnout_client::{Cpu, Kind};

/// A job that has begun and waits until it is let go.
struct Held {
    go: mpsc::Sender<()>,
    done: tokio::task::JoinHandle<()>,
}

async fn hold(cpu: &Arc<Cpu>) -> Held {
    let (go, gone) = mpsc::channel();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let cpu = Arc::clone(cpu);
    let job = move || {
        begun.send(()).unwrap();
        gone.recv().unwrap();
    };
    let done = tokio::spawn(async move { cpu.run(job).await.unwrap() });
    begins.await.unwrap();
    Held { go, done }
}

impl Held {
    async fn let_go(self) {
        self.go.send(()).unwrap();
        self.done.await.unwrap();
    }
}

#[tokio::test]
async fn a_job_runs_on_a_thread_of_its_own_kind() {
    let cpu = Cpu::new(1);
    let name = cpu.run(|| thread::current().name().map(str::to_owned)).await.unwrap();
    assert_eq!(name.as_deref(), Some("turnout-cpu"));
}

#[tokio::test]
async fn each_thread_begins_with_what_it_was_told() {
    thread_local!(static PREPARED: Cell<bool> = const { Cell::new(false) });
    let cpu = Cpu::beginning_with(1, || PREPARED.set(true));
    assert!(cpu.run(|| PREPARED.get()).await.unwrap());
    assert!(!PREPARED.get());
}

#[tokio::test]
async fn as_many_jobs_run_at_once_as_there_are_threads() {
    let cpu = Arc::new(Cpu::new(3));
    let all = Arc::new(Barrier::new(3));
    let running = Arc::new(AtomicUsize::new(0));
    let jobs: Vec<_> = (0..3)
        .map(|_| {
            let (cpu, all, running) = (Arc::clone(&cpu), Arc::clone(&all), Arc::clone(&running));
            tokio::spawn(async move {
                cpu.run(move || {
                    running.fetch_add(1, SeqCst);
                    all.wait(); // none passes before all three are here
                    running.load(SeqCst)
                })
                .await
                .unwrap()
            })
        })
        .collect();
    for job in jobs {
        assert_eq!(job.await.unwrap(), 3);
    }
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_is_not_begun() {
    let cpu = Arc::new(Cpu::new(1));
    let held = hold(&cpu).await;
    let ran = Arc::new(AtomicUsize::new(0));
    let queued = |count: usize| {
        let ran = Arc::clone(&ran);
        let cpu = Arc::clone(&cpu);
        tokio::spawn(async move { cpu.run(move || ran.fetch_add(count, SeqCst)).await.unwrap() })
    };
    let (unwanted, wanted) = (queued(1), queued(10));
    tokio::task::yield_now().await; // both are in the queue
    unwanted.abort();
    assert!(unwanted.await.unwrap_err().is_cancelled());
    held.let_go().await;
    wanted.await.unwrap();
    assert_eq!(ran.load(SeqCst), 10);
}

#[tokio::test]
async fn more_callers_than_places_wait_and_are_served() {
    let cpu = Arc::new(Cpu::new(2));
    let held = hold(&cpu).await;
    let jobs: Vec<_> = (0..500)
        .map(|number| {
            let cpu = Arc::clone(&cpu);
            tokio::spawn(async move { cpu.run(move || number).await.unwrap() })
        })
        .collect();
    tokio::task::yield_now().await;
    held.let_go().await;
    for (number, job) in jobs.into_iter().enumerate() {
        assert_eq!(job.await.unwrap(), number);
    }
}

#[tokio::test]
async fn a_panic_ends_one_call_and_no_thread() {
    let cpu = Cpu::new(1);
    let first = cpu.run(|| thread::current().id()).await.unwrap();
    let error = cpu.run::<()>(|| std::panic::resume_unwind(Box::new("not printed"))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Decoding);
    assert_eq!(error.message(), "turnout failed to decode the body: the fault is turnout's");
    assert_eq!(cpu.run(|| thread::current().id()).await.unwrap(), first);
}

#[tokio::test]
async fn threads_end_with_their_owner_and_what_was_begun_is_finished() {
    let cpu = Arc::new(Cpu::new(1));
    let (go, gone) = mpsc::channel::<()>();
    let (ended, ends) = mpsc::channel::<()>();
    let job = {
        let cpu = Arc::clone(&cpu);
        tokio::spawn(async move {
            cpu.run(move || {
                thread_local!(static LAST: std::cell::RefCell<Option<mpsc::Sender<()>>> = const { std::cell::RefCell::new(None) });
                LAST.set(Some(ended)); // dropped with the thread
                gone.recv().unwrap();
            })
            .await
            .unwrap();
        })
    };
    tokio::task::yield_now().await;
    go.send(()).unwrap();
    job.await.unwrap();
    drop(cpu);
    assert!(ends.recv().is_err()); // the thread is gone
}
