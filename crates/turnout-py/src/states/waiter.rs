//! Who waits for an upstream: a request, at a place of its code.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use turnout_client::Timings;
use turnout_states::{Kind, SiteId};
use url::Url;

use super::keeping::{Keeping, current, incoming};
use super::meter::Meter;
use super::rate::ticks_in;
use super::site;
use crate::raw;

/// The place in the project's code from which a call is made. Unknown where no request is accounted for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caller(pub(super) SiteId);

thread_local! {
    /// In a call that blocks it: so many ticks of that in line for a connection.
    static BLOCKED: Cell<Option<u64>> = const { Cell::new(None) };
    /// Who made the call that this thread was given to run, for code that is called by none of the project's. True beside it: all of it is such code, as
    /// Django's own calls are, and to look for the project in its twenty frames would be in vain.
    static SENT_BY: Cell<(Caller, bool)> = const { Cell::new((Caller(SiteId::UNKNOWN), false)) };
}

impl Caller {
    /// Of what is called now, for the request that this is done for.
    pub(crate) fn here(py: Python<'_>) -> Self {
        current(py).map_or(Self::default(), |_| Self::of_frames(py))
    }

    /// The same, where it is known that there is such a request.
    pub(super) fn of_frames(py: Python<'_>) -> Self {
        let Some(views) = super::views() else { return Self::default() };
        let (sent_by, alone) = SENT_BY.get();
        if alone {
            return sent_by;
        }
        let here = site::here(py, &views.sites);
        if here.is_unknown() { sent_by } else { Self(here) }
    }

    pub(super) fn is_unknown(self) -> bool {
        self.0.is_unknown()
    }

    /// What this thread runs from now on was sent by that one. `alone`: none of the project's code runs there.
    pub(super) fn sends(self, alone: bool) {
        SENT_BY.set((self, alone));
    }
}

/// See the module.
pub(crate) struct Waiter {
    pub(crate) keeping: Arc<Keeping>,
    caller: Caller,
    /// What it waits for is inside of a call that is told as a whole.
    told: bool,
}

impl Waiter {
    /// Whoever runs now; `None` where nothing is accounted for. `caller`: as far as it is known already.
    pub(crate) fn current(py: Python<'_>, caller: Caller) -> Option<Self> {
        let keeping = current(py)?;
        let told = in_timed_call(py);
        let caller = if caller.is_unknown() && !told { Caller::of_frames(py) } else { caller };
        Some(Self { keeping, caller, told })
    }

    /// Its wait for an upstream that took so long to answer is over at `ended`.
    pub(crate) fn waited(&self, url: &Url, took: Duration, ended: u64) {
        if self.told {
            return;
        }
        let began = ended.saturating_sub(ticks_in(took.as_nanos() as u64));
        self.keeping.waited(Kind::Http, &address_of(url), self.caller, began, ended);
    }

    /// That call may have waited for a connection first.
    pub(crate) fn waited_for_connection(&self, url: &Url, timings: &Timings) {
        if let Some(waited) = timings.pool {
            self.keeping.waited_for_connection(|| address_of(url), self.caller, waited, timings.total);
        }
    }
}

/// Whether this is done for a call that is told as a whole: one that blocks this thread, or one that this task waits for.
pub(super) fn in_timed_call(py: Python<'_>) -> bool {
    BLOCKED.get().is_some() || awaits(py)
}

/// What this thread does from now on is done for a call that blocks it.
pub(super) fn block() {
    BLOCKED.set(Some(0));
    tells(true);
}

/// So many ticks of that were in line for a connection.
pub(super) fn queued(ticks: u64) {
    BLOCKED.set(BLOCKED.get().map(|sum| sum.saturating_add(ticks)));
}

/// It is not any more. How many ticks of it were in line for a connection.
pub(super) fn unblock() -> u64 {
    tells(false);
    BLOCKED.take().unwrap_or(0)
}

/// For whoever looks at this thread from outside.
fn tells(it_does: bool) {
    if let Some(meter) = Meter::of_this_thread() {
        meter.present().tells(it_does);
    }
}

fn awaits(py: Python<'_>) -> bool {
    timed_call(py).and_then(raw::value_of).is_some_and(|value| !value.is_none())
}

/// `turnout.incoming.in_timed_call`.
pub(super) fn timed_call(py: Python<'_>) -> Option<&Bound<'_, PyAny>> {
    static VARIABLE: PyOnceLock<Option<Py<PyAny>>> = PyOnceLock::new();
    VARIABLE.get_or_init(py, || incoming(py, "in_timed_call")).as_ref().map(|variable| variable.bind(py))
}

fn address_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
