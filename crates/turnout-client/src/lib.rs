//! Outbound HTTP: one pool of connections a process, policies around a call, and many calls gathered.
//!
//! Knows nothing of Python and nothing of the server. It is given a runtime by whoever spawns its futures: under turnout the reactor's,
//! elsewhere one background thread's. Every future here is `Send` and may be dropped at any await point; what that leaves behind is said at
//! each type.

#![forbid(unsafe_code)]

mod answer;
mod auth;
pub mod body;
mod call;
mod client;
pub mod connect;
mod cookies;
mod cpu;
mod error;
mod exchange;
pub mod gather;
mod histogram;
pub mod json;
mod layers;
mod options;
pub mod policy;
mod pool;
mod redirect;
mod scope;
mod stats;
mod status;
mod timings;
mod upstreams;
mod way;

pub use answer::{Answer, AnswerBody, BodyStream, Chunks, Head};
pub use auth::{Auth, ClientCredentials};
pub use call::{Body, Call};
pub use client::{Client, Network, Observer};
pub use cookies::{Cookie, Jar};
pub use cpu::Cpu;
pub use error::{Error, Kind};
pub use histogram::Percentiles;
pub use layers::send;
pub use options::{Http2, Limits, Options, Redirects, Timeouts, Transport};
pub use pool::{Counts, Discard, PlaceStats, PoolStats};
pub use scope::Scope;
pub use stats::Snapshot;
pub use status::Status;
pub use timings::Timings;
pub use way::gave_way;
