//! Text from bytes, without looking at them first.

use std::ffi::CStr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// As `bytes.decode("latin-1")`. Panics when there is no memory, as every other making of a string does.
pub(crate) fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    // SAFETY: the GIL is held (`py`). Pointer and length are those of a slice that lives through the call, which reads so many
    // bytes and keeps none; a slice is never longer than `isize::MAX`. No error handler is named, and none is needed: every byte
    // is a character. The result is a new reference to a `str`, or null with an exception set, at which `from_owned_ptr` panics.
    unsafe {
        let length = bytes.len().cast_signed();
        let text = ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), length, std::ptr::null());
        Bound::from_owned_ptr(py, text).cast_into_unchecked()
    }
}

/// As `bytes.decode("utf-8")`; UnicodeDecodeError where that would raise it.
pub(crate) fn utf8<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    decode_utf8(py, bytes, None)
}

/// As `bytes.decode("utf-8", "surrogatepass")`: half a surrogate pair becomes the code point that it is.
pub(crate) fn utf8_with_halves<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    decode_utf8(py, bytes, Some(c"surrogatepass"))
}

fn decode_utf8<'py>(py: Python<'py>, bytes: &[u8], errors: Option<&'static CStr>) -> PyResult<Bound<'py, PyString>> {
    // SAFETY: the GIL is held (`py`). Pointer and length are those of a slice that lives through the call, which reads so many
    // bytes and keeps none; a slice is never longer than `isize::MAX`. The handler's name is null or a static C string. The result
    // is a new reference to a `str`, or null with an exception set, which becomes the `Err`.
    unsafe {
        let length = bytes.len().cast_signed();
        let errors = errors.map_or(std::ptr::null(), CStr::as_ptr);
        let text = ffi::PyUnicode_DecodeUTF8(bytes.as_ptr().cast(), length, errors);
        Ok(Bound::from_owned_ptr_or_err(py, text)?.cast_into_unchecked())
    }
}
