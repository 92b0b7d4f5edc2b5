//! Binds the simulated upstreams and the load generator, for `turnout demo` and the tests. Both run on threads of their own that never take the GIL.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use turnout_lab::load::{self, Plan, Progress, Report, Target};
use turnout_lab::upstream::{Config, Keepalive, NAMES, Running};
use turnout_net::PassingTls;

/// The simulated upstreams, running from construction to `stop()`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct LabUpstreams {
    running: Mutex<Option<Running>>,
    /// The certificate that clients have to believe, in PEM, if they speak TLS.
    #[pyo3(get)]
    authority: Option<String>,
}

#[pymethods]
impl LabUpstreams {
    #[new]
    #[pyo3(signature = (bind = "127.0.0.1:0", seed = 1, *, tls = false, idle = None, calls = None))]
    fn new(py: Python<'_>, bind: &str, seed: u64, tls: bool, idle: Option<f64>, calls: Option<u64>) -> PyResult<Self> {
        let address = bind.parse().map_err(|_| PyValueError::new_err(format!("{bind:?} is not ADDRESS:PORT")))?;
        let wrong = |error: &dyn std::error::Error| PyValueError::new_err(error.to_string());
        let idle = idle.map(Duration::try_from_secs_f64).transpose().map_err(|error| wrong(&error))?;
        let tls = tls.then(|| PassingTls::new(&NAMES)).transpose().map_err(|error| wrong(&error))?;
        let authority = tls.as_ref().map(|tls| tls.authority().to_owned());
        let config = Config { seed, tls, keepalive: Keepalive { idle, calls }, ..Config::default() };
        let started = py.detach(|| Running::start(address, config));
        let running = started.map_err(|error| PyOSError::new_err(format!("{bind}: {error}")))?;
        Ok(Self { running: Mutex::new(Some(running)), authority })
    }

    /// Where they listen, as a URL without a path.
    #[getter]
    fn url(&self) -> PyResult<String> {
        self.with(Running::url)
    }

    /// How many calls wait for their answer now.
    fn in_flight(&self) -> PyResult<u64> {
        self.with(|running| running.stats().in_flight())
    }

    /// All counters, as JSON.
    fn stats(&self) -> PyResult<String> {
        self.with(|running| serde_json::to_string(&running.stats().snapshot()).expect("plain data with text keys"))
    }

    /// Forgets totals and maxima.
    fn reset(&self) -> PyResult<()> {
        self.with(|running| running.stats().reset())
    }

    /// Ends them; calls that are out are cut off. A second call does nothing.
    fn stop(&self, py: Python<'_>) {
        let running = self.running.lock().take();
        py.detach(|| drop(running));
    }
}

impl LabUpstreams {
    fn with<T>(&self, read: impl FnOnce(&Running) -> T) -> PyResult<T> {
        self.running.lock().as_ref().map(read).ok_or_else(|| PyRuntimeError::new_err("the upstreams were stopped"))
    }
}

/// One run of the load generator, started by its construction. It ends by itself: after `requests`, or after `seconds` at the latest.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct LabLoad {
    progress: Arc<Progress>,
    result: Mutex<Receiver<std::io::Result<Report>>>,
}

#[pymethods]
impl LabLoad {
    #[new]
    #[pyo3(signature = (url, connections, requests = None, seconds = 60.0, headers = Vec::new()))]
    fn new(url: &str, connections: usize, requests: Option<u64>, seconds: f64, headers: Vec<String>) -> PyResult<Self> {
        let wrong = |error: &dyn std::error::Error| PyValueError::new_err(error.to_string());
        let mut target = Target::parse(url).map_err(|error| wrong(&error))?;
        for header in headers {
            target.add_header(&header).map_err(|error| wrong(&error))?;
        }
        let time = Duration::try_from_secs_f64(seconds).map_err(|error| wrong(&error))?;
        let plan = Plan { requests, time, patience: time, ..Plan::new(target, connections.max(1)) };
        let progress = Arc::<Progress>::default();
        let (sender, result) = channel();
        std::thread::Builder::new().name("load".to_owned()).spawn({
            let progress = Arc::clone(&progress);
            // Nobody may be waiting any more when it ends.
            move || drop(sender.send(load::run(plan, progress)))
        })?;
        Ok(Self { progress, result: Mutex::new(result) })
    }

    /// Requests answered as expected, so far.
    #[getter]
    fn answered(&self) -> u64 {
        self.progress.answered()
    }

    /// Requests that failed, so far.
    #[getter]
    fn failed(&self) -> u64 {
        self.progress.failed()
    }

    /// The report as JSON, once; `None` if the load goes on after so many seconds.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<Option<String>> {
        let limit = Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(error.to_string()))?;
        match py.detach(|| self.result.lock().recv_timeout(limit)) {
            Ok(report) => Ok(Some(serde_json::to_string(&report?).expect("plain data with text keys"))),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(PyRuntimeError::new_err("the report was taken already")),
        }
    }
}
