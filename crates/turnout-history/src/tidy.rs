//! What keeps the file within its bounds: the oldest is deleted, minutes become quarters of an hour, free pages are given back.
//!
//! Each step is a transaction of its own that leaves the file right, whatever comes next.

use std::collections::BTreeMap;

use crate::figures::Figures;
use crate::file::{COLUMNS, File};
use crate::write::Rows;
use crate::{MINUTE, MINUTES_FOR, QUARTER, aligned};

/// Views that one transaction turns into quarters: what it writes must fit into the room beside the file.
const VIEWS_AT_ONCE: usize = 64;
/// Quarters that are made after one minute. Only a server that was away for long has more than one to make.
const QUARTERS_AT_ONCE: usize = 8;
/// Free pages are kept for what comes next, as long as they are no more than these.
const SPARE: u64 = 256;
/// Pages that are given back in one transaction: each may move another one.
const BACK_AT_ONCE: u64 = 64;

impl File {
    /// After a minute, which ended at `now` (seconds since 1970).
    pub(crate) fn tidy(&mut self, now: i64) -> rusqlite::Result<()> {
        let oldest = now.saturating_sub(i64::try_from(self.bounds.age.as_secs()).unwrap_or(i64::MAX));
        while self.first()?.is_some_and(|(start, length)| start.saturating_add(length) <= oldest) {
            self.drop_oldest()?;
        }
        for _ in 0..QUARTERS_AT_ONCE {
            match self.oldest_minute()? {
                Some(start) if aligned(start, QUARTER) + QUARTER <= now - MINUTES_FOR => {
                    self.make_quarter(aligned(start, QUARTER))?;
                }
                _ => break,
            }
        }
        if self.pages()?.1 > SPARE {
            self.give_back(BACK_AT_ONCE)?;
        }
        self.empty_log()
    }

    /// Names that nothing is known of any more are forgotten. Reads all there is: now and then.
    pub(crate) fn forget_names(&mut self) -> rusqlite::Result<()> {
        self.connection.execute("DELETE FROM view WHERE id NOT IN (SELECT view FROM figures)", ())?;
        self.empty_log()
    }

    /// Deletes the oldest until so many pages are free, or could be had.
    pub(crate) fn make_room(&mut self, wanted: u64) -> rusqlite::Result<()> {
        let most = self.most_pages()?;
        // A size that was made less since the file was written.
        let mut shrunk = false;
        while self.pages()?.0 > most {
            shrunk = true;
            if self.pages()?.1 < BACK_AT_ONCE && !self.drop_oldest()? {
                break;
            }
            self.give_back(BACK_AT_ONCE)?;
        }
        if shrunk {
            self.empty_log()?;
            self.cap()?;
        }
        loop {
            let (pages, free) = self.pages()?;
            if most.saturating_sub(pages) + free >= wanted || !self.drop_oldest()? {
                return self.settle();
            }
        }
    }

    /// Deletes the oldest span with its figures; whether there was one.
    fn drop_oldest(&mut self) -> rusqlite::Result<bool> {
        let Some((start, _)) = self.first()? else { return Ok(false) };
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM figures WHERE start <= ?", [start])?;
        transaction.execute("DELETE FROM span WHERE start = ?", [start])?;
        transaction.commit()?;
        self.settle()?;
        Ok(true)
    }

    /// Start and length of the oldest span.
    fn first(&self) -> rusqlite::Result<Option<(i64, i64)>> {
        let mut rows = self.connection.prepare("SELECT start, length FROM span ORDER BY start LIMIT 1")?;
        let mut rows = rows.query(())?;
        rows.next()?.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
    }

    fn oldest_minute(&self) -> rusqlite::Result<Option<i64>> {
        self.connection.query_row("SELECT min(start) FROM span WHERE length = ?", [MINUTE], |row| row.get(0))
    }

    /// Adds the minutes of a quarter of an hour up. Done in steps, each of which may be the last for now: it goes on from there, and counts nothing twice,
    /// because what was added is deleted in the same transaction.
    fn make_quarter(&mut self, quarter: i64) -> rusqlite::Result<()> {
        let (sums, starts) = self.sums(quarter)?;
        let sums: Vec<_> = sums.into_iter().collect();
        for some in sums.chunks(VIEWS_AT_ONCE) {
            let transaction = self.connection.transaction()?;
            // What has no span is not found.
            transaction.execute("INSERT OR IGNORE INTO span VALUES (?1, ?2, 0)", (quarter, MINUTE))?;
            {
                let mut away = transaction.prepare("DELETE FROM figures WHERE start = ? AND view = ?")?;
                let mut rows = Rows::new(&transaction)?;
                for (view, figures) in some {
                    for start in starts.iter().filter(|start| **start != quarter) {
                        away.execute((*start, *view))?;
                    }
                    rows.put(quarter, *view, figures)?;
                }
            }
            transaction.commit()?;
            self.settle()?;
        }
        let inside = (quarter, quarter + QUARTER);
        let transaction = self.connection.transaction()?;
        let covered: f64 =
            transaction.query_row("SELECT total(covered) FROM span WHERE start >= ? AND start < ?", inside, |row| {
                row.get(0)
            })?;
        transaction.execute("DELETE FROM span WHERE start >= ? AND start < ?", inside)?;
        transaction.execute("INSERT INTO span VALUES (?1, ?2, ?3)", (quarter, QUARTER, covered))?;
        transaction.commit()?;
        self.settle()
    }

    /// What each view had in a quarter, and where in it there are rows.
    fn sums(&self, quarter: i64) -> rusqlite::Result<(BTreeMap<i64, Figures>, Vec<i64>)> {
        let mut sums = BTreeMap::<i64, Figures>::new();
        let mut starts = Vec::new();
        let query = format!("SELECT start, view, {COLUMNS} FROM figures WHERE start >= ? AND start < ? ORDER BY start");
        let mut rows = self.connection.prepare(&query)?;
        let mut rows = rows.query((quarter, quarter + QUARTER))?;
        while let Some(row) = rows.next()? {
            let start = row.get(0)?;
            if starts.last() != Some(&start) {
                starts.push(start);
            }
            sums.entry(row.get(1)?).or_default().add(&Self::figures(row, 2)?);
        }
        Ok((sums, starts))
    }

    /// Gives free pages back to the file system.
    fn give_back(&self, pages: u64) -> rusqlite::Result<()> {
        {
            let mut steps = self.connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
            let mut steps = steps.query(())?;
            // One page a step.
            while steps.next()?.is_some() {}
        }
        self.settle()
    }
}
