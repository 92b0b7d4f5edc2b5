//! From where in the project's code a call is made: the innermost frame that is neither a library's nor ours.
//!
//! Asked for each call that waits, so it is cheap: what a code object is, is found out once. Those that were seen are kept alive, because another
//! one could come to lie in the same place of memory; they are few, and when they are too many all are forgotten and looked at anew.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCode, PyFrame, PyFrameMethods};
use rustc_hash::{FxBuildHasher, FxHashMap};
use turnout_states::{SiteId, Sites};

use crate::raw::{self, Running};

/// So many frames are looked at. A call of a client library has about ten above the code that calls, a query of Django's ORM twenty.
const DEEPEST: usize = 100;
/// So many code objects are known at a time: a large project waits in some hundred functions, through some thousand of its libraries.
const MOST_CODES: usize = 4096;

/// What was found out about a code object. By its address; the object itself keeps that from being another's.
struct Known {
    _code: Py<PyCode>,
    /// The places in it that were met so far, if it is the project's.
    own: Option<Met>,
}

#[derive(Default)]
struct Met {
    lines: Vec<(i32, SiteId)>,
    /// The same by the address of an instruction: a line may have several, and each of them is one place.
    instructions: Vec<(usize, SiteId)>,
}

/// So many instructions of one code object are known by their address.
const MOST_INSTRUCTIONS: usize = 64;

/// Addresses of code objects that are not the project's, most of what is met: each at a place that follows from it, so that asking takes no lock. All of
/// them are in the other table too, which keeps them alive. Read and written with the GIL.
static FOREIGN: [AtomicUsize; 512] = [const { AtomicUsize::new(0) }; 512];

/// Taken with the GIL only, never across a call into Python.
static KNOWN: Mutex<FxHashMap<usize, Known>> = Mutex::new(FxHashMap::with_hasher(FxBuildHasher));

/// Where the calling thread is in the project's code; unknown if it is called by none of it.
pub(super) fn here(py: Python<'_>, sites: &Sites) -> SiteId {
    let Some(mut frames) = raw::running(py) else { return of(raw::innermost_frame(py), sites) };
    for _ in 0..DEEPEST {
        let Some(running) = frames.next() else { break };
        match whose(running) {
            Whose::Foreign => {}
            Whose::Place(site) => return site,
            Whose::New if frames.code_of(running).is_none_or(|code| !is_own(&code)) => {}
            Whose::New => {
                // Met for the first time: which line that is, its frame says.
                let site = of(raw::innermost_frame(py), sites);
                remember(running, site);
                return site;
            }
        }
    }
    SiteId::default()
}

/// What is known of a call that this thread is in.
enum Whose {
    Foreign,
    Place(SiteId),
    New,
}

fn whose(Running { code, instruction }: Running) -> Whose {
    let foreign = foreign_place(code);
    if foreign.load(Relaxed) == code {
        return Whose::Foreign;
    }
    match KNOWN.lock().get(&code) {
        None => Whose::New,
        Some(Known { own: None, .. }) => {
            foreign.store(code, Relaxed);
            Whose::Foreign
        }
        Some(Known { own: Some(met), .. }) => {
            let known = met.instructions.iter().find(|(known, _)| *known == instruction);
            known.map_or(Whose::New, |(_, site)| Whose::Place(*site))
        }
    }
}

fn remember(Running { code, instruction }: Running, site: SiteId) {
    if let Some(met) = KNOWN.lock().get_mut(&code).and_then(|known| known.own.as_mut())
        && met.instructions.len() < MOST_INSTRUCTIONS
    {
        met.instructions.push((instruction, site));
    }
}

/// Where its address is, if it is known to be nobody's of the project.
fn foreign_place(code: usize) -> &'static AtomicUsize {
    // Objects lie at multiples of 16.
    &FOREIGN[code / 16 % FOREIGN.len()]
}

/// The same for another thread, by its innermost frame, as `file:line function`. `None`: it is called by none of it.
pub(crate) fn place_of(innermost: Bound<'_, PyAny>) -> Option<String> {
    let views = super::views()?;
    views.sites.told(of(innermost.cast_into::<PyFrame>().ok(), &views.sites))
}

fn of(innermost: Option<Bound<'_, PyFrame>>, sites: &Sites) -> SiteId {
    let mut next = innermost;
    for _ in 0..DEEPEST {
        let Some(frame) = next else { break };
        let code = frame.code();
        if is_own(&code) {
            return at(&code, frame.line_number(), sites);
        }
        next = frame.outer();
    }
    SiteId::default()
}

fn is_own(code: &Bound<'_, PyCode>) -> bool {
    let address = code.as_ptr() as usize;
    let foreign = foreign_place(address);
    if foreign.load(Relaxed) == address {
        return false;
    }
    if let Some(known) = KNOWN.lock().get(&address) {
        if known.own.is_none() {
            foreign.store(address, Relaxed);
        }
        return known.own.is_some();
    }
    let file: String = text_of(code, "co_filename");
    let own = Roots::get(code.py()).are_of(&file);
    let known = Known { _code: code.clone().unbind(), own: own.then(Met::default) };
    let mut all = KNOWN.lock();
    let mut before = None;
    if all.len() >= MOST_CODES {
        for place in &FOREIGN {
            place.store(0, Relaxed);
        }
        before = Some(mem::take(&mut *all));
    }
    all.insert(address, known);
    drop(all);
    drop(before); // with the GIL, and without the lock: what dies with a code object may be anything
    own
}

fn at(code: &Bound<'_, PyCode>, line: i32, sites: &Sites) -> SiteId {
    let address = code.as_ptr() as usize;
    let met = |known: &Known| known.own.as_ref()?.lines.iter().find(|(met, _)| *met == line).map(|(_, site)| *site);
    if let Some(site) = KNOWN.lock().get(&address).and_then(met) {
        return site;
    }
    let file = short(code.py(), text_of(code, "co_filename"));
    // Whose function it is, is known since 3.11.
    let qualified = text_of(code, "co_qualname");
    let function = if qualified.is_empty() { text_of(code, "co_name") } else { qualified };
    let site = sites.id_of(&format!("{file}:{line} {function}"));
    if let Some(own) = KNOWN.lock().get_mut(&address).and_then(|known| known.own.as_mut()) {
        own.lines.push((line, site));
    }
    site
}

fn text_of(code: &Bound<'_, PyCode>, attribute: &str) -> String {
    code.getattr(attribute).and_then(|text| text.extract()).unwrap_or_default()
}

/// As it would be imported: without the longest folder of `sys.path` that it lies in.
fn short(py: Python<'_>, mut file: String) -> String {
    let folders =
        py.import(intern!(py, "sys")).and_then(|sys| sys.getattr(intern!(py, "path"))?.extract::<Vec<Py<PyAny>>>());
    let folders: Vec<String> =
        folders.unwrap_or_default().iter().filter_map(|folder| folder.bind(py).extract().ok()).collect();
    let longest = folders.iter().map(|folder| folder.trim_end_matches('/')).filter(|folder| lies_in(&file, folder));
    if let Some(length) = longest.map(str::len).max() {
        file.drain(..=length);
    }
    file
}

fn lies_in(file: &str, folder: &str) -> bool {
    !folder.is_empty() && file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Where code lies that is not the project's.
struct Roots {
    /// The standard library, scripts that were installed, turnout itself.
    foreign: Vec<String>,
    /// What is served as a project although it comes with turnout.
    examples: String,
}

impl Roots {
    fn get(py: Python<'_>) -> &'static Self {
        static ROOTS: PyOnceLock<Roots> = PyOnceLock::new();
        ROOTS.get_or_init(py, || Self::found(py).unwrap_or(Self { foreign: Vec::new(), examples: String::new() }))
    }

    fn found(py: Python<'_>) -> PyResult<Self> {
        let folder_of = |module: &str| -> PyResult<String> {
            let file: String = py.import(module)?.getattr("__file__")?.extract()?;
            Ok(file.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned()))
        };
        let turnout = folder_of("turnout")?;
        let paths = py.import("sysconfig")?.call_method0("get_paths")?;
        let mut foreign = vec![folder_of("os")?, turnout.clone()];
        for name in ["stdlib", "platstdlib", "scripts"] {
            foreign.push(paths.get_item(name)?.extract()?);
        }
        Ok(Self { foreign, examples: format!("{turnout}/examples") })
    }

    fn are_of(&self, file: &str) -> bool {
        // What was not read from a file is called <string>, <frozen os> and the like.
        if file.is_empty()
            || file.starts_with('<')
            || ["/site-packages/", "/dist-packages/"].iter().any(|part| file.contains(part))
        {
            return false;
        }
        lies_in(file, &self.examples) || !self.foreign.iter().any(|folder| lies_in(file, folder))
    }
}
