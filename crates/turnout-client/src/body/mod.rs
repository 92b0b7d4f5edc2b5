//! What follows a head, in both directions: content codings taken off an answer within caps, forms put together for a request, text.
//!
//! Knows no sockets: bytes and [`crate::BodyStream`]s in, the same out. Called by the exchange, and by whoever builds requests.

mod codec;
mod coding;
mod decode;
mod form;
mod multipart;
mod text;

pub use coding::ACCEPT_ENCODING;
pub use decode::unpack;
pub(crate) use decode::{decode, is_coded};
pub use form::{FORM, form};
pub use multipart::{Content, Part, multipart};
pub use text::encoding;
