//! What the calling thread is running: PyO3 has the type of a frame, but not the way to the first one.
//!
//! Nor is there a way to the others that makes no object of each: since 3.11 CPython keeps running code in plain memory, a list in which each
//! entry points to the one that called it, and makes a frame object when somebody asks for one. [`running`] goes through that list itself. Where its
//! entries lie is known for the versions named here, and tried once against the objects before it is relied on.

use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCode, PyFrame, PyFrameMethods};

/// The innermost frame of Python code on this thread. `None`: it runs none.
pub(crate) fn innermost_frame(py: Python<'_>) -> Option<Bound<'_, PyFrame>> {
    // SAFETY: `py` proves that this thread holds the GIL. The answer is a borrowed reference to the frame of running code, which lives
    // at least until that code goes on, or null; the share of it that is taken here at once keeps it beyond that.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) }
        // SAFETY: the documented answer is a frame.
        .map(|frame| unsafe { frame.cast_into_unchecked() })
}

/// One call that this thread is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Running {
    /// The address of its code object, or of what the interpreter has in its place where it calls itself.
    pub(crate) code: usize,
    /// The address of the instruction that it is at, or of the one before.
    pub(crate) instruction: usize,
}

/// The calls that this thread is in, from within. Lives while the thread holds the GIL and runs nothing else.
pub(crate) struct Frames<'py> {
    py: Python<'py>,
    entries: Entries,
    next: usize,
}

impl<'py> Frames<'py> {
    /// The code object of one that was just given.
    pub(crate) fn code_of(&self, running: Running) -> Option<Bound<'py, PyCode>> {
        let code = ptr::with_exposed_provenance_mut::<ffi::PyObject>(running.code);
        // SAFETY: the entry of a call that is still under way, for the code that runs now is within it, owns a share of its code object, so that is alive.
        // It may be null, or no code object: then the cast says so.
        unsafe { Bound::from_borrowed_ptr_or_opt(self.py, code) }?.cast_into().ok()
    }
}

/// All of them, without an object for any but the first. `None`: nothing runs, or this interpreter keeps them in a way that is not known.
pub(crate) fn running(py: Python<'_>) -> Option<Frames<'_>> {
    static ENTRIES: PyOnceLock<Option<Entries>> = PyOnceLock::new();
    let entries = *ENTRIES.get_or_init(py, || {
        let version = py.version_info();
        Entries::of((version.major, version.minor)).filter(|entries| entries.fit(py))
    });
    Frames::new(py, entries?)
}

/// Where the parts of an entry lie: bytes from its beginning.
#[derive(Debug, Clone, Copy)]
struct Entries {
    code: usize,
    caller: usize,
    instruction: usize,
}

/// A frame object's pointer to its entry (`struct _frame` from 3.11 to 3.13): behind its head and the frame that it was called by.
const ENTRY: usize = size_of::<ffi::PyObject>() + size_of::<usize>();
/// So many entries are compared before it is relied on.
const COMPARED: usize = 100;

impl Entries {
    /// `struct _PyInterpreterFrame`.
    fn of(version: (u8, u8)) -> Option<Self> {
        match version {
            (3, 11) => Some(Self { code: 32, caller: 48, instruction: 56 }),
            (3, 12 | 13) => Some(Self { code: 0, caller: 8, instruction: 56 }),
            _ => None,
        }
    }

    /// Whether they say of the calls that this thread is in what the interpreter's objects say.
    fn fit(self, py: Python<'_>) -> bool {
        let Some(frames) = Frames::new(py, self) else { return false };
        let mut expected = innermost_frame(py);
        let mut skipped = false;
        for running in frames.take(COMPARED) {
            let Some(frame) = expected.take() else { return skipped };
            if frame.code().as_ptr() as usize == running.code {
                expected = frame.outer();
                skipped = false;
            } else if skipped {
                return false;
            } else {
                // The interpreter has an entry of its own where C code called it, and no object of that.
                expected = Some(frame);
                skipped = true;
            }
        }
        true
    }
}

impl<'py> Frames<'py> {
    fn new(py: Python<'py>, entries: Entries) -> Option<Self> {
        let innermost = innermost_frame(py)?;
        // SAFETY: a live frame object of a version whose layout `Entries::of` knows; the word behind its head and the caller's is the pointer.
        let next = unsafe { innermost.as_ptr().byte_add(ENTRY).cast::<usize>().read() };
        Some(Self { py, entries, next })
    }

    /// The word that lies there in the entry that comes next.
    fn word(&self, at: usize) -> usize {
        let place = ptr::with_exposed_provenance::<usize>(self.next + at);
        // SAFETY: `next` is not null: the entry of a call that this thread is in, because the code that runs now is within it. An entry is eight words and
        // more, aligned as words, and changes only while its own thread runs Python.
        unsafe { place.read() }
    }
}

impl Iterator for Frames<'_> {
    type Item = Running;

    fn next(&mut self) -> Option<Running> {
        (self.next != 0).then_some(())?;
        let Entries { code, caller, instruction } = self.entries;
        let running = Running { code: self.word(code), instruction: self.word(instruction) };
        self.next = self.word(caller);
        Some(running)
    }
}
