//! The views of one worker, by name.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::names::Names;
use crate::view::{Ended, View};
use crate::waits::{Addresses, Sites, Spots, Wait};

/// So many views are kept apart; what comes later is counted as "other". A view is 14 KiB.
pub const MOST_VIEWS: usize = 500;
/// Bytes of a name; longer ones are cut.
pub const LONGEST_NAME: usize = 240;
/// The name of the place for views beyond [`MOST_VIEWS`].
pub const OTHER: &str = "other";

/// The place of one view in the table. 0 is [`OTHER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ViewId(u16);

impl ViewId {
    /// As a number below [`MOST_VIEWS`] + 1.
    pub fn place(self) -> usize {
        self.0.into()
    }

    /// From a number that [`ViewId::place`] gave.
    pub fn from_place(place: usize) -> Option<Self> {
        (place <= MOST_VIEWS).then_some(Self(place as u16))
    }
}

/// See the module. A place, once given to a name, is that name's.
#[derive(Debug)]
pub struct Views {
    names: Names<Place>,
    /// Where requests wait.
    pub addresses: Addresses,
    /// Which code of the project makes them wait.
    pub sites: Sites,
}

/// One view's name and figures.
#[derive(Debug)]
pub struct Place {
    /// At most [`LONGEST_NAME`] bytes.
    pub name: Box<str>,
    /// What its requests waited for.
    pub spots: Spots,
    figures: Mutex<Figures>,
}

#[derive(Debug, Default)]
struct Figures {
    view: View,
    /// Something was counted since [`Place::if_changed`] last looked.
    changed: bool,
}

impl Default for Views {
    fn default() -> Self {
        let names = Names::new(MOST_VIEWS, Place::named(OTHER));
        Self { names, addresses: Addresses::default(), sites: Sites::default() }
    }
}

impl Views {
    /// The place of a name, given now if it has none.
    pub fn place_of(&self, name: &str) -> ViewId {
        ViewId(self.names.place_of(cut(name), Place::named))
    }

    /// One more request of that view has ended; its waits, `factor` nanoseconds a unit.
    pub fn record(&self, id: ViewId, ended: &Ended, waits: &[Wait], factor: f64) {
        let place = self.names.at(id.0);
        place.spots.add(waits, factor);
        let mut figures = place.figures.lock();
        figures.view.record(ended);
        figures.changed = true;
    }

    /// All of them, by place.
    pub fn all(&self) -> Vec<Arc<Place>> {
        self.names.all()
    }
}

impl Place {
    fn named(name: &str) -> Arc<Self> {
        Arc::new(Self { name: name.into(), spots: Spots::default(), figures: Mutex::default() })
    }

    /// Its figures as they are now.
    pub fn view(&self) -> View {
        self.figures.lock().view.clone()
    }

    /// Hands the figures to `look` if they have changed since this was last asked.
    pub fn if_changed<T>(&self, look: impl FnOnce(&View) -> T) -> Option<T> {
        let mut figures = self.figures.lock();
        std::mem::take(&mut figures.changed).then(|| look(&figures.view))
    }
}

/// At a character's end.
fn cut(name: &str) -> &str {
    let mut end = name.len().min(LONGEST_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_place_and_those_beyond_the_limit_share_one() {
        let views = Views::default();
        let first = views.place_of("hotels.views.search");
        assert_eq!(views.place_of("hotels.views.search"), first);
        for number in 0..2 * MOST_VIEWS {
            views.place_of(&format!("view {number}"));
        }
        assert_eq!(views.all().len(), MOST_VIEWS + 1);
        let late = views.place_of("one too many");
        assert_eq!(late, ViewId::default());
        views.record(late, &Ended::default(), &[], 1.0);
        views.record(first, &Ended::default(), &[], 1.0);
        views.record(first, &Ended::default(), &[], 1.0);
        let counts: Vec<_> = views.all().iter().map(|place| place.view().requests).take(2).collect();
        assert_eq!(counts, [1, 2]);
        assert_eq!(&*views.all()[0].name, OTHER);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let views = Views::default();
        let long = "ü".repeat(1000);
        let id = views.place_of(&long);
        let name = views.all()[id.place()].name.clone();
        assert!(name.len() <= LONGEST_NAME && long.starts_with(&*name), "{name}");
        assert_eq!(views.place_of(&long), id);
    }

    #[test]
    fn only_what_has_changed_is_shown_again() {
        let views = Views::default();
        let id = views.place_of("a");
        views.record(id, &Ended::default(), &[], 1.0);
        let place = views.all()[id.place()].clone();
        assert_eq!(place.if_changed(|view| view.requests), Some(1));
        assert_eq!(place.if_changed(|view| view.requests), None);
    }
}
