//! turnout's options, once: one table ([`OPTIONS`]) says flag, variable, file key, default and text of each,
//! and how its text becomes a field of [`Settings`].
//!
//! What was typed is read by [`parse`] in layers (default, file, variable, flag; the later wins) and is resolved there and
//! then: nobody after this crate looks at an option's text again. Knows nothing of sockets or Python.
#![forbid(unsafe_code)]

mod cli;
mod file;
mod reference;
mod routes;
mod settings;
mod table;
mod top;
mod value;

pub use cli::{Command, ConfigError, Surroundings, defaults, parse};
pub use reference::reference;
pub use routes::{FLAGS, Flag, Question};
pub use settings::{
    AccessLogFormat, Accounting, ConnectionSharing, Interface, LogLevel, ServerTiming, Settings, ThreadSharing,
};
pub use table::{Group, OPTIONS, Opt, Takes};
pub use top::Top;
