//! Storage with stable slot numbers: a slot is a session's cell in the data plane's `SUBSCRIBERS` array.

/// Slots of a page. Pages are never moved or given back, so growing costs no copy and no pause.
const PAGE: usize = 1024;

/// A slab that hands out its lowest free slot first, so that the array cells in use stay dense.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    pages: Vec<Box<[Option<T>]>>,
    /// One bit a slot; set means free.
    free: Vec<u64>,
    /// No word before this one has a free bit.
    first: usize,
    capacity: u32,
    len: u32,
}

impl<T> Slab<T> {
    /// An empty slab of at most `capacity` slots.
    pub(crate) fn new(capacity: u32) -> Self {
        let words = capacity.div_ceil(64) as usize;
        let mut free = vec![u64::MAX; words];
        if let (Some(last), rest @ 1..) = (free.last_mut(), capacity % 64) {
            *last = (1 << rest) - 1;
        }
        Self { pages: Vec::new(), free, first: 0, capacity, len: 0 }
    }

    /// The slot that [`Slab::insert`] would take; `None` when all are taken.
    pub(crate) fn lowest_free(&mut self) -> Option<u32> {
        while self.free.get(self.first).is_some_and(|word| *word == 0) {
            self.first += 1;
        }
        let word = self.free.get(self.first)?;
        Some(self.first as u32 * 64 + word.trailing_zeros())
    }

    /// Whether the slot exists and is free.
    pub(crate) fn is_free(&self, slot: u32) -> bool {
        slot < self.capacity && self.free[slot as usize / 64] & (1 << (slot % 64)) != 0
    }

    /// Fills a free slot.
    ///
    /// # Panics
    ///
    /// When the slot is not free.
    pub(crate) fn insert(&mut self, slot: u32, value: T) {
        assert!(self.is_free(slot), "slot {slot} is not free");
        let page = slot as usize / PAGE;
        while self.pages.len() <= page {
            self.pages.push((0..PAGE).map(|_| None).collect());
        }
        self.pages[page][slot as usize % PAGE] = Some(value);
        self.free[slot as usize / 64] &= !(1 << (slot % 64));
        self.len += 1;
    }

    /// Empties a slot.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.pages.get_mut(slot as usize / PAGE)?[slot as usize % PAGE].take()?;
        let word = slot as usize / 64;
        self.free[word] |= 1 << (slot % 64);
        self.first = self.first.min(word);
        self.len -= 1;
        Some(value)
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.pages.get(slot as usize / PAGE)?[slot as usize % PAGE].as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.pages.get_mut(slot as usize / PAGE)?[slot as usize % PAGE].as_mut()
    }

    /// Slots in use.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The slots in use from `from` on, in order.
    pub(crate) fn iter_from(&self, from: u32) -> impl Iterator<Item = (u32, &T)> {
        let end = (self.pages.len() * PAGE) as u32;
        (from..end).filter_map(|slot| Some((slot, self.get(slot)?)))
    }
}

impl<T> core::ops::Index<u32> for Slab<T> {
    type Output = T;

    /// # Panics
    ///
    /// When the slot is free: an index or a list names a session that is gone, which is a bug here.
    fn index(&self, slot: u32) -> &T {
        self.get(slot).expect("slot in use")
    }
}

impl<T> core::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, slot: u32) -> &mut T {
        self.get_mut(slot).expect("slot in use")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowest_free_slot_comes_first_and_capacity_holds() {
        let mut slab = Slab::new(130);
        for expected in 0..130 {
            let slot = slab.lowest_free().expect("room");
            assert_eq!(slot, expected);
            slab.insert(slot, slot);
        }
        assert_eq!(slab.lowest_free(), None);
        assert_eq!(slab.len(), 130);
        assert_eq!(slab.remove(129), Some(129));
        assert_eq!(slab.remove(3), Some(3));
        assert_eq!(slab.remove(3), None);
        assert_eq!(slab.lowest_free(), Some(3));
        slab.insert(3, 7);
        assert_eq!(slab.lowest_free(), Some(129));
        assert!(!slab.is_free(130));
        assert_eq!(slab.iter_from(2).take(2).collect::<Vec<_>>(), [(2, &2), (3, &7)]);
    }
}
