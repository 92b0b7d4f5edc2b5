//! What a thread is doing: computing, waiting for the interpreter's lock, or waiting for something else.
//!
//! Knows no sockets and no Python; it is told where the interpreter's state lies. Called by the sync pool before it grows.
#![forbid(unsafe_code)]

mod thread;

pub use thread::{Activity, Probe};
