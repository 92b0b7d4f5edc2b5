//! For turnout's own tests and benches: Rust traffic on a reactor without an HTTP server. No part of the public face.

use std::io;
use std::net::TcpListener as StdTcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCode};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::raw;
use crate::reactor::selector::Reactor;
use crate::reactor::shared::{Deliver, Handle};
use crate::reactor::watchdog;

/// `turnout._turnout._testing`.
#[pymodule(submodule)]
pub(crate) mod _testing {
    #[pymodule_export]
    use super::{EchoServer, Heartbeat, Probe, Reply, panic, py_runtime_range, running_code};
}

/// Python callables by number: tasks and `Deliver`s may hold no `Py<T>`.
static CALLBACKS: Mutex<Vec<Option<Py<PyAny>>>> = Mutex::new(Vec::new());

fn keep(callback: Py<PyAny>) -> usize {
    let mut callbacks = CALLBACKS.lock();
    callbacks.push(Some(callback));
    callbacks.len() - 1
}

fn kept(py: Python<'_>, number: usize) -> PyResult<Py<PyAny>> {
    let callbacks = CALLBACKS.lock();
    let callback = callbacks.get(number).and_then(Option::as_ref).map(|callback| callback.clone_ref(py));
    callback.ok_or_else(|| PyRuntimeError::new_err("the test's callback is gone"))
}

/// A TCP server of lines on 127.0.0.1. Without a callback Rust sends every line back; with one, `callback(line, reply)` is
/// called on the loop and `reply(bytes)` answers, from any thread.
#[pyclass(frozen, module = "turnout._turnout._testing")]
struct EchoServer {
    #[pyo3(get)]
    port: u16,
    counts: Arc<EchoCounts>,
    callback: Option<usize>,
}

#[derive(Default)]
struct EchoCounts {
    accepted: AtomicU64,
    answered: AtomicU64,
    timed_out: AtomicU64,
}

#[pymethods]
impl EchoServer {
    /// `idle`: seconds after which a connection that sent no whole line is closed.
    #[new]
    #[pyo3(signature = (reactor, callback=None, idle=3600.0))]
    fn new(reactor: &Reactor, callback: Option<Py<PyAny>>, idle: f64) -> PyResult<Self> {
        let listener = StdTcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let counts = Arc::new(EchoCounts::default());
        let callback = callback.map(keep);
        let handle = reactor.handle();
        let service = Service {
            handle: handle.clone(),
            counts: Arc::clone(&counts),
            callback,
            idle: Duration::from_secs_f64(idle),
        };
        handle.spawn(async move {
            if let Ok(listener) = TcpListener::from_std(listener) {
                service.accept(listener).await;
            }
        });
        Ok(Self { port, counts, callback })
    }

    #[getter]
    fn accepted(&self) -> u64 {
        self.counts.accepted.load(Ordering::Relaxed)
    }

    #[getter]
    fn answered(&self) -> u64 {
        self.counts.answered.load(Ordering::Relaxed)
    }

    #[getter]
    fn timed_out(&self) -> u64 {
        self.counts.timed_out.load(Ordering::Relaxed)
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        if let Some(number) = self.callback {
            let callback = CALLBACKS.lock().get_mut(number).and_then(Option::take);
            drop(callback);
        }
    }
}

#[derive(Clone)]
struct Service {
    handle: Handle,
    counts: Arc<EchoCounts>,
    callback: Option<usize>,
    idle: Duration,
}

impl Service {
    async fn accept(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            self.counts.accepted.fetch_add(1, Ordering::Relaxed);
            let service = self.clone();
            tokio::spawn(async move {
                // The peer's going away is how a connection ends.
                let _ = service.talk(stream).await;
            });
        }
    }

    async fn talk(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.split();
        let mut reader = BufReader::new(reader);
        loop {
            let mut line = Vec::new();
            let Ok(read) = timeout(self.idle, reader.read_until(b'\n', &mut line)).await else {
                self.counts.timed_out.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            };
            if read? == 0 {
                return Ok(());
            }
            let answer = match self.callback {
                None => line,
                Some(callback) => {
                    let (sender, receiver) = oneshot::channel();
                    self.handle.deliver(Box::new(Line { text: line, callback, sender, handle: self.handle.clone() }));
                    receiver.await.unwrap_or_else(|_| b"dropped\n".to_vec())
                }
            };
            writer.write_all(&answer).await?;
            self.counts.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Line {
    text: Vec<u8>,
    callback: usize,
    sender: oneshot::Sender<Vec<u8>>,
    handle: Handle,
}

impl Deliver for Line {
    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()> {
        let reply = Reply { sender: Mutex::new(Some(self.sender)), handle: self.handle };
        kept(py, self.callback)?.call1(py, (PyBytes::new(py, &self.text), reply))?;
        Ok(())
    }
}

/// Answers one line, once.
#[pyclass(frozen, module = "turnout._turnout._testing")]
struct Reply {
    sender: Mutex<Option<oneshot::Sender<Vec<u8>>>>,
    handle: Handle,
}

#[pymethods]
impl Reply {
    fn __call__(&self, answer: Vec<u8>) {
        if let Some(sender) = self.sender.lock().take() {
            self.handle.complete(Box::new(move || drop(sender.send(answer))));
        }
    }
}

/// Pokes at every way across the border.
#[pyclass(frozen, module = "turnout._turnout._testing")]
struct Probe {
    handle: Handle,
    completed: Arc<AtomicU64>,
    ticks: Arc<AtomicU64>,
}

#[pymethods]
impl Probe {
    #[new]
    fn new(reactor: &Reactor) -> Self {
        Self { handle: reactor.handle(), completed: Arc::default(), ticks: Arc::default() }
    }

    /// One task starts `count` tasks; each delivers a call of `callback(number)`.
    fn burst(&self, count: u32, callback: Py<PyAny>) {
        let (handle, callback) = (self.handle.clone(), keep(callback));
        self.handle.spawn(async move {
            for number in 0..count {
                let handle = handle.clone();
                tokio::spawn(async move { handle.deliver(Box::new(Call { callback, number })) });
            }
        });
    }

    /// Native threads deliver `each` calls of `callback(number)` apiece, with pauses of changing length.
    fn hammer(&self, threads: u32, each: u32, callback: Py<PyAny>) {
        let callback = keep(callback);
        for thread_number in 0..threads {
            let handle = self.handle.clone();
            thread::spawn(move || {
                for number in 0..each {
                    handle.deliver(Box::new(Call { callback, number }));
                    pause(thread_number, number);
                }
            });
        }
    }

    /// Native threads complete `each` jobs apiece; `completed` counts what was run inside the runtime.
    fn hammer_complete(&self, threads: u32, each: u32) {
        for thread_number in 0..threads {
            let (handle, completed) = (self.handle.clone(), Arc::clone(&self.completed));
            thread::spawn(move || {
                for number in 0..each {
                    handle.complete(count_inside(&completed));
                    pause(thread_number, number);
                }
            });
        }
    }

    /// One job for the runtime, from the calling thread.
    fn complete(&self) {
        self.handle.complete(count_inside(&self.completed));
    }

    #[getter]
    fn completed(&self) -> u64 {
        self.completed.load(Ordering::SeqCst)
    }

    /// Starts a timer of tokio's that counts.
    fn tick(&self, every: f64) {
        let ticks = Arc::clone(&self.ticks);
        self.handle.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs_f64(every)).await;
                ticks.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    #[getter]
    fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Panics in a delivered item, in a completed job and in a task.
    fn panic_everywhere(&self) {
        struct Panic;
        impl Deliver for Panic {
            fn deliver(self: Box<Self>, _py: Python<'_>) -> PyResult<()> {
                panic!("in a delivered item")
            }
        }
        self.handle.deliver(Box::new(Panic));
        self.handle.complete(Box::new(|| panic!("in a completed job")));
        self.handle.spawn(async { panic!("in a task") });
    }
}

fn count_inside(completed: &Arc<AtomicU64>) -> Box<dyn FnOnce() + Send> {
    let completed = Arc::clone(completed);
    Box::new(move || {
        if tokio::runtime::Handle::try_current().is_ok() {
            completed.fetch_add(1, Ordering::SeqCst);
        }
    })
}

/// Enough disorder to meet the reactor in every state: parked, in Python, changing hands.
fn pause(thread_number: u32, number: u32) {
    match (thread_number * 31 + number * 7) % 61 {
        0 => thread::sleep(Duration::from_millis(3)),
        1..=4 => thread::sleep(Duration::from_micros(80)),
        5..=20 => thread::yield_now(),
        _ => {}
    }
}

struct Call {
    callback: usize,
    number: u32,
}

impl Deliver for Call {
    fn deliver(self: Box<Self>, py: Python<'_>) -> PyResult<()> {
        kept(py, self.callback)?.call1(py, (self.number,))?;
        Ok(())
    }
}

/// The watchdog with a counter for a memfd.
#[pyclass(frozen, module = "turnout._turnout._testing")]
struct Heartbeat {
    watchdog: watchdog::Watchdog,
    beats: Arc<AtomicU64>,
}

#[pymethods]
impl Heartbeat {
    #[new]
    fn new(reactor: &Bound<'_, Reactor>, every: f64) -> PyResult<Self> {
        let beats = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&beats);
        let watchdog = watchdog::start(reactor, Duration::from_secs_f64(every), move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        })?;
        Ok(Self { watchdog, beats })
    }

    #[getter]
    fn beats(&self) -> u64 {
        self.beats.load(Ordering::SeqCst)
    }

    fn stop(&self, py: Python<'_>) {
        self.watchdog.stop(py);
    }
}

/// Where `_PyRuntime` lies, as `(start, end)`.
#[pyfunction]
fn py_runtime_range() -> Option<(usize, usize)> {
    raw::py_runtime_range().map(|range| (range.start, range.end))
}

/// The code objects of all calls that this thread is in, from within, as they are read where no object is made of each. None: they are not, here.
#[pyfunction]
fn running_code(py: Python<'_>) -> Option<Vec<Bound<'_, PyCode>>> {
    let mut frames = raw::running(py)?;
    let mut found = Vec::new();
    while let Some(running) = frames.next() {
        found.extend(frames.code_of(running));
    }
    Some(found)
}

/// A callback that panics.
#[pyfunction]
fn panic() {
    panic!("in a callback")
}
