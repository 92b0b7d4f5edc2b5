//! The file that is open: its size, and the errors of writing to it.

use std::fs::{File as Plain, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row};
use thiserror::Error;
use turnout_states::{Histogram, Times};

use crate::Bounds;
use crate::figures::{Figures, unpack};
use crate::open::{OpenError, open};

/// Of [`Bounds::size`], for what SQLite keeps beside the file: its log, which holds one transaction, and the log's index.
const BESIDE: u64 = 1 << 20;
/// The log is emptied once it is so long: between transactions that follow one another at once, and after the last of them.
const LONG_LOG: u64 = BESIDE / 4;

/// Columns of `figures` in the order in which [`File::figures`] reads them.
pub(crate) const COLUMNS: &str =
    "requests, failed, processing, run_queue, gil, loop_queue, no_thread_cpu, no_thread_io, client, io, wall";

/// See the module.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) connection: Connection,
    pub(crate) bounds: Bounds,
    path: PathBuf,
    /// Held as long as the connection: closing any descriptor of the file takes SQLite's locks from this process, so it is closed last.
    lock: Plain,
}

/// What kept a minute from being written.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    System(#[from] io::Error),
    /// There is nothing of its name any more.
    #[error("it was removed")]
    Removed,
    /// There is, and it is not what was opened.
    #[error("another file has its name now; start the server again to go on with that one")]
    Replaced,
    /// The log cannot be emptied.
    #[error("another program has been reading it for so long that it would grow beyond its size")]
    Held,
}

impl File {
    pub(crate) fn open(path: &Path, bounds: Bounds) -> Result<Self, OpenError> {
        let (connection, lock) = open(path)?;
        let file = Self { connection, bounds, path: path.to_owned(), lock };
        let database = |source| OpenError::Database { path: path.to_owned(), source };
        file.cap().map_err(database)?;
        Ok(file)
    }

    /// Whether the name still means what was opened.
    pub(crate) fn is_there(&self) -> Result<(), Failure> {
        let same = |one: &Metadata, other: &Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
        match std::fs::metadata(&self.path) {
            Ok(there) if same(&there, &self.lock.metadata()?) => Ok(()),
            Ok(_) => Err(Failure::Replaced),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::Removed),
            Err(error) => Err(error.into()),
        }
    }

    /// Pages that the file may have. SQLite itself refuses more.
    pub(crate) fn most_pages(&self) -> rusqlite::Result<u64> {
        let page = self.number("page_size")?.max(512);
        Ok(self.bounds.size.saturating_sub(BESIDE) / page)
    }

    /// Tells SQLite of the bound. One that has more pages already keeps them until they are given back.
    pub(crate) fn cap(&self) -> rusqlite::Result<()> {
        let most = self.most_pages()?;
        self.connection.query_row(&format!("PRAGMA max_page_count = {most}"), (), |_| Ok(()))
    }

    /// Pages in all, and those of them that are free.
    pub(crate) fn pages(&self) -> rusqlite::Result<(u64, u64)> {
        Ok((self.number("page_count")?, self.number("freelist_count")?))
    }

    /// Bytes on the disk, with what is beside the file.
    pub(crate) fn bytes(&self) -> u64 {
        ["", "-wal", "-shm", "-journal"].iter().map(|end| self.bytes_of(end)).sum()
    }

    /// Empties the log where it is long.
    pub(crate) fn settle(&self) -> rusqlite::Result<()> {
        if self.bytes_of("-wal") > LONG_LOG { self.empty_log() } else { Ok(()) }
    }

    /// Empties the log. Not while another program reads: then the next time.
    pub(crate) fn empty_log(&self) -> rusqlite::Result<()> {
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
    }

    /// Of the columns of [`COLUMNS`], the first of which is at `first`.
    pub(crate) fn figures(row: &Row<'_>, first: usize) -> rusqlite::Result<Figures> {
        let number = |place: usize| row.get::<_, i64>(first + place).map(|it| u64::try_from(it).unwrap_or(0));
        let mut parts = [0; Times::PARTS];
        for (place, part) in parts.iter_mut().enumerate() {
            *part = number(2 + place)?;
        }
        let mut wall = Histogram::default();
        unpack(row.get_ref(first + 2 + Times::PARTS)?.as_blob()?, &mut wall);
        Ok(Figures { requests: number(0)?, failed: number(1)?, times: Times::from_parts(parts), wall })
    }

    fn number(&self, pragma: &str) -> rusqlite::Result<u64> {
        self.connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map(|it| u64::try_from(it).unwrap_or(0))
    }

    fn bytes_of(&self, end: &str) -> u64 {
        let mut name = self.path.clone().into_os_string();
        name.push(end);
        std::fs::metadata(name).map_or(0, |it| it.len())
    }
}
