//! The administered space: a binary trie of blocks, each free or put to one use (H-SN-2).
//!
//! ```text
//! root 10.0.0.0/24 ─┬─ 10.0.0.0/25   leased
//!                   └─ 10.0.0.128/25 ─┬─ 10.0.0.128/26  free
//!                                     └─ 10.0.0.192/26  offered
//! ```
//!
//! Only the leaves are kept. They are disjoint and cover the roots at all times: a block comes to be by halving a free one,
//! and goes by joining two free halves. Nothing joins across the border of a root.

use std::collections::BTreeMap;

use crate::subnet::Subnet;

#[derive(Clone, Debug)]
pub(super) struct Space<T> {
    roots: Vec<Subnet>,
    /// `None`: free.
    blocks: BTreeMap<Subnet, Option<T>>,
}

impl<T> Default for Space<T> {
    fn default() -> Self {
        Self { roots: Vec::new(), blocks: BTreeMap::new() }
    }
}

impl<T> Space<T> {
    /// Adds a free root. `Err` with what it overlaps.
    pub(super) fn add_root(&mut self, root: Subnet) -> Result<(), Subnet> {
        if let Some(other) = self.roots.iter().find(|other| other.overlaps(&root)) {
            return Err(*other);
        }
        self.roots.push(root);
        self.roots.sort();
        self.blocks.insert(root, None);
        Ok(())
    }

    /// Takes a root away, and returns what was put to use in it.
    pub(super) fn remove_root(&mut self, root: &Subnet) -> Vec<(Subnet, T)> {
        self.roots.retain(|other| other != root);
        let inside: Vec<Subnet> = self.inside(root).map(|(subnet, _)| subnet).collect();
        inside.into_iter().filter_map(|subnet| Some((subnet, self.blocks.remove(&subnet)??))).collect()
    }

    /// The root that a subnet lies in.
    pub(super) fn root_of(&self, subnet: &Subnet) -> Option<Subnet> {
        self.roots.iter().find(|root| root.contains(subnet)).copied()
    }

    /// Whether a root has an address in common with it.
    pub(super) fn overlaps(&self, subnet: &Subnet) -> bool {
        self.roots.iter().any(|root| root.overlaps(subnet))
    }

    /// What exactly this block is used for.
    pub(super) fn get(&self, subnet: &Subnet) -> Option<&T> {
        self.blocks.get(subnet)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, subnet: &Subnet) -> Option<&mut T> {
        self.blocks.get_mut(subnet)?.as_mut()
    }

    /// Every block: `None` is free.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (Subnet, Option<&T>)> {
        self.blocks.iter().map(|(subnet, used)| (*subnet, used.as_ref()))
    }

    /// Every block that is put to use.
    pub(super) fn used(&self) -> impl Iterator<Item = (Subnet, &T)> {
        self.blocks.iter().filter_map(|(subnet, used)| Some((*subnet, used.as_ref()?)))
    }

    /// The blocks of a root.
    pub(super) fn inside(&self, root: &Subnet) -> impl Iterator<Item = (Subnet, Option<&T>)> {
        let last = root.last();
        let blocks = self.blocks.range(*root..).take_while(move |(subnet, _)| subnet.base() <= last);
        blocks.map(|(subnet, used)| (*subnet, used.as_ref()))
    }

    /// Whether nothing of a root is put to use.
    pub(super) fn is_free(&self, root: &Subnet) -> bool {
        self.blocks.get(root).is_some_and(Option::is_none)
    }

    /// A free subnet of this size: out of the smallest free block that holds it, so that large ones stay whole, and of
    /// these out of the first. `eligible` says of a free block whether it may be taken.
    pub(super) fn find(&self, prefix: u8, eligible: impl Fn(&Subnet) -> bool) -> Option<Subnet> {
        let free = self.blocks.iter().filter(|(subnet, used)| used.is_none() && subnet.prefix() <= prefix);
        let fitting = free.map(|(subnet, _)| subnet).filter(|subnet| eligible(subnet));
        let best = fitting.min_by_key(|subnet| (u8::MAX - subnet.prefix(), subnet.base()))?;
        Some(best.first(prefix))
    }

    /// Puts a subnet to use, halving the free block that it lies in as often as needed. It fails, and changes nothing, when
    /// the subnet does not lie in a free block.
    pub(super) fn take(&mut self, subnet: Subnet, used: T) -> Result<(), T> {
        let mut around = core::iter::successors(Some(subnet), Subnet::parent);
        let free = around.find(|block| self.blocks.get(block).is_some_and(Option::is_none));
        let Some(mut block) = free else { return Err(used) };
        self.blocks.remove(&block);
        while block != subnet {
            let Some([low, high]) = block.halves() else { break };
            let (here, other) = if low.contains(&subnet) { (low, high) } else { (high, low) };
            self.blocks.insert(other, None);
            block = here;
        }
        self.blocks.insert(block, Some(used));
        Ok(())
    }

    /// Makes a block free again, and joins it with its other half as often as that is free.
    pub(super) fn free(&mut self, subnet: &Subnet) -> Option<T> {
        let used = self.blocks.get_mut(subnet)?.take()?;
        let mut block = *subnet;
        while !self.roots.contains(&block) && self.blocks.get(&block.buddy()).is_some_and(Option::is_none) {
            let Some(parent) = block.parent() else { break };
            self.blocks.remove(&block);
            self.blocks.remove(&block.buddy());
            self.blocks.insert(parent, None);
            block = parent;
        }
        Some(used)
    }

    /// What must hold whatever happens: the blocks are disjoint and cover the roots, and no two free halves lie apart.
    #[cfg(test)]
    pub(super) fn check(&self) {
        for root in &self.roots {
            let mut next = u64::from(root.base().to_bits());
            for (subnet, used) in self.inside(root) {
                assert_eq!(u64::from(subnet.base().to_bits()), next, "{subnet} leaves a gap or overlaps in {root}");
                next += u64::from(subnet.size());
                let apart =
                    subnet != *root && used.is_none() && self.blocks.get(&subnet.buddy()).is_some_and(Option::is_none);
                assert!(!apart, "{subnet} and its other half are free, and not joined");
            }
            assert_eq!(next, u64::from(root.last().to_bits()) + 1, "{root} is not covered");
        }
        let covered: usize = self.roots.iter().map(|root| self.inside(root).count()).sum();
        assert_eq!(covered, self.blocks.len(), "a block outside of all roots");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    /// SN-24: a larger block is halved, one part is taken and the rest stays; what comes back is joined again.
    #[test]
    fn halves_and_joins() {
        let mut space = Space::default();
        space.add_root(subnet("10.0.0.0/24")).unwrap();
        assert_eq!(space.add_root(subnet("10.0.0.0/25")), Err(subnet("10.0.0.0/24")), "a root twice");
        assert_eq!(space.add_root(subnet("10.0.0.0/8")), Err(subnet("10.0.0.0/24")), "around a root");
        let quarter = space.find(26, |_| true).unwrap();
        space.take(quarter, 1).unwrap();
        let free: Vec<_> = space.blocks().filter(|(_, used)| used.is_none()).map(|(subnet, _)| subnet).collect();
        assert_eq!((quarter, free), (subnet("10.0.0.0/26"), vec![subnet("10.0.0.64/26"), subnet("10.0.0.128/25")]));
        assert_eq!(space.find(26, |_| true), Some(subnet("10.0.0.64/26")), "the smallest that fits");
        assert_eq!(space.find(24, |_| true), None);
        assert_eq!(space.take(subnet("10.0.0.0/25"), 2), Err(2), "a part of it is taken");
        assert_eq!(space.take(subnet("10.0.0.0/27"), 2), Err(2), "all of it is taken");
        assert_eq!(space.free(&quarter), Some(1));
        assert!(space.is_free(&subnet("10.0.0.0/24")));
        assert_eq!(space.free(&quarter), None, "freed twice");
    }

    proptest! {
        /// H-SN-2, SN-22: whatever is taken and given back in whatever order, blocks stay disjoint and cover the roots; nothing is
        /// found that is taken; and when all is back, each root is one block.
        #[test]
        fn always_a_partition(steps in proptest::collection::vec((any::<bool>(), 18u8..=30, any::<prop::sample::Index>()), 0..200)) {
            let mut space = Space::default();
            for root in ["10.0.0.0/20", "10.0.16.0/24", "10.1.0.0/19"] {
                space.add_root(subnet(root)).unwrap();
            }
            let mut taken: Vec<Subnet> = Vec::new();
            for (take, prefix, index) in steps {
                if take {
                    let Some(found) = space.find(prefix, |_| true) else { continue };
                    prop_assert_eq!(found.prefix(), prefix);
                    prop_assert!(taken.iter().all(|other| !other.overlaps(&found)));
                    prop_assert_eq!(space.take(found, ()), Ok(()));
                    taken.push(found);
                } else if !taken.is_empty() {
                    let back = taken.swap_remove(index.index(taken.len()));
                    prop_assert_eq!(space.free(&back), Some(()));
                }
                space.check();
                prop_assert_eq!(space.used().count(), taken.len());
            }
            taken.iter().for_each(|back| assert_eq!(space.free(back), Some(())));
            prop_assert_eq!(space.blocks().count(), 3);
        }
    }
}
