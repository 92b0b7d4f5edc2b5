//! What makes two calls the same one: written out, not hashed, so that nobody can make up a call that is mistaken for another's.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method};
use url::Position;

use crate::auth::Auth;
use crate::call::{Body, Call};
use crate::connect::{AddressPolicy, Proxies, Tls};
use crate::options::Transport;
use crate::upstreams::name_of;

/// Larger bodies are not compared.
const MOST_BODY: usize = 64 << 10;
/// A field with one of these in its name tells one user from another, whatever it is exactly.
const CREDENTIALS: [&str; 13] = [
    "account",
    "auth",
    "cookie",
    "credential",
    "csrf",
    "key",
    "secret",
    "session",
    "signature",
    "tenant",
    "token",
    "user-id",
    "username",
];

/// A call, as far as it is compared.
#[derive(Clone, Debug)]
pub(super) struct Key {
    text: Text,
    place: Place,
    /// `None`: whoever it is from.
    user: Option<User>,
}

/// Who a call is from, as far as it says so.
#[derive(Clone, Debug)]
pub(super) struct User {
    /// All fields that carry credentials.
    fields: Text,
    /// What is shown only when it is sent.
    auth: Option<Arc<Auth>>,
}

/// Parts one after another, each with its length before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Text(Vec<u8>);

/// All beside the upstream's name that decides who answers, and what may be answered. Kept, not only its address: another could come to have that.
#[derive(Clone, Debug)]
struct Place {
    tls: Arc<Tls>,
    proxies: Arc<Proxies>,
    addresses: Arc<AddressPolicy>,
    transport: Option<Arc<dyn Transport>>,
}

impl Key {
    /// Of what this call asks for, by another method perhaps.
    pub(super) fn of_target(call: &Call, method: &Method) -> Self {
        let mut text = Text::default();
        text.push(method.as_str().as_bytes());
        text.push(call.url[..Position::AfterQuery].as_bytes());
        Self { text: text.with_upstream(call), place: Place::of(call), user: None }
    }

    /// Of all of the call. `None`: it cannot be compared.
    pub(super) fn of_call(call: &Call, vary: &[HeaderName]) -> Option<Self> {
        let body: &[u8] = match &call.body {
            Body::Empty => b"",
            Body::Whole(bytes) if bytes.len() <= MOST_BODY => bytes,
            Body::Whole(_) | Body::Stream(..) => return None,
        };
        let mut key = Self::of_target(call, &call.method);
        key.text.push(body);
        key.text.push(&call.options.max_body.to_le_bytes());
        key.user = Some(User::of(call));
        for name in vary.iter().map(HeaderName::as_str).chain(["cache-control", "content-type", "range"]) {
            key.text.push_field(&call.headers, name);
        }
        for name in ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"] {
            key.text.push_field(&call.headers, name);
        }
        Some(key)
    }

    /// Of all calls that somebody calls by this name.
    pub(super) fn of_name(call: &Call, name: &str) -> Self {
        let mut text = Text::default();
        text.push(name.as_bytes());
        Self { text: text.with_upstream(call), place: Place::of(call), user: None }
    }

    pub(super) fn len(&self) -> usize {
        self.text.0.len()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.user == other.user && self.place == other.place
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
        if let Some(user) = &self.user {
            user.fields.hash(state);
        }
    }
}

impl User {
    pub(super) fn of(call: &Call) -> Self {
        let tells = |name: &str| CREDENTIALS.iter().any(|part| name.contains(part));
        let fields = call.headers.iter().filter(|(name, value)| value.is_sensitive() || tells(name.as_str()));
        let mut fields: Vec<_> = fields.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        // The order of fields of different names says nothing; that of equal ones does, and is kept.
        fields.sort_by_key(|(name, _)| *name);
        let mut text = Text::default();
        for (name, value) in fields {
            text.push(name.as_bytes());
            text.push(value);
        }
        Self { fields: text, auth: call.options.auth.clone() }
    }

    pub(super) fn len(&self) -> usize {
        self.fields.0.len()
    }
}

impl PartialEq for User {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields && is_one(self.auth.as_ref(), other.auth.as_ref())
    }
}

impl Eq for User {}

impl Place {
    fn of(call: &Call) -> Self {
        let options = &call.options;
        Self {
            tls: Arc::clone(&options.tls),
            proxies: Arc::clone(&options.proxies),
            addresses: Arc::clone(&options.addresses),
            transport: options.transport.clone(),
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        is_one(self.transport.as_ref(), other.transport.as_ref())
            && self.tls == other.tls
            && self.proxies == other.proxies
            && self.addresses == other.addresses
    }
}

/// Both are the same object, or both are none.
fn is_one<T: ?Sized>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other)),
        _ => false,
    }
}

impl Text {
    fn push(&mut self, part: &[u8]) {
        self.0.extend_from_slice(&(part.len() as u64).to_le_bytes());
        self.0.extend_from_slice(part);
    }

    fn push_field(&mut self, headers: &HeaderMap, name: &str) {
        for value in headers.get_all(name) {
            self.push(value.as_bytes());
        }
        // Ends the list: an absent field is not an empty one.
        self.push(name.as_bytes());
    }

    fn with_upstream(mut self, call: &Call) -> Self {
        self.push(name_of(call).as_bytes());
        self.push(&[u8::from(call.options.decode), u8::from(call.options.redirects.follow)]);
        self
    }
}
