//! What somebody wants to see of the table: its order, a part of its names, where it begins, which window of time.

use std::cmp::Ordering;

use crate::figures::visible;
use crate::now::View;

/// The columns that can be sorted by, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Name,
    Rate,
    P50,
    P95,
    Failed,
    Total,
    Processing,
    Cpu,
    Io,
}

impl Sort {
    pub(crate) const ALL: [Self; 9] = [
        Self::Name,
        Self::Rate,
        Self::P50,
        Self::P95,
        Self::Failed,
        Self::Total,
        Self::Processing,
        Self::Cpu,
        Self::Io,
    ];

    /// As the status line names it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Rate => "rate",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::Failed => "failed",
            Self::Total => "total",
            Self::Processing => "Processing",
            Self::Cpu => "Waiting for CPU",
            Self::Io => "Waiting for I/O",
        }
    }

    fn compare(self, a: &View, b: &View) -> Ordering {
        let value = |view: &View| match self {
            Self::Name => 0.0,
            Self::Rate => view.rps,
            Self::P50 => view.p50.unwrap_or(-1.0),
            Self::P95 => view.p95.unwrap_or(-1.0),
            Self::Failed => view.failed as f64,
            Self::Total => view.seconds_a_minute,
            Self::Processing => view.shares.processing,
            Self::Cpu => view.shares.cpu,
            Self::Io => view.shares.io,
        };
        match self {
            Self::Name => a.name.cmp(&b.name),
            _ => value(a).total_cmp(&value(b)),
        }
    }
}

/// The windows that the digits choose, in seconds and in words.
pub(crate) const WINDOWS: [(u16, &str); 4] = [(10, "10 s"), (60, "1 min"), (300, "5 min"), (900, "15 min")];

/// What is on the screen, and whom keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Table,
    /// The table, while its filter is being typed.
    Typing,
    /// What was noticed.
    Findings,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) sort: Sort,
    pub(crate) down: bool,
    pub(crate) filter: String,
    /// The first row that is shown.
    pub(crate) first: usize,
    pub(crate) seconds: u16,
    pub(crate) paused: bool,
    pub(crate) mode: Mode,
}

impl Choice {
    /// The heaviest views of a window first.
    pub(crate) fn new(seconds: u16) -> Self {
        Self {
            sort: Sort::Total,
            down: true,
            filter: String::new(),
            first: 0,
            seconds,
            paused: false,
            mode: Mode::Table,
        }
    }

    /// By that column; a second time the other way round. Texts go up first, figures down.
    pub(crate) fn sort_by(&mut self, sort: Sort) {
        self.down = if self.sort == sort { !self.down } else { sort != Sort::Name };
        self.sort = sort;
        self.first = 0;
    }

    /// The next column, or the one before.
    pub(crate) fn step(&mut self, by: usize) {
        let at = Sort::ALL.iter().position(|sort| *sort == self.sort).unwrap_or_default();
        self.sort_by(Sort::ALL[(at + by) % Sort::ALL.len()]);
    }

    /// The views that are wanted, in their order.
    pub(crate) fn of<'a>(&self, views: &'a [View]) -> Vec<&'a View> {
        let wanted = self.filter.to_lowercase();
        let mut chosen: Vec<_> =
            views.iter().filter(|view| visible(&view.name).to_lowercase().contains(&wanted)).collect();
        chosen.sort_by(|a, b| {
            let order = self.sort.compare(a, b);
            if self.down { order.reverse() } else { order }.then_with(|| a.name.cmp(&b.name))
        });
        chosen
    }
}
