//! For tests: a client that sends exactly the bytes it is given, also badly, and reads responses exactly; and an upstream that does wrong on purpose.
//!
//! Blocking and with a time limit on everything, so that a test says what it sees in the order in which it happens. Knows
//! nothing of turnout: what it takes for HTTP is written here a second time, on purpose.
#![forbid(unsafe_code)]

pub mod certificates;
pub mod chaos;
mod client;
mod response;

pub use chaos::Chaos;
pub use client::{Client, Ending};
pub use response::{ReadError, Response};
