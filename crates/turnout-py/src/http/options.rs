//! What a client is made with and what a call replaces, from Python's words to the client's types.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use turnout_client::{Http2, Kind, Limits, Options, Timeouts};
use url::Url;

use super::errors::refused;
use super::headers;
use super::home::Wish;
use super::params::query;
use super::reaching::{self, Signer};
use super::{policies, target, transport};

/// Fields that are not known here.
pub(super) type Others<'py> = Vec<(String, Bound<'py, PyAny>)>;

/// All of a client that is not its connections. An upstream has one of its own, over the client's.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) base_url: Option<Url>,
    pub(super) headers: HeaderMap,
    pub(super) params: Option<String>,
    pub(super) options: Arc<Options>,
    pub(super) signer: Option<Signer>,
}

impl Settings {
    pub(super) fn new(py: Python<'_>) -> PyResult<Self> {
        let options = Options { proxies: reaching::environment(py)?, ..Options::default() };
        Ok(Self { base_url: None, headers: HeaderMap::new(), params: None, options: Arc::new(options), signer: None })
    }

    /// These with what `fields` has in their place; what is not known here is left in the answer.
    pub(super) fn with<'py>(&self, fields: &Bound<'py, PyDict>) -> PyResult<(Self, Others<'py>)> {
        let mut new = self.clone();
        let mut options = (*self.options).clone();
        let mut others = Vec::new();
        for (name, value) in fields.iter() {
            let name: String = name.extract()?;
            match name.as_str() {
                "base_url" => new.base_url = base_url(&value)?,
                "headers" if value.is_none() => {}
                "headers" => headers::merge(&mut new.headers, &headers::parse(&value)?),
                "params" => new.params = query(&value)?,
                other => {
                    if !replace(&mut options, &mut new.signer, other, &value)? {
                        others.push((name, value));
                    }
                }
            }
        }
        new.options = Arc::new(options);
        Ok((new, others))
    }
}

/// `options` with what `fields` has in their place: what one call may replace.
pub(super) fn over(
    options: &Arc<Options>,
    signer: &mut Option<Signer>,
    fields: &Bound<'_, PyDict>,
) -> PyResult<Arc<Options>> {
    if fields.is_empty() {
        return Ok(Arc::clone(options));
    }
    let mut new = (**options).clone();
    for (name, value) in fields.iter() {
        let name: String = name.extract()?;
        if !replace(&mut new, signer, &name, &value)? {
            return Err(PyTypeError::new_err(format!("a call has no option {name:?}")));
        }
    }
    Ok(Arc::new(new))
}

/// One option. False: there is none of that name.
fn replace(options: &mut Options, signer: &mut Option<Signer>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    match name {
        "timeout" => options.timeouts = timeouts(value)?,
        "follow_redirects" => options.redirects.follow = value.is_truthy()?,
        "max_redirects" => options.redirects.max = value.extract()?,
        "max_body" => options.max_body = value.extract()?,
        "decompress" => options.decode = value.is_truthy()?,
        "http2" => options.http2 = http2(value)?,
        "verify" => options.tls = reaching::tls(value)?,
        "proxy" => options.proxies = reaching::proxies(value)?,
        "addresses" => options.addresses = reaching::addresses(value)?,
        "auth" => {
            *signer = reaching::signer(value);
            options.auth = if signer.is_some() { None } else { reaching::auth(value)? };
        }
        "cookies" => options.cookies = reaching::cookies(value)?,
        "policy" => options.policy = policies::native(value)?,
        "transport" => options.transport = transport::of(value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn base_url(value: &Bound<'_, PyAny>) -> PyResult<Option<Url>> {
    let text: String = if value.is_none() { String::new() } else { value.str()?.extract()? };
    if text.is_empty() {
        return Ok(None);
    }
    let url = target::absolute(value.py(), &text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused(value.py(), Kind::InvalidUrl, "a base URL has no query and no fragment: use params"));
    }
    Ok(Some(url))
}

fn http2(value: &Bound<'_, PyAny>) -> PyResult<Http2> {
    if let Ok(word) = value.cast::<PyString>() {
        return match word.to_str()? {
            "only" => Ok(Http2::Only),
            other => Err(PyValueError::new_err(format!("http2 is True, False or \"only\", not {other:?}"))),
        };
    }
    Ok(if value.is_truthy()? { Http2::Negotiate } else { Http2::Off })
}

/// A number is the total, `None` no limit at all; else what has the attributes of `turnout.http.Timeout`.
pub(super) fn timeouts(value: &Bound<'_, PyAny>) -> PyResult<Timeouts> {
    let py = value.py();
    let none = Timeouts { total: None, ..Timeouts::default() };
    if value.is_none() {
        return Ok(none);
    }
    if let Ok(total) = value.extract::<f64>() {
        return Ok(Timeouts { total: Some(seconds(total)?), ..none });
    }
    let phase = |name: &Bound<'_, PyString>| -> PyResult<Option<Duration>> {
        match value.getattr_opt(name)? {
            Some(phase) if !phase.is_none() => seconds(phase.extract()?).map(Some),
            _ => Ok(None),
        }
    };
    if value.getattr_opt(intern!(py, "total"))?.is_none() {
        return Err(PyTypeError::new_err("timeout is a number of seconds, a Timeout, or None"));
    }
    Ok(Timeouts {
        total: phase(intern!(py, "total"))?,
        attempt: phase(intern!(py, "attempt"))?,
        pool: phase(intern!(py, "pool"))?,
        connect: phase(intern!(py, "connect"))?,
        write: phase(intern!(py, "write"))?,
        first_byte: phase(intern!(py, "first_byte"))?,
        read: phase(intern!(py, "read"))?,
    })
}

/// A length of time that a person wrote.
pub(super) fn seconds(seconds: f64) -> PyResult<Duration> {
    if seconds.is_infinite() && seconds.is_sign_positive() {
        // Longer than anything that runs, and still a moment that a clock can have.
        return Ok(Duration::from_secs(u64::from(u32::MAX)));
    }
    Duration::try_from_secs_f64(seconds)
        .map(|length| length.min(Duration::from_secs(u64::from(u32::MAX))))
        .map_err(|_| PyValueError::new_err(format!("{seconds} is no number of seconds")))
}

/// What has the attributes of `turnout.http.Limits`.
pub(super) fn limits(value: &Bound<'_, PyAny>) -> PyResult<(Limits, Wish)> {
    let py = value.py();
    let mut limits = Limits::default();
    let count = |name: &Bound<'_, PyString>, into: &mut usize| -> PyResult<()> {
        if let Some(count) = value.getattr_opt(name)? {
            *into = if count.is_none() { usize::MAX } else { count.extract()? };
        }
        Ok(())
    };
    count(intern!(py, "max_connections"), &mut limits.max_connections)?;
    count(intern!(py, "max_connections_per_host"), &mut limits.max_connections_per_host)?;
    count(intern!(py, "max_idle_per_host"), &mut limits.max_idle_per_host)?;
    count(intern!(py, "max_queue"), &mut limits.max_queue)?;
    if let Some(keepalive) = value.getattr_opt(intern!(py, "keepalive"))? {
        limits.keepalive = seconds(keepalive.extract()?)?;
    }
    let own = value.getattr_opt(intern!(py, "own_thread"))?.map_or(Ok(false), |own| own.is_truthy())?;
    Ok((limits, if own { Wish::OwnThread } else { Wish::Shared }))
}
