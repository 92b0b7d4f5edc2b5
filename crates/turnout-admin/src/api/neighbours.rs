//! Who computed while a view waited for a processor.

use serde::Serialize;

use crate::api::numbers::{fine, rounded};
use crate::store::Store;

/// So many are told: who computed little is no neighbour worth a name.
const MOST: usize = 12;

/// Part of a view's page.
#[derive(Debug, Serialize)]
pub(crate) struct Neighbours {
    /// Seconds of Waiting for CPU a second, of all requests of the view.
    cpu: f64,
    views: Vec<Neighbour>,
}

/// One of them.
#[derive(Debug, Serialize)]
struct Neighbour {
    name: String,
    /// Which part of the view's Waiting for CPU.
    share: f64,
    /// Seconds of Processing a second, in the worker and the seconds in which the view waited.
    processing: f64,
}

/// Of the last so many seconds.
pub(crate) fn neighbours(store: &Store, view: u16, seconds: u32) -> Neighbours {
    let found = store.neighbours(view, seconds.into());
    let covered = found.covered.max(1.0);
    let views = found.views.iter().take(MOST).map(|neighbour| Neighbour {
        name: store.name(neighbour.view).to_owned(),
        share: fine(if found.cpu > 0.0 { neighbour.cpu / found.cpu } else { 0.0 }),
        processing: rounded(neighbour.processing / covered),
    });
    Neighbours { cpu: rounded(found.cpu / covered), views: views.collect() }
}
