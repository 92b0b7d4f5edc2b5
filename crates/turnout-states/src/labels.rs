//! Texts that waits are told with by number: addresses, and places of the project's code.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::names::Names;
use crate::views::OTHER;

/// What labels say: an address, `host:port` or what else says where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Address;

/// What labels say: a place in the project's code, `path:line function`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Site;

/// What labels may say.
pub trait Said: Copy {
    /// So many are told apart in a worker; the others are "other".
    const MOST: usize;
}

impl Said for Address {
    const MOST: usize = 1000;
}

impl Said for Site {
    const MOST: usize = 2000;
}

/// The number of one of [`Labels`]. 0 is for those beyond the limit, and for what has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LabelId<Of>(u16, PhantomData<Of>);

/// The number of an address.
pub type AddressId = LabelId<Address>;
/// The number of a place in the project's code; 0 is for calls that none of it made too.
pub type SiteId = LabelId<Site>;

impl<Of> LabelId<Of> {
    /// The one that says nothing.
    pub const UNKNOWN: Self = Self::from_place(0);

    /// As a number, for whoever keeps it in numbers or hands it through Python.
    pub fn place(self) -> u16 {
        self.0
    }

    /// From a number that [`LabelId::place`] gave; another one is a place where there is nothing.
    pub const fn from_place(place: u16) -> Self {
        Self(place, PhantomData)
    }

    /// Whether it says nothing.
    pub fn is_unknown(self) -> bool {
        self.0 == 0
    }
}

/// See the module. A number, once given, is that text's.
#[derive(Debug)]
pub struct Labels<Of>(Names<str>, PhantomData<Of>);

/// Where requests wait.
pub type Addresses = Labels<Address>;
/// Which code of the project makes them wait.
pub type Sites = Labels<Site>;

impl<Of: Said> Default for Labels<Of> {
    fn default() -> Self {
        Self(Names::new(Of::MOST, OTHER.into()), PhantomData)
    }
}

impl<Of: Said> Labels<Of> {
    /// The number of a text, given now if it has none.
    pub fn id_of(&self, text: &str) -> LabelId<Of> {
        LabelId::from_place(self.0.place_of(text, |text| text.into()))
    }

    /// The text of a number.
    pub fn name(&self, id: LabelId<Of>) -> Arc<str> {
        self.0.at(id.0)
    }

    /// The same for people. `None`: it says nothing.
    pub fn told(&self, id: LabelId<Of>) -> Option<String> {
        (!id.is_unknown()).then(|| self.name(id).to_string())
    }

    /// Those that this has not given before, with their numbers. To be asked by one.
    pub(crate) fn fresh(&self) -> Vec<(usize, Arc<str>)> {
        self.0.fresh()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep_their_numbers_and_have_a_limit<Of: Said + PartialEq + std::fmt::Debug>() {
        let labels = Labels::<Of>::default();
        let first = labels.id_of("10.0.0.5:5432");
        assert_eq!(LabelId::from_place(first.place()), first);
        for number in 0..2 * Of::MOST {
            labels.id_of(&format!("10.0.0.5:{number}"));
        }
        assert_eq!(labels.id_of("10.0.0.5:5432"), first);
        assert_eq!(&*labels.name(first), "10.0.0.5:5432");
        let late = labels.id_of("late");
        assert!(!first.is_unknown() && late.is_unknown());
        assert_eq!((&*labels.name(late), labels.told(late)), ("other", None));
        assert_eq!(&*labels.name(LabelId::from_place(u16::MAX)), "other");
    }

    #[test]
    fn addresses_and_sites_keep_their_numbers_and_have_a_limit() {
        keep_their_numbers_and_have_a_limit::<Address>();
        keep_their_numbers_and_have_a_limit::<Site>();
    }
}
