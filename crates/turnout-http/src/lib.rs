//! HTTP/1.1 in front of an [`App`]: framer, message policy over hyper, limits, bodies, drain.
//!
//! Knows nothing of Python. Called by `turnout-py`, which implements [`App`].
#![forbid(unsafe_code)]

mod app;
mod body;

pub use app::{App, Connection, Request, Response};
pub use body::{Body, BodyError, BodySender, Collected, RequestBody, SendError};
