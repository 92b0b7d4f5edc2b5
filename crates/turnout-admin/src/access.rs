//! Who may ask: the token, the login link that works once, and the session of a browser.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use thiserror::Error;

/// Bytes of a secret that is made here: nobody guesses 256 bits.
const RANDOM: usize = 32;
/// A token of a file is no shorter: there is nothing but its length against guessing.
const SHORTEST: usize = 16;
/// Nor longer: it must fit into a header.
const LONGEST: usize = 1024;
/// Bits of a file's mode that let anybody read or change it, or its group change it.
const OPEN_TO_OTHERS: u32 = 0o027 & !0o040;

/// What a program sends with each request, and a person types once.
#[derive(Clone)]
pub struct Token(Box<str>);

/// Why a file holds no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Everybody on this machine may read it.
    #[error("{path}: others may read or change it (mode {mode:o}): chmod 600 {path}", path = path.display())]
    Open {
        /// As it was given.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// What it holds is none.
    #[error(
        "{path}: a token is {SHORTEST} to {LONGEST} letters, digits and signs on one line; one is made with: openssl rand -hex 32",
        path = path.display()
    )]
    Content {
        /// As it was given.
        path: PathBuf,
    },
}

impl Token {
    /// One that nobody can guess.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; RANDOM];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// The one line of a file that is its owner's alone; a group may read it.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let path = path.to_owned();
        let unreadable = |source| TokenError::Unreadable { path: path.clone(), source };
        let file = File::open(&path).map_err(unreadable)?;
        // Of the file that is open, not of what has its name a moment later.
        let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
        if mode & OPEN_TO_OTHERS != 0 {
            return Err(TokenError::Open { path, mode });
        }
        let mut text = String::new();
        // With room for the end of its line, and one more to see that there is too much.
        file.take(LONGEST as u64 + 3).read_to_string(&mut text).map_err(unreadable)?;
        let text = text.trim();
        let fits = (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(TokenError::Content { path }) }
    }

    /// For a URL or a header that is for its owner only.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Takes as long whatever is given; its length is no secret.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Token(..)")
    }
}

/// What opens the socket.
#[derive(Debug)]
pub(crate) struct Access {
    token: Token,
    /// Somebody else knows the token: it is in a file.
    shared: bool,
    /// What a browser has after its login. Not the token: a cookie is written to disk by some browsers.
    session: Token,
    /// The cookie's name. A browser sends cookies to every port of a host: each server has a name of its own.
    cookie: String,
    once: Mutex<Option<Token>>,
}

impl Access {
    /// With the token of a file, or one that is made now; `port` of the socket, if it has one.
    pub(crate) fn new(token: Option<Token>, port: Option<u16>) -> io::Result<Self> {
        Ok(Self {
            shared: token.is_some(),
            token: token.map_or_else(Token::random, Ok)?,
            session: Token::random()?,
            cookie: port.map_or_else(|| "turnout_admin".to_owned(), |port| format!("turnout_admin_{port}")),
            once: Mutex::new(None),
        })
    }

    /// A token that logs one browser in, once. The one before it is worth nothing any more.
    pub(crate) fn one_time(&self) -> io::Result<Token> {
        let token = Token::random()?;
        *self.once.lock() = Some(token.clone());
        Ok(token)
    }

    /// Whether that is the one-time token; from now on there is none.
    pub(crate) fn take_one_time(&self, given: &[u8]) -> bool {
        let mut once = self.once.lock();
        let right = once.as_ref().is_some_and(|token| token.is(given));
        if right {
            *once = None;
        }
        right
    }

    /// Whether that is the token itself.
    pub(crate) fn is_token(&self, given: &[u8]) -> bool {
        self.token.is(given)
    }

    /// The token that the request carries, right or wrong. Only one: others behind it would be guesses that nobody counts.
    pub(crate) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
        bearer(headers.get(AUTHORIZATION)?.as_bytes()).filter(|given| !given.is_empty())
    }

    /// Whether metrics are for those who have the token only: where it is in a file, a collector can have it too.
    pub(crate) fn guards_metrics(&self) -> bool {
        self.shared
    }

    /// Whether the request comes from a browser that has logged in.
    pub(crate) fn has_session(&self, headers: &HeaderMap) -> bool {
        let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(name, value)| name == self.cookie && self.session.is(value.as_bytes()))
    }

    /// The value of `Set-Cookie` that makes a session.
    pub(crate) fn set_cookie(&self) -> String {
        format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie, self.session.reveal())
    }
}

/// What follows the word `Bearer` (RFC 6750 section 2.1), in whatever case it is written.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        std::fs::write(&path, content).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        (folder, path)
    }

    #[test]
    fn a_file_for_its_owner_holds_a_token() {
        for mode in [0o600, 0o400, 0o640] {
            let (_folder, path) = file("correct-horse-battery\n", mode);
            let token = Token::read(&path).expect("a token");
            assert!(token.is(b"correct-horse-battery") && !token.is(b"correct-horse-batterz") && !token.is(b""));
            assert_eq!(format!("{token:?}"), "Token(..)", "nothing secret is shown");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_what_to_do() {
        for mode in [0o644, 0o604, 0o660, 0o666, 0o602] {
            let (_folder, path) = file("correct-horse-battery", mode);
            let error = Token::read(&path).expect_err("open to others").to_string();
            assert!(error.contains(&format!("mode {mode:o}")) && error.contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let long = "x".repeat(LONGEST + 1);
        for content in
            ["", "short", "two words of some length", "zwei\nzeilen-von-laenge", "ümlaute-ümlaute-ümlaute", &long]
        {
            let (_folder, path) = file(content, 0o600);
            let error = Token::read(&path).expect_err(content).to_string();
            assert!(error.contains("openssl rand"), "{error}");
            assert!(content.is_empty() || !error.contains(content), "{error}");
        }
        assert!(Token::read(Path::new("/nonexistent/token")).is_err());
    }

    #[test]
    fn random_ones_differ_and_a_one_time_token_works_once() {
        let access = Access::new(None, Some(1)).expect("randomness");
        let (first, second) = (access.one_time().expect("randomness"), access.one_time().expect("randomness"));
        assert_ne!(first.reveal(), second.reveal());
        assert!(!access.take_one_time(first.reveal().as_bytes()), "only the last one counts");
        assert!(access.take_one_time(second.reveal().as_bytes()));
        assert!(!access.take_one_time(second.reveal().as_bytes()));
        assert!(!access.take_one_time(b""));
    }

    #[test]
    fn a_bearer_is_read_whatever_its_case() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        assert_eq!((bearer(b"Basic abc"), bearer(b"Bear"), bearer(b"\xff\xff\xff")), (None, None, None));
    }
}
