//! The ASGI 3.0 interface (HTTP and lifespan): `scope`, `receive`, `send`.

mod call;
mod cycle;
pub(super) mod scope;

pub(crate) use call::AsgiApp;
pub(crate) use cycle::Cycle;
