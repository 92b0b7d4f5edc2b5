//! Cookies (RFC 6265), for callers who bring a jar. No client has one of its own: it would mix what belongs to its users.

use std::fmt;
use std::sync::Arc;

use cookie_store::{CookieDomain, CookieStore};
use http::{HeaderValue, header};
use parking_lot::Mutex;
use url::Url;

use crate::answer::Answer;
use crate::call::Call;
use crate::error::Error;
use crate::redirect::Below;

/// A jar holds no more than this; the answer's further cookies are ignored. Browsers keep 3000 and more, for all sites.
const MAX_COOKIES: usize = 3000;

/// One cookie, name and attributes included (RFC 6265, 6.1).
const MAX_COOKIE: usize = 4096;

/// The cookies of one user. Shared by the calls that are given it, redirects included.
///
/// A `Domain` that is a public suffix (`co.uk`, `github.io`) is refused, by the list that the crate psl was built with.
#[derive(Default)]
pub struct Jar(Mutex<CookieStore>);

/// One cookie of a jar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The host, or the domain with all below it.
    pub domain: String,
    /// Only for exactly this host.
    pub host_only: bool,
    /// For URLs below this.
    pub path: String,
    /// For `https` only.
    pub secure: bool,
}

impl Jar {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// What would be sent to `url`.
    pub fn header(&self, url: &Url) -> Option<HeaderValue> {
        let jar = self.0.lock();
        let mut cookies = jar.matches(url);
        // Longer paths first (RFC 6265, 5.4); which of two is older is not known here, so their names decide.
        cookies.sort_by(|a, b| b.path.len().cmp(&a.path.len()).then_with(|| a.name().cmp(b.name())));
        let pairs: Vec<String> = cookies.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect();
        if pairs.is_empty() {
            return None;
        }
        let mut value = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// As if `url` had answered with this `Set-Cookie`. Whether it was taken.
    pub fn set(&self, url: &Url, cookie: &str) -> bool {
        if cookie.len() > MAX_COOKIE {
            return false;
        }
        let Ok(cookie) = cookie_store::Cookie::parse(cookie.to_owned(), url) else { return false };
        let mut cookie = cookie.into_owned();
        if let CookieDomain::Suffix(domain) = &cookie.domain
            && is_public_suffix(domain)
        {
            // A site that is itself a public suffix may have cookies for itself (RFC 6265, 5.3, step 5).
            if url.host_str() != Some(domain.as_str()) {
                return false;
            }
            let Ok(host) = CookieDomain::host_only(url) else { return false };
            cookie.domain = host;
        }
        let mut jar = self.0.lock();
        if jar.iter_any().nth(MAX_COOKIES - 1).is_some() {
            let expired: Vec<_> = jar
                .iter_any()
                .filter(|cookie| cookie.is_expired())
                .map(|cookie| (String::from(&cookie.domain), String::from(&cookie.path), cookie.name().to_owned()))
                .collect();
            for (domain, path, name) in &expired {
                jar.remove(domain, path, name);
            }
            if expired.is_empty() {
                return false;
            }
        }
        jar.insert(cookie, url).is_ok()
    }

    /// All that are not expired, in no order.
    pub fn cookies(&self) -> Vec<Cookie> {
        let jar = self.0.lock();
        jar.iter_unexpired()
            .map(|cookie| Cookie {
                name: cookie.name().to_owned(),
                value: cookie.value().to_owned(),
                domain: String::from(&cookie.domain),
                host_only: matches!(cookie.domain, CookieDomain::HostOnly(_)),
                path: String::from(&cookie.path),
                secure: cookie.secure() == Some(true),
            })
            .collect()
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.0.lock().clear();
    }
}

impl fmt::Debug for Jar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Jar({} cookies)", self.0.lock().iter_unexpired().count())
    }
}

/// One hop: with the jar's cookies for it, if the call has a jar; what it is told to keep is kept.
pub(crate) async fn exchange(call: Arc<Call>, send: &Below<'_>) -> Result<Answer, Error> {
    let Some(jar) = call.options.cookies.clone() else { return send(call).await };
    let url = call.url.clone();
    let call = match jar.header(&url) {
        None => call,
        Some(stored) => {
            // The caller's own first: a server takes the first of two with one name, mostly.
            let own = call.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
            let all: Vec<&[u8]> = own.chain([stored.as_bytes()]).collect();
            match HeaderValue::from_bytes(&all.join(&b"; "[..])) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    Arc::new(call.with_header(header::COOKIE, value))
                }
                Err(_) => call,
            }
        }
    };
    let answer = send(call).await?;
    for cookie in answer.head.headers.get_all(header::SET_COOKIE) {
        if let Ok(text) = cookie.to_str() {
            jar.set(&url, text);
        }
    }
    Ok(answer)
}

/// Whether many parties have names below it. A name without a dot is one too: `com`, and hosts of a local network.
fn is_public_suffix(domain: &str) -> bool {
    !domain.contains('.') || psl::suffix_str(domain).is_some_and(|suffix| suffix == domain)
}
