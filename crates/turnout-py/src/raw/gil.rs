//! How long each thread waits for the interpreter's lock: CPython's own wait, timed.
//!
//! CPython waits for the GIL in `pthread_cond_timedwait` and `pthread_cond_wait`, on condition variables inside `_PyRuntime`. The object that
//! defines `_PyRuntime` calls them through its global offset table, so each is one pointer, which [`watch_gil`] exchanges for a function that
//! takes the time where the condition is one of those and the thread has a [`Meter`]. Who gets the GIL at once never comes here.
//!
//! How much of a wait the thread was in the run queue for, after it had been woken, must be known as well, or it would be counted twice. The run queue
//! itself is two system calls dearer than most waits are long. So whoever gives the GIL back stamps that, by a third pointer: a wait that ended
//! much later than that, or than its time limit, is one where processors are scarce, and for a while each wait asks the run queue (see
//! [`Meter::end_wait`]).
//!
//! The meter is found by `pthread_getspecific`: a thread-local of a loaded module may take the loader's lock at its first use, and these functions
//! run while the GIL's own mutex is held.

use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use rustix::time::{ClockId, clock_gettime};

use super::ticks;
use crate::states::Meter;

/// Where `_PyRuntime` lies; both 0 until [`watch_gil`].
static FROM: AtomicUsize = AtomicUsize::new(0);
static TO: AtomicUsize = AtomicUsize::new(0);
/// The C library's functions.
static WAIT: AtomicUsize = AtomicUsize::new(0);
static TIMED_WAIT: AtomicUsize = AtomicUsize::new(0);
static SIGNAL: AtomicUsize = AtomicUsize::new(0);
/// When a thread last gave the GIL back, in [`ticks`].
static GIVEN_BACK: AtomicU64 = AtomicU64::new(0);
/// The condition that a thread last waited for with a time limit: that of the GIL.
static CONDITION: AtomicUsize = AtomicUsize::new(0);

type Wait = unsafe extern "C" fn(*mut libc::pthread_cond_t, *mut libc::pthread_mutex_t) -> c_int;
type TimedWait =
    unsafe extern "C" fn(*mut libc::pthread_cond_t, *mut libc::pthread_mutex_t, *const libc::timespec) -> c_int;
type Signal = unsafe extern "C" fn(*mut libc::pthread_cond_t) -> c_int;

unsafe extern "C" fn wait(condition: *mut libc::pthread_cond_t, mutex: *mut libc::pthread_mutex_t) -> c_int {
    // SAFETY: only reachable through the table's entry, which is exchanged after WAIT was stored: the C library's function of that name.
    let theirs = unsafe { std::mem::transmute::<usize, Wait>(WAIT.load(Relaxed)) };
    timed(condition as usize, None, || {
        // SAFETY: the caller's arguments, handed on to the function that it meant to call.
        unsafe { theirs(condition, mutex) }
    })
}

unsafe extern "C" fn timed_wait(
    condition: *mut libc::pthread_cond_t,
    mutex: *mut libc::pthread_mutex_t,
    until: *const libc::timespec,
) -> c_int {
    // SAFETY: as in `wait`.
    let theirs = unsafe { std::mem::transmute::<usize, TimedWait>(TIMED_WAIT.load(Relaxed)) };
    let condition_at = condition as usize;
    if is_inside(condition_at) {
        CONDITION.store(condition_at, Relaxed);
    }
    // SAFETY: the C library reads it too: null, or valid for the call.
    let limit = unsafe { until.as_ref() };
    timed(condition_at, limit, || {
        // SAFETY: the caller's arguments, handed on to the function that it meant to call.
        unsafe { theirs(condition, mutex, until) }
    })
}

unsafe extern "C" fn signal(condition: *mut libc::pthread_cond_t) -> c_int {
    if condition as usize == CONDITION.load(Relaxed) {
        GIVEN_BACK.store(ticks(), Relaxed);
    }
    // SAFETY: as in `wait`.
    let theirs = unsafe { std::mem::transmute::<usize, Signal>(SIGNAL.load(Relaxed)) };
    // SAFETY: the caller's argument, handed on to the function that it meant to call.
    unsafe { theirs(condition) }
}

fn is_inside(address: usize) -> bool {
    (FROM.load(Relaxed)..TO.load(Relaxed)).contains(&address)
}

/// Runs one wait, and notes how long it was if it was for the GIL. Takes no lock and no memory, and leaves `errno` as it was after the wait.
fn timed(condition: usize, limit: Option<&libc::timespec>, wait: impl FnOnce() -> c_int) -> c_int {
    let Some(meter) = meter_of_this_thread().filter(|_| is_inside(condition)) else { return wait() };
    let begun = meter.begin_wait();
    let answer = wait();
    let errno = errno();
    let woken = match limit {
        Some(limit) if answer == libc::ETIMEDOUT => Woken::ByClock(nanoseconds_after(limit)),
        _ => Woken::ByHolder(GIVEN_BACK.load(Relaxed)),
    };
    meter.end_wait(begun, woken);
    set_errno(errno);
    answer
}

/// What ended a wait for the GIL.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Woken {
    /// Its time limit, so many nanoseconds ago.
    ByClock(u64),
    /// Whoever had it and gave it back then, in [`ticks`]: the last one who did, as a rule the one who woke it.
    ByHolder(u64),
}

/// How long ago that was by the clock that CPython sets its limits by.
fn nanoseconds_after(limit: &libc::timespec) -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let passed = (now.tv_sec - limit.tv_sec) * 1_000_000_000 + now.tv_nsec - limit.tv_nsec;
    u64::try_from(passed).unwrap_or(0)
}

fn errno() -> c_int {
    // SAFETY: the C library gives each thread a valid pointer to its own.
    unsafe { *libc::__errno_location() }
}

fn set_errno(value: c_int) {
    // SAFETY: as in `errno`.
    unsafe { *libc::__errno_location() = value }
}

/// The key of the meters, made at the first use; `None` where the process has too many of them.
fn key() -> Option<libc::pthread_key_t> {
    static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `key` is valid for the call; the destructor takes what `set_meter` put there and lives as long as the process.
        (unsafe { libc::pthread_key_create(&raw mut key, Some(drop_meter)) } == 0).then_some(key)
    })
}

unsafe extern "C" fn drop_meter(meter: *mut c_void) {
    // SAFETY: the C library calls this once a thread, at its end, with the pointer that `set_meter` made by `Arc::into_raw`.
    drop(unsafe { Arc::from_raw(meter.cast::<Meter>().cast_const()) });
}

/// The calling thread's waits go to this meter until it ends. One that has a meter keeps it. False: the system has no room for it.
pub(crate) fn set_meter(meter: Arc<Meter>) -> bool {
    let Some(key) = key() else { return false };
    if meter_of_this_thread().is_some() {
        return true;
    }
    let meter = Arc::into_raw(meter);
    // SAFETY: a key that was made and is never deleted.
    if unsafe { libc::pthread_setspecific(key, meter.cast()) } == 0 {
        return true;
    }
    // SAFETY: the pointer comes from `into_raw` above, and nobody else has got it.
    drop(unsafe { Arc::from_raw(meter) });
    false
}

/// What the calling thread was given by [`set_meter`]. Not to be kept beyond the thread's own use of it.
pub(crate) fn meter_of_this_thread<'a>() -> Option<&'a Meter> {
    // SAFETY: a key that was made and is never deleted; without a value the answer is null.
    let meter = unsafe { libc::pthread_getspecific(key()?) };
    // SAFETY: null, or a pointer from `Arc::into_raw` whose share is given back only when this very thread ends; `Meter` is shared by `&` alone.
    unsafe { meter.cast::<Meter>().as_ref() }
}

/// Exchanges the three pointers. `runtime`: where `_PyRuntime` lies. May be called again, which changes nothing.
///
/// # Errors
/// Says why they were left alone: no such entry (another C library, a static one), or not the C library's function in it (another tool was here).
pub(crate) fn watch_gil(runtime: Range<usize>) -> Result<(), &'static str> {
    static WATCHED: OnceLock<Result<(), &'static str>> = OnceLock::new();
    *WATCHED.get_or_init(|| {
        key().ok_or("the process has no room for another thread key")?;
        let table = Table::of_object_at(runtime.start).ok_or("the interpreter's dynamic section was not found")?;
        let entries = [
            (table.entry(c"pthread_cond_timedwait"), &TIMED_WAIT, timed_wait as *const () as usize),
            (table.entry(c"pthread_cond_wait"), &WAIT, wait as *const () as usize),
            (table.entry(c"pthread_cond_signal"), &SIGNAL, signal as *const () as usize),
        ];
        for (entry, theirs, _) in &entries {
            let entry = entry.as_ref().ok_or("the interpreter does not call the C library's condition variables")?;
            if !entry.is_untouched(&table) {
                return Err("another tool has changed how the interpreter waits");
            }
            // Never the loader's stub, which would put the function back into the table.
            theirs.store(entry.resolved(), SeqCst);
        }
        FROM.store(runtime.start, SeqCst);
        TO.store(runtime.end, SeqCst);
        for (entry, _, ours) in entries {
            entry.expect("looked at above").exchange(&table, ours)?;
        }
        Ok(())
    })
}

/// The GIL as CPython keeps it, read from its memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gil {
    condition: usize,
}

/// `struct _gil_runtime_state` from 3.10 to 3.13: interval, last holder, locked, switch number, condition.
const INTERVAL: usize = 32;
const LOCKED: usize = 16;
const SWITCHES: usize = 8;

impl Gil {
    /// Where a thread has waited for it with a time limit; `None` as long as none has, or if what lies around the condition is not what it should be:
    /// `interval` is that of `sys.getswitchinterval()`, in microseconds. To be called with the GIL held.
    pub(crate) fn find(interval: u64) -> Option<Self> {
        let condition = CONDITION.load(Relaxed);
        let gil = Self { condition };
        // All of what is read lies inside `_PyRuntime`.
        (condition != 0 && is_inside(condition - INTERVAL)).then_some(())?;
        (gil.word(INTERVAL) == interval && gil.is_locked()).then_some(gil)
    }

    /// Whether a thread has it.
    pub(crate) fn is_locked(self) -> bool {
        self.word(LOCKED) as u32 == 1
    }

    /// Microseconds after which who waits for it asks for it.
    pub(crate) fn interval(self) -> u64 {
        self.word(INTERVAL)
    }

    /// How often it went from one thread to another.
    pub(crate) fn switches(self) -> u64 {
        self.word(SWITCHES)
    }

    fn word(self, before: usize) -> u64 {
        let at = ptr::with_exposed_provenance::<u64>(self.condition - before);
        // SAFETY: inside `_PyRuntime` (checked in `find`), which is mapped for the life of the process and aligned; volatile, because the
        // interpreter writes it meanwhile: a word is read whole, and nothing but a figure is made of it.
        unsafe { at.read_volatile() }
    }
}

/// The dynamic section of one loaded object.
struct Table {
    /// Where its addresses count from.
    base: usize,
    /// Its pages, first to last.
    pages: Range<usize>,
    /// Made read-only after it was loaded.
    protected: Range<usize>,
    symbols: *const libc::Elf64_Sym,
    names: *const libc::c_char,
    relocations: [(*const Relocation, usize); 2],
}

/// `Elf64_Rela` (System V ABI).
#[repr(C)]
struct Relocation {
    offset: u64,
    info: u64,
    _addend: i64,
}

/// `Elf64_Dyn`.
#[repr(C)]
struct Dynamic {
    tag: i64,
    value: u64,
}

const DT_NULL: i64 = 0;
const DT_PLTRELSZ: i64 = 2;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_RELA: i64 = 7;
const DT_RELASZ: i64 = 8;
const DT_JMPREL: i64 = 23;

/// Relocations whose place holds the address of a function of another object.
#[cfg(target_arch = "x86_64")]
const OF_FUNCTIONS: [u64; 2] = [6, 7]; // R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT
/// Relocations whose place holds the address of a function of another object.
#[cfg(target_arch = "aarch64")]
const OF_FUNCTIONS: [u64; 2] = [1025, 1026]; // R_AARCH64_GLOB_DAT, R_AARCH64_JUMP_SLOT
/// Not looked up for other processors: nothing is found, and the time is not taken.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const OF_FUNCTIONS: [u64; 0] = [];

/// One place of the table, and what it holds.
struct Entry {
    at: usize,
    function: usize,
    name: &'static CStr,
}

/// What [`Table::of_object_at`] looks for, and what it found.
struct Search {
    address: usize,
    found: Option<Table>,
}

impl Table {
    /// That of the object in which this address lies.
    fn of_object_at(address: usize) -> Option<Self> {
        let mut search = Search { address, found: None };
        // SAFETY: the callback gets `search`, which outlives the call, and the loader's description of an object, valid while it runs.
        unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
        search.found
    }

    fn entry(&self, name: &'static CStr) -> Option<Entry> {
        for (first, count) in self.relocations {
            for place in 0..count {
                // SAFETY: the loader gave start and size of this array when it described the object, which is never unloaded.
                let relocation = unsafe { &*first.add(place) };
                if !OF_FUNCTIONS.contains(&(relocation.info & 0xffff_ffff)) {
                    continue;
                }
                // SAFETY: a relocation's symbol is a place in the object's symbol table, and a symbol's name one in its string table, each
                // ended by NUL: the loader itself has followed them.
                let theirs = unsafe {
                    let symbol = &*self.symbols.add((relocation.info >> 32) as usize);
                    CStr::from_ptr(self.names.add(symbol.st_name as usize))
                };
                if theirs == name {
                    let at = self.base + relocation.offset as usize;
                    // SAFETY: where the loader has put, or will put, the function's address: a mapped, aligned word of the object.
                    let function = unsafe { ptr::with_exposed_provenance::<usize>(at).read_volatile() };
                    return Some(Entry { at, function, name });
                }
            }
        }
        None
    }
}

impl Entry {
    /// It holds the C library's function, or, where the loader is lazy and nobody has called it yet, the object's own stub that asks the loader.
    fn is_untouched(&self, table: &Table) -> bool {
        table.pages.contains(&self.function) || self.function == self.resolved()
    }

    fn resolved(&self) -> usize {
        // SAFETY: a NUL-terminated name; the answer is compared, and called with the arguments that it takes.
        unsafe { libc::dlsym(libc::RTLD_DEFAULT, self.name.as_ptr()) as usize }
    }

    fn exchange(&self, table: &Table, ours: usize) -> Result<(), &'static str> {
        // SAFETY: asks for a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).map_err(|_| "no page size")?;
        let start = self.at & !(page - 1);
        let protected = table.protected.contains(&self.at);
        let protect = |rights: c_int| {
            // SAFETY: one page of the object's data, made writable for one store and read-only again: nothing but the table lies there that
            // anybody could rely on being protected meanwhile.
            !protected || unsafe { libc::mprotect(ptr::with_exposed_provenance_mut(start), page, rights) } == 0
        };
        if !protect(libc::PROT_READ | libc::PROT_WRITE) {
            return Err("the system does not let the interpreter's table be changed");
        }
        // SAFETY: a mapped, aligned word, writable now. Atomic: other threads call through it meanwhile, and get the one function or the other.
        unsafe { &*ptr::with_exposed_provenance::<AtomicUsize>(self.at) }.store(ours, SeqCst);
        // Left writable it works as well.
        protect(libc::PROT_READ);
        Ok(())
    }
}

/// For `dl_iterate_phdr`: 0 to go on, 1 when it was found.
unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: the loader's description, valid during the callback, and the `Search` that was handed over for this call alone.
    let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
    // SAFETY: the object's program headers, as many as it says.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let base = info.dlpi_addr as usize;
    let range = |header: &libc::Elf64_Phdr| {
        let start = base + header.p_vaddr as usize;
        start..start + header.p_memsz as usize
    };
    let loaded = || headers.iter().filter(|header| header.p_type == libc::PT_LOAD).map(range);
    if !loaded().any(|pages| pages.contains(&search.address)) {
        return 0;
    }
    let find = |kind: u32| headers.iter().find(|header| header.p_type == kind).map(range);
    let Some(dynamic) = find(libc::PT_DYNAMIC) else { return 1 };
    let mut table = Table {
        base,
        pages: loaded().map(|pages| pages.start).min().unwrap_or(0)..loaded().map(|pages| pages.end).max().unwrap_or(0),
        protected: find(libc::PT_GNU_RELRO).unwrap_or(0..0),
        symbols: ptr::null(),
        names: ptr::null(),
        relocations: [(ptr::null(), 0); 2],
    };
    let mut sizes = [0; 2];
    let mut at = ptr::with_exposed_provenance::<Dynamic>(dynamic.start);
    loop {
        // SAFETY: the dynamic section is an array that ends with DT_NULL.
        let entry = unsafe { &*at };
        let address = entry.value as usize;
        match entry.tag {
            DT_NULL => break,
            DT_SYMTAB => table.symbols = ptr::with_exposed_provenance(address),
            DT_STRTAB => table.names = ptr::with_exposed_provenance(address),
            DT_JMPREL => table.relocations[0].0 = ptr::with_exposed_provenance(address),
            DT_RELA => table.relocations[1].0 = ptr::with_exposed_provenance(address),
            DT_PLTRELSZ => sizes[0] = address,
            DT_RELASZ => sizes[1] = address,
            _ => {}
        }
        // SAFETY: not the last one.
        at = unsafe { at.add(1) };
    }
    for (relocations, size) in table.relocations.iter_mut().zip(sizes) {
        relocations.1 = if relocations.0.is_null() { 0 } else { size / size_of::<Relocation>() };
    }
    // Another loader than glibc's may keep these relative to the base: then they would be small numbers.
    let is_absolute = |pointer: usize| table.pages.contains(&pointer);
    if is_absolute(table.symbols as usize) && is_absolute(table.names as usize) {
        search.found = Some(table);
    }
    1
}
