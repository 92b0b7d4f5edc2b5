//! What `turnout routes` is asked. It loads the project as `turnout serve` does, so it reads the same settings; what
//! stands here is only about what it shows, and can be neither a variable nor a line of a file.

use clap::{Arg, ArgAction, ArgMatches};
use serde::Serialize;

use crate::cli::ConfigError;
use crate::value;

/// A flag of `turnout routes`.
#[derive(Debug)]
pub struct Flag {
    /// As in `--name`.
    pub name: &'static str,
    /// How the value is named in the help; empty: a switch.
    pub value: &'static str,
    /// What it does, for the person who reads `--help`.
    pub help: &'static str,
}

/// Every flag of `turnout routes`, in the order of the help.
pub const FLAGS: &[Flag] = &[
    Flag {
        name: "path",
        value: "PATH",
        help: "Which view and track this path gets, and why, instead of the tables. A URL out of a browser will do; repeatable.",
    },
    Flag { name: "track", value: "sync|async", help: "Only routes of this track." },
    Flag {
        name: "all",
        value: "",
        help: "Every route. Without it an include of many routes that are all alike is one line at a terminal.",
    },
    Flag { name: "json", value: "", help: "For programs: one JSON object, in which nothing is shortened or left out." },
];

/// The options of `turnout serve` that decide what is loaded.
pub(crate) const SHARED: [&str; 2] = ["interface", "compat"];

/// What is to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Question {
    /// Only routes below one of these; empty: all.
    pub below: Vec<String>,
    /// Only routes of this track, in its own word.
    pub track: Option<&'static str>,
    /// Explain these paths instead.
    pub paths: Vec<String>,
    /// Shorten nothing.
    pub all: bool,
    /// For programs.
    pub json: bool,
}

pub(crate) const USAGE: &str = "turnout routes [APP] [/PREFIX ...] [OPTIONS]";

pub(crate) const AFTER_HELP: &str = "\
A route's track is where requests for it run: sync, whole on a thread, or async, on the event loop. It follows from the \
view, and is usually known from the path before Python is asked. Where it is not, a number says why it is found out \
request by request. Either way a request on the wrong track gets the same answer, only later.

A middleware's mode is what it does to requests on the event loop: inline and native hold no thread, hop and thread do, \
for the reason given. What keeps a thread while an async view waits stands at the end, with async views that Django \
refuses to run.

The project is loaded as `turnout serve` loads it: the same APP, the same settings file and variables.

Examples:
  turnout routes                           the Django project here
  turnout routes /api/ --track sync        what of the API is not async yet
  turnout routes --path /de/hotel/5/       what happens to this path
  turnout routes --json | jq '.routes[] | select(.decided == \"request\")'

Exit status: 0, 1 when the project cannot be loaded, 2 for a bad option.";

/// The flags and the arguments without a name, for clap.
pub(crate) fn arguments() -> impl Iterator<Item = Arg> {
    let words = Arg::new("words")
        .value_name("APP and PREFIXes")
        .num_args(0..)
        .help("APP is module:attribute, as for turnout serve; what begins with a slash shows only the routes below it");
    std::iter::once(words).chain(FLAGS.iter().map(|flag| {
        let arg = Arg::new(flag.name).long(flag.name).help(flag.help).help_heading("What is shown");
        match flag.value {
            "" => arg.action(ArgAction::SetTrue),
            value if flag.name == "path" => arg.value_name(value).action(ArgAction::Append),
            value => arg.value_name(value).action(ArgAction::Set).overrides_with(flag.name),
        }
    }))
}

/// What was typed: the application, and the question.
pub(crate) fn question(typed: &ArgMatches) -> Result<(Option<String>, Question), ConfigError> {
    let all = |name| typed.get_many::<String>(name).unwrap_or_default().cloned();
    let (below, mut apps): (Vec<_>, Vec<_>) = all("words").partition(|word| word.starts_with('/'));
    if let Some(another) = apps.get(1) {
        return Err(ConfigError(format!("{another}: one argument too many; see turnout routes --help")));
    }
    let paths: Vec<_> = all("path").collect();
    if let Some(path) = paths.iter().find(|path| !path.starts_with('/') && !path.contains("://")) {
        return Err(ConfigError(format!("--path {path}: a path begins with a slash")));
    }
    let track = typed.get_one::<String>("track").map(|text| {
        value::choice(text, &[("sync", "sync"), ("async", "async")])
            .map_err(|why| ConfigError(format!("--track {text}: {why}")))
    });
    let question =
        Question { below, track: track.transpose()?, paths, all: typed.get_flag("all"), json: typed.get_flag("json") };
    Ok((apps.pop(), question))
}
