//! Containers that the garbage collector does not go through for a while.

use pyo3::ffi;
use pyo3::prelude::*;

/// Takes a container out of the collector's sight. False: it was not in it, as a dict of numbers and texts is not.
///
/// Only for what nobody else can reach, and what is in no cycle: until [`show`] a cycle through it would never be found.
pub(crate) fn hide(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the GIL is held (the object is bound) and the pointer is that of a live object. `PyObject_GC_IsTracked` takes any object and
    // says 0 of one without a collector's header; `PyObject_GC_UnTrack` is given one that has it and is tracked. A container that is not
    // tracked is an ordinary one: it is counted, used and freed as before (CPython's own `PyTuple` and `PyDict` are untracked at will).
    unsafe {
        let tracked = ffi::PyObject_GC_IsTracked(object.as_ptr()) != 0;
        if tracked {
            ffi::PyObject_GC_UnTrack(object.as_ptr().cast());
        }
        tracked
    }
}

/// Undoes [`hide`]. Nothing, for what has no place in the collector.
pub(crate) fn show(object: &Bound<'_, PyAny>) {
    // SAFETY: as above. `PyObject_GC_Track` needs a collector's header, whose presence is asked for first, and all fields set, as they are in
    // every object that Rust can hold. It must not be given one that is tracked, which a dict becomes by itself when a container is put
    // into it: that is asked too.
    unsafe {
        if ffi::PyObject_IS_GC(object.as_ptr()) != 0 && ffi::PyObject_GC_IsTracked(object.as_ptr()) == 0 {
            ffi::PyObject_GC_Track(object.as_ptr().cast());
        }
    }
}

/// Whether anybody but the holder of this reference has the object.
pub(crate) fn is_shared(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the GIL is held and the object is live: its count is read, and nothing else.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) > 1 }
}
