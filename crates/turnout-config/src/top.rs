//! What `turnout top` is asked. It looks at a server that runs already, so it reads no settings file; where that server is and its
//! token may be variables, the same ones that `turnout serve` reads.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches};

use crate::cli::{ConfigError, Surroundings};

/// What is to be shown, of which server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Top {
    /// The address of its admin socket.
    pub admin: String,
    /// The file with the token.
    pub token_file: Option<PathBuf>,
    /// The token itself; a file wins.
    pub token: Option<String>,
    /// The window of time that is shown at first.
    pub seconds: u16,
    /// Print one table and end.
    pub once: bool,
}

const ADMIN: &str = "http://127.0.0.1:9180";
const SECONDS: u16 = 60;

pub(crate) const USAGE: &str = "turnout top [OPTIONS]";

pub(crate) const AFTER_HELP: &str = "\
The table of the live page (`turnout serve --admin`), in a terminal: each view's rate, latencies, the seconds that all its requests \
took in a minute, and a bar of what that time was: Processing, Waiting for CPU, Waiting for I/O. The three have a sign each, so the bar \
reads without colours; NO_COLOR takes them away. Above it the machine: run queue, GIL, loop, threads, the knee, and workers that do not serve.

Keys: / filter by name, < > choose the column that sorts, r the other way round, 1 to 4 the last 10 s, 1, 5 or 15 min, arrows, \
f what was noticed and what to do about it, p pause, q quit.

Examples:
  turnout top --token-file /run/mysite/token
  turnout top --admin unix:/run/mysite/admin.sock
  turnout top --once --seconds 900 | head -20     the heaviest views of 15 minutes

Exit status: 0, 1 when the server does not answer or not with figures, 2 for a bad option.";

/// The flags, for clap.
pub(crate) fn arguments() -> [Arg; 4] {
    let value = |name: &'static str, value: &'static str| {
        Arg::new(name).long(name).value_name(value).action(ArgAction::Set).overrides_with(name)
    };
    [
        value("admin", "ADDRESS").help(format!(
            "The admin socket: http://HOST:PORT or unix:PATH. Also a variable, TURNOUT_ADMIN [default: {ADMIN}]"
        )),
        value("token-file", "FILE").help(
            "The file with its token, as --admin-token-file of the server names it. Also a variable, TURNOUT_ADMIN_TOKEN_FILE; \
             the token itself can be in TURNOUT_ADMIN_TOKEN",
        ),
        value("seconds", "N")
            .help(format!("Figures of the last so many seconds, 5 to 900 [default: {SECONDS}]"))
            .value_parser(clap::value_parser!(u16).range(5..=900)),
        Arg::new("once").long("once").action(ArgAction::SetTrue).help(
            "Print one table as text and end. Without a terminal it is always so",
        ),
    ]
}

/// What was typed.
pub(crate) fn top(typed: &ArgMatches, around: &Surroundings) -> Result<Top, ConfigError> {
    let flag = |name| typed.get_one::<String>(name).cloned();
    let variable = |name| around.variables.get(name).filter(|text| !text.is_empty()).cloned();
    let admin = flag("admin").or_else(|| variable("TURNOUT_ADMIN")).unwrap_or_else(|| ADMIN.to_owned());
    if admin == "off" {
        return Err(ConfigError("off: there is nothing to look at; --admin names a server".to_owned()));
    }
    let token_file = flag("token-file").or_else(|| variable("TURNOUT_ADMIN_TOKEN_FILE"));
    Ok(Top {
        admin,
        token_file: token_file.map(|path| around.directory.join(path)),
        token: variable("TURNOUT_ADMIN_TOKEN"),
        seconds: typed.get_one("seconds").copied().unwrap_or(SECONDS),
        once: typed.get_flag("once"),
    })
}
