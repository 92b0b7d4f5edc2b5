//! The client core: one pool of connections for all clients with the same limits, and the ways to call.

use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use rustc_hash::FxHashMap;
use turnout_client::{Answer, BodyStream, Call, Client, Error, Limits, Scope};

use super::carry::{self, HttpCall, Work};
use super::feed::{Feed, HttpFeed, Pull, Source};
use super::gathering::{Gather, HttpCompleted, Prepared, Wanted};
use super::home::{self, Home, Wish};
use super::options::{self, Settings};
use super::request::HttpRequest;
use super::response::HttpResponse;
use super::scope::Current;
use super::ticket::{Reply, Ticket};
use super::{counters, errors, offloop};
use crate::raw;
use crate::states::Waiter;

/// See `_turnout.pyi`.
#[pyclass(frozen, weakref, module = "turnout._turnout")]
pub(crate) struct HttpClient {
    settings: Settings,
    upstreams: FxHashMap<String, Settings>,
    limits: Limits,
    wish: Wish,
    /// Taken with the GIL only, never across a call into Python.
    core: Mutex<Option<Core>>,
}

struct Core {
    generation: u64,
    home: u64,
    client: Client,
}

#[pymethods]
impl HttpClient {
    #[new]
    #[pyo3(signature = (options=None))]
    fn new(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut client = Self {
            settings: Settings::new(py)?,
            upstreams: FxHashMap::default(),
            limits: Limits::default(),
            wish: Wish::default(),
            core: Mutex::new(None),
        };
        let Some(options) = options else { return Ok(client) };
        let (settings, others) = client.settings.with(options)?;
        client.settings = settings;
        for (name, value) in others {
            match name.as_str() {
                "limits" => (client.limits, client.wish) = options::limits(&value)?,
                "upstreams" => {
                    for (name, fields) in value.cast::<PyDict>()?.iter() {
                        client.add_upstream(name.extract()?, fields.cast::<PyDict>()?)?;
                    }
                }
                other => return Err(PyTypeError::new_err(format!("a client has no option {other:?}"))),
            }
        }
        Ok(client)
    }

    /// One call: blocks this thread, without the GIL.
    #[pyo3(signature = (request, stream=false, options=None))]
    fn send<'py>(
        &self,
        request: &Bound<'py, HttpRequest>,
        stream: bool,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = request.py();
        offloop::may_block(py, &request.get().method().to_ascii_lowercase())?;
        let current = Current::get(py)?;
        let (home, client) = self.core(py)?;
        let Some(content) = request.get().pieces(py) else {
            let call = self.call(request, stream, options, None, &current)?;
            let work = One { client, call, scope: current.scope, home: home.clone() };
            return carry::wait(&home, work, request.as_any());
        };
        let feed = Feed::new();
        let work = |ask| {
            let call = self.call(request, stream, options, Some(feed.stream(ask)), &current)?;
            let source = Source::new(Arc::clone(&feed), &content, false)?;
            Ok((One { client, call, scope: current.scope, home: home.clone() }, Some(source)))
        };
        carry::wait_feeding(&home, work, request.as_any())
    }

    /// One call, to be awaited.
    #[pyo3(signature = (request, stream=false, options=None))]
    fn asend<'py>(
        this: &Bound<'py, Self>,
        request: &Bound<'py, HttpRequest>,
        stream: bool,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<HttpCall> {
        let py = request.py();
        let current = Current::get(py)?;
        let client = this.clone().unbind();
        if request.get().pieces(py).is_some() {
            let (sending, options) = (request.clone().unbind(), options.map(|options| options.clone().unbind()));
            return Ok(HttpCall::new(request.as_any(), move |py, ticket| {
                let (request, options) = (sending.bind(py), options.as_ref().map(|options| options.bind(py)));
                client.get().feeding(request, stream, options, current, ticket)
            }));
        }
        let call = this.get().call(request, stream, options, None, &current)?;
        let scope = current.scope;
        Ok(HttpCall::new(request.as_any(), move |py, _| {
            let (home, client) = client.get().core(py)?;
            Ok((home.clone(), One { client, call, scope, home }))
        }))
    }

    /// Many calls at once: blocks this thread, without the GIL, until the plan is met. One crossing.
    #[pyo3(signature = (keys, requests, plan=None))]
    fn gather<'py>(
        &self,
        keys: &Bound<'py, PyAny>,
        requests: &Bound<'py, PyAny>,
        plan: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = requests.py();
        offloop::may_block(py, "gather")?;
        let (about, prepared) = self.prepare(keys, requests, plan)?;
        let (home, client) = self.core(py)?;
        let gather = Gather { client, home: home.clone(), prepared, is_async: false };
        carry::wait(&home, gather, about.as_any())
    }

    /// The same, to be awaited.
    #[pyo3(signature = (keys, requests, plan=None))]
    fn agather<'py>(
        this: &Bound<'py, Self>,
        keys: &Bound<'py, PyAny>,
        requests: &Bound<'py, PyAny>,
        plan: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<HttpCall> {
        let (about, prepared) = this.get().prepare(keys, requests, plan)?;
        let this = this.clone().unbind();
        Ok(HttpCall::new(about.as_any(), move |py, _| {
            let (home, client) = this.get().core(py)?;
            Ok((home.clone(), Gather { client, home, prepared, is_async: true }))
        }))
    }

    /// The same, outcome by outcome.
    #[pyo3(signature = (keys, requests, plan=None))]
    fn as_completed<'py>(
        this: &Bound<'py, Self>,
        keys: &Bound<'py, PyAny>,
        requests: &Bound<'py, PyAny>,
        plan: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<HttpCompleted> {
        let (about, prepared) = this.get().prepare(keys, requests, plan)?;
        Ok(HttpCompleted::new(this.clone().unbind(), about.unbind(), prepared))
    }

    /// What happened so far to the calls of all clients with the same limits, by upstream.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (_, client) = self.core(py)?;
        counters::stats(py, &client)
    }
}

impl HttpClient {
    fn add_upstream(&mut self, name: String, fields: &Bound<'_, PyDict>) -> PyResult<()> {
        let (mut settings, others) = self.settings.with(fields)?;
        if let Some((other, _)) = others.first() {
            return Err(PyTypeError::new_err(format!("an upstream has no option {other:?}")));
        }
        let mut options = (*settings.options).clone();
        options.upstream = Some(Arc::from(name.as_str()));
        settings.options = Arc::new(options);
        self.upstreams.insert(name, settings);
        Ok(())
    }

    fn settings(&self, request: &HttpRequest) -> PyResult<&Settings> {
        let Some(name) = &request.upstream else { return Ok(&self.settings) };
        self.upstreams.get(&**name).ok_or_else(|| {
            let mut known: Vec<_> = self.upstreams.keys().map(String::as_str).collect();
            known.sort_unstable();
            PyValueError::new_err(format!("no upstream is called {name:?}; known are: {}", known.join(", ")))
        })
    }

    fn call(
        &self,
        request: &Bound<'_, HttpRequest>,
        stream: bool,
        options: Option<&Bound<'_, PyDict>>,
        pieces: Option<BodyStream>,
        current: &Current,
    ) -> PyResult<Arc<Call>> {
        let py = request.py();
        request.get().call(py, self.settings(request.get())?, stream, options, current, pieces).map(Arc::new)
    }

    /// A call whose body the loop pulls.
    fn feeding(
        &self,
        request: &Bound<'_, HttpRequest>,
        stream: bool,
        options: Option<&Bound<'_, PyDict>>,
        current: Current,
        ticket: &Ticket,
    ) -> PyResult<(Home, One)> {
        let py = request.py();
        let (home, client) = self.core(py)?;
        let Some(content) = request.get().pieces(py) else { return Err(PyTypeError::new_err("no body in pieces")) };
        let feed = Feed::new();
        let pieces = feed.stream(Pull::from(ticket.way(), ticket.number()));
        let call = self.call(request, stream, options, Some(pieces), &current)?;
        let source = Source::new(feed, &content, true)?;
        ticket.keep(py, Py::new(py, HttpFeed::new(source, ticket.number()))?);
        Ok((home.clone(), One { client, call, scope: current.scope, home }))
    }

    /// The pool, where calls of this moment run.
    pub(super) fn core(&self, py: Python<'_>) -> PyResult<(Home, Client)> {
        let home = home::home(py, self.wish)?;
        let generation = raw::fork_generation();
        let mut core = self.core.lock();
        if let Some(core) = &*core
            && core.generation == generation
            && core.home == home.number
        {
            return Ok((home, core.client.clone()));
        }
        let client = home.client(&self.limits);
        let before = core.replace(Core { generation, home: home.number, client: client.clone() });
        drop(core);
        if let Some(before) = before
            && before.generation != generation
        {
            mem::forget(before); // the parent's, sockets and locks
        }
        Ok((home, client))
    }

    fn prepare<'py>(
        &self,
        keys: &Bound<'py, PyAny>,
        requests: &Bound<'py, PyAny>,
        plan: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<(Bound<'py, PyTuple>, Prepared)> {
        let py = keys.py();
        let keys = PyList::new(py, keys.try_iter()?.collect::<PyResult<Vec<_>>>()?)?;
        let requests = PyList::new(py, requests.try_iter()?.collect::<PyResult<Vec<_>>>()?)?;
        if keys.len() != requests.len() {
            return Err(PyValueError::new_err("as many keys as requests"));
        }
        let wanted = Wanted::of(plan, &keys)?;
        let options = wanted.options.as_ref().map(|options| options.bind(py));
        let current = Current::get(py)?;
        let mut calls = Vec::with_capacity(requests.len());
        for request in requests.iter() {
            let request = request.cast_into::<HttpRequest>().map_err(|_| PyTypeError::new_err("not a Request"))?;
            calls.push(self.call(&request, false, options, None, &current)?);
        }
        Ok((PyTuple::new(py, [keys, requests])?, Prepared { calls, scope: current.scope, wanted }))
    }
}

struct One {
    client: Client,
    call: Arc<Call>,
    scope: Option<Scope>,
    home: Home,
}

impl Work for One {
    type Reply = Sent;

    async fn run(self) -> Sent {
        let Self { client, call, scope, home } = self;
        Sent { answer: turnout_client::send(&client, call, &scope.unwrap_or_default()).await, home }
    }
}

struct Sent {
    answer: Result<Answer, Error>,
    home: Home,
}

impl Reply for Sent {
    fn account(&self, waiter: &Waiter, now: u64) {
        if let Ok(answer) = &self.answer {
            waiter.waited(&answer.head.url, answer.timings.total, now);
            waiter.waited_for_connection(&answer.head.url, &answer.timings);
        }
    }

    fn build<'py>(self, py: Python<'py>, request: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self.answer {
            Ok(answer) => Ok(Bound::new(py, HttpResponse::new(answer, &self.home, Some(request)))?.into_any()),
            Err(error) => Err(errors::raised(py, &error, Some(request))),
        }
    }
}
