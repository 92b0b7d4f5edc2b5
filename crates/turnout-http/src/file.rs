//! A file as the content of an answer: read a piece at a time by threads that may block, never by the runtime's.
//!
//! Two buffers an answer: while one is on its way into the socket the next piece is read into the other, and a client that reads
//! slowly stops the reading. Dropped, it closes the file; a read that is under way ends on its own thread first.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::config::Fault;

/// One read: large enough that the trip to another thread is small beside it, small enough that a thousand slow clients hold 128 MiB.
const PIECE: u64 = 64 * 1024;
const BUFFERS: usize = 2;
/// Threads of the process that read at a time. More than a disk has heads, so that one slow file does not stop the others.
const READERS: usize = 16;

static TURNS: Semaphore = Semaphore::const_new(READERS);

/// Bytes of an open file. They are read at their own place: where the descriptor stands does not matter and is not changed.
#[derive(Debug)]
pub struct FileRange {
    file: File,
    start: u64,
    length: u64,
    watch: Watch,
}

/// Dropped with the file, which tells whoever waits for that.
type Watch = Option<oneshot::Sender<()>>;

impl FileRange {
    /// `length` bytes from `start`. An answer whose file turns out to be shorter fails.
    pub fn new(file: File, start: u64, length: u64) -> Self {
        Self { file, start, length, watch: None }
    }

    /// From `start` to where the file ends now. An error for what is no regular file, such as a pipe: it has no places to read at.
    pub fn rest(file: File, start: u64) -> io::Result<Self> {
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self { file, start, length: facts.len().saturating_sub(start), watch: None })
    }

    /// How many bytes it promises.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The same with `length` bytes, more or fewer.
    #[must_use]
    pub fn with_length(self, length: u64) -> Self {
        Self { length, ..self }
    }

    /// The same, and a future that is ready when the file is needed no longer: it was sent (what fits into one piece: read), or
    /// never will be. For one waiter.
    pub fn watched(self) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (watch, over) = oneshot::channel();
        let over = async move { drop(over.await) };
        (Self { watch: Some(watch), ..self }, over)
    }
}

/// The file while it is read.
pub(crate) struct Pieces {
    file: Arc<File>,
    at: u64,
    left: u64,
    /// The first piece, read before the head was sent: a file that cannot be read at all is then still a 500.
    first: Option<Bytes>,
    reading: Option<Reading>,
    shelf: Arc<Shelf>,
    _watch: Watch,
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send>>;

/// What comes of opening.
pub(crate) enum Opened {
    /// It fits into one piece.
    Whole(Bytes),
    Pieces(Pieces),
}

impl Pieces {
    /// Reads the first piece.
    pub(crate) async fn open(range: FileRange) -> Result<Opened, Fault> {
        let FileRange { file, start, length, watch } = range;
        let file = Arc::new(file);
        let shelf = Arc::<Shelf>::default();
        let mut this = Self { file, at: start, left: length, first: None, reading: None, shelf, _watch: watch };
        match std::future::poll_fn(|cx| this.poll_next(cx)).await {
            None => Ok(Opened::Whole(Bytes::new())),
            Some(first) => {
                let first = first?;
                Ok(if this.left == 0 {
                    Opened::Whole(first)
                } else {
                    Opened::Pieces(Self { first: Some(first), ..this })
                })
            }
        }
    }

    /// What was promised and not yet given.
    pub(crate) fn left(&self) -> u64 {
        self.left + self.first.as_ref().map_or(0, |first| first.len() as u64)
    }

    /// The next piece, never an empty one; `None` when all that was promised was given.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let wanted = self.left.min(PIECE);
        let reading = match &mut self.reading {
            Some(reading) => reading,
            none => {
                let buffer = ready!(self.shelf.take(wanted as usize, cx));
                none.insert(Box::pin(read(Arc::clone(&self.file), self.at, buffer)))
            }
        };
        let read = ready!(reading.as_mut().poll(cx));
        self.reading = None;
        Poll::Ready(Some(match read {
            // What there is of it would be thrown away by the client.
            Ok(piece) if (piece.len() as u64) < wanted => {
                Err(Fault::TooShort { missing: self.left - piece.len() as u64 })
            }
            Ok(piece) => {
                self.at += piece.len() as u64;
                self.left -= piece.len() as u64;
                Ok(self.shelf.lend(piece))
            }
            Err(error) => Err(Fault::Unreadable { kind: error.kind(), missing: self.left }),
        }))
    }
}

/// Fills the buffer from the file, less at its end. The turn is kept to the end of the read, even if nobody waits for it any more.
async fn read(file: Arc<File>, at: u64, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    let turn = TURNS.acquire().await.map_err(io::Error::other)?;
    let work = move || {
        let _turn = turn;
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read_at(&mut buffer[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        buffer.truncate(filled);
        Ok(buffer)
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The buffers of one answer that are not in use.
#[derive(Default)]
struct Shelf(Mutex<Held>);

#[derive(Default)]
struct Held {
    free: Vec<Vec<u8>>,
    made: usize,
    waiting: Option<Waker>,
}

impl Shelf {
    /// A buffer of so many bytes, once there is one.
    fn take(&self, length: usize, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        let mut held = self.0.lock();
        if let Some(mut buffer) = held.free.pop() {
            buffer.resize(length, 0);
            return Poll::Ready(buffer);
        }
        if held.made < BUFFERS {
            held.made += 1;
            return Poll::Ready(vec![0; length]);
        }
        held.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Bytes that bring their buffer back when the last of them is dropped, which is when the socket has taken them.
    fn lend(self: &Arc<Self>, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, shelf: Arc::clone(self) })
    }
}

struct Lent {
    buffer: Vec<u8>,
    shelf: Arc<Shelf>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut held = self.shelf.0.lock();
        held.free.push(std::mem::take(&mut self.buffer));
        if let Some(waiting) = held.waiting.take() {
            drop(held);
            waiting.wake();
        }
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Pieces").field("at", &self.at).field("left", &self.left()).finish_non_exhaustive()
    }
}
