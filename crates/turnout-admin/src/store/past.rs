//! The minute that is not over yet, for the history.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use turnout_history::{Figures, History, Minute};

use crate::store::change::Slice;

const MINUTE: f64 = 60.0;

/// See the module.
#[derive(Debug)]
pub(super) struct Past {
    history: Arc<History>,
    /// Its beginning, in seconds since 1970.
    start: f64,
    /// Seconds of it that were counted.
    covered: f64,
    views: FxHashMap<u16, Figures>,
}

impl Past {
    pub(super) fn new(history: Arc<History>) -> Self {
        Self { history, start: 0.0, covered: 0.0, views: FxHashMap::default() }
    }

    /// A second that ended now. It belongs to the minute in which it ends.
    pub(super) fn add(&mut self, at: f64, span: f64, views: &[(u16, Slice)], names: &[Box<str>]) {
        let start = (at / MINUTE).floor() * MINUTE;
        // Another one, be it an earlier one: a clock may be set.
        if start.total_cmp(&self.start).is_ne() {
            self.hand_over(names);
            self.start = start;
        }
        self.covered += span;
        for (place, slice) in views {
            slice.add_to(self.views.entry(*place).or_default());
        }
    }

    /// The minute, as far as it came, is the history's.
    pub(super) fn hand_over(&mut self, names: &[Box<str>]) {
        let covered = std::mem::take(&mut self.covered);
        if covered <= 0.0 && self.views.is_empty() {
            return;
        }
        let named = |(place, figures): (u16, Figures)| Some((names.get(usize::from(place))?.clone(), figures));
        let views = self.views.drain().filter_map(named).collect();
        self.history.write(Minute { start: self.start as i64, covered, views });
    }
}
