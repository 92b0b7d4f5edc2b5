//! A window of time, read: in steps, of one view or of all.

use std::collections::HashMap;

use crate::figures::Figures;
use crate::file::{COLUMNS, File};
use crate::{QUARTER, aligned};

/// Steps of a window: each has a histogram of 3 KiB while it is read. A month in quarters of an hour is 2,880.
const MOST_STEPS: usize = 3_000;
/// A moment that no clock of a server shows: sums with it stay far from where numbers end.
const FAR: i64 = 1 << 40;
/// Rows that one question may read. Fifty views over a month are 220,000.
const MOST_ROWS: usize = 400_000;

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Of one view; `None`: of all.
    pub view: Option<String>,
    /// From this moment, in seconds since 1970.
    pub from: i64,
    /// Up to this one.
    pub to: i64,
    /// Seconds of a step: at least 60. Where there are only quarters of an hour any more it becomes a multiple of those.
    pub step: i64,
}

/// What there was. Begins and ends with a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Window {
    /// Seconds since 1970.
    pub from: i64,
    /// Likewise.
    pub to: i64,
    /// Seconds of a step.
    pub step: i64,
    /// When the oldest begins that there is in the file; `None`: it is empty.
    pub oldest: Option<i64>,
    /// One after the other.
    pub steps: Vec<Step>,
    /// Sums of each view by name, where all were asked for.
    pub views: Vec<(String, Figures)>,
}

/// One step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// Seconds of it in which somebody counted.
    pub covered: f64,
    /// What was counted, of all views that were asked for.
    pub figures: Figures,
}

impl Window {
    /// All steps together.
    pub fn total(&self) -> Step {
        let mut total = Step::default();
        for step in &self.steps {
            total.covered += step.covered;
            total.figures.add(&step.figures);
        }
        total
    }
}

impl File {
    /// `None`: it is more than can be read at once.
    pub(crate) fn window(&self, question: &Question) -> rusqlite::Result<Option<Window>> {
        let Some(mut window) = self.empty(question)? else { return Ok(None) };
        let (from, to) = (window.from, window.to);
        let mut spans = self.connection.prepare("SELECT start, covered FROM span WHERE start >= ? AND start < ?")?;
        let mut spans = spans.query((from, to))?;
        while let Some(row) = spans.next()? {
            if let Some(step) = window.step_of(row.get(0)?) {
                step.covered += row.get::<_, f64>(1)?;
            }
        }
        let fits = match &question.view {
            Some(name) => {
                self.one(&mut window, name)?;
                true
            }
            None => self.all(&mut window)?,
        };
        Ok(fits.then_some(window))
    }

    fn empty(&self, question: &Question) -> rusqlite::Result<Option<Window>> {
        let (from, to) = (question.from.clamp(0, FAR), question.to.clamp(0, FAR));
        let oldest = self.connection.query_row("SELECT min(start) FROM span", (), |row| row.get(0))?;
        let longest: i64 = self.connection.query_row(
            "SELECT coalesce(max(length), 0) FROM span WHERE start + length > ? AND start < ?",
            (from, to),
            |row| row.get(0),
        )?;
        let step = question.step.clamp(1, FAR);
        let step = if longest >= QUARTER { multiple(step, QUARTER) } else { step };
        let (from, to) = (aligned(from, step), multiple(to, step));
        let count = usize::try_from((to - from) / step).unwrap_or(0);
        let fits = count <= MOST_STEPS;
        Ok(fits.then(|| Window { from, to, step, oldest, steps: vec![Step::default(); count], views: Vec::new() }))
    }

    fn one(&self, window: &mut Window, name: &str) -> rusqlite::Result<()> {
        // By the spans, each of which is one look into the tree: a view's rows lie far from one another.
        let query = format!(
            "SELECT span.start, {COLUMNS} FROM span CROSS JOIN figures ON figures.start = span.start \
             WHERE span.start >= ? AND span.start < ? AND view = (SELECT id FROM view WHERE name = ?)"
        );
        let mut rows = self.connection.prepare(&query)?;
        let mut rows = rows.query((window.from, window.to, name))?;
        while let Some(row) = rows.next()? {
            if let Some(step) = window.step_of(row.get(0)?) {
                step.figures.add(&Self::figures(row, 1)?);
            }
        }
        Ok(())
    }

    fn all(&self, window: &mut Window) -> rusqlite::Result<bool> {
        let mut views = HashMap::<i64, Figures>::new();
        let query = format!("SELECT start, view, {COLUMNS} FROM figures WHERE start >= ? AND start < ?");
        let mut rows = self.connection.prepare(&query)?;
        let mut rows = rows.query((window.from, window.to))?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            read += 1;
            if read > MOST_ROWS {
                return Ok(false);
            }
            let figures = Self::figures(row, 2)?;
            views.entry(row.get(1)?).or_default().add(&figures);
            if let Some(step) = window.step_of(row.get(0)?) {
                step.figures.add(&figures);
            }
        }
        let mut named = self.connection.prepare("SELECT name FROM view WHERE id = ?")?;
        for (view, figures) in views {
            window.views.push((named.query_row([view], |row| row.get(0))?, figures));
        }
        window.views.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(true)
    }
}

impl Window {
    fn step_of(&mut self, start: i64) -> Option<&mut Step> {
        let place = usize::try_from((start - self.from) / self.step).ok()?;
        self.steps.get_mut(place)
    }
}

/// The next multiple of `of` that is not less.
fn multiple(number: i64, of: i64) -> i64 {
    aligned(number + of - 1, of)
}
