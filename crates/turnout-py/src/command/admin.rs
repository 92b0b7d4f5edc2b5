//! The admin socket in the supervisor's process: bound before the workers start, told what happens to them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use turnout_admin::{Plan, Running, Token, start};
use turnout_config::{LogLevel, Settings};
use turnout_history::{Bounds, History};
use turnout_net::{Bind, Listener};
use turnout_states::Board;
use turnout_supervisor::Event;

use super::report::{complain, warn_now};
use super::serve::Files;
use crate::states;

/// What workers tell, and who shows it, if anybody.
pub(super) struct Watching {
    board: Arc<Board>,
    admin: Option<Running>,
    /// Where it is shown.
    pub(super) address: Option<String>,
    files: Files,
}

impl Watching {
    /// Begins to serve if that is asked for; with the board for the workers. An error is one of the command line, in one line.
    pub(super) fn start(settings: &Settings) -> Result<(Self, OwnedFd), String> {
        let no_board = |error: io::Error| format!("the workers' board: {error}");
        let board = Arc::new(Board::create(settings.workers as usize).map_err(no_board)?);
        let workers = board.as_fd().try_clone_to_owned().map_err(no_board)?;
        let mut watching = Self { board, admin: None, address: None, files: Files::default() };
        let Some(text) = &settings.admin else {
            return match &settings.history {
                Some(path) => Err(format!(
                    "--history {}: it keeps what the admin socket shows, and there is none: --admin 127.0.0.1:9180",
                    path.display()
                )),
                None => Ok((watching, workers)),
            };
        };
        let token = settings.admin_token_file.as_deref().map(Token::read).transpose();
        let token = token.map_err(|error| format!("--admin-token-file {error}"))?;
        let (bind, listener) = listen(text, settings)?;
        warn(&listener, settings);
        watching.address = Some(listener.to_string());
        watching.files.0.extend(listener.unix_path().map(PathBuf::from));
        // A name that it is bound by is a name that it is asked by.
        let named = match bind {
            Bind::Tcp { host, .. } => Some(host),
            Bind::Unix(_) => None,
        };
        let plan = Plan {
            listener,
            board: Arc::clone(&watching.board),
            title: concat!("turnout ", env!("CARGO_PKG_VERSION")).to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cores: settings.cores,
            names: settings.admin_hosts.iter().cloned().chain(named).collect(),
            token,
            rungs: states::in_words,
            history: history(settings)?,
            say: (settings.log_level <= LogLevel::Info).then_some(say),
        };
        watching.admin = Some(start(plan).map_err(|error| format!("--admin {text}: {error}"))?);
        Ok((watching, workers))
    }

    /// A link that logs a browser in, once: for whoever sits at the terminal.
    pub(super) fn login_link(&self) -> Option<String> {
        self.admin.as_ref()?.login_link().ok().flatten()
    }

    /// Something happened to the workers, which an event counts from 1.
    pub(super) fn told(&self, event: &Event<'_>) {
        let Some(admin) = &self.admin else {
            if let Event::Gone { worker, .. } = event {
                // The next one writes over it.
                let _ = self.board.clear(worker - 1);
            }
            return;
        };
        match event {
            Event::Gone { worker, .. } => admin.gone(worker - 1),
            Event::Ready { .. } => admin.all_ready(),
            Event::Replaced { worker, .. } => admin.ready(worker - 1),
            Event::Draining { .. } => admin.draining(),
            _ => {}
        }
    }
}

/// The file is opened in this process and in no other: a worker is another program from its first instruction on, and has none of its descriptors.
fn history(settings: &Settings) -> Result<Option<History>, String> {
    let Some(path) = &settings.history else { return Ok(None) };
    let bounds = Bounds { size: settings.history_size, age: settings.history_age };
    let level = settings.log_level;
    let say = Box::new(move |text: &str| {
        if level <= LogLevel::Warning {
            warn_now(text);
        }
    });
    History::open(path, bounds, say).map(Some).map_err(|error| format!("--history {error}"))
}

fn listen(text: &str, settings: &Settings) -> Result<(Bind, Listener), String> {
    // `turnout top` is told where the socket is by the same variable, and people copy it out of a browser.
    let address = text.strip_prefix("http://").map_or(text, |rest| rest.trim_end_matches('/'));
    let bind = Bind::parse(address).map_err(|error| format!("--admin {error}"))?;
    let public = settings.binds.iter().any(|public| Bind::parse(public).is_ok_and(|public| public == bind));
    if public && !matches!(bind, Bind::Tcp { port: 0, .. }) {
        return Err(format!(
            "--admin {text}: --bind serves that address to everybody; the admin socket needs one of its own, such as 127.0.0.1:9180"
        ));
    }
    let listener = bind.listen(settings.backlog, false).map_err(|error| format!("--admin {text}: {error}"))?;
    Ok((bind, listener))
}

/// What was noticed, for whoever reads the log.
fn say(line: &str) {
    complain(&format!("noticed: {line}"));
}

/// Whoever opens it to other machines should know what that means.
fn warn(listener: &Listener, settings: &Settings) {
    let open = listener.local_addr().is_some_and(|address| !address.ip().to_canonical().is_loopback());
    if !open || settings.log_level > LogLevel::Warning {
        return;
    }
    let metrics = match settings.admin_token_file {
        Some(_) => "",
        None => " Its metrics are open to everybody there: --admin-token-file.",
    };
    complain(&format!(
        "warning: other machines can reach the admin socket on {listener}, and what it says is not encrypted.{metrics}"
    ));
}
