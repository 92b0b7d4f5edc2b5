//! Which track a path takes, asked on the runtime without the GIL (DESIGN section 5).
//!
//! The URLconf comes flattened, in match order. A wrong answer costs time, never correctness: both of Django's chains run both kinds of view.
//! What cannot be decided here is decided by Python on the loop, and learned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::RwLock;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use regex::{RegexSet, RegexSetBuilder};
use rustc_hash::FxHashMap;

use crate::pool::View;

/// Paths are learned up to this many; then all are forgotten: clients choose paths, so the table must not grow with them.
const MOST_LEARNED: usize = 1024;
/// Longer paths are not learned: 1,024 of them would be 8 MiB.
const LONGEST_LEARNED: usize = 256;
/// For one compiled set of patterns; a project with ten thousand routes stays below.
const PATTERN_MEMORY: usize = 64 << 20;

/// Where a request runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Track {
    /// Whole, on a thread of the sync pool.
    Sync,
    /// On the event loop.
    Async,
}

impl Track {
    pub(crate) fn from_number(number: u8) -> PyResult<Self> {
        match number {
            0 => Ok(Self::Sync),
            1 => Ok(Self::Async),
            _ => Err(PyValueError::new_err(format!("no track has the number {number}"))),
        }
    }
}

/// What is known of a request before Python sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) track: Track,
    /// Requests of one route wait for a thread in one line.
    pub(crate) view: View,
}

impl Route {
    /// One that Python resolved; `name`: Django's text of it, empty where there is no view.
    pub(crate) fn named(track: Track, name: &str) -> Self {
        Self { track, view: View::named(name) }
    }
}

/// The compiled URLconf.
#[derive(Debug)]
pub(crate) struct Routes {
    patterns: RegexSet,
    /// For each pattern: what it leads to.
    matched: Vec<Matched>,
    /// The place of the first route that Rust cannot match.
    first_opaque: Option<usize>,
    /// A request for a path that leads nowhere here was answered by a view, or by a URLconf of its own: Python is asked for every path.
    doubted: AtomicBool,
    learned: RwLock<FxHashMap<Box<str>, Route>>,
}

#[derive(Debug)]
struct Matched {
    /// In match order.
    place: usize,
    route: Route,
    /// The guess was wrong once: a middleware sends requests elsewhere, say. Python is asked from then on.
    doubted: AtomicBool,
}

impl Routes {
    /// `table`: pattern (for the path without its leading slash; `None` when Rust's regex has no equivalent) and track, in match order.
    pub(crate) fn new(table: Vec<(Option<String>, Track)>) -> Self {
        let mut patterns = Vec::new();
        let mut matched = Vec::new();
        let mut first_opaque = None;
        for (place, (pattern, track)) in table.into_iter().enumerate() {
            match pattern.filter(|pattern| regex::Regex::new(pattern).is_ok()) {
                Some(pattern) => {
                    patterns.push(pattern);
                    let route = Route { track, view: View(place as u64 + 1) };
                    matched.push(Matched { place, route, doubted: AtomicBool::new(false) });
                }
                None => first_opaque = first_opaque.or(Some(place)),
            }
        }
        let doubted = AtomicBool::new(false);
        match RegexSetBuilder::new(&patterns).size_limit(PATTERN_MEMORY).dfa_size_limit(PATTERN_MEMORY).build() {
            Ok(patterns) => Self { patterns, matched, first_opaque, doubted, learned: RwLock::default() },
            // Too large together: everything is decided by Python, and learned.
            Err(_) => Self {
                patterns: RegexSet::empty(),
                matched: Vec::new(),
                first_opaque: Some(0),
                doubted,
                learned: RwLock::default(),
            },
        }
    }

    /// The route of a decoded path; `None` when only Python can tell.
    pub(crate) fn decide(&self, path: &str, host: Option<&str>) -> Option<Route> {
        let learned = self.learned.read();
        if !learned.is_empty()
            && let Some(route) = learned.get(&*key(path, host))
        {
            return Some(*route);
        }
        drop(learned);
        if self.doubted.load(Relaxed) {
            return None;
        }
        match (self.first_match(path), self.first_opaque) {
            (Some(matched), opaque) if opaque.is_none_or(|opaque| matched.place < opaque) => {
                if matched.doubted.load(Relaxed) { None } else { Some(matched.route) }
            }
            (_, Some(_)) => None,
            // No route: the 404 page, APPEND_SLASH and flatpages all want a thread.
            (_, None) => Some(Route::named(Track::Sync, "")),
        }
    }

    fn first_match(&self, path: &str) -> Option<&Matched> {
        self.patterns
            .matches(path.strip_prefix('/').unwrap_or(path))
            .iter()
            .next()
            .map(|pattern| &self.matched[pattern])
    }

    /// A guess turned out to be wrong: Python is asked for this route from now on, and for all that was learned of it.
    fn doubt(&self, path: &str) {
        self.first_match(path).map_or(&self.doubted, |matched| &matched.doubted).store(true, Relaxed);
        self.learned.write().clear();
    }

    /// Remembers what Python decided.
    pub(crate) fn learn(&self, path: &str, host: Option<&str>, route: Route) {
        if path.len() > LONGEST_LEARNED || host.is_some_and(|host| host.len() > LONGEST_LEARNED) {
            return;
        }
        let mut learned = self.learned.write();
        if learned.len() >= MOST_LEARNED {
            learned.clear();
        }
        learned.insert(key(path, host), route);
    }
}

/// The same path may be another view on another host (`request.urlconf`).
fn key(path: &str, host: Option<&str>) -> Box<str> {
    let host = host.unwrap_or("");
    let mut key = String::with_capacity(host.len() + 1 + path.len());
    key.push_str(host);
    key.push('\n'); // in neither of them
    key.push_str(path);
    key.into_boxed_str()
}

/// The compiled URLconf as Python sees it.
#[pyclass(frozen, module = "turnout._turnout")]
pub(crate) struct RouteTable(pub(crate) Arc<Routes>);

#[pymethods]
impl RouteTable {
    /// The track of this path was another one: ask for it, and for others of its route, again.
    fn doubt(&self, path: &str) {
        self.0.doubt(path);
    }

    /// No path says where its request goes.
    fn doubt_all(&self) {
        self.0.doubted.store(true, Relaxed);
        self.0.learned.write().clear();
    }
}
