//! Starts worker processes of a given command line, watches, replaces and drains them.
//!
//! Two sides: [`run`] is the supervisor's whole life; [`Link`] is what a worker finds when it starts. Between them: inherited
//! listening sockets, a pipe of status lines up, a pipe whose end means "the supervisor is gone" down, [`Slots`], and a file
//! whose content is the workers' business and that of whoever reads it.
//! Knows nothing of Python or HTTP: a worker is whatever speaks that way.
#![forbid(unsafe_code)]

mod event;
mod hang;
mod link;
mod pace;
mod seat;
mod signals;
mod slots;
mod supervisor;

pub use event::{Event, Level};
pub use link::{Link, LinkError, Message, VARIABLE};
pub use slots::{Slot, Slots};
pub use supervisor::{Plan, run};
