//! Where the time of each request goes, measured: what of it needs the interpreter. The arithmetic is `turnout_states`.
//!
//! [`Keeping`] is a request's account and who may write into it, [`Meter`] what a thread is measured by, [`Watch`] how the loop measures its steps,
//! [`Waiter`] who waits for an upstream, [`rungs`] how exact each state is here. Written by the loop and the threads that run requests, all of them with the GIL; read by whoever
//! shows it.

mod crowd;
mod doing;
mod keeping;
mod kept;
mod meter;
mod noticing;
mod present;
mod rate;
mod reasons;
mod rungs;
mod sampler;
mod seen;
mod site;
mod timed;
mod waiter;
mod watch;
mod witness;

use std::sync::OnceLock;

use pyo3::prelude::*;
use turnout_config::Accounting;
use turnout_states::Views;

pub(crate) use crowd::Crowd;
pub(crate) use doing::Doing;
pub(crate) use keeping::{Keeping, current};
pub(crate) use meter::{GIL_WAITS, Mark, Meter};
pub(crate) use rate::{begin, nanoseconds_in, ticks_in};
pub(crate) use rungs::{in_words, number, switch_interval};
pub(crate) use sampler::{LOOKS, set_place_reader, tell_place};
pub(crate) use seen::{Accounted, ThreadHop, accounting, address_figures, findings, recent_requests, view_figures};
pub(crate) use site::place_of;
pub(crate) use timed::AwaitedCall;
pub(crate) use waiter::{Caller, Waiter};
pub(crate) use watch::{Watch, rests};
pub(crate) use witness::Witness;

/// All views of this process; one worker is one process. Not there: nothing is accounted for.
static VIEWS: OnceLock<Views> = OnceLock::new();

/// From now on requests have accounts, unless that is off, and so many bytes of the last ones are kept. Stays as it was decided first.
pub(crate) fn account(py: Python<'_>, how: Accounting, kept: usize) {
    if how == Accounting::Off || VIEWS.get().is_some() {
        return;
    }
    let rungs = rungs::stand(py, how);
    sampler::start(rungs);
    VIEWS.get_or_init(|| Views::keeping(kept));
}

/// The views that are accounted for; `None`: accounting is off.
#[inline]
pub(crate) fn views() -> Option<&'static Views> {
    VIEWS.get()
}
