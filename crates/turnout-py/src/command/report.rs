//! The one place where the supervisor's process writes for people.
#![expect(clippy::print_stderr, reason = "this is the place")]

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::SystemTime;

use turnout_config::LogLevel;
use turnout_supervisor::{Event, Level};

/// Help and version go to standard output; a reader that went away (`| head`) is no error.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = if text.ends_with('\n') { out.flush() } else { out.write_all(b"\n") };
}

/// What was wrong with the command line or the surroundings, in one line.
pub(super) fn complain(error: &dyn Display) {
    eprintln!("turnout: {error}");
}

/// Something that was met while the server runs: a line of its log.
pub(super) fn warn_now(text: &str) {
    eprintln!("{} warning: {text}", humantime::format_rfc3339_seconds(SystemTime::now()));
}

/// Whether to write colours there: a terminal, and nobody said no (no-color.org).
pub(super) fn colour(to: impl AsFd) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|it| it == "dumb");
    rustix::termios::isatty(to) && !refused && !dumb
}

/// Puts the supervisor's events into words.
pub(super) struct Report {
    pub(super) addresses: Vec<String>,
    /// Where the admin socket is.
    pub(super) admin: Option<String>,
    /// What logs a browser in there, once.
    pub(super) link: Option<String>,
    pub(super) level: LogLevel,
    /// Told once when all workers are ready.
    pub(super) ready: Option<File>,
    /// From then on lines carry the time: they end up in a log rather than before somebody's eyes.
    pub(super) running: bool,
}

impl Report {
    pub(super) fn event(&mut self, event: &Event<'_>) {
        let (level, word) = match event.level() {
            Level::Debug => (LogLevel::Debug, "debug"),
            Level::Info => (LogLevel::Info, "info"),
            Level::Warning => (LogLevel::Warning, "warning"),
            Level::Error => (LogLevel::Error, "error"),
        };
        if level >= self.level {
            self.write(event, word);
        }
        self.running |= matches!(event, Event::Banner(_));
        // Last: who is told that all are ready may read what was written about it.
        if let Event::Ready { pids } = event {
            self.tell_ready(pids);
        }
    }

    fn write(&self, event: &Event<'_>, word: &str) {
        match event {
            Event::Banner(text) => eprintln!("{text}"),
            Event::Ready { pids } => {
                let noun = if pids.len() == 1 { "worker" } else { "workers" };
                let pids: Vec<_> = pids.iter().map(ToString::to_string).collect();
                let addresses = self.addresses.join(" and ");
                eprintln!("Listening on {addresses} with {} {noun} (pid {}).", pids.len(), pids.join(", "));
                if let Some(link) = &self.link {
                    eprintln!("The live page, by a link that works once: {link}");
                }
            }
            event if self.running => {
                eprintln!("{} {word}: {event}", humantime::format_rfc3339_seconds(SystemTime::now()));
            }
            event => complain(event),
        }
    }

    /// Whoever asked to be told may be gone by now: that is its own business.
    fn tell_ready(&mut self, pids: &[i32]) {
        if let Some(mut ready) = self.ready.take() {
            let line = serde_json::json!({
                "addresses": self.addresses,
                "admin": self.admin,
                "pid": std::process::id(),
                "workers": pids,
            });
            let _ = writeln!(ready, "{line}");
        }
    }
}
