//! Many calls with one plan: all in Rust from the one crossing to the other; or outcome by outcome, as they come.

use std::sync::Arc;

use http::StatusCode;
use parking_lot::Mutex;
use pyo3::exceptions::{PyStopAsyncIteration, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use tokio::time::Instant;
use turnout_client::gather::{self, AsCompleted, Ended, Plan, ReturnWhen};
use turnout_client::json::{self, Lazy, Select};
use turnout_client::{Answer, AnswerBody, Call, Client, Cpu, Error, Kind, Scope};

use super::carry::{self, HttpCall, Work};
use super::client::HttpClient;
use super::errors;
use super::home::Home;
use super::json::select_of;
use super::offloop;
use super::options::seconds;
use super::outcome::{Decode, Made};
use super::ticket::Reply;
use crate::interface::Ready;
use crate::states::Waiter;

/// What Python's words for a gather come to.
pub(super) struct Wanted {
    plan: Plan,
    decode: Decode,
    /// What of each answer is wanted, by the place of its request; empty: all of all.
    select: Vec<Option<Select>>,
    /// For each of its calls.
    pub(super) options: Option<Py<PyDict>>,
}

impl Wanted {
    pub(super) fn of(fields: Option<&Bound<'_, PyDict>>, keys: &Bound<'_, PyList>) -> PyResult<Self> {
        let mut wanted = Self { plan: Plan::default(), decode: Decode::Json, select: Vec::new(), options: None };
        let Some(fields) = fields else { return Ok(wanted) };
        let plan = &mut wanted.plan;
        for (name, value) in fields.iter() {
            let name: String = name.extract()?;
            match name.as_str() {
                _ if value.is_none() => {}
                "deadline" => plan.deadline = Some(Instant::now() + seconds(value.extract::<f64>()?.max(0.0))?),
                "timeout" => plan.timeout = Some(seconds(value.extract()?)?),
                "return_when" => plan.return_when = return_when(&value.extract::<String>()?)?,
                "quorum" => plan.quorum = Some(value.extract()?),
                "grace" => plan.grace = seconds(value.extract()?)?,
                "require" => {
                    for key in value.try_iter()? {
                        let key = key?;
                        let Ok(place) = keys.index(&key) else {
                            let message = format!("require= names {}, and no request has that key", key.repr()?);
                            return Err(PyValueError::new_err(message));
                        };
                        plan.require.push(place);
                    }
                }
                "max_concurrency" => plan.max_concurrency = Some(value.extract::<usize>()?.max(1)),
                "decode" => {
                    let name: String = value.extract()?;
                    wanted.decode = Decode::named(&name)
                        .ok_or_else(|| PyValueError::new_err(format!("no way to decode is called {name:?}")))?;
                }
                "select" => {
                    let selects = value.try_iter()?.map(|select| {
                        let select = select?;
                        if select.is_none() { Ok(None) } else { select_of(&select).map(Some) }
                    });
                    wanted.select = selects.collect::<PyResult<_>>()?;
                }
                "options" => wanted.options = Some(value.cast_into::<PyDict>()?.unbind()),
                other => return Err(PyTypeError::new_err(format!("a gather has no option {other:?}"))),
            }
        }
        Ok(wanted)
    }
}

/// asyncio's words.
fn return_when(word: &str) -> PyResult<ReturnWhen> {
    match word {
        "ALL_COMPLETED" => Ok(ReturnWhen::AllCompleted),
        "FIRST_COMPLETED" => Ok(ReturnWhen::FirstCompleted),
        "FIRST_EXCEPTION" => Ok(ReturnWhen::FirstException),
        other => Err(PyValueError::new_err(format!("return_when is one of asyncio's three, not {other:?}"))),
    }
}

/// A gather that has not begun.
pub(super) struct Gather {
    pub(super) client: Client,
    pub(super) home: Home,
    pub(super) prepared: Prepared,
    pub(super) is_async: bool,
}

/// What it takes, before it is known where it runs.
pub(super) struct Prepared {
    pub(super) calls: Vec<Arc<Call>>,
    pub(super) scope: Option<Scope>,
    pub(super) wanted: Wanted,
}

/// Reads what has to be JSON before it counts as a good outcome: as JSON, and what of it is wanted.
#[derive(Clone)]
struct Decoder {
    how: Decode,
    select: Arc<[Option<Select>]>,
    cpu: Arc<Cpu>,
}

impl Wanted {
    fn split(self, home: &Home) -> (Plan, Decoder) {
        (self.plan, Decoder { how: self.decode, select: self.select.into(), cpu: home.cpu() })
    }
}

impl gather::Decode for Decoder {
    type Value = Option<Lazy>;

    async fn decode(&self, index: usize, answer: &Answer) -> Result<Self::Value, Error> {
        let AnswerBody::Whole(body) = &answer.body else { return Ok(None) };
        if !self.how.is_json() || (body.is_empty() && answer.head.status != StatusCode::OK) {
            return Ok(None);
        }
        let json = Lazy::parse_on(&self.cpu, body.clone(), json::Limits::default()).await?;
        match self.select.get(index) {
            Some(Some(select)) => select.apply_on(&self.cpu, &json).await.map(Some),
            _ => Ok(Some(json)),
        }
    }
}

impl Work for Gather {
    type Reply = Gathered;

    async fn run(self) -> Gathered {
        let Self { client, home, prepared: Prepared { calls, scope, wanted }, is_async } = self;
        let scope = scope.unwrap_or_default();
        let (plan, decoder) = wanted.split(&home);
        let gathered = gather::gather(&client, calls, &plan, &scope, &decoder).await;
        Gathered { all: gathered, decode: decoder.how, home, is_async }
    }
}

/// What came of it: a list of outcomes, and the places of those that came of themselves, in their order.
pub(super) struct Gathered {
    all: gather::Gathered<Option<Lazy>>,
    decode: Decode,
    home: Home,
    is_async: bool,
}

impl Reply for Gathered {
    fn account(&self, waiter: &Waiter, now: u64) {
        self.all.outcomes.iter().for_each(|outcome| account(outcome, waiter, now));
    }

    fn build<'py>(self, py: Python<'py>, about: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if self.all.ended == Ended::Cancelled {
            // Nobody is left who could use the outcomes.
            let error = Error::new(Kind::Cancelled, "given up: the request that these calls were made for is over");
            return Err(errors::raised(py, &error, None));
        }
        let (keys, requests) = parts(about)?;
        let mut outcomes = Vec::with_capacity(self.all.outcomes.len());
        for outcome in self.all.outcomes {
            let (key, request) = (keys.get_item(outcome.index)?, requests.get_item(outcome.index)?);
            let made =
                Made { key: &key, request: &request, home: &self.home, decode: self.decode, is_async: self.is_async };
            outcomes.push(made.of(outcome)?);
        }
        Ok((PyList::new(py, outcomes)?, self.all.completion).into_pyobject(py)?.into_any())
    }
}

/// Which upstream was waited for, and how long, if it answered at all.
fn account<V>(outcome: &gather::Outcome<V>, waiter: &Waiter, now: u64) {
    if let Some(answer) = &outcome.answer {
        waiter.waited(&answer.head.url, outcome.elapsed, now);
        waiter.waited_for_connection(&answer.head.url, &answer.timings);
    }
}

fn parts<'py>(about: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
    let about = about.cast::<PyTuple>()?;
    Ok((about.get_item(0)?.cast_into()?, about.get_item(1)?.cast_into()?))
}

/// See `_turnout.pyi`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct HttpCompleted {
    client: Py<HttpClient>,
    about: Py<PyTuple>,
    /// Until the first outcome is asked for.
    begin: Mutex<Option<Prepared>>,
    source: Mutex<Option<Source>>,
}

/// Where outcomes come from. The lock is that of whoever waits for the next one.
#[derive(Clone)]
struct Source {
    home: Home,
    running: Arc<tokio::sync::Mutex<Running>>,
    decoder: Decoder,
}

enum Running {
    New(Box<(Client, Vec<Arc<Call>>, Plan, Scope)>),
    Begun(AsCompleted<Option<Lazy>>),
    Over,
}

impl HttpCompleted {
    pub(super) fn new(client: Py<HttpClient>, about: Py<PyTuple>, prepared: Prepared) -> Self {
        Self { client, about, begin: Mutex::new(Some(prepared)), source: Mutex::new(None) }
    }

    fn source(&self, py: Python<'_>) -> PyResult<Option<Source>> {
        let begin = self.begin.lock().take();
        if let Some(Prepared { calls, scope, wanted }) = begin {
            let (home, client) = self.client.get().core(py)?;
            let (plan, decoder) = wanted.split(&home);
            let new = Running::New(Box::new((client, calls, plan, scope.unwrap_or_default())));
            let running = Arc::new(tokio::sync::Mutex::new(new));
            *self.source.lock() = Some(Source { home, running, decoder });
        }
        Ok(self.source.lock().clone())
    }

    fn end(&self) {
        drop(self.begin.lock().take());
        let source = self.source.lock().take();
        if let Some(Source { home, running, .. }) = source {
            // Whoever waits for the next outcome has the lock for that long.
            home.spawn(async move {
                *running.lock().await = Running::Over;
            });
        }
    }
}

#[pymethods]
impl HttpCompleted {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = this.py();
        offloop::may_block(py, "as_completed")?;
        let Some(source) = this.get().source(py)? else { return Ok(None) };
        let home = source.home.clone();
        let next = carry::wait(&home, Next { source, is_async: false }, this.get().about.bind(py).as_any())?;
        Ok(if next.is_none() { None } else { Some(next) })
    }

    fn __aiter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __anext__(this: &Bound<'_, Self>) -> HttpCall {
        let about = this.get().about.bind(this.py()).as_any().clone();
        let this = this.clone().unbind();
        HttpCall::new(&about, move |py, _| {
            let Some(source) = this.get().source(py)? else { return Err(PyStopAsyncIteration::new_err(())) };
            Ok((source.home.clone(), Next { source, is_async: true }))
        })
    }

    /// Gives up what is still under way.
    fn close(&self) {
        self.end();
    }

    fn aclose<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.end();
        Ready::nothing(py)
    }
}

impl Drop for HttpCompleted {
    fn drop(&mut self) {
        self.end();
    }
}

struct Next {
    source: Source,
    is_async: bool,
}

impl Work for Next {
    type Reply = Came;

    async fn run(self) -> Came {
        let Source { home, running, decoder } = self.source;
        let mut running = running.lock().await;
        if let Running::New(new) = &mut *running {
            let (client, calls, plan, scope) = (**new).clone();
            *running = Running::Begun(gather::as_completed(client, calls, plan, scope, decoder.clone()));
        }
        let outcome = match &mut *running {
            Running::Begun(begun) => begun.next().await,
            Running::New(_) | Running::Over => None,
        };
        if outcome.is_none() {
            *running = Running::Over;
        }
        Came { outcome, home, decode: decoder.how, is_async: self.is_async }
    }
}

struct Came {
    outcome: Option<gather::Outcome<Option<Lazy>>>,
    home: Home,
    decode: Decode,
    is_async: bool,
}

impl Reply for Came {
    fn account(&self, waiter: &Waiter, now: u64) {
        if let Some(outcome) = &self.outcome {
            account(outcome, waiter, now);
        }
    }

    fn build<'py>(self, py: Python<'py>, about: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let Some(outcome) = self.outcome else {
            return if self.is_async { Err(PyStopAsyncIteration::new_err(())) } else { Ok(py.None().into_bound(py)) };
        };
        let (keys, requests) = parts(about)?;
        let (key, request) = (keys.get_item(outcome.index)?, requests.get_item(outcome.index)?);
        Ok(Made { key: &key, request: &request, home: &self.home, decode: self.decode, is_async: self.is_async }
            .of(outcome)?
            .into_any())
    }
}
