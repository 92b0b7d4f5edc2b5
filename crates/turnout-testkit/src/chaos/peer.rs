//! One connection of the upstream: reads requests, sends whatever it is told to.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

use super::{LONGEST, Shared};

pub(super) struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
    shared: Arc<Shared>,
    /// How many connections its port had before: the chance of what is left to chance.
    pub(super) number: u64,
}

/// The head of a request, as far as a fault needs it.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    length: usize,
    chunked: bool,
}

/// How a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// With the next request.
    Again,
    /// FIN, after everything that was sent.
    Close,
    /// RST.
    Reset,
}

/// Longer heads are no test's.
const LONGEST_HEAD: usize = 1 << 20;

/// How long a connection that was closed still reads, so that what was sent arrives before the reset that unread bytes would cause.
const LINGER: Duration = Duration::from_millis(500);

impl Peer {
    pub(super) fn new(stream: TcpStream, shared: Arc<Shared>, number: u64) -> Self {
        // Not zero, and the socket is fresh.
        let _ = stream.set_read_timeout(Some(LONGEST));
        let _ = stream.set_write_timeout(Some(LONGEST));
        Self { stream, buffer: Vec::new(), shared, number }
    }

    /// The next head; `None` when the client has closed.
    pub(super) fn request(&mut self) -> io::Result<Option<Request>> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if self.buffer.len() > LONGEST_HEAD || self.fill()? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        let line = String::from_utf8_lossy(&self.buffer[..end]).lines().next().unwrap_or_default().to_owned();
        self.buffer.drain(..end);
        let mut words = line.split(' ');
        let field = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|value| value.trim().to_owned())
        };
        Ok(Some(Request {
            method: words.next().unwrap_or_default().to_owned(),
            path: words.next().unwrap_or_default().to_owned(),
            length: field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0),
            chunked: field("transfer-encoding").is_some_and(|coding| coding == "chunked"),
        }))
    }

    /// Reads the body to its end.
    pub(super) fn skip_body(&mut self, request: &Request) -> io::Result<()> {
        if !request.chunked {
            return self.take(request.length).map(drop);
        }
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                .map_err(|_| io::ErrorKind::InvalidData)?;
            self.take(size + 2)?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// Exactly so many bytes.
    pub(super) fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line = self.take(end + 2)?;
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Whatever comes first; nothing at the end.
    pub(super) fn fill(&mut self) -> io::Result<usize> {
        let mut scratch = [0; 16 << 10];
        let read = self.stream.read(&mut scratch)?;
        self.buffer.extend_from_slice(&scratch[..read]);
        Ok(read)
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends a byte at a time, with a pause after each, for ever.
    pub(super) fn drip(&mut self, bytes: impl Iterator<Item = u8>, pause: Duration) -> io::Result<()> {
        for byte in bytes {
            self.send([byte])?;
            self.pause(pause)?;
        }
        Ok(())
    }

    pub(super) fn pause(&self, time: Duration) -> io::Result<()> {
        self.shared.pause(time)
    }

    /// Says and does nothing until the client hangs up.
    pub(super) fn wait_for_the_end(&mut self) -> io::Result<Next> {
        while self.fill()? > 0 {
            self.buffer.clear();
        }
        Ok(Next::Close)
    }

    pub(super) fn is_healed(&self) -> bool {
        self.shared.is_healed()
    }

    pub(super) fn saw(&self, name: &'static str) {
        self.shared.saw(name);
    }

    pub(super) fn end(mut self, next: Next) {
        if next == Next::Reset {
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
            return;
        }
        // Each may fail because the client was quicker.
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.stream.set_read_timeout(Some(LINGER));
        while matches!(self.fill(), Ok(1..)) {
            self.buffer.clear();
        }
    }
}
