//! Sockets: where to listen ([`Bind`]), a bound socket ([`Listener`]), accepting from it ([`Acceptor`]), one connection ([`Stream`]),
//! and TLS of a certificate that lives as long as the process ([`PassingTls`]).
//!
//! Knows nothing of HTTP or Python. A [`Listener`] can be handed to another process as a descriptor and made again from it.
#![forbid(unsafe_code)]

mod bind;
mod listener;
mod stream;
mod tls;

pub use bind::{Bind, BindError};
pub use listener::{Accepted, Acceptor, Listener};
pub use stream::{Stream, Waiting};
pub use tls::{PassingTls, TlsError, TlsStream};
