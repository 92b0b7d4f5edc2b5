//! Taking a file: that it is ours, of a form that is known, and nobody else's at this moment.

use std::fs::{File as Plain, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use thiserror::Error;

/// "turn": what `file` and SQLite's own tools show as the application's id.
const APPLICATION: i32 = 0x7475_726e;
/// The form of the tables. A change of them is a new number, and a way from the old one.
const VERSION: i32 = 1;
/// Somebody who looks at the file with another program may hold it so long.
const BUSY: Duration = Duration::from_secs(2);

/// `span`: what was counted when; a row of `figures` belongs to the span of its `start`. Nanoseconds; `wall` is what `figures::pack` makes.
const TABLES: &str = "
    CREATE TABLE span (start INTEGER PRIMARY KEY, length INTEGER NOT NULL, covered REAL NOT NULL);
    CREATE TABLE view (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE figures (
        start INTEGER NOT NULL, view INTEGER NOT NULL,
        requests INTEGER NOT NULL, failed INTEGER NOT NULL,
        processing INTEGER NOT NULL, run_queue INTEGER NOT NULL, gil INTEGER NOT NULL, loop_queue INTEGER NOT NULL,
        no_thread_cpu INTEGER NOT NULL, no_thread_io INTEGER NOT NULL, client INTEGER NOT NULL, io INTEGER NOT NULL,
        wall BLOB NOT NULL,
        PRIMARY KEY (start, view)
    ) WITHOUT ROWID;";

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The system refuses.
    #[error("{path}: {source}; the folder must be there, and this user must be allowed to write to it", path = path.display())]
    System {
        /// As it was given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A folder, a device, a socket.
    #[error("{path}: is no ordinary file", path = path.display())]
    NoFile {
        /// As it was given.
        path: PathBuf,
    },
    /// Another process has it.
    #[error("{path}: another server is writing to it; each server needs a file of its own", path = path.display())]
    Taken {
        /// As it was given.
        path: PathBuf,
    },
    /// Not a database, or one with holes.
    #[error("{path}: is damaged, or not a database; move it away and a new one is made", path = path.display())]
    Damaged {
        /// As it was given.
        path: PathBuf,
    },
    /// A database, of another program.
    #[error("{path}: is the database of another program; name another file", path = path.display())]
    Foreign {
        /// As it was given.
        path: PathBuf,
    },
    /// Written by a later version.
    #[error(
        "{path}: was written by a newer turnout (form {found}, this one knows {VERSION}); start that one, or name another file",
        path = path.display()
    )]
    Newer {
        /// As it was given.
        path: PathBuf,
        /// Its form.
        found: i32,
    },
    /// Anything else that SQLite says.
    #[error("{path}: {source}", path = path.display())]
    Database {
        /// As it was given.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// A connection to a file that is ours, and what keeps other servers from it: to be closed in this order.
pub(crate) fn open(path: &Path) -> Result<(Connection, Plain), OpenError> {
    let system = |source| OpenError::System { path: path.to_owned(), source };
    // Names of views and how busy they are: the owner's affair.
    let mut options = OpenOptions::new();
    let lock = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(system)?;
    if !lock.metadata().map_err(system)?.is_file() {
        return Err(OpenError::NoFile { path: path.to_owned() });
    }
    // Of another kind than SQLite's own locks: whoever only wants to look at the file still may.
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Taken { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(system(source)),
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = |source| database(path, source);
    let connection = Connection::open_with_flags(path, flags).map_err(database)?;
    connection.busy_timeout(BUSY).map_err(database)?;
    match form(&connection).map_err(database)? {
        (0, 0, false) => make(&connection).map_err(database)?,
        (APPLICATION, VERSION, _) => {}
        (APPLICATION, found, _) => return Err(OpenError::Newer { path: path.to_owned(), found }),
        _ => return Err(OpenError::Foreign { path: path.to_owned() }),
    }
    settle(&connection).map_err(database)?;
    Ok((connection, lock))
}

fn database(path: &Path, source: rusqlite::Error) -> OpenError {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path: path.to_owned() },
        _ => OpenError::Database { path: path.to_owned(), source },
    }
}

/// The application's id, the form of the tables, whether there are any.
fn form(connection: &Connection) -> rusqlite::Result<(i32, i32, bool)> {
    let application = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables = connection.query_row("SELECT count(*) > 0 FROM sqlite_schema", (), |row| row.get(0))?;
    Ok((application, version, tables))
}

fn make(connection: &Connection) -> rusqlite::Result<()> {
    // Before there is anything in the file, or it can never shrink.
    connection.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;")?;
    connection.execute_batch(&format!(
        "BEGIN; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
    ))
}

fn settle(connection: &Connection) -> rusqlite::Result<()> {
    // Where memory cannot be shared (some network file systems) this stays what it was, and works too.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // A minute may be lost with the power, not the file. The log is emptied by hand, after each minute. What a transaction changes stays in memory
    // until its end: written in between, it could make the log larger than itself.
    connection.execute_batch(
        "PRAGMA synchronous = NORMAL; PRAGMA cache_spill = OFF; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
    )?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    // Reads what the tables are: damage there is found now.
    connection.query_row("SELECT count(*) FROM (SELECT start FROM span LIMIT 1)", (), |row| row.get::<_, i64>(0))?;
    connection.query_row("SELECT count(*) FROM (SELECT start FROM figures LIMIT 1)", (), |row| row.get::<_, i64>(0))?;
    Ok(())
}
