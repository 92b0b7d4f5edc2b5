//! One question to the admin socket and its answer: HTTP/1.0 over a connection of its own, so that the answer's end is the
//! connection's end and nothing of HTTP is needed but the head.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::address::Address;
use crate::error::TopError;
use crate::now::{Found, Now};

/// Whoever does not take a connection for so long will not.
const CONNECT: Duration = Duration::from_secs(3);
/// The supervisor answers from memory: silence for so long is trouble.
const SILENCE: Duration = Duration::from_secs(5);
/// Five hundred views with their trends are below 2 MiB; what is longer is not from turnout.
const LONGEST: u64 = 16 << 20;
/// Fields of an answer's head.
const FIELDS: usize = 32;

/// Asks one admin socket.
#[derive(Debug)]
pub(crate) struct Client {
    address: Address,
    token: Option<String>,
}

impl Client {
    /// With the token that the server wants, if it is known.
    pub(crate) fn new(address: Address, token: Option<String>) -> Result<Self, TopError> {
        match &token {
            Some(token) if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(TopError::Token)
            }
            _ => Ok(Self { address, token }),
        }
    }

    /// The live table of the last so many seconds, and what was noticed. A server that knows nothing of findings has none.
    pub(crate) fn all(&self, seconds: u16) -> Result<Now, TopError> {
        let now = self.now(seconds)?;
        let found = self.get::<Found>("/api/v1/findings").unwrap_or_default();
        Ok(Now { findings: found.findings, ..now })
    }

    /// The live table.
    pub(crate) fn now(&self, seconds: u16) -> Result<Now, TopError> {
        self.get(&format!("/api/v1/now?seconds={seconds}"))
    }

    fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, TopError> {
        let answer =
            self.exchange(target).map_err(|source| TopError::Unreachable { at: self.address.to_string(), source })?;
        let (status, body) = split(&answer).ok_or_else(|| self.wrong("this is no answer of an HTTP server"))?;
        match status {
            200 => serde_json::from_slice(body).map_err(|error| self.wrong(format!("no figures of turnout: {error}"))),
            401 => Err(TopError::Locked { at: self.address.to_string() }),
            _ => Err(self.wrong(said(status, body))),
        }
    }

    fn exchange(&self, target: &str) -> io::Result<Vec<u8>> {
        match &self.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(SILENCE))?;
                stream.set_write_timeout(Some(SILENCE))?;
                self.ask(stream, "localhost", target)
            }
            Address::Tcp(host) => {
                let stream = connect(host)?;
                stream.set_read_timeout(Some(SILENCE))?;
                stream.set_write_timeout(Some(SILENCE))?;
                self.ask(stream, host, target)
            }
        }
    }

    fn ask(&self, mut stream: impl Read + Write, host: &str, target: &str) -> io::Result<Vec<u8>> {
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head = format!("GET {target} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json\r\n{token}\r\n");
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 s"),
            _ => error,
        })?;
        Ok(answer)
    }

    fn wrong(&self, what: impl Into<String>) -> TopError {
        TopError::Answer { at: self.address.to_string(), what: what.into() }
    }
}

/// A name may have several addresses: the first that takes the connection.
fn connect(host: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no such host");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The status and the body; nothing where the head is none, or the body shorter than the head says.
fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(end) = head.parse(answer).ok()? else { return None };
    let body = &answer[end..];
    let length = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|field| std::str::from_utf8(field.value).ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length != body.len()) {
        return None;
    }
    Some((head.code?, body))
}

#[derive(Debug, Deserialize)]
struct Said {
    error: String,
    #[serde(default)]
    hint: String,
}

/// What the server says of an error, in its own words.
fn said(status: u16, body: &[u8]) -> String {
    match serde_json::from_slice::<Said>(body) {
        Ok(Said { error, hint }) if hint.is_empty() => error,
        Ok(Said { error, hint }) => format!("{error}: {hint}"),
        Err(_) => format!("status {status}"),
    }
}
