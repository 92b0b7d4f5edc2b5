//! The Python extension `turnout._turnout`: the only crate that names PyO3. What Python sees of it stands in `python/turnout/_turnout.pyi`.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands arguments to Python-facing functions by value")]

mod access_log;
mod command;
mod http;
mod interface;
mod lab;
mod pool;
mod raw;
mod reactor;
mod routes;
mod server;
mod states;
mod telling;

use pyo3::prelude::*;

/// An allocator that several threads can use without waiting for each other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// See `python/turnout/_turnout.pyi`.
///
/// `gil_used`: PyO3 0.28 and later declare support for free-threaded Python unless a module says otherwise. Nothing was ever shown on such a
/// build (the pool decides by who waits for the GIL), so importing this there turns the GIL on.
#[pymodule(gil_used = true)]
mod _turnout {
    #[pymodule_export]
    use crate::command::{WorkerLink, command, default_settings};
    #[pymodule_export]
    use crate::http::{
        HttpAuth, HttpCall, HttpClient, HttpCompleted, HttpCookieJar, HttpHeaders, HttpIncoming, HttpJson,
        HttpJsonSteps, HttpOutcome, HttpRequest, HttpResponse, HttpScope, HttpTransport, merge_json,
    };
    #[pymodule_export]
    use crate::interface::asgi::Cycle;
    #[pymodule_export]
    use crate::interface::django::{Exchange, Sending};
    #[pymodule_export]
    use crate::lab::{LabLoad, LabUpstreams};
    #[pymodule_export]
    use crate::pool::SyncPool;
    #[pymodule_export]
    use crate::reactor::testing::_testing;
    #[pymodule_export]
    use crate::reactor::{CallHandle, EventLoop, Reactor, Stream, TimerHandle};
    #[pymodule_export]
    use crate::server::Server;
    #[pymodule_export]
    use crate::states::{
        Accounted, AwaitedCall, ThreadHop, Witness, accounting, address_figures, findings, recent_requests,
        view_figures,
    };
    use pyo3::prelude::*;

    /// The longer ago this was, the better the rate of the cheapest clock is known.
    #[pymodule_init]
    #[expect(clippy::unnecessary_wraps, reason = "what PyO3 calls answers with a result")]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::states::begin();
        Ok(())
    }
}
