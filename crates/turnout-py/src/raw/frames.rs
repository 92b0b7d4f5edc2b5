//! What the calling thread is running: PyO3 has the type of a frame, but not the way to the first one.
//!
//! Nor is there a way to the others that makes no object of each: since 3.11 CPython keeps running code in plain memory, a list in which each
//! entry points to the one that called it, and makes a frame object when somebody asks for one. [`running`] goes through that list itself. Where its
//! entries lie is known for the versions named here, and tried once against the objects before it is relied on: an object of the innermost call alone,
//! made and thrown away, would cost as much as all the rest.

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

/// All of them, without an object for any. `None`: this interpreter keeps them in a way that is not known.
pub(crate) fn running(py: Python<'_>) -> Option<Frames<'_>> {
    static ENTRIES: PyOnceLock<Option<Entries>> = PyOnceLock::new();
    let entries = *ENTRIES.get_or_init(py, || {
        let version = py.version_info();
        Entries::of((version.major, version.minor)).filter(|entries| entries.fit(py))
    });
    entries.map(|entries| Frames { py, entries, next: entries.innermost(py) })
}

/// Where entries lie, and their parts: bytes from the beginning of each.
#[derive(Debug, Clone, Copy)]
struct Entries {
    /// From the thread's state to the pointer to the innermost one, through the pointers on the way.
    innermost: &'static [usize],
    code: usize,
    caller: usize,
    instruction: usize,
}

/// A frame object's pointer to its entry (`struct _frame` from 3.11 to 3.13): behind its head and the frame that it was called by.
const ENTRY: usize = size_of::<ffi::PyObject>() + size_of::<usize>();
/// So many entries are compared before it is relied on.
const COMPARED: usize = 100;

impl Entries {
    /// `PyThreadState`, `_PyCFrame` before 3.13, and `struct _PyInterpreterFrame`.
    fn of(version: (u8, u8)) -> Option<Self> {
        match version {
            (3, 11) => Some(Self { innermost: &[56, 8], code: 32, caller: 48, instruction: 56 }),
            (3, 12) => Some(Self { innermost: &[56, 0], code: 0, caller: 8, instruction: 56 }),
            (3, 13) => Some(Self { innermost: &[72], code: 0, caller: 8, instruction: 56 }),
            _ => None,
        }
    }

    /// The entry of what runs now; 0: nothing does.
    fn innermost(self, _py: Python<'_>) -> usize {
        // SAFETY: `_py` proves that this thread holds the GIL, so it has a state, and nobody changes that meanwhile. Of a version that `of` knows, there is a
        // pointer at each of these places.
        unsafe { self.innermost.iter().fold(ffi::PyThreadState_Get() as usize, |at, offset| word(at + offset)) }
    }

    /// Whether they say of the calls that this thread is in what the interpreter's objects say.
    fn fit(self, py: Python<'_>) -> bool {
        let Some(innermost) = innermost_frame(py) else { return false };
        // SAFETY: a live frame object of a version whose layout `of` knows.
        let next = unsafe { word(innermost.as_ptr() as usize + ENTRY) };
        if self.innermost(py) != next {
            return false;
        }
        let frames = Frames { py, entries: self, next };
        let mut expected = Some(innermost);
        let mut skipped = false;
        let mut left = COMPARED;
        for running in frames.take(COMPARED) {
            left -= 1;
            if let Some(frame) = expected.take_if(|frame| frame.code().as_ptr() as usize == running.code) {
                expected = frame.outer();
                skipped = false;
            } else if std::mem::replace(&mut skipped, true) {
                // One may be the interpreter's own, where C code called it, of which there is no object: from 3.12 on around the outermost call, too.
                return false;
            }
        }
        expected.is_none() || left == 0
    }
}

/// What lies there.
///
/// # Safety
/// A word of something that is alive, and that only this thread changes.
unsafe fn word(at: usize) -> usize {
    // SAFETY: the caller's.
    unsafe { ptr::with_exposed_provenance::<usize>(at).read() }
}

impl Iterator for Frames<'_> {
    type Item = Running;

    fn next(&mut self) -> Option<Running> {
        (self.next != 0).then_some(())?;
        let Entries { code, caller, instruction, .. } = self.entries;
        // SAFETY: the entry of a call that this thread is in, because the code that runs now is within it. It is eight words and more, and changes only while
        // this thread runs Python.
        let [code, instruction, caller] = unsafe { [code, instruction, caller].map(|part| word(self.next + part)) };
        self.next = caller;
        Some(Running { code, instruction })
    }
}
