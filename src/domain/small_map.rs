//! A map for a few entries: one sorted list, as small as what it holds.
//!
//! There is one of a kind for each token, mostly with one to three entries, where the nodes of a tree would
//! hold room for eleven. Looking up is by halving; adding moves what follows.

use std::cmp::Ordering;

/// A map in the order of its keys.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SmallMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> SmallMap<K, V> {
    /// The value at `key`.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.find(|known| known.cmp(key))
    }

    /// The value whose key is told to be `Equal`; `order` must follow the order of the keys.
    pub(super) fn find(&self, order: impl Fn(&K) -> Ordering) -> Option<&V> {
        let place = self.0.binary_search_by(|(known, _)| order(known)).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// Puts a value at `key`, in place of the one that was there.
    pub(super) fn insert(&mut self, key: K, value: V) {
        match self.place(&key) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.add(place, key, value),
        }
    }

    /// The value at `key`, which is a default one where there was none.
    pub(super) fn entry(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let place = self.place(&key).unwrap_or_else(|place| {
            self.add(place, key, V::default());
            place
        });
        &mut self.0[place].1
    }

    fn place(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }

    fn add(&mut self, place: usize, key: K, value: V) {
        // Additions are rare, and room to spare would be most of the map.
        self.0.reserve_exact(1);
        self.0.insert(place, (key, value));
    }

    /// Forgets the entries that are not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.0.retain(|(key, _)| keep(key));
    }

    /// All entries, in order.
    pub(super) fn entries(&self) -> &[(K, V)] {
        &self.0
    }

    /// All entries, in order, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::SmallMap;

    proptest! {
        #[test]
        fn it_holds_what_a_tree_would(steps in prop::collection::vec((0u8..20, any::<u8>(), 0u8..4), 0..60)) {
            let (mut small, mut tree) = (SmallMap::default(), BTreeMap::new());
            for (key, value, step) in steps {
                match step {
                    0 => {
                        small.insert(key, value);
                        tree.insert(key, value);
                    }
                    1 => {
                        *small.entry(key) ^= value;
                        *tree.entry(key).or_default() ^= value;
                    }
                    2 => {
                        small.retain(|known| known % 5 != key % 5);
                        tree.retain(|known, _| known % 5 != key % 5);
                    }
                    _ => {
                        for (known, held) in small.iter_mut() {
                            *held = held.wrapping_add(*known);
                        }
                        for (known, held) in &mut tree {
                            *held = held.wrapping_add(*known);
                        }
                    }
                }
                prop_assert!(small.entries().iter().map(|(key, value)| (key, value)).eq(&tree));
                prop_assert_eq!(small.get(&key), tree.get(&key));
            }
        }
    }
}
