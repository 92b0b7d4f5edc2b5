//! Whereto, through what, whom to believe and who is calling: from Python's words to the client's types.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyString};
use turnout_client::connect::{
    AddressPolicy, Base, Certificates, ClientCertificate, Proxies, ProxySettings, Tls, TlsSettings, TlsVersion,
};
use turnout_client::{Auth, ClientCredentials, Error, Jar};
use url::Url;

use super::{errors, target};

/// `True`, `False`, or what has the fields of `turnout.http.TLSConfig`.
pub(super) fn tls(verify: &Bound<'_, PyAny>) -> PyResult<Arc<Tls>> {
    let py = verify.py();
    if let Ok(verify) = verify.cast::<PyBool>() {
        if verify.is_true() {
            return Ok(Arc::default());
        }
        let settings = TlsSettings { dangerous_accept_any_certificate: true, ..TlsSettings::default() };
        return made(py, Tls::new(&settings));
    }
    let oldest = match verify.getattr(intern!(py, "min_version"))?.extract::<String>()?.as_str() {
        "1.3" => TlsVersion::V13,
        _ => TlsVersion::V12,
    };
    let pem = |name: &str| -> PyResult<Option<Certificates>> {
        let bytes: Option<Vec<u8>> = verify.call_method1(intern!(py, "pem"), (name,))?.extract()?;
        Ok(bytes.map(Certificates::Bytes))
    };
    let client = match (pem("cert")?, pem("key")?) {
        (Some(chain), Some(key)) => Some(ClientCertificate { chain, key }),
        _ => None,
    };
    let settings = TlsSettings {
        platform_roots: verify.getattr(intern!(py, "system_roots"))?.is_truthy()?,
        roots: pem("ca")?.into_iter().collect(),
        client,
        dangerous_accept_any_certificate: !verify.getattr(intern!(py, "verify"))?.is_truthy()?,
        oldest,
        server_name: None,
    };
    made(py, Tls::new(&settings))
}

/// A URL, what has the fields of `turnout.http.Proxy`, or None for what the environment says.
pub(super) fn proxies(given: &Bound<'_, PyAny>) -> PyResult<Arc<Proxies>> {
    let py = given.py();
    if given.is_none() {
        return environment(py);
    }
    let (url, except) = if let Ok(url) = given.cast::<PyString>() {
        (Some(url.to_str()?.to_owned()), String::new())
    } else {
        let except: Vec<String> =
            given.getattr(intern!(py, "no_proxy"))?.try_iter()?.map(|one| one?.extract()).collect::<PyResult<_>>()?;
        (given.getattr(intern!(py, "url"))?.extract()?, except.join(","))
    };
    let Some(url) = url else { return Ok(Arc::new(Proxies::none())) };
    made(py, Proxies::new(&ProxySettings { http: Some(url.clone()), https: Some(url), except, tls: Arc::default() }))
}

/// What the variables say.
pub(super) fn environment(py: Python<'_>) -> PyResult<Arc<Proxies>> {
    made(py, Proxies::from_environment())
}

/// What has the fields of `turnout.http.AddressPolicy`.
pub(super) fn addresses(given: &Bound<'_, PyAny>) -> PyResult<Arc<AddressPolicy>> {
    let py = given.py();
    let rules = |name: &str| -> PyResult<Vec<String>> {
        given.getattr(name)?.try_iter()?.map(|rule| rule?.extract()).collect()
    };
    let (allow, deny) = (rules("allow")?, rules("deny")?);
    let base = if given.getattr(intern!(py, "public_only"))?.is_truthy()? {
        Base::Public
    } else if allow.is_empty() {
        Base::Any
    } else {
        Base::Nothing
    };
    made(py, AddressPolicy::new(base, allow, deny))
}

/// What signs a call: given the request as it will be sent, it returns fields to add.
pub(super) type Signer = Arc<Py<PyAny>>;

/// `auth=`, if it is a function; then nobody else authenticates the call.
pub(super) fn signer(given: &Bound<'_, PyAny>) -> Option<Signer> {
    let is_function = given.is_callable() && !given.is_instance_of::<HttpAuth>();
    is_function.then(|| Arc::new(given.clone().unbind()))
}

/// A pair for basic authentication, an `HttpAuth`, or None.
pub(super) fn auth(given: &Bound<'_, PyAny>) -> PyResult<Option<Arc<Auth>>> {
    if given.is_none() {
        return Ok(None);
    }
    if let Ok(auth) = given.cast::<HttpAuth>() {
        return Ok(Some(Arc::clone(&auth.get().0)));
    }
    let (user, password): (String, String) = given
        .extract()
        .map_err(|_| PyTypeError::new_err("auth is a pair of user and password, an Auth, or a function"))?;
    made(given.py(), Auth::basic(&user, &password)).map(Some)
}

/// An `HttpCookieJar`, or None.
pub(super) fn cookies(given: &Bound<'_, PyAny>) -> PyResult<Option<Arc<Jar>>> {
    if given.is_none() {
        return Ok(None);
    }
    let jar = given.cast::<HttpCookieJar>().map_err(|_| PyTypeError::new_err("cookies is a CookieJar, or None"))?;
    Ok(Some(Arc::clone(&jar.get().0)))
}

fn made<T>(py: Python<'_>, made: Result<T, Error>) -> PyResult<Arc<T>> {
    made.map(Arc::new).map_err(|error| errors::raised(py, &error, None))
}

/// See `_turnout.pyi`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct HttpAuth(Arc<Auth>);

#[pymethods]
impl HttpAuth {
    /// User and password with each request (RFC 7617).
    #[staticmethod]
    fn basic(py: Python<'_>, user: &str, password: &str) -> PyResult<Self> {
        made(py, Auth::basic(user, password)).map(Self)
    }

    /// A token with each request (RFC 6750).
    #[staticmethod]
    fn bearer(py: Python<'_>, token: &str) -> PyResult<Self> {
        made(py, Auth::bearer(token)).map(Self)
    }

    /// An answer to the upstream's challenge (RFC 7616).
    #[staticmethod]
    fn digest(user: &str, password: &str) -> Self {
        Self(Arc::new(Auth::digest(user, password)))
    }

    /// Tokens of an authorization server, fetched when they are needed (RFC 6749, 4.4).
    #[staticmethod]
    #[pyo3(signature = (token_url, client_id, client_secret, *, scope="", parameters=Vec::new()))]
    fn client_credentials(
        py: Python<'_>,
        token_url: &str,
        client_id: String,
        client_secret: String,
        scope: &str,
        parameters: Vec<(String, String)>,
    ) -> PyResult<Self> {
        let token_url: Url = target::absolute(py, token_url)?;
        let scope = scope.to_owned();
        made(py, Auth::client_credentials(ClientCredentials { token_url, client_id, client_secret, scope, parameters }))
            .map(Self)
    }

    #[expect(clippy::unused_self, reason = "a method in Python")]
    fn __repr__(&self) -> &'static str {
        "<HttpAuth>"
    }
}

/// See `_turnout.pyi`.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct HttpCookieJar(Arc<Jar>);

#[pymethods]
impl HttpCookieJar {
    #[new]
    fn new() -> Self {
        Self(Arc::new(Jar::new()))
    }

    /// As if an answer from `url` had this `Set-Cookie`. False: it may not.
    fn set(&self, py: Python<'_>, url: &str, cookie: &str) -> PyResult<bool> {
        Ok(self.0.set(&target::absolute(py, url)?, cookie))
    }

    /// What would be sent to `url`.
    fn header(&self, py: Python<'_>, url: &str) -> PyResult<Option<String>> {
        let header = self.0.header(&target::absolute(py, url)?);
        Ok(header.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()))
    }

    /// Those that are kept, as dicts.
    fn cookies<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let all: PyResult<Vec<_>> = self
            .0
            .cookies()
            .into_iter()
            .map(|cookie| {
                let fields = PyDict::new(py);
                fields.set_item("name", cookie.name)?;
                fields.set_item("value", cookie.value)?;
                fields.set_item("domain", cookie.domain)?;
                fields.set_item("host_only", cookie.host_only)?;
                fields.set_item("path", cookie.path)?;
                fields.set_item("secure", cookie.secure)?;
                Ok(fields)
            })
            .collect();
        PyList::new(py, all?)
    }

    /// Forgets all.
    fn clear(&self) {
        self.0.clear();
    }

    fn __len__(&self) -> usize {
        self.0.cookies().len()
    }

    fn __bool__(&self) -> bool {
        let _ = self;
        true
    }
}
