//! The two paths of a stream transport that every message takes: a read that reaches the protocol, a write that the kernel
//! takes at once.
//!
//! Everything else (back-pressure, closing, errors, half-closed connections, sendfile) is the stdlib's transport, of which
//! `turnout.transports.SocketTransport` is a subclass: it lends its `read`, `write` and `writelines` from here, and they hand
//! to it whatever is not the common case.

use std::cell::RefCell;
use std::io::IoSlice;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PySystemExit, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyMemoryView, PySlice, PyString, PyTuple, PyWeakrefReference};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

use crate::raw::{self, with_borrowed};
use crate::reactor::selector::os_error;

/// What one read takes at most: it is copied out of a buffer that all transports of a thread share, so that a short message
/// costs memory of its own size alone.
const READ_SIZE: usize = 64 * 1024;

/// The kernel takes no more pieces in one call (`IOV_MAX`).
const MOST_PIECES: usize = 1024;

thread_local! {
    /// Borrowed for one `recv`, never while Python code runs.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
}

/// The native half of one transport.
///
/// No lock is held across a call into Python.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct Stream {
    fd: RawFd,
    /// The stdlib's transport, weakly: it goes with its last name, and says so if it was not closed.
    transport: Py<PyWeakrefReference>,
    /// None once the connection is lost.
    ends: Mutex<Option<Ends>>,
    /// Nothing may be sent past the stdlib's `write`: closing, half-closed, or a file is being sent.
    blocked: AtomicBool,
    /// The stdlib's buffer was filled; it may be empty again.
    buffered: AtomicBool,
}

struct Ends {
    /// The bound `fileno` of its socket.
    fileno: Py<PyAny>,
    /// None until it is set.
    protocol: Option<Py<PyAny>>,
    /// It is a `BufferedProtocol`.
    fills: bool,
}

/// What a message was read for.
enum Reader<'py> {
    Gone,
    Protocol(Bound<'py, PyAny>),
    /// It has the buffer that is filled.
    Buffered(Bound<'py, PyAny>),
}

#[pymethods]
impl Stream {
    #[new]
    fn new(transport: &Bound<'_, PyAny>, sock: &Bound<'_, PyAny>) -> PyResult<Self> {
        let fileno = sock.getattr(intern!(sock.py(), "fileno"))?;
        let fd = fileno.call0()?.extract()?;
        let ends = Ends { fileno: fileno.unbind(), protocol: None, fills: false };
        Ok(Self {
            fd,
            transport: PyWeakrefReference::new(transport)?.unbind(),
            ends: Mutex::new(Some(ends)),
            blocked: AtomicBool::new(false),
            buffered: AtomicBool::new(false),
        })
    }

    /// Who is told of what arrives; `fills` says that it is a `BufferedProtocol`.
    fn set_protocol(&self, protocol: Py<PyAny>, fills: bool) {
        let mut protocol = Some(protocol);
        if let Some(ends) = self.ends.lock().as_mut() {
            std::mem::swap(&mut ends.protocol, &mut protocol);
            ends.fills = fills;
        }
        drop(protocol);
    }

    /// Whether every write must go through the stdlib's.
    fn block(&self, yes: bool) {
        self.blocked.store(yes, Relaxed);
    }

    /// The connection is lost, its descriptor about to be closed: lets go of everything.
    fn end(&self) {
        self.blocked.store(true, Relaxed);
        let ends = self.ends.lock().take();
        drop(ends);
    }

    /// The socket is readable. Its handle holds the transport.
    fn read(&self, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = transport.py();
        let reader = {
            let ends = self.ends.lock();
            let Some(ends) = ends.as_ref() else { return Ok(()) };
            match ends.protocol.as_ref() {
                None => Reader::Gone,
                Some(protocol) if ends.fills => Reader::Buffered(protocol.bind(py).clone()),
                Some(protocol) => Reader::Protocol(protocol.bind(py).clone()),
            }
        };
        match reader {
            Reader::Gone => Ok(()),
            _ if !self.is_open(py)? => drop_answer(transport.call_method0(intern!(py, "_read_ready"))),
            Reader::Protocol(protocol) => self.read_bytes(py, transport, &protocol),
            Reader::Buffered(protocol) => self.read_into(py, transport, &protocol),
        }
    }

    /// As `Transport.write`.
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(transport) = self.transport(py) else { return Ok(()) };
        let slowly = intern!(py, "_write_slowly");
        if !self.may_send(&transport)? {
            return self.slowly(&transport, slowly, data.as_any());
        }
        let (sent, length) = if let Ok(bytes) = data.cast::<PyBytes>() {
            let bytes = bytes.as_bytes();
            if bytes.is_empty() {
                return Ok(());
            }
            (with_borrowed(self.fd, |fd| send(fd, bytes, SendFlags::NOSIGNAL)), bytes.len())
        } else if data.is_instance_of::<PyByteArray>() || data.is_instance_of::<PyMemoryView>() {
            let buffer = PyUntypedBuffer::get(data)?;
            let length = buffer.len_bytes();
            if length == 0 || !buffer.is_c_contiguous() {
                return self.slowly(&transport, slowly, data.as_any());
            }
            let sent = raw::send(self.fd, &buffer);
            (sent, length)
        } else {
            return self.slowly(&transport, slowly, data.as_any());
        };
        match sent {
            Ok(sent) if sent == length => Ok(()),
            Ok(sent) => {
                let rest = PyMemoryView::from(data)?.call_method1(intern!(py, "cast"), ("B",))?;
                let rest = rest.get_item(PySlice::new(py, sent.cast_signed(), isize::MAX, 1))?;
                self.slowly(&transport, slowly, rest.as_any())
            }
            Err(Errno::AGAIN | Errno::INTR) => self.slowly(&transport, slowly, data.as_any()),
            Err(error) => failed(&transport, os_error(error), "Fatal write error on socket transport"),
        }
    }

    /// As `Transport.writelines`.
    fn writelines(&self, py: Python<'_>, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(transport) = self.transport(py) else { return Ok(()) };
        let slowly = intern!(py, "_writelines_slowly");
        let pieces = pieces(lines).filter(|pieces| pieces.len() <= MOST_PIECES);
        let Some(pieces) = pieces else { return self.slowly(&transport, slowly, lines.as_any()) };
        if !self.may_send(&transport)? {
            return self.slowly(&transport, slowly, lines.as_any());
        }
        let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece.as_bytes())).collect();
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        if length == 0 {
            return Ok(());
        }
        let sent =
            with_borrowed(self.fd, |fd| sendmsg(fd, &slices, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL));
        match sent {
            Ok(sent) if sent == length => Ok(()),
            Ok(mut sent) => {
                let rest = PyList::empty(py);
                for piece in pieces {
                    let bytes = piece.as_bytes();
                    let skipped = sent.min(bytes.len());
                    sent -= skipped;
                    if skipped < bytes.len() {
                        rest.append(PyBytes::new(py, &bytes[skipped..]))?;
                    }
                }
                self.slowly(&transport, slowly, rest.as_any())
            }
            Err(Errno::AGAIN | Errno::INTR) => self.slowly(&transport, slowly, lines.as_any()),
            Err(error) => failed(&transport, os_error(error), "Fatal write error on socket transport"),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Never held during a collection; were it, nothing would be collected too early.
        if let Some(ends) = self.ends.try_lock().as_deref().and_then(Option::as_ref) {
            visit.call(&ends.fileno)?;
            visit.call(&ends.protocol)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        self.end();
    }
}

impl Stream {
    fn transport<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.transport.bind(py).upgrade()
    }

    /// Whether the socket still has the descriptor that we use. Whoever closes a socket behind his transport's back must not
    /// make us read from, or write to, what took the number's place.
    fn is_open(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(fileno) = self.ends.lock().as_ref().map(|ends| ends.fileno.clone_ref(py)) else { return Ok(false) };
        Ok(fileno.call0(py)?.extract::<RawFd>(py)? == self.fd)
    }

    /// The stdlib's own way, which may leave something in its buffer: what comes after that must not overtake it.
    fn slowly(
        &self,
        transport: &Bound<'_, PyAny>,
        name: &Bound<'_, PyString>,
        data: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.buffered.store(true, Relaxed);
        drop_answer(transport.call_method1(name, (data,)))
    }

    /// Whether the kernel may be handed bytes now: nothing is buffered before them, and nothing forbids it.
    fn may_send(&self, transport: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = transport.py();
        if self.blocked.load(Relaxed) {
            return Ok(false);
        }
        if self.buffered.load(Relaxed) {
            if transport.getattr(intern!(py, "_buffer"))?.is_truthy()? {
                return Ok(false);
            }
            self.buffered.store(false, Relaxed);
        }
        self.is_open(py)
    }

    fn read_bytes(&self, py: Python<'_>, transport: &Bound<'_, PyAny>, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let data = SCRATCH.with_borrow_mut(|scratch| {
            let (length, _) = with_borrowed(self.fd, |fd| recv(fd, &mut scratch[..], RecvFlags::empty()))?;
            Ok((length > 0).then(|| PyBytes::new(py, &scratch[..length])))
        });
        match data {
            Ok(None) => drop_answer(transport.call_method0(intern!(py, "_read_ready__on_eof"))),
            Ok(Some(data)) => {
                let told = protocol.call_method1(intern!(py, "data_received"), (data,));
                judge(transport, told, "Fatal error: protocol.data_received() call failed.")
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => failed(transport, os_error(error), "Fatal read error on socket transport"),
        }
    }

    fn read_into(&self, py: Python<'_>, transport: &Bound<'_, PyAny>, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let offered = protocol.call_method1(intern!(py, "get_buffer"), (-1,)).and_then(|offered| {
            if offered.len()? == 0 {
                return Err(PyRuntimeError::new_err("get_buffer() returned an empty buffer"));
            }
            Ok(offered)
        });
        let offered = match offered {
            Ok(offered) => offered,
            Err(error) => return failed(transport, error, "Fatal error: protocol.get_buffer() call failed."),
        };
        let got = PyUntypedBuffer::get(&offered).and_then(|buffer| {
            if buffer.readonly() || !buffer.is_c_contiguous() {
                return Err(PyTypeError::new_err("get_buffer() must return a buffer in one piece that can be written"));
            }
            Ok(raw::receive(self.fd, &buffer))
        });
        match got {
            Ok(Ok(0)) => drop_answer(transport.call_method0(intern!(py, "_read_ready__on_eof"))),
            Ok(Ok(length)) => {
                let told = protocol.call_method1(intern!(py, "buffer_updated"), (length,));
                judge(transport, told, "Fatal error: protocol.buffer_updated() call failed.")
            }
            Ok(Err(Errno::AGAIN | Errno::INTR)) => Ok(()),
            Ok(Err(error)) => failed(transport, os_error(error), "Fatal read error on socket transport"),
            Err(error) => failed(transport, error, "Fatal read error on socket transport"),
        }
    }
}

/// Those of a list or tuple of `bytes` alone.
fn pieces<'py>(lines: &Bound<'py, PyAny>) -> Option<Vec<Bound<'py, PyBytes>>> {
    fn all<'py>(items: impl Iterator<Item = Bound<'py, PyAny>>) -> Option<Vec<Bound<'py, PyBytes>>> {
        items.map(|item| item.cast_into_exact().ok()).collect()
    }
    if let Ok(list) = lines.cast_exact::<PyList>() {
        all(list.iter())
    } else {
        all(lines.cast_exact::<PyTuple>().ok()?.iter())
    }
}

/// What a protocol's method raised ends the connection, but for what ends a program.
fn judge(transport: &Bound<'_, PyAny>, told: PyResult<Bound<'_, PyAny>>, message: &str) -> PyResult<()> {
    match told {
        Ok(_) => Ok(()),
        Err(error) => failed(transport, error, message),
    }
}

fn failed(transport: &Bound<'_, PyAny>, error: PyErr, message: &str) -> PyResult<()> {
    let py = transport.py();
    if error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py) {
        return Err(error);
    }
    drop_answer(transport.call_method1(intern!(py, "_failed"), (error.value(py), message)))
}

fn drop_answer(answer: PyResult<Bound<'_, PyAny>>) -> PyResult<()> {
    answer.map(drop)
}
