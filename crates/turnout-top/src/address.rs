//! Where the admin socket is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::TopError;

/// An address of the admin socket, as `--admin` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `http://127.0.0.1:9180`, or without the scheme.
    Tcp(String),
    /// `unix:/run/mysite-admin.sock`.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = TopError;

    fn from_str(text: &str) -> Result<Self, TopError> {
        let wrong = || TopError::Address { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        let host = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        // What is written into a header must be a host and a port, and nothing that ends the line.
        let sound = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]%".contains(&byte));
        let port =
            host.rsplit_once(':').and_then(|(name, port)| (!name.is_empty()).then(|| port.parse::<u16>().ok())?);
        if sound && port.is_some() { Ok(Self::Tcp(host.to_owned())) } else { Err(wrong()) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host) => write!(to, "http://{host}"),
            Self::Unix(path) => write!(to, "unix:{}", path.display()),
        }
    }
}
