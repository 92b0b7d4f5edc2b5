//! The path below which the project lives (`--root-path`): ASGI's `root_path`, the SCRIPT_NAME of WSGI and Django.
//!
//! There is one meaning at a time: a server that accepted paths both with and without the prefix would let a client write a path that
//! a proxy's rules and the project read differently.

use std::borrow::Cow;

/// Such a path. Without `--root-path` there is none, and nothing is done for it.
#[derive(Debug)]
pub(crate) struct Root {
    /// Begins with a slash and does not end with one; its escapes are undone.
    prefix: String,
    /// Requests still carry it; otherwise a proxy has taken it off.
    kept: bool,
}

impl Root {
    pub(crate) fn new(prefix: &str, kept: bool) -> Option<Self> {
        (!prefix.is_empty()).then(|| Self { prefix: prefix.to_owned(), kept })
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The whole path of a request whose path arrived as this (escapes undone).
    pub(super) fn whole<'a>(&self, path: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        if self.kept { path } else { [self.prefix.as_bytes(), &path].concat().into() }
    }

    /// What is below the prefix; `None`: the path is not the project's.
    pub(super) fn below<'a>(&self, path: Cow<'a, [u8]>) -> Option<Cow<'a, [u8]>> {
        if !self.kept {
            return Some(path);
        }
        let below = path.strip_prefix(self.prefix.as_bytes())?;
        let is_below = below.is_empty() || below.starts_with(b"/");
        is_below.then(|| below.to_owned().into())
    }
}
