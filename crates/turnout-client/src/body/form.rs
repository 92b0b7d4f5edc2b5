//! `application/x-www-form-urlencoded`.

use bytes::Bytes;
use http::HeaderValue;
use url::form_urlencoded::Serializer;

/// The type of what [`form`] gives.
pub const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Pairs as a form sends them.
pub fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Bytes {
    Serializer::new(String::new()).extend_pairs(pairs).finish().into()
}
