//! What a view waits for: at which address, from which place in the project's code.

use serde::Serialize;
use turnout_states::Times;

use crate::api::numbers::{fine, milliseconds, rounded};
use crate::store::Store;

/// One of them, in the window but for `longest`. Times are milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Spot {
    kind: &'static str,
    address: String,
    site: Option<String>,
    calls: u64,
    mean: f64,
    /// Since the server started: what is told of is the longest so far.
    longest: f64,
    /// Its time as a part of the view's Waiting for I/O; calls side by side each count, so it may be more than 1.
    share: f64,
}

/// Of the last so many seconds, in which the view's requests took this.
pub(crate) fn spots(store: &Store, view: u16, seconds: u32, times: &Times) -> Vec<Spot> {
    let waiting = times.waiting_for_io() as f64 / 1e9;
    let told = store.spots(Some(view), seconds.into());
    told.into_iter()
        .map(|(_, waited)| Spot {
            kind: waited.spot.kind.word(),
            address: waited.spot.address.to_string(),
            site: waited.spot.site.as_deref().map(str::to_owned),
            calls: waited.calls,
            mean: rounded(waited.time * 1e3 / waited.calls.max(1) as f64),
            longest: milliseconds(waited.longest),
            share: fine(if waiting > 0.0 { waited.time / waiting } else { 0.0 }),
        })
        .collect()
}
