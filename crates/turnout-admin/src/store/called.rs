//! What a worker calls the addresses and the places of code that it tells of by number.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use turnout_states::{AddressId, Board, OTHER, SiteId};

/// Names that were looked up on the board, for as long as its process lives: a number keeps its name.
#[derive(Debug, Default)]
pub(super) struct Called {
    addresses: FxHashMap<AddressId, Arc<str>>,
    sites: FxHashMap<SiteId, Arc<str>>,
}

impl Called {
    pub(super) fn address(&mut self, board: &Board, index: usize, id: AddressId) -> Arc<str> {
        if let Some(known) = self.addresses.get(&id) {
            return Arc::clone(known);
        }
        // Names are told before what speaks of them: only a record that cannot be read has none.
        let Ok(Some(name)) = board.address(index, id) else { return OTHER.into() };
        Arc::clone(self.addresses.entry(id).or_insert_with(|| name.into()))
    }

    /// `None`: no code of the project, or one beyond the limit of places.
    pub(super) fn site(&mut self, board: &Board, index: usize, id: SiteId) -> Option<Arc<str>> {
        if id.is_unknown() {
            return None;
        }
        if let Some(known) = self.sites.get(&id) {
            return Some(Arc::clone(known));
        }
        let name = board.site(index, id).ok().flatten()?;
        Some(Arc::clone(self.sites.entry(id).or_insert_with(|| name.into())))
    }
}
