//! Where the interpreter keeps its state, for telling a thread that waits for the GIL from one that waits for anything else.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ops::Range;

/// The addresses of `_PyRuntime`, in which the GIL's condition variable lies; `None` where the symbol or its size
/// cannot be found (a stripped static interpreter).
pub(crate) fn py_runtime_range() -> Option<Range<usize>> {
    const RTLD_DL_SYMENT: libc::c_int = 1;

    unsafe extern "C" {
        fn dladdr1(
            address: *const c_void,
            info: *mut libc::Dl_info,
            extra: *mut *mut c_void,
            flags: libc::c_int,
        ) -> libc::c_int;
    }

    // SAFETY: a NUL-terminated name, looked up in the global scope; the answer is only used as a number.
    let start = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_PyRuntime".as_ptr()) };
    if start.is_null() {
        return None;
    }
    let mut info = MaybeUninit::<libc::Dl_info>::uninit();
    let mut symbol: *mut c_void = std::ptr::null_mut();
    // SAFETY: `info` and `symbol` are valid for writing for the time of the call; RTLD_DL_SYMENT asks for a pointer to the
    // `ElfW(Sym)` entry, which belongs to a loaded object that is never unloaded (the interpreter itself).
    let found = unsafe { dladdr1(start, info.as_mut_ptr(), &raw mut symbol, RTLD_DL_SYMENT) };
    if found == 0 || symbol.is_null() {
        return None;
    }
    // SAFETY: dladdr1 answered non-zero with a symbol, so the pointer is to an `Elf64_Sym` (turnout builds for 64-bit Linux
    // only) inside the mapped symbol table, aligned by the linker.
    let size = unsafe { (*symbol.cast::<libc::Elf64_Sym>()).st_size };
    let size = usize::try_from(size).ok().filter(|size| *size > 0)?;
    Some(start as usize..start as usize + size)
}
