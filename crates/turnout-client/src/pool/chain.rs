//! Doubly linked queues whose nodes share one slab: any of them can be left from the middle in constant time.

use slab::Slab;

/// The nodes of any number of chains.
#[derive(Debug)]
pub(super) struct Nodes<T>(Slab<Node<T>>);

#[derive(Debug)]
struct Node<T> {
    value: T,
    before: Option<usize>,
    after: Option<usize>,
}

/// One queue. Whoever has it must pass it the nodes it was filled from.
#[derive(Debug, Default)]
pub(super) struct Chain {
    first: Option<usize>,
    last: Option<usize>,
    len: usize,
}

impl<T> Nodes<T> {
    pub(super) fn new() -> Self {
        Self(Slab::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, key: usize) -> &T {
        &self.0[key].value
    }

    pub(super) fn get_mut(&mut self, key: usize) -> &mut T {
        &mut self.0[key].value
    }

    pub(super) fn after(&self, key: usize) -> Option<usize> {
        self.0[key].after
    }

    /// Adds `value` at the end of `chain`; the key is its own until it is removed.
    pub(super) fn push(&mut self, chain: &mut Chain, value: T) -> usize {
        let key = self.0.insert(Node { value, before: chain.last, after: None });
        match chain.last.replace(key) {
            Some(before) => self.0[before].after = Some(key),
            None => chain.first = Some(key),
        }
        chain.len += 1;
        key
    }

    /// Takes `key` out of `chain`, wherever it stands there. The node stays, in no chain, until it is forgotten.
    pub(super) fn unlink(&mut self, chain: &mut Chain, key: usize) {
        let (before, after) = (self.0[key].before.take(), self.0[key].after.take());
        match before {
            Some(before) => self.0[before].after = after,
            None => chain.first = after,
        }
        match after {
            Some(after) => self.0[after].before = before,
            None => chain.last = before,
        }
        chain.len -= 1;
    }

    /// The end of a node that is in no chain.
    pub(super) fn forget(&mut self, key: usize) -> T {
        self.0.remove(key).value
    }

    /// Both at once.
    pub(super) fn remove(&mut self, chain: &mut Chain, key: usize) -> T {
        self.unlink(chain, key);
        self.forget(key)
    }

    /// The keys of `chain`, first to last.
    pub(super) fn keys(&self, chain: &Chain) -> Vec<usize> {
        std::iter::successors(chain.first, |&key| self.after(key)).collect()
    }
}

impl Chain {
    pub(super) fn first(&self) -> Option<usize> {
        self.first
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Chain, Nodes};

    proptest! {
        #[test]
        fn two_chains_of_one_slab_behave_like_two_lists(steps in prop::collection::vec((any::<bool>(), any::<bool>(), any::<u8>()), 0..200)) {
            let mut nodes = Nodes::new();
            let mut chains = [Chain::default(), Chain::default()];
            let mut model: [Vec<(usize, u8)>; 2] = Default::default();
            for (second, push, value) in steps {
                let (chain, expected) = (&mut chains[usize::from(second)], &mut model[usize::from(second)]);
                if push || expected.is_empty() {
                    expected.push((nodes.push(chain, value), value));
                } else {
                    let (key, value) = expected.remove(usize::from(value) % expected.len());
                    prop_assert_eq!(nodes.remove(chain, key), value);
                }
            }
            for (chain, expected) in chains.iter().zip(&model) {
                prop_assert_eq!(nodes.keys(chain), expected.iter().map(|(key, _)| *key).collect::<Vec<_>>());
                prop_assert_eq!(chain.len(), expected.len());
                prop_assert_eq!(chain.is_empty(), expected.is_empty());
            }
            prop_assert_eq!(nodes.len(), model.iter().map(Vec::len).sum::<usize>());
        }
    }
}
