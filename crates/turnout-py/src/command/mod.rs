//! The command line's side of the extension: `turnout serve` up to its supervisor, and a worker's link to it.

mod admin;
mod link;
mod report;
mod serve;
mod top;

use std::ffi::OsString;

use pyo3::prelude::*;
use turnout_config::{Command, Surroundings, parse};

pub(crate) use link::WorkerLink;

/// The project's fault.
const FAILED: u8 = 1;
/// The command line's fault.
const USAGE: u8 = 2;

/// Runs a command line (without the program's name) and returns its exit status. `worker` starts a worker process, `routes` shows the
/// routes of a project.
#[pyfunction]
#[pyo3(signature = (arguments, worker, routes))]
pub(crate) fn command(
    py: Python<'_>,
    arguments: Vec<OsString>,
    worker: Vec<OsString>,
    routes: &Bound<'_, PyAny>,
) -> PyResult<u8> {
    match py.detach(|| run(&arguments, worker)) {
        Outcome::Over(status) => Ok(status),
        Outcome::Routes(settings, question) => routes.call1((settings, question))?.extract(),
    }
}

/// What a command line came to.
enum Outcome {
    Over(u8),
    /// Python goes on: it takes the project to tell.
    Routes(String, String),
}

/// See `_turnout.pyi`.
#[pyfunction]
pub(crate) fn default_settings() -> String {
    serde_json::to_string(&turnout_config::defaults()).expect("settings are numbers and text")
}

fn run(arguments: &[OsString], worker: Vec<OsString>) -> Outcome {
    let text = |it: &OsString| it.to_string_lossy().into_owned();
    let arguments: Vec<_> = arguments.iter().map(text).collect();
    let around = Surroundings {
        directory: std::env::current_dir().unwrap_or_default(),
        variables: std::env::vars_os().map(|(name, value)| (text(&name), text(&value))).collect(),
        colour: report::colour(rustix::stdio::stdout()),
    };
    match parse(&arguments, &around) {
        Ok(Command::Print(text)) => report::print(&text),
        Ok(Command::Serve(settings)) => return Outcome::Over(serve::serve(&settings, worker)),
        Ok(Command::Routes(settings, question)) => {
            let json = "settings are numbers and text";
            return Outcome::Routes(
                serde_json::to_string(&settings).expect(json),
                serde_json::to_string(&question).expect(json),
            );
        }
        Ok(Command::Top(wanted)) => return Outcome::Over(top::top(wanted, &around)),
        Err(error) => {
            report::complain(&error);
            return Outcome::Over(USAGE);
        }
    }
    Outcome::Over(0)
}
