//! `turnout serve` in the supervisor's process: bind, then supervise.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use turnout_config::{AccessLogFormat, Settings};
use turnout_net::{Bind, BindError, Listener};
use turnout_supervisor::{Plan, run};

use super::admin::Watching;
use super::report::{Report, complain};
use super::{FAILED, USAGE};
use crate::access_log;
use crate::raw::inherited;

/// Runs until told to end; the exit status of the process.
pub(super) fn serve(settings: &Settings, worker: Vec<OsString>) -> u8 {
    let ready = match settings.ready_fd.map(inherited::take).transpose() {
        Ok(ready) => ready.map(File::from),
        Err(error) => {
            complain(&format!("--ready-fd {}: {error}", settings.ready_fd.unwrap_or_default()));
            return USAGE;
        }
    };
    // Each worker opens it again; what is wrong with it is said once, here.
    if settings.access_log != AccessLogFormat::Off
        && let Err(error) = access_log::file(settings)
    {
        complain(&error);
        return USAGE;
    }
    let Bound { sets, addresses, files: _files } = match Bound::new(settings) {
        Ok(bound) => bound,
        Err(error) => {
            complain(&error);
            return USAGE;
        }
    };
    let (watching, board) = match Watching::start(settings) {
        Ok(started) => started,
        Err(error) => {
            complain(&error);
            return USAGE;
        }
    };
    // What it is bound to, for the banner.
    let settings = &Settings { admin: watching.address.clone(), ..settings.clone() };
    let plan = Plan {
        command: worker,
        listeners: sets,
        workers: settings.workers as usize,
        board,
        settings: serde_json::to_string(settings).expect("settings are numbers and text"),
        drain: settings.drain,
        hang_limit: settings.hang_limit,
    };
    // Only for eyes: a log is read by others, and kept.
    let link = rustix::termios::isatty(rustix::stdio::stderr()).then(|| watching.login_link()).flatten();
    let mut report =
        Report { addresses, admin: watching.address.clone(), link, level: settings.log_level, ready, running: false };
    let ended = run(plan, &mut |event| {
        watching.told(&event);
        report.event(&event);
    });
    ended.unwrap_or_else(|error| {
        complain(&format!("the supervisor failed: {error}"));
        FAILED
    })
}

/// Files of Unix sockets. They are removed at the end, however it comes.
#[derive(Default)]
pub(super) struct Files(pub(super) Vec<PathBuf>);

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.0 {
            // Gone already, or somebody else's business: the next start copes with either.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Everything that was bound.
struct Bound {
    /// One set for all workers, or one for each.
    sets: Vec<Vec<OwnedFd>>,
    addresses: Vec<String>,
    files: Files,
}

impl Bound {
    fn new(settings: &Settings) -> Result<Self, BindError> {
        let sets = if settings.reuse_port { settings.workers as usize } else { 1 };
        let mut bound =
            Self { sets: (0..sets).map(|_| Vec::new()).collect(), addresses: Vec::new(), files: Files::default() };
        for text in &settings.binds {
            let bind = Bind::parse(text)?;
            let first = bind.listen(settings.backlog, settings.reuse_port)?;
            bound.addresses.push(first.to_string());
            bound.files.0.extend(first.unix_path().map(PathBuf::from));
            // Port 0 became a number, the same for all.
            let same = match first.local_addr() {
                Some(address) => Bind::Tcp { host: address.ip().to_string(), port: address.port() },
                None => bind.clone(),
            };
            for set in bound.sets.iter_mut().skip(1) {
                // The kernel shares out TCP only: a Unix socket is one for all.
                let next = match &same {
                    Bind::Tcp { .. } => same.listen(settings.backlog, true)?,
                    Bind::Unix(_) => {
                        first.try_clone().map_err(|source| BindError::Other { bind: bind.clone(), source })?
                    }
                };
                set.push(next.into());
            }
            bound.sets[0].push(Listener::into(first));
        }
        Ok(bound)
    }
}
