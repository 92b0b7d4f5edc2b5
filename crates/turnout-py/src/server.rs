//! One worker between its listeners and the project: settings, listeners, limits and the project's interface put together.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use turnout_config::{AccessLogFormat, LogLevel, Settings};
use turnout_http::{Admission, Config, Drain, Fault, Limits, Neighbours};
use turnout_net::{Bind, Listener};
use turnout_supervisor::Slot;

use crate::access_log;
use crate::command::WorkerLink;
use crate::http;
use crate::interface::asgi::AsgiApp;
use crate::interface::calls::{Loop, Settle};
use crate::interface::django::DjangoApp;
use crate::interface::wsgi::{Facts, WsgiApp};
use crate::interface::{PyApp, Root};
use crate::pool::{self, Pool, SyncPool};
use crate::reactor::{Figures, Handle, Reactor};
use crate::states;
use crate::telling::Telling;

/// See `_turnout.pyi`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct Server {
    event_loop: Arc<Loop>,
    app: Arc<PyApp>,
    pool: Py<SyncPool>,
    listeners: Mutex<Vec<Listener>>,
    config: Arc<Config>,
    admission: Arc<Admission>,
    slot: Option<Slot>,
    telling: Mutex<Option<Telling>>,
    drain: Drain,
    started: AtomicBool,
}

#[pymethods]
impl Server {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "a constructor in Python, most of them by name")]
    #[pyo3(signature = (event_loop, link, settings, kind, application, *, state=None, pool=None))]
    fn new(
        py: Python<'_>,
        event_loop: Bound<'_, PyAny>,
        link: Option<&WorkerLink>,
        settings: &str,
        kind: &str,
        application: Bound<'_, PyAny>,
        state: Option<Py<PyDict>>,
        pool: Option<Py<SyncPool>>,
    ) -> PyResult<Self> {
        let settings: Settings =
            serde_json::from_str(settings).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let (reactor, figures) = reactor_of(&event_loop)?;
        let slot = link.map(WorkerLink::slot);
        let listeners = match link {
            Some(link) => link.take_listeners().into_iter().map(listener).collect::<PyResult<_>>()?,
            None => settings.binds.iter().map(|bind| listen(bind, &settings)).collect::<PyResult<_>>()?,
        };
        let pool = match pool {
            Some(pool) => pool,
            None => Py::new(py, SyncPool { pool: Pool::new(pool_limits(&settings)) })?,
        };
        let threads = pool.get().pool.clone();
        http::serve(py, reactor.clone());
        states::account(py, settings.accounting, settings.kept_requests as usize);
        let event_loop = Loop::new(reactor, event_loop.unbind(), settings.access_log != AccessLogFormat::Off);
        let facts = Facts { multithread: settings.threads > 1, multiprocess: settings.workers > 1 };
        let debug = settings.log_level == LogLevel::Debug;
        let root = Root::new(&settings.root_path, settings.root_path_kept).map(Arc::new);
        let app = match kind {
            "asgi" => PyApp::Asgi(AsgiApp::new(py, event_loop.clone(), application.unbind(), state, debug, root)?),
            "django" => PyApp::Django(DjangoApp::new(&application, event_loop.clone(), threads, facts, root)?),
            "wsgi" => PyApp::Wsgi(WsgiApp::new(event_loop.clone(), threads, &application, facts, root)?),
            other => return Err(PyValueError::new_err(format!("no interface is called {other:?}"))),
        };
        let neighbours = slot.clone().filter(|_| settings.workers > 1).map(|slot| Box::new(Others(slot)) as _);
        let admission = Arc::new(Admission::new(settings.max_in_flight as usize, neighbours));
        let telling = link.and_then(WorkerLink::take_place).map(|place| Telling {
            place,
            admission: admission.clone(),
            pool: Arc::downgrade(&pool.get().pool),
            figures,
        });
        Ok(Self {
            event_loop,
            app: Arc::new(app),
            pool,
            listeners: Mutex::new(listeners),
            config: Arc::new(config(&settings)?),
            admission,
            slot,
            telling: Mutex::new(telling),
            drain: Drain::new(),
            started: AtomicBool::new(false),
        })
    }

    /// Begins to accept connections.
    fn start(&self) -> PyResult<()> {
        if self.started.swap(true, SeqCst) {
            return Err(PyRuntimeError::new_err("the server was started before"));
        }
        let listeners = std::mem::take(&mut *self.listeners.lock());
        let serving = turnout_http::serve(
            listeners,
            self.app.clone(),
            self.config.clone(),
            self.admission.clone(),
            self.drain.clone(),
        );
        self.event_loop.reactor.spawn(serving);
        self.pool.get().pool.watch(&self.event_loop.reactor);
        if let Some(telling) = self.telling.lock().take() {
            self.event_loop.reactor.spawn(telling.go_on());
        }
        self.mark(true)
    }

    /// Stops accepting and lets requests in flight finish; the awaitable is done when the last connection is closed.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.mark(false)?;
        let (number, future) = self.event_loop.new_future(py)?;
        let (event_loop, drain) = (self.event_loop.clone(), self.drain.clone());
        drain.begin();
        self.event_loop.reactor.spawn(async move {
            drain.finished().await;
            let reactor = event_loop.reactor.clone();
            reactor.deliver(Box::new(Settle { event_loop, number, gone: None }));
        });
        Ok(future)
    }

    /// Drops every connection; one that was never started stops listening.
    fn abort(&self) -> PyResult<()> {
        self.listeners.lock().clear();
        self.drain.abort();
        self.mark(false)
    }

    /// Closes the streamed answers that hold no thread, on the pool. After that none leaves its thread any more.
    fn end_streams(&self) {
        if let PyApp::Django(app) = &*self.app {
            app.end_parked();
        }
    }

    /// Where sync views run.
    #[getter]
    fn pool(&self, py: Python<'_>) -> Py<SyncPool> {
        self.pool.clone_ref(py)
    }

    /// Requests accepted and not yet answered.
    #[getter]
    fn in_flight(&self) -> usize {
        self.admission.in_flight()
    }

    /// The addresses it listens on; empty once it was started.
    #[getter]
    fn addresses(&self) -> Vec<String> {
        self.listeners.lock().iter().map(ToString::to_string).collect()
    }
}

impl Server {
    /// Tells the neighbours whether connections may be left to this worker.
    fn mark(&self, serving: bool) -> PyResult<()> {
        self.slot.as_ref().map_or(Ok(()), |slot| slot.set_serving(serving)).map_err(PyErr::from)
    }
}

struct Others(Slot);

impl Neighbours for Others {
    fn set_full(&self, full: bool) {
        // A neighbour that is not told keeps its old opinion until the next change: requests are then shared less well, not lost.
        let _ = self.0.set_full(full);
    }

    fn any_has_room(&self) -> bool {
        self.0.any_neighbour_has_room()
    }
}

fn reactor_of(event_loop: &Bound<'_, PyAny>) -> PyResult<(Handle, Figures)> {
    let reactor = event_loop
        .getattr_opt(intern!(event_loop.py(), "reactor"))?
        .ok_or_else(|| PyTypeError::new_err("the loop must be a turnout.loop.TurnoutLoop"))?;
    let reactor = reactor.cast::<Reactor>().map_err(|_| PyTypeError::new_err("the loop has a foreign reactor"))?;
    let reactor = reactor.get();
    Ok((reactor.handle(), reactor.figures()))
}

fn listener(descriptor: OwnedFd) -> PyResult<Listener> {
    Listener::try_from(descriptor).map_err(|error| PyOSError::new_err(error.to_string()))
}

fn listen(bind: &str, settings: &Settings) -> PyResult<Listener> {
    let bind = Bind::parse(bind).map_err(|error| PyValueError::new_err(error.to_string()))?;
    bind.listen(settings.backlog, settings.reuse_port).map_err(|error| PyOSError::new_err(error.to_string()))
}

fn pool_limits(settings: &Settings) -> pool::Limits {
    pool::Limits { threads: settings.threads as usize, queue_timeout: Some(settings.queue_timeout) }
}

fn config(settings: &Settings) -> PyResult<Config> {
    let limits = Limits {
        head_time: settings.head_timeout,
        head_bytes: settings.max_head as usize,
        target_bytes: settings.max_uri as usize,
        idle_time: settings.keep_alive,
        body_bytes: settings.max_body,
        body_rate: settings.body_rate as u32,
        body_grace: settings.body_grace,
        ..Limits::default()
    };
    let access_log = access_log::open(settings).map_err(|error| PyOSError::new_err(error.to_string()))?;
    Ok(Config { limits, half_close: settings.half_close, access_log, on_fault: Some(Arc::new(report)) })
}

/// An app broke the rules of HTTP: one line, from the runtime, without Python.
#[expect(clippy::print_stderr, reason = "the log of a worker is its standard error")]
fn report(fault: Fault) {
    eprintln!("turnout: {fault}");
}
