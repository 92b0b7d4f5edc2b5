//! Access tokens for client credentials (RFC 6749, 4.4), each fetched once for all calls that need it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::{self, byte_serialize};

use super::{bearer, secret};
use crate::answer::AnswerBody;
use crate::call::{Body, Call};
use crate::error::{Error, Kind};
use crate::options::{Options, Redirects};
use crate::redirect::Below;

/// A token is not used in its last moments: it has to last until the upstream has read it.
const LEEWAY: Duration = Duration::from_secs(30);

/// For a token that does not say how long it lasts (RFC 6749, 5.1: "recommended").
const UNSAID: Duration = Duration::from_secs(300);

/// An answer with a token; those of large providers have 2 to 4 KiB.
const MAX_ANSWER: usize = 64 << 10;

/// Who we are to an authorization server.
#[derive(Clone)]
pub struct ClientCredentials {
    /// Where tokens are given out.
    pub token_url: Url,
    /// Our name there.
    pub client_id: String,
    /// Our password there.
    pub client_secret: String,
    /// What the token is to be good for, separated by spaces; what is usual, if empty.
    pub scope: String,
    /// Further parameters, such as `audience`.
    pub parameters: Vec<(String, String)>,
}

/// See the module. Whoever needs a token first fetches it; if that call is given up, the next one does.
pub(super) struct Tokens {
    credentials: ClientCredentials,
    current: Mutex<Option<Token>>,
}

struct Token {
    value: HeaderValue,
    until: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl Tokens {
    pub(super) fn new(credentials: ClientCredentials) -> Result<Self, Error> {
        if !matches!(credentials.token_url.scheme(), "http" | "https") {
            return Err(Error::new(Kind::UnsupportedProtocol, "the token URL is neither http nor https"));
        }
        Ok(Self { credentials, current: Mutex::default() })
    }

    /// A token for `call`; not `refused`, if the upstream has just refused that one.
    pub(super) async fn get(
        &self,
        call: &Call,
        refused: Option<&HeaderValue>,
        send: &Below<'_>,
    ) -> Result<HeaderValue, Error> {
        let mut current = self.current.lock().await;
        if let Some(token) = &*current
            && Instant::now() < token.until
            && refused != Some(&token.value)
        {
            return Ok(token.value.clone());
        }
        let token = self.fetch(call, send).await?;
        let value = token.value.clone();
        *current = Some(token);
        Ok(value)
    }

    async fn fetch(&self, call: &Call, send: &Below<'_>) -> Result<Token, Error> {
        let asked = Instant::now();
        let answer = send(Arc::new(self.request(call)?)).await?;
        let host = self.credentials.token_url.host_str().unwrap_or_default();
        let status = answer.head.status;
        let AnswerBody::Whole(body) = answer.body else {
            return Err(Error::new(Kind::RemoteProtocol, format!("{host} gave no token")).after_sending());
        };
        if !status.is_success() {
            let why = serde_json::from_slice::<Refused>(&body).map(|refused| format!(": {:?}", refused.error));
            let text = format!("{host} gave no token, it answered {status}{}", why.unwrap_or_default());
            return Err(Error::new(Kind::RemoteProtocol, text).after_sending());
        }
        let nonsense =
            |why: &str| Error::new(Kind::RemoteProtocol, format!("{host} gave a token that {why}")).after_sending();
        let granted: Granted = serde_json::from_slice(&body).map_err(|_| nonsense("is not in the form of RFC 6749"))?;
        if !granted.token_type.eq_ignore_ascii_case("bearer") {
            return Err(nonsense("is of a type other than bearer"));
        }
        let value = bearer(&granted.access_token).map_err(|_| nonsense("has letters that no token can have"))?;
        let lasts = granted.expires_in.map_or(UNSAID, Duration::from_secs);
        // Of a very short one, half.
        Ok(Token { value, until: asked + lasts.saturating_sub(LEEWAY).max(lasts / 2) })
    }

    fn request(&self, call: &Call) -> Result<Call, Error> {
        let ClientCredentials { token_url, client_id, client_secret, scope, parameters } = &self.credentials;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !scope.is_empty() {
            form.append_pair("scope", scope);
        }
        for (name, value) in parameters {
            form.append_pair(name, value);
        }
        // Encoded as in forms, before they are put together (RFC 6749, 2.3.1).
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = BASE64_STANDARD.encode(format!("{}:{}", encode(client_id), encode(client_secret)));
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, secret(&format!("Basic {pair}"))?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let options = Options {
            upstream: None,
            auth: None,
            cookies: None,
            redirects: Redirects { follow: false, max: 0 },
            max_body: MAX_ANSWER,
            ..(*call.options).clone()
        };
        Ok(Call {
            method: Method::POST,
            url: token_url.clone(),
            headers,
            body: Body::Whole(Bytes::from(form.finish())),
            // Another token is no harm.
            idempotent: true,
            stream: false,
            options: Arc::new(options),
        })
    }
}
