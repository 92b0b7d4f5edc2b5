//! HTTP/1.1 in front of an [`App`]: framer, message policy over hyper, limits, bodies, drain.
//!
//! Knows nothing of Python. Called by `turnout-py`, which implements [`App`].
#![forbid(unsafe_code)]

mod admission;
mod answer;
mod app;
mod body;
mod clock;
mod closing;
mod config;
mod connection;
mod drain;
mod exchange;
mod file;
pub mod framer;
mod hints;
mod outgoing;
mod serve;
mod spool;
mod timer;
mod wire;

pub use admission::{Admission, Neighbours};
pub use answer::has_no_content;
pub use app::{App, Connection, Request, Response, Spent};
pub use body::{Aborted, Body, BodyError, BodySender, Chunks, Collected, RequestBody, Room, SendError};
pub use config::{AccessEntry, AccessLog, Config, Fault, Limits, Outcome};
pub use drain::Drain;
pub use file::FileRange;
pub use hints::EarlyHints;
pub use hyper::ext::ReasonPhrase;
pub use serve::serve;
