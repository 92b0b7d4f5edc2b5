//! What can go wrong, in one line each, with what to do about it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why there is nothing to show.
#[derive(Debug, Error)]
pub enum TopError {
    /// `--admin` names nothing.
    #[error("{text}: the admin socket is http://HOST:PORT or unix:PATH")]
    Address {
        /// As it was typed.
        text: String,
    },
    /// `--token-file` cannot be read.
    #[error("{path}: {source}", path = path.display())]
    TokenFile {
        /// As it was typed.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A token that would be more than the value of one header.
    #[error("a token is one line of letters, digits and signs")]
    Token,
    /// Nobody answers there.
    #[error("{at}: {source}; does the server run with --admin?")]
    Unreachable {
        /// The address.
        at: String,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody answers, but not with what was asked for.
    #[error("{at}: {what}")]
    Answer {
        /// The address.
        at: String,
        /// What is wrong with it.
        what: String,
    },
    /// The server wants the token, or another one.
    #[error("{at} wants its token: --token-file FILE, or TURNOUT_ADMIN_TOKEN")]
    Locked {
        /// The address.
        at: String,
    },
    /// The terminal, or what stands for it, does not take what is written.
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
}
