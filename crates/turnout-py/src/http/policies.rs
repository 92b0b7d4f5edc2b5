//! `turnout.http.Policy` as the client's terms. One policy object is one native policy, however often it is given: what it remembers of an
//! upstream is shared by all who use it.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;
use rustc_hash::{FxBuildHasher, FxHashMap};
use turnout_client::Kind;
use turnout_client::policy::{
    After, Backoff, Bulkhead, Cache, CircuitBreaker, Coalesce, Hedge, Policy, RateLimit, Retry, RetryBudget, Terms,
    WhenFull,
};

use super::options::seconds;
use crate::raw;

struct Known {
    policy: Py<PyWeakrefReference>,
    native: Arc<Policy>,
}

/// By the address of the object, in one process: a child knows nothing of what its parent's upstreams did.
struct Table {
    generation: u64,
    known: FxHashMap<usize, Known>,
}

/// Taken with the GIL only, never across a call into Python.
static TABLE: Mutex<Table> = Mutex::new(Table { generation: 0, known: FxHashMap::with_hasher(FxBuildHasher) });

/// So many may be known before those that are gone are looked for.
const MANY: usize = 64;

/// The native one of a policy object; `None` of None.
pub(super) fn native(policy: &Bound<'_, PyAny>) -> PyResult<Option<Arc<Policy>>> {
    if policy.is_none() {
        return Ok(None);
    }
    let py = policy.py();
    let address = policy.as_ptr() as usize;
    {
        let mut table = TABLE.lock();
        let generation = raw::fork_generation();
        if table.generation != generation {
            std::mem::forget(std::mem::take(&mut table.known));
            table.generation = generation;
        }
        if let Some(known) = table.known.get(&address)
            && known.policy.bind(py).upgrade().is_some_and(|known| known.is(policy))
        {
            return Ok(Some(Arc::clone(&known.native)));
        }
    }
    let native = Arc::new(Policy::new(terms(policy)?).map_err(|error| PyValueError::new_err(error.to_string()))?);
    let known = Known { policy: PyWeakrefReference::new(policy)?.unbind(), native: Arc::clone(&native) };
    let dropped: Vec<Known> = {
        let mut table = TABLE.lock();
        let gone: Vec<usize> = if table.known.len() < MANY {
            Vec::new()
        } else {
            table
                .known
                .iter()
                .filter(|(_, known)| known.policy.bind(py).upgrade().is_none())
                .map(|(at, _)| *at)
                .collect()
        };
        let mut dropped: Vec<Known> = gone.iter().filter_map(|address| table.known.remove(address)).collect();
        dropped.extend(table.known.insert(address, known));
        dropped
    };
    drop(dropped);
    Ok(Some(native))
}

fn terms(policy: &Bound<'_, PyAny>) -> PyResult<Terms> {
    Ok(Terms {
        retry: part(policy, "retry", retry)?,
        hedge: part(policy, "hedge", hedge)?,
        breaker: part(policy, "breaker", breaker)?,
        bulkhead: part(policy, "bulkhead", bulkhead)?,
        rate: part(policy, "rate", rate)?,
        coalesce: part(policy, "coalesce", coalesce)?,
        cache: part(policy, "cache", cache)?,
    })
}

fn part<T>(
    of: &Bound<'_, PyAny>,
    name: &str,
    read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>,
) -> PyResult<Option<T>> {
    let part = of.getattr(name)?;
    if part.is_none() { Ok(None) } else { read(&part).map(Some) }
}

fn time(of: &Bound<'_, PyAny>, name: &str) -> PyResult<Duration> {
    seconds(of.getattr(name)?.extract()?)
}

fn time_or_none(of: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<Duration>> {
    part(of, name, |value| seconds(value.extract()?))
}

fn retry(given: &Bound<'_, PyAny>) -> PyResult<Retry> {
    let (mut statuses, mut kinds) = (Vec::new(), Vec::new());
    for reason in given.getattr("on")?.try_iter()? {
        let reason = reason?;
        if let Ok(status) = reason.extract::<u16>() {
            statuses.push(StatusCode::from_u16(status).map_err(|_| PyValueError::new_err("no status of a response"))?);
        } else {
            kinds.extend(kinds_of(&reason)?);
        }
    }
    let methods = given.getattr("methods")?.try_iter()?.map(|method| {
        let method: String = method?.extract()?;
        Method::from_bytes(method.as_bytes()).map_err(|_| PyValueError::new_err("a method is a token"))
    });
    let methods = methods.collect::<PyResult<Vec<_>>>()?;
    // As it is by default: then a call that says that it may be sent twice may, whatever its method.
    let usual = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"];
    let is_usual = methods.len() == usual.len() && methods.iter().all(|method| usual.contains(&method.as_str()));
    let backoff = given.getattr("backoff")?;
    Ok(Retry {
        attempts: given.getattr("attempts")?.extract()?,
        statuses,
        kinds,
        methods: if is_usual { None } else { Some(methods) },
        backoff: Backoff {
            base: time(&backoff, "base")?,
            cap: time(&backoff, "cap")?,
            jitter: backoff.getattr("jitter")?.extract::<String>()? != "none",
        },
        respect_retry_after: given.getattr("respect_retry_after")?.is_truthy()?,
        budget: part(given, "budget", |budget| {
            Ok(RetryBudget {
                ratio: budget.getattr("ratio")?.extract()?,
                min_per_second: budget.getattr("min_per_second")?.extract()?,
                ttl: time(budget, "window")?,
            })
        })?,
    })
}

/// The kinds whose exceptions are of this class.
fn kinds_of(class: &Bound<'_, PyAny>) -> PyResult<Vec<Kind>> {
    let py = class.py();
    let class = class.cast::<pyo3::types::PyType>()?;
    let by_kind = py.import("turnout.http.errors")?.getattr("BY_KIND")?;
    let mut kinds = Vec::new();
    for kind in Kind::ALL {
        let one = by_kind.get_item(format!("{kind:?}"))?;
        if one.cast::<pyo3::types::PyType>()?.is_subclass(class)? {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

fn hedge(given: &Bound<'_, PyAny>) -> PyResult<Hedge> {
    let after = given.getattr("after")?;
    let after = if let Ok(length) = after.extract::<f64>() {
        After::Fixed(seconds(length)?)
    } else {
        let name: String = after.extract()?;
        let percent = name.strip_prefix('p').and_then(|percent| percent.parse::<f64>().ok());
        let percent = percent.ok_or_else(|| PyValueError::new_err(format!("{name:?} is no percentile")))?;
        After::Quantile(percent / 100.0)
    };
    Ok(Hedge {
        after,
        attempts: given.getattr("attempts")?.extract()?,
        budget: given.getattr("budget")?.extract()?,
        min_samples: given.getattr("min_samples")?.extract()?,
    })
}

fn breaker(given: &Bound<'_, PyAny>) -> PyResult<CircuitBreaker> {
    Ok(CircuitBreaker {
        failure_rate: given.getattr("failure_rate")?.extract()?,
        slow_rate: given.getattr("slow_rate")?.extract()?,
        slow_after: time_or_none(given, "slow_after")?,
        window: time(given, "window")?,
        min_calls: given.getattr("min_calls")?.extract()?,
        open_for: time(given, "open_for")?,
        half_open_calls: given.getattr("half_open_calls")?.extract()?,
    })
}

fn bulkhead(given: &Bound<'_, PyAny>) -> PyResult<Bulkhead> {
    Ok(Bulkhead {
        max_concurrent: given.getattr("max_concurrent")?.extract()?,
        max_queue: given.getattr("max_queue")?.extract()?,
        queue_timeout: time_or_none(given, "queue_timeout")?,
    })
}

fn rate(given: &Bound<'_, PyAny>) -> PyResult<RateLimit> {
    let when_full: String = given.getattr("when_full")?.extract()?;
    Ok(RateLimit {
        rate: given.getattr("rate")?.extract()?,
        per: time(given, "per")?,
        burst: given.getattr("burst")?.extract()?,
        when_full: if when_full == "reject" { WhenFull::Reject } else { WhenFull::Wait },
    })
}

fn coalesce(given: &Bound<'_, PyAny>) -> PyResult<Coalesce> {
    let vary = given.getattr("vary")?.try_iter()?.map(|name| {
        let name: String = name?.extract()?;
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| PyValueError::new_err(format!("{name:?} is no header")))
    });
    let key: Option<String> = given.getattr("key")?.extract()?;
    Ok(Coalesce { key: key.map(Arc::from), vary: vary.collect::<PyResult<_>>()? })
}

fn cache(given: &Bound<'_, PyAny>) -> PyResult<Cache> {
    Ok(Cache {
        max_bytes: given.getattr("max_bytes")?.extract()?,
        shared: given.getattr("shared")?.is_truthy()?,
        stale_if_error: time(given, "stale_if_error")?,
        stale_while_revalidate: time(given, "stale_while_revalidate")?,
    })
}
