//! The only place of this workspace where `unsafe` is allowed: one small file per trick, each with its invariants.
//!
//! Everything exported here is safe to call. What each block relies on is gathered in `SAFETY.md`.
#![expect(unsafe_code, reason = "this is where it lives; every block says why it is sound")]

mod collector;
mod context;
mod descriptors;
mod fork;
mod frames;
mod gil;
pub(crate) mod inherited;
mod interpreter;
mod streams;
mod text;
mod ticks;
mod turns;

pub(crate) use collector::{hide, is_shared, show};
pub(crate) use context::{copy_context, reset_value, run_in_context, set_value, value_of};
pub(crate) use descriptors::{duplicate, watch_readable, with_borrowed};
pub(crate) use fork::{fork_generation, watch_forks};
pub(crate) use frames::{Running, innermost_frame, running};
pub(crate) use gil::{Gil, Woken, meter_of_this_thread, set_meter, watch_gil};
pub(crate) use interpreter::py_runtime_range;
pub(crate) use streams::{receive, send};
pub(crate) use text::{latin1, utf8, utf8_with_halves};
pub(crate) use ticks::ticks;
pub(crate) use turns::take_short_turns;
