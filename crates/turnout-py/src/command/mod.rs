//! The command line's side of the extension: `turnout serve` up to its supervisor, and a worker's link to it.

mod link;
mod report;
mod serve;

use std::ffi::OsString;

use pyo3::prelude::*;
use turnout_config::{Command, Surroundings, parse};

pub(crate) use link::WorkerLink;

/// The project's fault.
const FAILED: u8 = 1;
/// The command line's fault.
const USAGE: u8 = 2;

/// Runs a command line (without the program's name) and returns its exit status. `worker` starts a worker process.
#[pyfunction]
#[pyo3(signature = (arguments, worker))]
pub(crate) fn command(py: Python<'_>, arguments: Vec<OsString>, worker: Vec<OsString>) -> u8 {
    py.detach(|| run(&arguments, worker))
}

/// See `_turnout.pyi`.
#[pyfunction]
pub(crate) fn default_settings() -> String {
    serde_json::to_string(&turnout_config::defaults()).expect("settings are numbers and text")
}

fn run(arguments: &[OsString], worker: Vec<OsString>) -> u8 {
    let text = |it: &OsString| it.to_string_lossy().into_owned();
    let arguments: Vec<_> = arguments.iter().map(text).collect();
    let around = Surroundings {
        directory: std::env::current_dir().unwrap_or_default(),
        variables: std::env::vars_os().map(|(name, value)| (text(&name), text(&value))).collect(),
        colour: report::colour(rustix::stdio::stdout()),
    };
    match parse(&arguments, &around) {
        Ok(Command::Print(text)) => report::print(&text),
        Ok(Command::Serve(settings)) => return serve::serve(&settings, worker),
        Err(error) => {
            report::complain(&error);
            return USAGE;
        }
    }
    0
}
