//! Follows `Location` (RFC 9110, 15.4; the Fetch standard where that leaves a choice). Each hop is a call of its own: through the policies,
//! to an address that is checked, with the cookies and credentials that are for it and no others.
//!
//! Knows nothing of how a call is sent: `layers` gives it what lies below.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderName};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::answer::{Answer, AnswerBody, Head};
use crate::auth;
use crate::call::{Body, Call};
use crate::cookies;
use crate::error::{Error, Kind};
use crate::options::Options;

/// A redirect's own body is read this far, so that its connection can be used again; then it is closed.
const MAX_DISCARDED: usize = 64 << 10;
const DISCARD_WITHIN: Duration = Duration::from_millis(200);

/// What describes a body that is not sent again (RFC 9110, 15.4).
const OF_THE_BODY: [HeaderName; 9] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::LAST_MODIFIED,
    header::TRAILER,
    header::TRANSFER_ENCODING,
];

/// A field with one of these in its name is for the origin that it was written for. `Authorization`, `Cookie` and `Proxy-Authorization` are
/// the ones that standards know; services have made up hundreds of others.
const SECRET: [&str; 10] =
    ["api-key", "apikey", "auth", "cookie", "credential", "csrf", "secret", "session", "signature", "token"];

/// What lies below: sends one call.
pub(crate) type Below<'a> = dyn Fn(Arc<Call>) -> Sent<'a> + Sync + 'a;

/// A call that is being sent.
pub(crate) type Sent<'a> = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send + 'a>>;

/// Whether nothing here has anything to do for `call`: it can be sent as it is.
pub(crate) fn is_plain(call: &Call) -> bool {
    let Options { redirects, cookies, auth, .. } = &*call.options;
    !redirects.follow && cookies.is_none() && auth.is_none()
}

/// Sends `call`, and what it is redirected to. Dropped, it gives up the hop that it is at.
pub(crate) async fn follow(call: &Arc<Call>, send: &Below<'_>) -> Result<Answer, Error> {
    let with_cookies = move |hop| -> Sent<'_> { Box::pin(cookies::exchange(hop, send)) };
    let mut hop = Arc::clone(call);
    let mut history: Vec<Head> = Vec::new();
    // Once another origin was in between, it may have chosen the URL: credentials are not sent again, not even home.
    let mut at_home = true;
    loop {
        let auth = if at_home { call.options.auth.as_deref() } else { None };
        let mut answer = auth::exchange(&hop, auth, &with_cookies).await?;
        let target = if call.options.redirects.follow { target(&hop, &answer.head)? } else { None };
        let Some(url) = target else {
            answer.history = history;
            return Ok(answer);
        };
        if history.len() >= call.options.redirects.max as usize {
            let host = call.url.host_str().unwrap_or_default();
            let text = format!("{host} redirects more than {} times in a row", call.options.redirects.max);
            return Err(Error::new(Kind::TooManyRedirects, text).after_sending());
        }
        at_home &= same_origin(&hop.url, &url);
        hop = Arc::new(next(&hop, answer.head.status, url)?);
        discard(answer.body).await;
        history.push(answer.head);
    }
}

/// Where the answer to `hop` leads, if it is a redirect.
fn target(hop: &Call, head: &Head) -> Result<Option<Url>, Error> {
    let redirects = matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = head.headers.get(header::LOCATION).filter(|_| redirects) else { return Ok(None) };
    let host = || hop.url.host_str().unwrap_or_default();
    // Browsers read raw UTF-8 here, and so do those who send it.
    let Ok(mut url) = hop.url.join(String::from_utf8_lossy(location.as_bytes()).trim()) else {
        let text = format!("{} redirects to something that is no URL", host());
        return Err(Error::new(Kind::RemoteProtocol, text).after_sending());
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        let text = format!("{} redirects to {}:, which is not spoken here", host(), url.scheme());
        return Err(Error::new(Kind::UnsupportedProtocol, text).after_sending());
    }
    // Credentials of somebody else's choice (RFC 9110, 4.2.4).
    let _ = (url.set_username(""), url.set_password(None));
    if url.fragment().is_none() {
        url.set_fragment(hop.url.fragment());
    }
    Ok(Some(url))
}

fn next(hop: &Call, status: StatusCode, url: Url) -> Result<Call, Error> {
    let mut headers = hop.headers.clone();
    let becomes_get = match status {
        StatusCode::SEE_OTHER => hop.method != Method::HEAD && hop.method != Method::GET,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => hop.method == Method::POST,
        _ => false,
    };
    let (method, body) = if becomes_get {
        for name in OF_THE_BODY {
            headers.remove(name);
        }
        (Method::GET, Body::Empty)
    } else {
        let body = hop.body.again().ok_or_else(|| {
            let text = format!(
                "{} redirects to {} and wants the body sent again, which was a stream and can be sent only once",
                hop.url.host_str().unwrap_or_default(),
                url.host_str().unwrap_or_default()
            );
            Error::new(Kind::LocalProtocol, text).after_sending()
        })?;
        (hop.method.clone(), body)
    };
    let mut options = Arc::clone(&hop.options);
    if !same_origin(&hop.url, &url) {
        forget_secrets(&mut headers);
        // What the caller said instead of the URL's host, and the name of the upstream: true of the one before.
        headers.remove(header::HOST);
        if options.upstream.is_some() {
            options = Arc::new(Options { upstream: None, ..(*options).clone() });
        }
    }
    let idempotent = hop.idempotent || becomes_get;
    Ok(Call { method, url, headers, body, idempotent, stream: hop.stream, options })
}

/// All fields that are for one origin, each as often as it is there.
fn forget_secrets(headers: &mut HeaderMap) {
    let secret = |name: &HeaderName| SECRET.iter().any(|word| name.as_str().contains(word));
    let names: Vec<HeaderName> = headers
        .iter()
        .filter(|(name, value)| value.is_sensitive() || secret(name))
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// Scheme, host and port (RFC 6454): from `https` to `http` is somewhere else too.
fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// Reads what is left of a small body, so that the connection can be used again.
pub(crate) async fn discard(body: AnswerBody) {
    let AnswerBody::Stream(mut stream) = body else { return };
    let read = async {
        let mut left = MAX_DISCARDED;
        while let Some(Ok(piece)) = stream.next().await {
            match left.checked_sub(piece.len()) {
                Some(less) => left = less,
                None => break,
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_WITHIN, read).await;
}
