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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use turnout_history::{Bounds, Question};
    use turnout_states::{KINDS, Times};

    use super::*;

    /// A minute begins then.
    const START: i64 = 1_790_035_200;

    fn slice() -> (u16, Slice) {
        let times = Times { io: 5_000_000, ..Times::default() };
        let bins = Box::default();
        (0, Slice { requests: 1, failed: 0, clamped: 0, times, kinds: [0; KINDS], wall: [(140, 1)].into(), bins })
    }

    /// Requests and seconds of each minute, once there are so many requests.
    fn minutes(history: &History, requests: u64) -> Vec<(u64, f64)> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let (send, got) = channel();
            let question = Question { view: Some("a".to_owned()), from: START, to: START + 180, step: 60 };
            history.ask(question, move |answer| send.send(answer).unwrap_or_default());
            let window = got.recv().expect("an answer").expect("a window");
            if window.total().figures.requests == requests {
                return window.steps.iter().map(|step| (step.figures.requests, step.covered)).collect();
            }
            assert!(Instant::now() < end, "{window:?}");
        }
    }

    #[test]
    fn a_minute_is_handed_over_when_the_next_one_begins() {
        let folder = tempfile::tempdir().expect("a folder");
        let bounds = Bounds { size: 64 << 20, age: Duration::from_secs(86_400) };
        let history = History::open(&folder.path().join("history"), bounds, Box::new(|_| ())).expect("a history");
        let history = Arc::new(history);
        let mut past = Past::new(Arc::clone(&history));
        let names = ["a".into()];
        for second in 1..=150_u32 {
            past.add(START as f64 + f64::from(second), 1.0, &[slice()], &names);
        }
        assert_eq!(minutes(&history, 119), [(59, 59.0), (60, 60.0), (0, 0.0)]);
        past.hand_over(&names);
        assert_eq!(minutes(&history, 150), [(59, 59.0), (60, 60.0), (31, 31.0)]);
        past.hand_over(&names);
        // The clock is set back: what comes is added to what was then.
        past.add(START as f64 + 30.0, 1.0, &[slice()], &names);
        past.hand_over(&names);
        assert_eq!(minutes(&history, 151), [(60, 60.0), (60, 60.0), (31, 31.0)]);
    }
}
