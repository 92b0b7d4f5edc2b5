//! All unsafe code of turnout, each block with the reason why it is sound. Everything else in this crate is safe Rust.
#![expect(unsafe_code, reason = "this is the place for it")]

pub(crate) mod inherited;
