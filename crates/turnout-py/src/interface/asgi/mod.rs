//! The ASGI 3.0 interface (HTTP and lifespan): `scope`, `receive`, `send`.

mod call;
mod cycle;
mod extensions;
mod incoming;
mod message;
mod pathsend;
pub(super) mod scope;

pub(crate) use call::AsgiApp;
pub(crate) use cycle::Cycle;
