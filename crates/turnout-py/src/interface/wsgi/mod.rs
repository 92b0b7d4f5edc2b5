//! The WSGI interface (PEP 3333): `environ`, `start_response`, an iterable of bytes. Each request runs on a thread of the sync pool.

mod ahead;
mod call;
pub(super) mod environ;
mod input;
mod send;
mod start;
mod wrapper;

pub(crate) use call::WsgiApp;
pub(crate) use environ::Facts;
