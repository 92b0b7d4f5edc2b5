//! A minute into the file: one transaction, added to what is there of the same minute already.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Statement, Transaction, params_from_iter};

use crate::figures::{Figures, Minute, pack};
use crate::file::{COLUMNS, Failure, File};
use crate::{MINUTE, aligned};

/// Bytes of a row beside its histogram, its share of the tree and of a page that is not full: on the safe side.
const ROW: usize = 160;
/// Pages that a transaction may need beside those of its rows: the tree's upper ones, those of names and spans.
const UPPER: u64 = 24;

impl File {
    /// Writes it, and gives room back to whom it belongs.
    pub(crate) fn write(&mut self, minute: &Minute) -> Result<(), Failure> {
        self.is_there()?;
        self.make_room(pages_of(minute))?;
        if self.bytes() > self.bounds.size {
            return Err(Failure::Held);
        }
        let start = aligned(minute.start, MINUTE);
        let transaction = self.connection.transaction()?;
        // The same minute again: the server was started again within it, or the clock was set back.
        transaction.execute(
            "INSERT INTO span VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET covered = covered + excluded.covered",
            (start, MINUTE, minute.covered),
        )?;
        {
            let mut rows = Rows::new(&transaction)?;
            for (name, figures) in &minute.views {
                let view = rows.view(name)?;
                rows.add(start, view, figures)?;
            }
        }
        transaction.commit()?;
        // It is in the file: what goes wrong now is met again with the next one, and this one must not be written twice.
        let _ = self.empty_log();
        Ok(())
    }
}

/// Above it the oldest gives way first.
fn pages_of(minute: &Minute) -> u64 {
    let bytes: usize =
        minute.views.iter().map(|(name, figures)| ROW + 2 * name.len() + pack(&figures.wall).len()).sum();
    // Pages split where they are full, so that both halves are half empty.
    (bytes as u64).div_ceil(2048) + UPPER
}

/// Rows within one transaction.
pub(crate) struct Rows<'a> {
    known: Statement<'a>,
    named: Statement<'a>,
    there: Statement<'a>,
    put: Statement<'a>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(transaction: &'a Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            known: transaction.prepare("SELECT id FROM view WHERE name = ?")?,
            named: transaction.prepare("INSERT INTO view (name) VALUES (?)")?,
            there: transaction.prepare(&format!("SELECT {COLUMNS} FROM figures WHERE start = ? AND view = ?"))?,
            put: transaction.prepare("INSERT OR REPLACE INTO figures VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)")?,
        })
    }

    /// The number of a name, which is given one where it has none.
    fn view(&mut self, name: &str) -> rusqlite::Result<i64> {
        match self.known.query_row([name], |row| row.get(0)).optional()? {
            Some(id) => Ok(id),
            None => self.named.insert([name]),
        }
    }

    /// Adds to what is there.
    pub(crate) fn add(&mut self, start: i64, view: i64, figures: &Figures) -> rusqlite::Result<()> {
        let before = self.there.query_row((start, view), |row| File::figures(row, 0)).optional()?;
        match before {
            Some(mut sum) => {
                sum.add(figures);
                self.put(start, view, &sum)
            }
            None => self.put(start, view, figures),
        }
    }

    /// In the place of what is there.
    pub(crate) fn put(&mut self, start: i64, view: i64, figures: &Figures) -> rusqlite::Result<()> {
        // More than nine exabytes, or 292 years: SQLite's numbers have a sign.
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let numbers = [start, view, whole(figures.requests), whole(figures.failed)];
        let numbers = numbers.into_iter().chain(figures.times.parts().map(whole)).map(Value::Integer);
        self.put.execute(params_from_iter(numbers.chain([Value::Blob(pack(&figures.wall))]))).map(|_| ())
    }
}
