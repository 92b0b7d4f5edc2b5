//! Reading responses exactly: not a byte more, and nothing forgiven.

use std::io::Read;
use std::net::TcpStream;

use thiserror::Error;

/// A response as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// Three digits.
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// Without chunked framing.
    pub body: Vec<u8>,
    /// It was sent in chunks.
    pub chunked: bool,
    /// The fields after the last chunk.
    pub trailers: Vec<(String, String)>,
}

/// Why there is no response.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The connection ended before its first byte.
    #[error("the connection was closed without a response")]
    NoResponse,
    /// The connection ended inside it; what had come of it.
    #[error("the connection was closed inside a response, after {}", .0.escape_ascii())]
    CutShort(Vec<u8>),
    /// Not HTTP.
    #[error("not a response: {}", .0.escape_ascii())]
    Malformed(Vec<u8>),
    /// Time out, reset.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Response {
    /// The value of the only field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice in {self:?}");
        value
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(crate) struct Reader<'a> {
    pub(crate) stream: &'a mut TcpStream,
    pub(crate) buffer: &'a mut Vec<u8>,
}

impl Reader<'_> {
    pub(crate) fn response(&mut self, to_head: bool) -> Result<Response, ReadError> {
        let first = self.line().map_err(|error| match error {
            ReadError::CutShort(seen) if seen.is_empty() => ReadError::NoResponse,
            other => other,
        })?;
        let wrong = || ReadError::Malformed(first.clone().into_bytes());
        let (version, rest) = first.split_once(' ').ok_or_else(wrong)?;
        let (status, _) = rest.split_once(' ').ok_or_else(wrong)?;
        let status = status.parse().map_err(|_| wrong())?;
        if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
            return Err(wrong());
        }
        let headers = self.fields()?;
        let mut response = Response {
            version: version.to_owned(),
            status,
            headers,
            body: Vec::new(),
            chunked: false,
            trailers: Vec::new(),
        };
        if to_head || status < 200 || matches!(status, 204 | 304) {
            return Ok(response);
        }
        response.chunked = response.header("transfer-encoding") == Some("chunked");
        response.body = match response.header("content-length") {
            Some(length) => {
                assert!(!response.chunked, "two framings: {response:?}");
                let length = length.parse().map_err(|_| wrong())?;
                self.exactly(length)?
            }
            None if response.chunked => self.chunks(&mut response.trailers)?,
            None => self.until_closed()?,
        };
        Ok(response)
    }

    pub(crate) fn exactly(&mut self, length: usize) -> Result<Vec<u8>, ReadError> {
        while self.buffer.len() < length {
            self.more()?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(self.buffer, rest))
    }

    fn chunks(&mut self, trailers: &mut Vec<(String, String)>) -> Result<Vec<u8>, ReadError> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| ReadError::Malformed(line.into_bytes()))?;
            if size == 0 {
                *trailers = self.fields()?;
                return Ok(body);
            }
            body.extend(self.exactly(size)?);
            let end = self.exactly(2)?;
            if end != b"\r\n" {
                return Err(ReadError::Malformed(end));
            }
        }
    }

    fn until_closed(&mut self) -> Result<Vec<u8>, ReadError> {
        loop {
            match self.more() {
                Ok(()) => {}
                Err(ReadError::CutShort(all)) => {
                    self.buffer.clear();
                    return Ok(all);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn fields(&mut self) -> Result<Vec<(String, String)>, ReadError> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(fields);
            }
            let (name, value) = line.split_once(':').ok_or_else(|| ReadError::Malformed(line.clone().into_bytes()))?;
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> Result<String, ReadError> {
        let end = loop {
            match self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                Some(end) => break end,
                None => self.more()?,
            }
        };
        let line = self.exactly(end + 2)?;
        String::from_utf8(line[..end].to_vec()).map_err(|_| ReadError::Malformed(line))
    }

    fn more(&mut self) -> Result<(), ReadError> {
        let mut scratch = [0; 16 * 1024];
        match self.stream.read(&mut scratch)? {
            0 => Err(ReadError::CutShort(self.buffer.clone())),
            more => {
                self.buffer.extend_from_slice(&scratch[..more]);
                Ok(())
            }
        }
    }
}
