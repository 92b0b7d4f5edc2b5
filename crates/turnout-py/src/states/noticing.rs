//! What is worth a word of one request, or of one step of the loop: each time when it is over, and with what the sampler saw meanwhile.

use std::time::Duration;

use turnout_states::{
    Finding, Finished, Found, Interruptions, NO_REQUEST, SiteId, Spot, ViewId, Views, Waits, in_sequence,
};

use super::keeping::Keeping;
use super::kept::Kept;
use super::meter::Meter;
use super::present::{Sight, Sights};
use super::rate::{nanoseconds_in, ticks_in, unix_time_of};
use crate::raw::ticks;

/// Nanoseconds that a step must have waited: a request of somebody else that comes meanwhile is later by half of it, as much as a person's key press may
/// be without being felt; and a look every 10 ms sees what it waits for.
const BLOCKED: u64 = 10_000_000;
/// Nanoseconds that a step must have computed, as in the line that says where the loop is stuck.
pub(super) const COMPUTED: u64 = 50_000_000;
/// Nanoseconds that a request must have kept a thread that it did not use: less is how long it takes to come back.
const KEPT: u64 = 1_000_000;
/// What a call must have waited for a connection, and what part of the call that must have been: a wait that would not be missed is none.
const QUEUED: Duration = Duration::from_millis(5);
const QUEUED_PART: u32 = 10;
/// Nanoseconds: a step that is shorter is not looked at.
pub(super) const WORTH: u64 = BLOCKED;

/// One has ended that was longer than [`WORTH`]; `owner`: whose it was.
#[cold]
pub(crate) fn long_step(
    meter: &Meter,
    owner: Option<&Keeping>,
    [began, ended]: [u64; 2],
    between: Interruptions,
    is_known: bool,
) {
    let Some(views) = super::views() else { return };
    let sights = meter.present().take(began);
    if owner.is_none() && views.all().iter().all(|place| place.requests() == 0) {
        return; // it starts: nobody waits
    }
    let view = owner.map_or_else(|| views.place_of(NO_REQUEST), Keeping::view_id);
    let at = unix_time_of(ended) / 1_000_000;
    let Interruptions { gil, run_queue, blocked } = between;
    let found = |finding, took| Found::once(finding, view.place(), at, took);
    let waited = nanoseconds_in(blocked);
    if waited >= BLOCKED {
        match sights.as_ref().and_then(Sights::mostly) {
            Some(Sight { awaited, place, .. }) => {
                let [what, place] = [awaited.name(), &place.name].map(str::to_owned);
                views.findings.found(Found { what, place, ..found(Finding::BlockedLoop, waited) });
            }
            // Time is missing, and nobody saw it wait: unless the run queue was asked before, it may have been that.
            None if is_known && !meter.can_be_seen() => views.findings.found(found(Finding::BlockedLoop, waited)),
            None => {}
        }
    }
    let computed = nanoseconds_in(ended.saturating_sub(began).saturating_sub(gil + run_queue + blocked));
    if computed >= COMPUTED && !is_first(view) {
        let place = sights.map_or_else(String::new, |sights| sights.computes.name);
        views.findings.found(Found { place, ..found(Finding::LongStep, computed) });
    }
}

/// The first request of a view imports what it needs: that is so once.
fn is_first(view: ViewId) -> bool {
    let views = super::views().map(Views::all).unwrap_or_default();
    views.get(view.place()).is_none_or(|place| place.name.as_ref() != NO_REQUEST && place.requests() == 0)
}

/// A request is over that kept a thread.
#[cold]
pub(super) fn kept_thread(views: &Views, view: ViewId, kept: &Kept, finished: &Finished) {
    let took = nanoseconds_in(kept.sum);
    if took >= KEPT {
        let what = kept.what.to_string();
        views
            .findings
            .found(Found { what, ..Found::once(Finding::KeptThread, view.place(), finished.over_at(), took) });
    }
}

/// A request is over: its calls may have been able to go together.
pub(super) fn sequence(views: &Views, view: ViewId, finished: &Finished) {
    let Some(sequence) = in_sequence(&finished.waits) else { return };
    views.findings.found(Found {
        place: views.sites.told(sequence.first.site).unwrap_or_default(),
        what: views.addresses.name(sequence.first.address).to_string(),
        number: sequence.calls,
        ..Found::once(Finding::InSequence, view.place(), finished.over_at(), sequence.saved)
    });
}

/// Whether it is worth a word that a call waited so long for a connection, which took that long in all.
pub(super) fn is_worth_a_queue(waited: Duration, call: Duration) -> bool {
    waited >= QUEUED && waited >= call / QUEUED_PART
}

/// A call from that place had to wait so long for a connection to there.
#[cold]
pub(super) fn queue_for_connection(views: &Views, view: ViewId, what: String, site: SiteId, waited: Duration) {
    let at = unix_time_of(ticks()) / 1_000_000;
    let found = Found::once(Finding::PoolQueue, view.place(), at, waited.as_nanos() as u64);
    views.findings.found(Found { what, place: views.sites.told(site).unwrap_or_default(), ..found });
}

/// What a thread was seen to wait for that worked for a request, as far as no call of the request says that already.
#[cold]
pub(super) fn waits(views: &Views, view: ViewId, told: &mut Waits, sights: &Sights) {
    for Sight { awaited, looks, .. } in &sights.waits {
        let (count, time) = looks
            .iter()
            .filter(|(at, _)| !told.has_at(*at))
            .fold((0, 0), |(count, time), (_, stands_for)| (count + 1, time + stands_for));
        if count > 0 {
            told.saw(awaited.kind, ticks_in(time));
            let address = views.addresses.id_of(awaited.name());
            views.saw(view, Spot { kind: awaited.kind, address, site: SiteId::UNKNOWN }, count, time);
        }
    }
}
