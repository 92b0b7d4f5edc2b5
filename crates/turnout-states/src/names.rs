//! Things that have a name and, for life, a place: given in the order in which the names come up, within a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

/// See the module. The place 0 is for whatever comes beyond the limit.
#[derive(Debug)]
pub(crate) struct Names<T: ?Sized> {
    most: usize,
    /// How many [`Names::fresh`] has given.
    told: AtomicUsize,
    table: RwLock<Table<T>>,
}

#[derive(Debug)]
struct Table<T: ?Sized> {
    by_name: FxHashMap<Box<str>, u16>,
    things: Vec<Arc<T>>,
}

impl<T: ?Sized> Names<T> {
    /// For at most so many, fewer than 65,535, beside `other` at place 0.
    pub(crate) fn new(most: usize, other: Arc<T>) -> Self {
        Self {
            most,
            told: AtomicUsize::new(0),
            table: RwLock::new(Table { by_name: FxHashMap::default(), things: vec![other] }),
        }
    }

    /// The place of a name; `make` makes what is there if it has none yet.
    pub(crate) fn place_of(&self, name: &str, make: impl FnOnce(&str) -> Arc<T>) -> u16 {
        if let Some(place) = self.table.read().by_name.get(name) {
            return *place;
        }
        let mut table = self.table.write();
        if let Some(place) = table.by_name.get(name) {
            return *place;
        }
        if table.things.len() > self.most {
            return 0;
        }
        let place = table.things.len() as u16;
        table.things.push(make(name));
        table.by_name.insert(name.into(), place);
        place
    }

    /// What is at a place; where there is nothing, what is at 0.
    pub(crate) fn at(&self, place: u16) -> Arc<T> {
        let table = self.table.read();
        table.things.get(usize::from(place)).unwrap_or(&table.things[0]).clone()
    }

    /// All, by place.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.table.read().things.clone()
    }

    /// Those that this has not given before, with their places. To be asked by one.
    pub(crate) fn fresh(&self) -> Vec<(usize, Arc<T>)> {
        let told = self.told.load(Relaxed);
        let fresh = self.table.read().things.get(told..).map_or_else(Vec::new, <[_]>::to_vec);
        self.told.store(told + fresh.len(), Relaxed);
        (told..).zip(fresh).collect()
    }
}
