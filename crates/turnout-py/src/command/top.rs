//! `turnout top`: another process's server is watched, without Python.

use turnout_config::{Surroundings, Top};
use turnout_top::{Options, TopError, run};

use super::report::complain;
use super::{FAILED, USAGE};

/// Runs until somebody has seen enough; the exit status of the process.
pub(super) fn top(wanted: Top, around: &Surroundings) -> u8 {
    match options(wanted, around).and_then(run) {
        Ok(()) => 0,
        Err(error) => {
            complain(&error);
            match error {
                TopError::Address { .. } | TopError::TokenFile { .. } | TopError::Token => USAGE,
                _ => FAILED,
            }
        }
    }
}

fn options(wanted: Top, around: &Surroundings) -> Result<Options, TopError> {
    // As POSIX has it: the first of them that is set and not empty.
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| around.variables.get(*name).filter(|it| !it.is_empty()));
    Ok(Options {
        admin: wanted.admin.parse()?,
        token_file: wanted.token_file,
        token: wanted.token,
        seconds: wanted.seconds,
        // Such a terminal shows what is printed and can do nothing else.
        once: wanted.once || around.variables.get("TERM").is_none_or(|it| it.is_empty() || it == "dumb"),
        colour: around.colour,
        locale: locale.cloned().unwrap_or_default(),
    })
}
