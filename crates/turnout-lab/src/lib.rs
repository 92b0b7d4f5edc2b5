//! Simulated upstreams and a load generator: what `turnout demo` and bench/ put around the server under test.
//!
//! Knows nothing of turnout: both ends speak plain HTTP/1.1, so that every rival is measured by the same instrument.

#![forbid(unsafe_code)]

pub mod load;
pub mod timer;
pub mod upstream;
