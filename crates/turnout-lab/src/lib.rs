//! Simulated upstreams and a load generator: what `turnout demo` and bench/ put around the server under test.
//!
//! Knows nothing of the server and the client of turnout: both ends speak HTTP by themselves, so that every rival is measured by the same instrument.

#![forbid(unsafe_code)]

pub mod load;
pub mod timer;
pub mod upstream;
