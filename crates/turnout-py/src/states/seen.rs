//! What Python sees of the accounts.

use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use turnout_states::{AtSpot, Found, KINDS, Kind, SiteId, Spot, Times, Wait};

use super::crowd::Crowd;
use super::doing::Doing;
use super::keeping::Keeping;
use super::meter::{Mark, Meter};
use super::rungs;
use super::timed::{self, Arguments, AwaitedCall};
use super::waiter::{Caller, queued};
use crate::raw::ticks;

/// See `_turnout.pyi`.
#[pyclass(frozen, subclass, module = "turnout._turnout")]
pub(crate) struct Accounted(pub(crate) Option<Arc<Keeping>>);

#[pymethods]
impl Accounted {
    /// Where the request's time has gone so far; None where nothing is accounted for.
    #[getter]
    fn times<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let Some(keeping) = &self.0 else { return Ok(None) };
        let seconds = keeping.times().parts().map(|part| part as f64 / 1e9);
        let make = MAKE.import(py, "turnout.times", "Times")?;
        make.call_method1(intern!(py, "_make"), (seconds,)).map(Some)
    }

    /// Seconds that calls took of each kind that there were any of, those side by side counted once: "db", "http", "cache".
    #[getter]
    fn waits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = PyDict::new(py);
        for (kind, sum) in Kind::ALL.iter().zip(self.0.as_ref().map_or([0; KINDS], |keeping| keeping.kinds())) {
            // What was seen by looking is right in sums of many requests only.
            if sum > 0 && kind.is_of_calls() {
                found.set_item(kind.word(), sum as f64 / 1e9)?;
            }
        }
        Ok(found)
    }

    /// Now, in the unit of stamps.
    #[staticmethod]
    fn stamp() -> u64 {
        ticks()
    }

    /// The place in the project's code that calls this, for `begins`; 0 if it is called by none of it.
    fn caller(&self, py: Python<'_>) -> u16 {
        self.0.as_ref().map_or(0, |keeping| timed::caller_of(py, keeping).0.place())
    }

    /// `call(*args, **kwargs)`, which blocks this thread, timed as a whole. `address`: where it goes, as text or as a function of its arguments and what it
    /// returned. `when`: whether it is a wait at all, by its arguments.
    #[pyo3(signature = (kind, address, call, args, kwargs=None, when=None))]
    fn time_call<'py>(
        &self,
        kind: &str,
        address: &Bound<'py, PyAny>,
        call: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        when: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        timed::time_call(self.0.as_deref(), kind, address, call, Arguments(args, kwargs), when)
    }

    /// So much of the call that blocks this thread, in the unit of stamps, it was in line for a connection of its pool.
    #[staticmethod]
    #[pyo3(name = "queued")]
    fn was_queued(long: u64) {
        queued(long);
    }

    /// A call of it is going to be awaited. None: it is not to be told, or is inside of one that is.
    fn awaits(&self, py: Python<'_>, kind: &str) -> PyResult<Option<AwaitedCall>> {
        AwaitedCall::of(py, self.0.as_ref(), kind)
    }

    /// The name of the view that it is for.
    fn resolved(&self, view: &str) {
        if let Some(keeping) = &self.0 {
            keeping.is_for(view);
        }
    }

    /// From now on it keeps a thread that it does not use, and `what` makes it: until a call of it begins there, or until `lets_go`.
    #[pyo3(signature = (what, *, between_calls=false))]
    fn keeps(&self, what: &str, between_calls: bool) {
        if let Some(keeping) = &self.0 {
            keeping.keeps(what, between_calls);
        }
    }

    /// No longer.
    fn lets_go(&self) {
        if let Some(keeping) = &self.0 {
            keeping.lets_go();
        }
    }

    /// A call of it gets in line for a thread of the hop pool.
    fn queues(&self) {
        if let Some(keeping) = &self.0 {
            keeping.queue_from_code(&HOPS);
        }
    }

    /// It is out of that line: a thread is being woken for it.
    fn assigned(&self) {
        if let Some(keeping) = &self.0 {
            keeping.assigned();
        }
    }

    /// It begins on the calling thread, which is out of the line for at most so long as it took to wake up. `caller`: whose call it is;
    /// `alone`: none of the project's code runs in it.
    fn begins(&self, caller: u16, alone: bool) -> Option<ThreadHop> {
        let keeping = self.0.clone()?;
        let before = Meter::of_this_thread()?.mark();
        let taken = keeping.take_assigned().unwrap_or(before.at);
        keeping.begin_on_thread(taken, &HOPS);
        Doing::Job(taken, before).begin();
        Caller(SiteId::from_place(caller)).sends(alone);
        Some(ThreadHop { keeping, taken, before })
    }

    /// It leaves that line without one.
    fn gives_up(&self) {
        if let Some(keeping) = &self.0 {
            keeping.give_up();
        }
    }
}

/// What the threads of the hop pool do.
static HOPS: Crowd = Crowd::new();

/// See `_turnout.pyi`: one call of an async request on a thread.
#[pyclass(module = "turnout._turnout")]
pub(crate) struct ThreadHop {
    keeping: Arc<Keeping>,
    taken: u64,
    before: Mark,
}

#[pymethods]
impl ThreadHop {
    /// It ends, on the same thread.
    fn end(&self) {
        Doing::Nothing.begin();
        Caller::default().sends(false);
        if let Some(now) = Meter::of_this_thread().map(|meter| meter.mark_after_call(&self.before)) {
            self.keeping.end_on_thread(self.taken, &self.before, &now, &HOPS);
        }
    }
}

/// A view, a kind, an address and a place of code; calls, nanoseconds in all, of the longest.
type Waited = (String, &'static str, String, String, u64, u64, u64);

/// What the views waited for.
#[pyfunction]
pub(crate) fn address_figures() -> Vec<Waited> {
    let Some(views) = super::views() else { return Vec::new() };
    let all = views.all();
    let figures = all.iter().flat_map(|place| {
        place.spots.all().into_iter().map(|(Spot { kind, address, site }, AtSpot { calls, time, longest })| {
            let (address, site) = (views.addresses.name(address), views.sites.name(site));
            (place.name.to_string(), kind.word(), address.to_string(), site.to_string(), calls, time, longest)
        })
    });
    figures.collect()
}

/// One wait of a kept request: kind, address, place of the code, and when it began and ended in nanoseconds since the request did.
type ToldWait = (&'static str, String, String, u64, u64);

/// The last requests of a view, for tests: when each began in nanoseconds since 1970, the parts of its time, its waits.
#[pyfunction]
pub(crate) fn recent_requests(view: &str) -> Vec<(u64, [u64; Times::PARTS], Vec<ToldWait>)> {
    let Some(views) = super::views() else { return Vec::new() };
    let Some(place) = views.all().into_iter().find(|place| &*place.name == view) else { return Vec::new() };
    let told = |wait: &Wait| {
        let (address, site) = (views.addresses.name(wait.address), views.sites.name(wait.site));
        (wait.kind.word(), address.to_string(), site.to_string(), wait.began, wait.ended)
    };
    let requests = place.recent().into_iter();
    requests.map(|kept| (kept.began, kept.times.parts(), kept.waits.iter().map(told).collect())).collect()
}

/// What was noticed, for tests: what kind of thing, the view, the place in its code, what, how often, nanoseconds of the worst, the number.
#[pyfunction]
pub(crate) fn findings() -> Vec<(String, String, String, String, u64, u64, u64)> {
    let Some(views) = super::views() else { return Vec::new() };
    let names = views.all();
    let told = |found: Found| {
        let view = names.get(found.view).map_or_else(String::new, |place| place.name.to_string());
        let finding = found.finding.word().to_owned();
        (finding, view, found.place, found.what, found.count, found.worst, found.number)
    };
    views.findings.all().into_iter().map(told).collect()
}

/// How each state is known here, one phrase each; None where nothing is accounted for.
#[pyfunction]
pub(crate) fn accounting() -> Option<Vec<String>> {
    super::views()?;
    rungs::found().map(rungs::Rungs::told)
}

/// All views with their figures, for tests: name, requests, failed, clamped, overlap, and the parts of their times in nanoseconds.
#[pyfunction]
pub(crate) fn view_figures() -> Vec<(String, [u64; 4], [u64; Times::PARTS])> {
    let Some(views) = super::views() else { return Vec::new() };
    let all = views.all();
    let figures = all.iter().map(|place| {
        let view = place.view();
        (place.name.to_string(), [view.requests, view.failed, view.clamped, view.overlap], view.times.parts())
    });
    figures.filter(|(_, [requests, ..], _)| *requests > 0).collect()
}
