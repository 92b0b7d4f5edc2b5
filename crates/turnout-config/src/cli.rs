//! The command line, read by clap from the table; layers put together; errors brought to one line.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::builder::{StyledStr, Styles};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches};
use thiserror::Error;

use crate::file;
use crate::routes::{self, Question};
use crate::settings::Settings;
use crate::table::{Group, OPTIONS, Opt, Takes};
use crate::top::{self, Top};
use crate::value;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Print this and end well.
    Print(String),
    /// Serve.
    Serve(Box<Settings>),
    /// Show what would be served.
    Routes(Box<Settings>, Question),
    /// Watch a server that runs.
    Top(Top),
}

/// What is read beside the arguments.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Where relative paths start and the settings file is looked for, here and above.
    pub directory: PathBuf,
    /// The environment.
    pub variables: HashMap<String, String>,
    /// Whether help may use colours.
    pub colour: bool,
}

/// One line for the person who typed it, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ConfigError(pub(crate) String);

/// Reads arguments (without the program's name), the environment and the settings file.
pub fn parse(arguments: &[String], around: &Surroundings) -> Result<Command, ConfigError> {
    let mut command = program(around.colour);
    let typed = std::iter::once("turnout").chain(arguments.iter().map(String::as_str));
    let matches = match command.try_get_matches_from_mut(typed) {
        Ok(matches) => matches,
        Err(error) if is_help(error.kind()) => return Ok(Command::Print(text_of(&error.render(), around.colour))),
        Err(error) => return Err(one_line(&error, arguments.first().map_or("", String::as_str))),
    };
    match matches.subcommand() {
        Some(("serve", serve)) => {
            let mut settings = settings(serve, around)?;
            settings.app = serve.get_one::<String>("app").cloned().or(settings.app);
            Ok(Command::Serve(Box::new(settings)))
        }
        Some(("routes", typed)) => {
            let (app, question) = routes::question(typed)?;
            let mut settings = settings(typed, around)?;
            settings.app = app.or(settings.app);
            Ok(Command::Routes(Box::new(settings), question))
        }
        Some(("top", typed)) => Ok(Command::Top(top::top(typed, around)?)),
        // `turnout demo` is Python's: it is listed here for the help only.
        _ => Ok(Command::Print(text_of(&command.render_long_help(), around.colour))),
    }
}

/// Default, file, variable, flag: the later wins.
fn settings(typed: &ArgMatches, around: &Surroundings) -> Result<Settings, ConfigError> {
    let mut settings = defaults();
    let file = match typed.get_one::<String>("config") {
        Some(path) => Some(file::read(&around.directory.join(path))?),
        None => file::find(&around.directory)?,
    };
    if let Some(file) = &file {
        file.check_names()?;
    }
    if let Some(app) = file.as_ref().and_then(|file| file.app.clone()) {
        settings.app = Some(app);
    }
    for option in OPTIONS {
        if let Some((source, values)) = file.as_ref().and_then(|file| file.values(option)).transpose()? {
            apply(option, &mut settings, values, &source)?;
        }
        let variable = option.variable();
        if let Some(text) = around.variables.get(&variable).filter(|text| !text.is_empty()) {
            let values = match option.takes {
                Takes::Many(_) => text.split(',').map(|part| part.trim().to_owned()).collect(),
                Takes::One(_) | Takes::Switch(_) => vec![text.clone()],
            };
            apply(option, &mut settings, values, &format!("{variable}="))?;
        }
        // Not every command has every option.
        if let Ok(Some(values)) = typed.try_get_many::<String>(option.name) {
            apply(option, &mut settings, values.cloned().collect(), &format!("--{} ", option.name))?;
        }
    }
    for file in [&mut settings.access_log_file, &mut settings.admin_token_file, &mut settings.history] {
        *file = file.take().map(|path| around.directory.join(path));
    }
    Ok(settings)
}

/// The table's own defaults: what is served with when nobody says anything.
///
/// # Panics
///
/// When a default of the table is not a value of its option, which a test rules out.
pub fn defaults() -> Settings {
    let mut settings = Settings { cores: value::cores(), ..Settings::default() };
    for option in OPTIONS.iter().filter(|option| !option.default.is_empty()) {
        apply(option, &mut settings, vec![option.default.to_owned()], "default of ")
            .expect("a test applies every default of the table");
    }
    settings
}

fn apply(option: &Opt, to: &mut Settings, values: Vec<String>, source: &str) -> Result<(), ConfigError> {
    let shown = values.join(",");
    let done = match option.takes {
        Takes::Many(set) => set(to, values),
        Takes::One(set) => values.last().map_or(Ok(()), |text| set(to, text)),
        Takes::Switch(set) => values.last().map_or(Ok(()), |text| value::switch(text).map(|on| set(to, on))),
    };
    done.map_err(|why| ConfigError(format!("{source}{shown}: {why}")))
}

fn program(colour: bool) -> clap::Command {
    let styles = if colour { Styles::styled() } else { Styles::plain() };
    clap::Command::new("turnout")
        .version(env!("CARGO_PKG_VERSION"))
        .about("An application server for Django: sync views run on threads, async views on the event loop, in one process.")
        .styles(styles)
        .disable_help_subcommand(true)
        .disable_colored_help(!colour)
        .max_term_width(110)
        .subcommand(serve())
        .subcommand(show_routes())
        .subcommand(watch())
        .subcommand(clap::Command::new("demo").about("Run the hotel-search example nine ways, print the table, show the page"))
        .after_help("turnout serve --help lists every option. In a Django project, `turnout serve` is enough.")
}

fn serve() -> clap::Command {
    let mut command = clap::Command::new("serve")
        .about("Serve a Django project, or an ASGI or WSGI application")
        .override_usage("turnout serve [APP] [OPTIONS]")
        .arg(
            Arg::new("app")
                .value_name("APP")
                .help("module:attribute, such as mysite.asgi:application. Without it: the Django project whose manage.py is here or in a directory above"),
        )
        .arg(settings_file())
        .after_help(AFTER_HELP);
    for group in Group::ALL {
        for option in OPTIONS.iter().filter(|option| option.group == group) {
            command = command.arg(argument(option));
        }
    }
    command
}

fn show_routes() -> clap::Command {
    let shared = OPTIONS.iter().filter(|option| routes::SHARED.contains(&option.name));
    clap::Command::new("routes")
        .about("Show the routes of a Django project with their track, its middleware, and what would keep a thread")
        .override_usage(routes::USAGE)
        .args(routes::arguments())
        .arg(settings_file())
        .args(shared.map(argument))
        .after_help(routes::AFTER_HELP)
}

fn watch() -> clap::Command {
    clap::Command::new("top")
        .about("Watch a running server: where the time of each view goes, live, in a terminal")
        .override_usage(top::USAGE)
        .args(top::arguments())
        .after_help(top::AFTER_HELP)
}

fn settings_file() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .help_heading(Group::Application.title())
        .help("Settings file, instead of turnout.toml or [tool.turnout] in pyproject.toml, here or above")
}

const AFTER_HELP: &str = "\
Every option can also be a variable (--max-in-flight: TURNOUT_MAX_IN_FLIGHT) or a line of
turnout.toml or of [tool.turnout] in pyproject.toml (max-in-flight = 512).
A flag wins over a variable, a variable over the file.

Durations: 500ms, 30s, 5m, 1h, 30d. Sizes: 65536, 64KiB, 10MB.

Examples:
  turnout serve                            the Django project here, on 127.0.0.1:8000
  turnout serve mysite.asgi:application --bind 0.0.0.0:80 --workers auto
  turnout serve --bind unix:/run/mysite.sock --access-log json
  turnout serve flaskapp:app               any WSGI application
  turnout serve --admin 127.0.0.1:9180     with health, metrics and the live page on a port of their own

Exit status: 0 after a drain, 1 when the project does not start, 2 for a bad option or address.";

fn argument(option: &Opt) -> Arg {
    let help = match option.default {
        "" => option.help.to_owned(),
        default => format!("{} [default: {default}]", option.help),
    };
    let arg = Arg::new(option.name).long(option.name).help(help).help_heading(option.group.title());
    match option.takes {
        Takes::Many(_) => arg.value_name(option.value).action(ArgAction::Append),
        Takes::One(_) => arg.value_name(option.value).action(ArgAction::Set).overrides_with(option.name),
        // `--compat=false` takes back what a variable or a file said.
        Takes::Switch(_) => arg
            .value_name("true|false")
            .hide_possible_values(true)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .overrides_with(option.name),
    }
}

fn is_help(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

fn text_of(text: &StyledStr, colour: bool) -> String {
    if colour { text.ansi().to_string() } else { text.to_string() }
}

/// clap's errors are several lines with a usage; ours say what, and what to do.
fn one_line(error: &clap::Error, command: &str) -> ConfigError {
    let command = if ["routes", "top"].contains(&command) { command } else { "serve" };
    let of = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let what = of(ContextKind::InvalidArg).or_else(|| of(ContextKind::InvalidSubcommand)).unwrap_or_default();
    // `--bind <HOST:PORT>` as clap names an option that lacks its value.
    let (name, value) = what.split_once(' ').unwrap_or((&what, ""));
    let hint = of(ContextKind::SuggestedArg)
        .or_else(|| of(ContextKind::SuggestedSubcommand))
        .map_or_else(|| format!("see turnout {command} --help"), |it| format!("did you mean {it}?"));
    ConfigError(match error.kind() {
        ErrorKind::InvalidSubcommand => format!("{what}: no such command, {hint}"),
        ErrorKind::UnknownArgument if what.starts_with('-') => format!("{what}: no such option, {hint}"),
        ErrorKind::UnknownArgument => {
            format!("{what}: one argument too many, or no such command; {hint}")
        }
        ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues | ErrorKind::NoEquals => {
            format!("{name}: needs a value: {}", value.trim_matches(['<', '>']))
        }
        _ => error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    })
}

/// For messages: a path as a person would write it.
pub(crate) fn show(path: &Path) -> String {
    path.display().to_string()
}
