//! The client core: one pool of connections for all clients with the same limits, and the ways to call.

use std::mem;
use std::sync::Arc;

use http::HeaderValue;
use parking_lot::Mutex;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySequence, PyTuple};
use rustc_hash::FxHashMap;
use tokio::task::JoinSet;
use tokio::time::Instant;
use turnout_client::{Call, Client, Error, Kind, Limits, Scope};

use super::carry::{self, HttpCall, Work};
use super::home::{self, Home, Wish};
use super::options::{self, Settings};
use super::outcome::{Decode, Settled};
use super::request::HttpRequest;
use super::response::HttpResponse;
use super::ticket::{self, Reply};
use super::{errors, offloop, scope};
use crate::raw;

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
    fn new(options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut client = Self {
            settings: Settings::new(),
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
        let (call, scope) = self.call(request, stream, options)?;
        let (home, client) = self.core(py)?;
        let work = One { client, call, scope, home: home.clone() };
        carry::wait(&home, work, request.as_any())
    }

    /// One call, to be awaited.
    #[pyo3(signature = (request, stream=false, options=None))]
    fn asend<'py>(
        this: &Bound<'py, Self>,
        request: &Bound<'py, HttpRequest>,
        stream: bool,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<HttpCall> {
        let (call, scope) = this.get().call(request, stream, options)?;
        let this = this.clone().unbind();
        Ok(HttpCall::new(request.as_any(), move |py| {
            let (home, client) = this.get().core(py)?;
            let work = One { client, call, scope, home: home.clone() };
            Ok((home, work))
        }))
    }

    /// Many calls at once: blocks this thread, without the GIL, until the last has its outcome. One crossing.
    #[pyo3(signature = (keys, requests, plan=None))]
    fn gather<'py>(
        &self,
        keys: &Bound<'py, PyAny>,
        requests: &Bound<'py, PyAny>,
        plan: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = requests.py();
        offloop::may_block(py, "gather")?;
        let (about, mut gather) = self.prepare(keys, requests, plan)?;
        let (home, client) = self.core(py)?;
        gather.client = Some((client, home.clone()));
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
        let (about, mut gather) = this.get().prepare(keys, requests, plan)?;
        let this = this.clone().unbind();
        Ok(HttpCall::new(about.as_any(), move |py| {
            let (home, client) = this.get().core(py)?;
            gather.client = Some((client, home.clone()));
            Ok((home, gather))
        }))
    }

    /// Counters since the process began.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        stats.set_item("waiting", ticket::waiting(py))?;
        Ok(stats)
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
    ) -> PyResult<(Arc<Call>, Option<Scope>)> {
        let py = request.py();
        let scope = scope::current(py)?;
        let trace: Option<HeaderValue> = None;
        let call = request.get().call(py, self.settings(request.get())?, stream, options, trace)?;
        Ok((Arc::new(call), scope))
    }

    /// The pool, where calls of this moment run.
    fn core(&self, py: Python<'_>) -> PyResult<(Home, Client)> {
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
    ) -> PyResult<(Bound<'py, PyTuple>, Gather)> {
        let py = keys.py();
        let keys = PyList::new(py, keys.try_iter()?.collect::<PyResult<Vec<_>>>()?)?;
        let requests = PyList::new(py, requests.try_iter()?.collect::<PyResult<Vec<_>>>()?)?;
        if keys.len() != requests.len() {
            return Err(PyValueError::new_err("as many keys as requests"));
        }
        let plan = Plan::of(plan)?;
        let fields = PyDict::new(py);
        if let Some(timeout) = &plan.timeout {
            fields.set_item("timeout", timeout)?;
        }
        let mut calls = Vec::with_capacity(requests.len());
        let mut scope = None;
        for request in requests.iter() {
            let request = request.cast_into::<HttpRequest>().map_err(|_| PyTypeError::new_err("not a Request"))?;
            let (call, of) = self.call(&request, false, Some(&fields))?;
            scope = of;
            calls.push(call);
        }
        let about = PyTuple::new(py, [keys, requests])?;
        Ok((about, Gather { calls, scope, deadline: plan.deadline, decode: plan.decode, client: None }))
    }
}

struct Plan {
    deadline: Option<Instant>,
    timeout: Option<Py<PyAny>>,
    decode: Decode,
}

impl Plan {
    fn of(fields: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut plan = Self { deadline: None, timeout: None, decode: Decode::Json };
        let Some(fields) = fields else { return Ok(plan) };
        for (name, value) in fields.iter() {
            let name: String = name.extract()?;
            match name.as_str() {
                _ if value.is_none() => {}
                "deadline" => plan.deadline = Some(Instant::now() + options::seconds(value.extract()?)?),
                "timeout" => plan.timeout = Some(value.unbind()),
                "decode" => {
                    let name: String = value.extract()?;
                    plan.decode = Decode::named(&name)
                        .ok_or_else(|| PyValueError::new_err(format!("no way to decode is called {name:?}")))?;
                }
                other => return Err(PyTypeError::new_err(format!("a gather has no option {other:?}"))),
            }
        }
        Ok(plan)
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
        Sent { answer: send(&client, call, scope.as_ref()).await, home }
    }
}

async fn send(client: &Client, call: Arc<Call>, scope: Option<&Scope>) -> Result<turnout_client::Answer, Error> {
    let Some(scope) = scope else { return turnout_client::send(client, call, &Scope::default()).await };
    tokio::select! {
        biased;
        () = scope.cancelled.cancelled() => Err(Error::new(Kind::Cancelled, "the request that this call belongs to is over")),
        answer = turnout_client::send(client, call, scope) => answer,
    }
}

struct Sent {
    answer: Result<turnout_client::Answer, Error>,
    home: Home,
}

impl Reply for Sent {
    fn build<'py>(self, py: Python<'py>, request: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self.answer {
            Ok(answer) => Ok(Bound::new(py, HttpResponse::new(answer, &self.home, Some(request)))?.into_any()),
            Err(error) => Err(errors::raised(py, &error, Some(request))),
        }
    }
}

struct Gather {
    calls: Vec<Arc<Call>>,
    scope: Option<Scope>,
    deadline: Option<Instant>,
    decode: Decode,
    client: Option<(Client, Home)>,
}

impl Work for Gather {
    type Reply = Gathered;

    async fn run(self) -> Gathered {
        let Self { calls, scope, deadline, decode, client } = self;
        let (client, home) = client.expect("set before it is spawned");
        let began = Instant::now();
        let scope = match (scope, deadline) {
            (Some(scope), Some(own)) => {
                Some(Scope { deadline: scope.deadline.into_iter().chain(Some(own)).min(), ..scope })
            }
            (None, Some(own)) => Some(Scope { deadline: Some(own), ..Scope::default() }),
            (scope, None) => scope,
        };
        let mut settled: Vec<Option<Settled>> = calls.iter().map(|_| None).collect();
        let mut running = JoinSet::new();
        for (index, call) in calls.into_iter().enumerate() {
            let (client, scope) = (client.clone(), scope.clone());
            running.spawn(async move { (index, send(&client, call, scope.as_ref()).await) });
        }
        while let Some(ended) = running.join_next().await {
            if let Ok((index, answer)) = ended
                && let Some(place) = settled.get_mut(index)
            {
                *place = Some(Settled { answer, elapsed: began.elapsed() });
            }
        }
        let lost = || Settled { answer: Err(ticket::Lost::error()), elapsed: began.elapsed() };
        Gathered { settled: settled.into_iter().map(|settled| settled.unwrap_or_else(lost)).collect(), decode, home }
    }
}

struct Gathered {
    settled: Vec<Settled>,
    decode: Decode,
    home: Home,
}

impl Reply for Gathered {
    fn build<'py>(self, py: Python<'py>, about: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (keys, requests): (Bound<'py, PyAny>, Bound<'py, PyAny>) = about.extract()?;
        let (keys, requests) = (keys.cast_into::<PySequence>()?, requests.cast_into::<PySequence>()?);
        let mut outcomes = Vec::with_capacity(self.settled.len());
        for (index, settled) in self.settled.into_iter().enumerate() {
            let (key, request) = (keys.get_item(index)?, requests.get_item(index)?);
            outcomes.push(settled.outcome(&key, &request, &self.home, self.decode)?);
        }
        Ok(PyList::new(py, outcomes)?.into_any())
    }
}
