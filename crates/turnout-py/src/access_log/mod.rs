//! The access log: entries become lines on the runtime, lines are written by a thread of their own.

mod format;
mod writer;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use turnout_config::{AccessLogFormat, Settings};
use turnout_http::{AccessEntry, AccessLog};

use writer::Writer;

/// The log of this process, so that its last lines can be waited for: a worker has one at most.
static OPENED: Mutex<Weak<Writer>> = Mutex::new(Weak::new());

/// Opens the log that the settings ask for.
pub(crate) fn open(settings: &Settings) -> io::Result<Option<Arc<dyn AccessLog>>> {
    let format = match settings.access_log {
        AccessLogFormat::Off => return Ok(None),
        AccessLogFormat::Json => format::json,
        AccessLogFormat::Text => format::text,
    };
    let writer = Writer::start(file(settings)?)?;
    *OPENED.lock() = Arc::downgrade(&writer);
    Ok(Some(Arc::new(Log { format, writer })))
}

/// Where the lines go.
pub(crate) fn file(settings: &Settings) -> io::Result<File> {
    match &settings.access_log_file {
        None => Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
        // Appending is atomic: workers that share a file do not overwrite each other.
        // Appending is atomic: workers that share a file do not overwrite each other.
        Some(path) => OpenOptions::new().append(true).create(true).open(path).map_err(|error| {
            io::Error::new(error.kind(), format!("the access log {} cannot be opened: {error}", path.display()))
        }),
    }
}

/// Waits until what was recorded is written, at most so long.
pub(crate) fn flush(limit: Duration) {
    let writer = OPENED.lock().upgrade();
    if let Some(writer) = writer {
        writer.flush(limit);
    }
}

struct Log {
    format: fn(&AccessEntry<'_>, &mut Vec<u8>),
    writer: Arc<Writer>,
}

impl AccessLog for Log {
    fn record(&self, entry: &AccessEntry<'_>) {
        // Most lines fit: one allocation, outside the writer's lock.
        let mut line = Vec::with_capacity(256);
        (self.format)(entry, &mut line);
        self.writer.push(&line);
    }
}
