//! Sending bytes, well or badly, and watching how a connection ends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::response::{ReadError, Reader, Response};

/// Longer than any answer of a healthy server takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection of a client.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// Read from the socket and not yet taken for a response.
    buffer: Vec<u8>,
}

/// How a connection ended, seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The server's FIN.
    Fin,
    /// The server's RST.
    Reset,
    /// It did not end in the time given.
    Open,
}

impl Client {
    /// Connects, or panics: a test cannot go on without.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a fresh socket takes options");
        Self::over(stream)
    }

    /// A client whose kernel takes no more than a few kilobytes that it does not read itself.
    pub fn connect_with_small_window(address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)
            .expect("sockets can be made");
        socket.set_recv_buffer_size(4096).expect("a fresh socket takes options");
        socket.connect(&address.into()).expect("the server listens");
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
        Self { stream, buffer: Vec::new() }
    }

    /// Sends all of it.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends `bytes` in pieces of `size`, with a pause after each.
    pub fn dribble(&mut self, bytes: impl AsRef<[u8]>, size: usize, pause: Duration) -> io::Result<()> {
        for piece in bytes.as_ref().chunks(size) {
            self.send(piece)?;
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// Sends what the server takes within `time` and says how much that was.
    pub fn send_until_stuck(&mut self, bytes: &[u8], time: Duration) -> usize {
        self.stream.set_write_timeout(Some(time)).expect("not zero");
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(0) | Err(_) => break,
                Ok(more) => sent += more,
            }
        }
        self.stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
        sent
    }

    /// Sends FIN; reading goes on.
    pub fn half_close(&self) {
        // Fails when the server closed first, which the test sees when it reads.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Ends the connection with a RST.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("a socket takes options");
    }

    /// The next response to a request that was no HEAD. Interim ones (1xx) count as responses.
    pub fn response(&mut self) -> Result<Response, ReadError> {
        Reader { stream: &mut self.stream, buffer: &mut self.buffer }.response(false)
    }

    /// The next response, to a HEAD.
    pub fn response_to_head(&mut self) -> Result<Response, ReadError> {
        Reader { stream: &mut self.stream, buffer: &mut self.buffer }.response(true)
    }

    /// Reads exactly so many bytes, whatever they are.
    pub fn bytes(&mut self, length: usize) -> Result<Vec<u8>, ReadError> {
        Reader { stream: &mut self.stream, buffer: &mut self.buffer }.exactly(length)
    }

    /// Reads to the end, at most for `time`: how it ended, and every byte that was not part of a response before.
    pub fn ending(&mut self, time: Duration) -> (Ending, Vec<u8>) {
        let mut rest = std::mem::take(&mut self.buffer);
        let mut scratch = [0; 16 * 1024];
        let end = std::time::Instant::now() + time;
        let ending = loop {
            let left = end.saturating_duration_since(std::time::Instant::now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).expect("not zero");
            match self.stream.read(&mut scratch) {
                Ok(0) => break Ending::Fin,
                Ok(more) => rest.extend_from_slice(&scratch[..more]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    break Ending::Open;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break Ending::Reset,
            }
        };
        self.stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        (ending, rest)
    }

    /// This end's address.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("connected")
    }
}
