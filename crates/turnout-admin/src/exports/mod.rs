//! What other programs show: a request as a trace, a view's waiting as stacks.

mod stacks;
mod trace;

pub(crate) use stacks::stacks;
pub(crate) use trace::trace;
