//! Many calls with one plan: all in Rust from the one crossing to the other; or outcome by outcome, as they come.

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::exceptions::{PyStopAsyncIteration, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use tokio::time::Instant;
use turnout_client::gather::{self, AsCompleted, Plan, ReturnWhen, Undecoded};
use turnout_client::{Call, Client, Scope};

use super::carry::{self, HttpCall, Work};
use super::client::HttpClient;
use super::home::Home;
use super::offloop;
use super::options::seconds;
use super::outcome::{Decode, Made};
use super::ticket::Reply;
use crate::interface::Ready;

/// What Python's words for a gather come to.
pub(super) struct Wanted {
    plan: Plan,
    decode: Decode,
    /// For each of its calls.
    pub(super) options: Option<Py<PyDict>>,
}

impl Wanted {
    pub(super) fn of(fields: Option<&Bound<'_, PyDict>>, keys: &Bound<'_, PyList>) -> PyResult<Self> {
        let mut wanted = Self { plan: Plan::default(), decode: Decode::Json, options: None };
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
                        let place = keys.index(&key).map_err(|_| {
                            PyValueError::new_err(format!("require= names {key}, and no request has that key"))
                        })?;
                        plan.require.push(place);
                    }
                }
                "max_concurrency" => plan.max_concurrency = Some(value.extract::<usize>()?.max(1)),
                "decode" => {
                    let name: String = value.extract()?;
                    wanted.decode = Decode::named(&name)
                        .ok_or_else(|| PyValueError::new_err(format!("no way to decode is called {name:?}")))?;
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
    pub(super) calls: Vec<Arc<Call>>,
    pub(super) scope: Option<Scope>,
    pub(super) wanted: Wanted,
}

impl Work for Gather {
    type Reply = Gathered;

    async fn run(self) -> Gathered {
        let Self { client, home, calls, scope, wanted } = self;
        let scope = scope.unwrap_or_default();
        let gathered = gather::gather(&client, calls, &wanted.plan, &scope, &Undecoded).await;
        Gathered { gathered, decode: wanted.decode, home }
    }
}

/// What came of it: a list of outcomes, and the places of those that came of themselves, in their order.
pub(super) struct Gathered {
    gathered: gather::Gathered,
    decode: Decode,
    home: Home,
}

impl Reply for Gathered {
    fn build<'py>(self, py: Python<'py>, about: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (keys, requests) = parts(about)?;
        let mut outcomes = Vec::with_capacity(self.gathered.outcomes.len());
        for outcome in self.gathered.outcomes {
            let (key, request) = (keys.get_item(outcome.index)?, requests.get_item(outcome.index)?);
            let made = Made { key: &key, request: &request, home: &self.home, decode: self.decode };
            outcomes.push(made.of(outcome)?);
        }
        Ok((PyList::new(py, outcomes)?, self.gathered.completion).into_pyobject(py)?.into_any())
    }
}

fn parts<'a, 'py>(about: &'a Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
    let about = about.cast::<PyTuple>()?;
    Ok((about.get_item(0)?.cast_into()?, about.get_item(1)?.cast_into()?))
}

/// See `_turnout.pyi`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct HttpCompleted {
    client: Py<HttpClient>,
    about: Py<PyTuple>,
    /// Until the first outcome is asked for.
    begin: Mutex<Option<(Vec<Arc<Call>>, Option<Scope>, Wanted)>>,
    source: Mutex<Option<Source>>,
}

/// Where outcomes come from. The lock is that of whoever waits for the next one.
#[derive(Clone)]
struct Source {
    home: Home,
    running: Arc<tokio::sync::Mutex<Running>>,
    decode: Decode,
}

enum Running {
    New(Box<(Client, Vec<Arc<Call>>, Plan, Scope)>),
    Begun(AsCompleted),
    Over,
}

impl HttpCompleted {
    pub(super) fn new(
        client: Py<HttpClient>,
        about: Py<PyTuple>,
        calls: Vec<Arc<Call>>,
        scope: Option<Scope>,
        wanted: Wanted,
    ) -> Self {
        Self { client, about, begin: Mutex::new(Some((calls, scope, wanted))), source: Mutex::new(None) }
    }

    fn source(&self, py: Python<'_>) -> PyResult<Option<Source>> {
        let begin = self.begin.lock().take();
        if let Some((calls, scope, wanted)) = begin {
            let (home, client) = self.client.get().core(py)?;
            let new = Running::New(Box::new((client, calls, wanted.plan, scope.unwrap_or_default())));
            let running = Arc::new(tokio::sync::Mutex::new(new));
            *self.source.lock() = Some(Source { home, running, decode: wanted.decode });
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
        let Source { home, running, decode } = self.source;
        let mut running = running.lock().await;
        if let Running::New(new) = &mut *running {
            let (client, calls, plan, scope) = (**new).clone();
            *running = Running::Begun(gather::as_completed(client, calls, plan, scope, Undecoded));
        }
        let outcome = match &mut *running {
            Running::Begun(begun) => begun.next().await,
            Running::New(_) | Running::Over => None,
        };
        if outcome.is_none() {
            *running = Running::Over;
        }
        Came { outcome, home, decode, is_async: self.is_async }
    }
}

struct Came {
    outcome: Option<gather::Outcome>,
    home: Home,
    decode: Decode,
    is_async: bool,
}

impl Reply for Came {
    fn build<'py>(self, py: Python<'py>, about: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let Some(outcome) = self.outcome else {
            return if self.is_async { Err(PyStopAsyncIteration::new_err(())) } else { Ok(py.None().into_bound(py)) };
        };
        let (keys, requests) = parts(about)?;
        let (key, request) = (keys.get_item(outcome.index)?, requests.get_item(outcome.index)?);
        Ok(Made { key: &key, request: &request, home: &self.home, decode: self.decode }.of(outcome)?.into_any())
    }
}
