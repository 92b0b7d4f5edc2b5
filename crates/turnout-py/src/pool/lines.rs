//! Who is next: jobs in line, by view.
//!
//! First come, first served; but where other views are in demand no view gets the last threads, one in [`SHARE`]: a slow upstream
//! holds up the view that calls it, not the whole site (docs/decisions/0020-no-view-takes-all-threads.md). Requests whose path leads to
//! no view get less: whoever asks for thousands of pages that are not there must not stop those that are.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use rustc_hash::FxHasher;

/// Which view a job is for. Jobs with equal numbers share a line; 0 is for jobs of no view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct View(pub u64);

impl View {
    /// Paths that lead nowhere, all in one line. Neither a place in the table of routes nor the hash of a name.
    pub(crate) const NOWHERE: Self = Self(1 << 62);

    /// The view of a route, by Django's text of it; empty where there is no view.
    pub(crate) fn named(route: &str) -> Self {
        if route.is_empty() {
            return Self::NOWHERE;
        }
        let mut hasher = FxHasher::default();
        route.hash(&mut hasher);
        // Never the number of a place in the table of routes.
        Self(hasher.finish() | 1 << 63)
    }
}

/// One of so many threads is kept for other views than the one that has the rest.
const SHARE: usize = 16;
/// Of so many threads one may serve paths that lead nowhere while views are in demand: the page that says so may ask a database or a
/// slow service, and whoever makes up paths has no end of them. A site of flat pages has its threads: there no view is in demand.
const NOWHERE_SHARE: usize = 4;
/// A view is in demand for this long after one of its jobs was taken.
const DEMAND: Duration = Duration::from_secs(1);

pub(super) struct Lines<J> {
    /// Those with a job in line or at work: few, so they are searched one by one.
    by_view: Vec<Line<J>>,
    /// The most threads that one view may have while others are in demand.
    most: usize,
    /// The same for paths that lead nowhere, and what they may have when no view is in demand: one at least is kept in any case.
    most_nowhere: usize,
    most_nowhere_alone: usize,
    waiting: usize,
    /// The view whose job was taken last, and the last one of another view.
    last: Taken,
    before: Taken,
}

struct Line<J> {
    view: View,
    waiting: VecDeque<(Instant, J)>,
    /// Its jobs at work.
    busy: usize,
}

type Taken = Option<(View, Instant)>;

impl<J> Lines<J> {
    /// For at most so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            by_view: Vec::new(),
            most: threads - threads / SHARE,
            most_nowhere: (threads / NOWHERE_SHARE).max(1),
            most_nowhere_alone: threads.saturating_sub((threads / SHARE).max(1)).max(1),
            waiting: 0,
            last: None,
            before: None,
        }
    }

    /// No more jobs come: from now on any view may have all threads.
    pub(super) fn keep_none(&mut self) {
        (self.most, self.most_nowhere, self.most_nowhere_alone) = (usize::MAX, usize::MAX, usize::MAX);
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn push(&mut self, view: View, job: J) {
        let at = self.find(view).unwrap_or_else(|| {
            self.by_view.push(Line { view, waiting: VecDeque::new(), busy: 0 });
            self.by_view.len() - 1
        });
        self.by_view[at].waiting.push_back((Instant::now(), job));
        self.waiting += 1;
    }

    /// Since when the job waits that is next; `None` when none may be taken.
    pub(super) fn next_since(&self) -> Option<Instant> {
        let next = self.next()?;
        self.by_view[next].since()
    }

    /// The job that is next goes to work.
    pub(super) fn take(&mut self, now: Instant) -> Option<(View, J)> {
        let next = self.next()?;
        let line = &mut self.by_view[next];
        let (_, job) = line.waiting.pop_front()?;
        line.busy += 1;
        let view = line.view;
        self.waiting -= 1;
        if self.last.is_some_and(|(last, _)| last != view) {
            self.before = self.last;
        }
        self.last = Some((view, now));
        Some((view, job))
    }

    /// A job that was taken is done.
    pub(super) fn done(&mut self, view: View) {
        if let Some(found) = self.find(view) {
            self.by_view[found].busy -= 1;
            self.forget_if_empty(found);
        }
    }

    /// Takes out the job that waits longest, if that is since `limit` or earlier.
    pub(super) fn pop_older_than(&mut self, limit: Instant) -> Option<J> {
        let waiting = self.by_view.iter().enumerate().filter_map(|(at, line)| Some((line.since()?, at)));
        let (_, oldest) = waiting.min().filter(|(since, _)| *since <= limit)?;
        let (_, job) = self.by_view[oldest].waiting.pop_front()?;
        self.waiting -= 1;
        self.forget_if_empty(oldest);
        Some(job)
    }

    fn find(&self, view: View) -> Option<usize> {
        self.by_view.iter().position(|line| line.view == view)
    }

    fn next(&self) -> Option<usize> {
        let next = self.oldest(None)?;
        if self.by_view[next].view == View::NOWHERE && self.last.is_some_and(|(last, _)| last == View::NOWHERE) {
            // They take turns with the views, so that a thousand of them in line are not a thousand before the next view.
            return self.oldest(Some(View::NOWHERE)).or(Some(next));
        }
        Some(next)
    }

    /// Whose first job waits longest, of those that may have a thread.
    fn oldest(&self, except: Option<View>) -> Option<usize> {
        let lines = self.by_view.iter().enumerate().filter(|(_, line)| Some(line.view) != except && self.may(line));
        lines.filter_map(|(at, line)| Some((line.since()?, at))).min().map(|(_, at)| at)
    }

    fn may(&self, line: &Line<J>) -> bool {
        if line.view != View::NOWHERE {
            return line.busy < self.most || !self.others_in_demand(line.view);
        }
        line.busy < self.most_nowhere || (line.busy < self.most_nowhere_alone && !self.others_in_demand(line.view))
    }

    fn others_in_demand(&self, view: View) -> bool {
        let other = if self.last.is_some_and(|(last, _)| last != view) { self.last } else { self.before };
        other.is_some_and(|(_, taken)| taken.elapsed() < DEMAND)
    }

    fn forget_if_empty(&mut self, at: usize) {
        if self.by_view[at].busy == 0 && self.by_view[at].waiting.is_empty() {
            self.by_view.swap_remove(at);
        }
    }
}

impl<J> Line<J> {
    fn since(&self) -> Option<Instant> {
        self.waiting.front().map(|(since, _)| *since)
    }
}
