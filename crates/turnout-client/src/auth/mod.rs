//! Who a call is from: what is said at once (basic, bearer), after a challenge (digest), or with a token that has to be fetched first.
//! For the origin that the call was written for, and no other: `redirect` sees to that.

mod challenge;
mod digest;
mod tokens;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, StatusCode, header};

use crate::answer::Answer;
use crate::call::Call;
use crate::error::{Error, Kind};
use crate::redirect::{Below, discard};
use digest::Digest;
pub use tokens::ClientCredentials;
use tokens::Tokens;

/// How a call shows who it is from. Given to several calls, they share what it has learned: challenges and tokens. A call that has a field
/// `Authorization` of its own is left as it is.
pub struct Auth(Scheme);

enum Scheme {
    Fixed(HeaderValue),
    Digest(Digest),
    Tokens(Tokens),
}

impl Auth {
    /// RFC 7617.
    pub fn basic(user: &str, password: &str) -> Result<Self, Error> {
        if user.contains(':') {
            return Err(unfit("a user name with a colon cannot be sent by basic authentication"));
        }
        let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
        Ok(Self(Scheme::Fixed(secret(&format!("Basic {encoded}"))?)))
    }

    /// RFC 6750.
    pub fn bearer(token: &str) -> Result<Self, Error> {
        Ok(Self(Scheme::Fixed(bearer(token)?)))
    }

    /// RFC 7616: the password itself is not sent. The first call costs a round trip, those after it do not.
    pub fn digest(user: &str, password: &str) -> Self {
        Self(Scheme::Digest(Digest::new(user, password)))
    }

    /// RFC 6749, 4.4: a token that is fetched when it is first needed, and again when it is about to expire.
    pub fn client_credentials(credentials: ClientCredentials) -> Result<Self, Error> {
        Ok(Self(Scheme::Tokens(Tokens::new(credentials)?)))
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match &self.0 {
            Scheme::Fixed(_) => "Auth(fixed)",
            Scheme::Digest(_) => "Auth(digest)",
            Scheme::Tokens(_) => "Auth(tokens)",
        })
    }
}

/// One hop, with what shows who it is from. A second time at most, if the answer wants something else to be shown and the body can be sent
/// again.
pub(crate) async fn exchange(call: &Arc<Call>, auth: Option<&Auth>, send: &Below<'_>) -> Result<Answer, Error> {
    let Some(Auth(scheme)) = auth.filter(|_| !call.headers.contains_key(header::AUTHORIZATION)) else {
        return send(Arc::clone(call)).await;
    };
    let first = match scheme {
        Scheme::Fixed(value) => return send(Arc::new(call.with_header(header::AUTHORIZATION, value.clone()))).await,
        Scheme::Digest(digest) => digest.respond(call),
        Scheme::Tokens(tokens) => Some(tokens.get(call, None, send).await?),
    };
    // Taken before a stream is moved out of it.
    let again = call.body.again();
    let sent = match &first {
        Some(value) => Arc::new(call.with_header(header::AUTHORIZATION, value.clone())),
        None => Arc::clone(call),
    };
    let answer = send(sent).await?;
    let refused = answer.head.status == StatusCode::UNAUTHORIZED && again.is_some();
    let second = match scheme {
        _ if !refused => None,
        Scheme::Fixed(_) => None,
        Scheme::Digest(digest) => digest.challenged(call, &answer.head, first.is_some()),
        Scheme::Tokens(tokens) => {
            Some(tokens.get(call, first.as_ref(), send).await?).filter(|token| Some(token) != first.as_ref())
        }
    };
    let answer = match second {
        None => answer,
        Some(value) => {
            discard(answer.body).await;
            send(Arc::new(call.with_header(header::AUTHORIZATION, value))).await?
        }
    };
    if let Scheme::Digest(digest) = scheme {
        digest.hear(call, &answer.head);
    }
    Ok(answer)
}

fn bearer(token: &str) -> Result<HeaderValue, Error> {
    // token68 (RFC 9110, 11.2), and nothing that could begin another field.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(fits) {
        return Err(unfit("the token has letters that a bearer token cannot have"));
    }
    secret(&format!("Bearer {token}"))
}

fn secret(text: &str) -> Result<HeaderValue, Error> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| unfit("credentials have letters that no field can have"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unfit(text: &str) -> Error {
    Error::new(Kind::LocalProtocol, text)
}
