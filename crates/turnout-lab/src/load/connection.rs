//! One connection of the load: writes a request, reads one answer to its last byte, keeps only what is counted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::target::{Peer, Target};

/// Dropping it closes the connection.
pub(super) struct Connection {
    stream: Stream,
    buffer: BytesMut,
}

/// What is kept of an answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: u64,
    pub(super) keep_alive: bool,
    /// The number in the header that the plan samples.
    pub(super) sample: Option<f64>,
}

/// What a head says.
struct Head {
    status: u16,
    framing: Framing,
    keep_alive: bool,
    sample: Option<f64>,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the server closed the connection before the answer was whole")]
    Closed,
    #[error("the answer is not HTTP/1.1")]
    Malformed,
}

/// How the end of a body is known.
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

const MOST_HEADERS: usize = 64;
const LARGEST_HEAD: usize = 64 << 10;
const READ_AT_ONCE: usize = 16 << 10;

impl Connection {
    pub(super) async fn open(target: &Target) -> io::Result<Self> {
        let stream = match &target.peer {
            Peer::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            Peer::Unix(path) => Stream::Unix(UnixStream::connect(path).await?),
        };
        Ok(Self { stream, buffer: BytesMut::with_capacity(READ_AT_ONCE) })
    }

    /// Sends the request and reads its answer. Not cancel-safe: a connection whose exchange was dropped must be dropped too.
    pub(super) async fn exchange(&mut self, request: &[u8], sample: Option<&str>) -> Result<Answer, ExchangeError> {
        self.stream.write_all(request).await?;
        let head = loop {
            let head = self.head(sample).await?;
            // 1xx is not the answer yet.
            if head.status >= 200 {
                break head;
            }
        };
        let body = match head.framing {
            Framing::Length(length) => self.skip(length).await.map(|()| length)?,
            Framing::Chunked => self.skip_chunks().await?,
            Framing::UntilClose => self.skip_to_close().await?,
        };
        Ok(Answer { status: head.status, body, keep_alive: head.keep_alive, sample: head.sample })
    }

    async fn head(&mut self, sample: Option<&str>) -> Result<Head, ExchangeError> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            match response.parse(&self.buffer) {
                Ok(httparse::Status::Complete(length)) => {
                    let read = read_head(&response, sample)?;
                    self.buffer.advance(length);
                    return Ok(read);
                }
                Ok(httparse::Status::Partial) if self.buffer.len() < LARGEST_HEAD => self.fill().await?,
                _ => return Err(ExchangeError::Malformed),
            }
        }
    }

    async fn skip(&mut self, mut length: u64) -> Result<(), ExchangeError> {
        loop {
            let here = length.min(self.buffer.len() as u64);
            self.buffer.advance(here as usize);
            length -= here;
            if length == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    async fn skip_chunks(&mut self) -> Result<u64, ExchangeError> {
        let mut body = 0;
        loop {
            let size = match httparse::parse_chunk_size(&self.buffer) {
                Ok(httparse::Status::Complete((line, size))) => {
                    self.buffer.advance(line);
                    size
                }
                Ok(httparse::Status::Partial) if self.buffer.len() < LARGEST_HEAD => {
                    self.fill().await?;
                    continue;
                }
                _ => return Err(ExchangeError::Malformed),
            };
            if size == 0 {
                return self.skip_trailers().await.map(|()| body);
            }
            body += size;
            self.skip(size).await?;
            self.expect_line_end().await?;
        }
    }

    async fn expect_line_end(&mut self) -> Result<(), ExchangeError> {
        while self.buffer.len() < 2 {
            self.fill().await?;
        }
        if !self.buffer.starts_with(b"\r\n") {
            return Err(ExchangeError::Malformed);
        }
        self.buffer.advance(2);
        Ok(())
    }

    async fn skip_trailers(&mut self) -> Result<(), ExchangeError> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            match httparse::parse_headers(&self.buffer, &mut headers) {
                Ok(httparse::Status::Complete((length, _))) => {
                    self.buffer.advance(length);
                    return Ok(());
                }
                Ok(httparse::Status::Partial) if self.buffer.len() < LARGEST_HEAD => self.fill().await?,
                _ => return Err(ExchangeError::Malformed),
            }
        }
    }

    async fn skip_to_close(&mut self) -> Result<u64, ExchangeError> {
        let mut body = 0;
        loop {
            body += self.buffer.len() as u64;
            self.buffer.clear();
            match self.fill().await {
                Ok(()) => {}
                Err(ExchangeError::Closed) => return Ok(body),
                Err(error) => return Err(error),
            }
        }
    }

    async fn fill(&mut self) -> Result<(), ExchangeError> {
        self.buffer.reserve(READ_AT_ONCE);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(ExchangeError::Closed);
        }
        Ok(())
    }
}

fn values<'a>(response: &'a httparse::Response<'_, '_>, name: &'a str) -> impl Iterator<Item = &'a str> {
    let found = response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    found.filter_map(|header| std::str::from_utf8(header.value).ok())
}

fn read_head(response: &httparse::Response<'_, '_>, sample: Option<&str>) -> Result<Head, ExchangeError> {
    let status = response.code.ok_or(ExchangeError::Malformed)?;
    let says = |name: &str, token: &str| {
        values(response, name).any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    let framing = if status < 200 || status == 204 || status == 304 {
        Framing::Length(0)
    } else if says("transfer-encoding", "chunked") {
        Framing::Chunked
    } else if let Some(length) = values(response, "content-length").next() {
        Framing::Length(length.trim().parse().map_err(|_| ExchangeError::Malformed)?)
    } else {
        Framing::UntilClose
    };
    let open =
        if response.version == Some(0) { says("connection", "keep-alive") } else { !says("connection", "close") };
    let keep_alive = open && !matches!(framing, Framing::UntilClose);
    let sample = sample.and_then(|name| values(response, name).next()?.trim().parse().ok());
    Ok(Head { status, framing, keep_alive, sample })
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
