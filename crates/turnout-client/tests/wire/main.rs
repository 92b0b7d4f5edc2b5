//! The pool and the exchange, over real sockets, against an upstream that does what each test says.
#![allow(clippy::unwrap_used, reason = "a test")]

mod answers;
mod faults;
mod http2;
mod requests;
mod reuse;
mod secure;
mod upstream;
