//! The admin socket: health, metrics, and the live page over what the workers tell.
//!
//! [`start`] serves it on a thread of its own, in the process that supervises; [`Running`] is how that process says what happens to its
//! workers. What it shows it reads once a second from the [`Board`](turnout_states::Board) on which workers write. Knows nothing of Python, and
//! of the workers nothing but that board: it goes on while they are busy, stuck or gone.
#![forbid(unsafe_code)]

mod access;
mod admin;
mod answers;
mod api;
mod assets;
mod exports;
mod failures;
mod findings;
mod guard;
mod login;
mod metrics;
mod server;
mod store;
mod stream;

pub use access::{Token, TokenError};
pub use server::{Plan, Running, start};
