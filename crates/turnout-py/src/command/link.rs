//! A worker's link to its supervisor, for Python and for the server.

use std::os::fd::OwnedFd;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use turnout_supervisor::{Link, Message, Slot, VARIABLE};

use crate::access_log;
use crate::raw::inherited;

/// How often the GIL is taken to see whether it can be had. The supervisor counts in seconds.
const BEAT: Duration = Duration::from_secs(1);
/// What the access log's last lines may cost at the end.
const FLUSH: Duration = Duration::from_secs(1);

/// See `_turnout.pyi`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct WorkerLink {
    link: Mutex<Link>,
    slot: Slot,
    heart: Mutex<Option<Heart>>,
}

#[pymethods]
impl WorkerLink {
    /// The variable that makes a process a worker. It is for this process only: remove it.
    #[classattr]
    const VARIABLE: &'static str = VARIABLE;

    #[staticmethod]
    fn from_env() -> PyResult<Self> {
        let text = std::env::var(VARIABLE)
            .map_err(|_| PyRuntimeError::new_err("a worker is started by `turnout serve`, not by hand"))?;
        let link = Link::accept(&text, inherited::take).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        let slot = link.slot.clone();
        Ok(Self { link: Mutex::new(link), slot, heart: Mutex::new(None) })
    }

    #[getter]
    fn settings(&self) -> String {
        self.link.lock().settings.clone()
    }

    /// Starts to watch the supervisor (when it is gone: SIGTERM, then SIGKILL after `limit` seconds), and shows it that the GIL can be had.
    fn watch(&self, limit: f64) -> PyResult<()> {
        let limit = Duration::try_from_secs_f64(limit).unwrap_or_default();
        self.link.lock().watch_lifeline(limit)?;
        let mut heart = self.heart.lock();
        if heart.is_none() {
            *heart = Some(Heart::start(self.slot.clone())?);
        }
        Ok(())
    }

    fn ready(&self, banner: String) -> PyResult<()> {
        Ok(self.link.lock().say(&Message::Ready { banner })?)
    }

    fn failed(&self, message: String, status: u8) -> PyResult<()> {
        Ok(self.link.lock().say(&Message::Failed { message, status })?)
    }

    /// Ends what must not meet a finalised interpreter, and writes the last lines of the access log.
    fn close(&self, py: Python<'_>) {
        let heart = self.heart.lock().take();
        py.detach(|| {
            drop(heart);
            access_log::flush(FLUSH);
        });
    }
}

impl WorkerLink {
    /// This worker's record.
    pub(crate) fn slot(&self) -> Slot {
        self.slot.clone()
    }

    /// The listening sockets, once.
    pub(crate) fn take_listeners(&self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.link.lock().listeners)
    }
}

/// A thread that takes the GIL once a second. Dropping it ends it; it may then need the GIL once more, so drop it without.
struct Heart {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heart {
    fn start(slot: Slot) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel::<()>(0);
        let thread = thread::Builder::new().name("turnout-heart".into()).spawn(move || {
            loop {
                // No Rust lock is held here, and nothing is done with the GIL: whoever waits for it waits for one switch.
                if Python::try_attach(|_| ()).is_none() {
                    return;
                }
                // A beat that cannot be written is a beat that is not seen: said by the supervisor.
                let _ = slot.beat();
                if stopped.recv_timeout(BEAT) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
