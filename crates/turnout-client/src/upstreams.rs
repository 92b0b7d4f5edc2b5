//! What is kept for each upstream, by its name: bounded, for whoever is given URLs by users meets any number of hosts.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use url::Position;

use crate::call::Call;

/// What an upstream is called: as configured, or `host:port`.
pub(crate) fn name_of(call: &Call) -> Cow<'_, str> {
    if let Some(name) = &call.options.upstream {
        return Cow::Borrowed(name);
    }
    if call.url.port().is_some() {
        return Cow::Borrowed(&call.url[Position::BeforeHost..Position::AfterPort]);
    }
    let host = call.url.host_str().unwrap_or_default();
    match call.url.port_or_known_default() {
        Some(port) => Cow::Owned(format!("{host}:{port}")),
        None => Cow::Borrowed(host),
    }
}

/// See the module.
pub(crate) struct Upstreams<T> {
    known: RwLock<FxHashMap<Arc<str>, Arc<T>>>,
    /// For those that are one too many.
    other: Arc<T>,
    most: usize,
}

impl<T> Upstreams<T> {
    /// `other` stands for all upstreams above `most`.
    pub(crate) fn new(most: usize, other: T) -> Self {
        Self { known: RwLock::default(), other: Arc::new(other), most }
    }

    /// Of the upstream of this call; made if this is its first.
    pub(crate) fn of(&self, call: &Call, make: impl FnOnce(Arc<str>) -> T) -> Arc<T> {
        let name = name_of(call);
        if let Some(found) = self.known.read().get(&*name) {
            return Arc::clone(found);
        }
        let mut known = self.known.write();
        if let Some(found) = known.get(&*name) {
            return Arc::clone(found);
        }
        if known.len() >= self.most {
            return Arc::clone(&self.other);
        }
        let name: Arc<str> = Arc::from(name);
        let made = Arc::new(make(Arc::clone(&name)));
        known.insert(name, Arc::clone(&made));
        made
    }

    /// Forgets one that nobody uses, if there is no room for another.
    pub(crate) fn make_room(&self) {
        if self.known.read().len() < self.most {
            return;
        }
        let mut known = self.known.write();
        let idle = known.iter().find(|(_, kept)| Arc::strong_count(kept) == 1).map(|(name, _)| Arc::clone(name));
        if let Some(name) = idle {
            known.remove(&name);
        }
    }

    /// All that are known, in no order, and the one for the others.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        let mut all: Vec<_> = self.known.read().values().map(Arc::clone).collect();
        all.push(Arc::clone(&self.other));
        all
    }
}

impl<T> fmt::Debug for Upstreams<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Upstreams({})", self.known.read().len())
    }
}
