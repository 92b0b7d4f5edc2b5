//! The live table of turnout's admin socket in a terminal: who asks (client), what is told (now), what is wanted of it (choice), how it
//! reads (lines), and where it is shown (plain, screen, terminal). It knows nothing of the server but its JSON. `turnout top` calls [`run`].
#![forbid(unsafe_code)]

mod address;
mod choice;
mod client;
mod error;
mod figures;
mod findings;
mod glyphs;
mod keys;
mod lines;
mod now;
mod plain;
mod run;
mod screen;
mod terminal;
#[cfg(test)]
mod tests;

pub use address::Address;
pub use error::TopError;
pub use run::{Options, run};
