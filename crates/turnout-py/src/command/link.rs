//! A worker's link to its supervisor, for Python and for the server.

use std::os::fd::OwnedFd;
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use turnout_states::Board;
use turnout_supervisor::{Link, Message, Slot, VARIABLE};

use crate::access_log;
use crate::raw::inherited;
use crate::reactor::Reactor;
use crate::reactor::watchdog::{self, Watchdog};
use crate::telling::Place;

/// What the access log's last lines may cost at the end.
const FLUSH: Duration = Duration::from_secs(1);

/// See `_turnout.pyi`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct WorkerLink {
    link: Mutex<Link>,
    slot: Slot,
    heart: Mutex<Option<Watchdog>>,
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

    /// Starts to watch the supervisor: when it is gone, SIGTERM, and SIGKILL after `limit` seconds.
    fn watch(&self, limit: f64) -> PyResult<()> {
        let limit = Duration::try_from_secs_f64(limit).unwrap_or_default();
        Ok(self.link.lock().watch_lifeline(limit)?)
    }

    /// Starts to show the supervisor that the GIL of this process can be had.
    fn start_heart(&self, reactor: &Bound<'_, Reactor>) -> PyResult<()> {
        let slot = self.slot.clone();
        // A beat that cannot be written is a beat that is not seen: said by the supervisor.
        let heart = watchdog::start(reactor, watchdog::EVERY, move |millis| drop(slot.beat(millis)))?;
        *self.heart.lock() = Some(heart);
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
        if let Some(heart) = heart {
            heart.stop(py);
        }
        py.detach(|| access_log::flush(FLUSH));
    }
}

impl WorkerLink {
    /// This worker's record.
    pub(crate) fn slot(&self) -> Slot {
        self.slot.clone()
    }

    /// Where this worker tells what it does, once.
    pub(crate) fn take_place(&self) -> Option<Place> {
        let mut link = self.link.lock();
        let board = link.board.take()?;
        Some(Place { board: Board::open(board, link.workers), index: link.index })
    }

    /// The listening sockets, once.
    pub(crate) fn take_listeners(&self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.link.lock().listeners)
    }
}
