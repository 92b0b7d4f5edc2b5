//! `turnout top`, from its options to its end.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::address::Address;
use crate::choice::Choice;
use crate::client::Client;
use crate::error::TopError;
use crate::glyphs::Glyphs;
use crate::{plain, terminal};

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the admin socket is.
    pub admin: Address,
    /// The file with its token.
    pub token_file: Option<PathBuf>,
    /// The token itself; a file wins.
    pub token: Option<String>,
    /// The window of time at the beginning.
    pub seconds: u16,
    /// Print one table and end.
    pub once: bool,
    /// Whether colours are welcome.
    pub colour: bool,
    /// What LC_ALL, LC_CTYPE or LANG says.
    pub locale: String,
}

/// Shows the table until somebody has seen enough; where there is no terminal, prints it once.
pub fn run(options: Options) -> Result<(), TopError> {
    let token = match &options.token_file {
        Some(path) => Some(read(path)?),
        None => options.token,
    };
    let client = Client::new(options.admin, token)?;
    let choice = Choice::new(options.seconds);
    let mut out = std::io::stdout();
    let glyphs = Glyphs::new(&options.locale, options.colour);
    if !options.once && out.is_terminal() {
        // Whoever cannot be reached at the start is told of in one line, not on an empty screen.
        let now = client.all(choice.seconds)?;
        return terminal::show(client, now, choice, glyphs);
    }
    let columns = terminal::columns().filter(|_| out.is_terminal()).unwrap_or(plain::COLUMNS);
    let text = plain::text(&client.all(choice.seconds)?, &choice, glyphs, columns);
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `| head` has read enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<String, TopError> {
    let text = std::fs::read_to_string(path).map_err(|source| TopError::TokenFile { path: path.to_owned(), source })?;
    Ok(text.trim().to_owned())
}
