//! Doubly linked lists through the lease slots: joining, leaving and ending whole lists cost the same at any length.

/// No slot, no generation.
pub(crate) const NONE: u32 = u32::MAX;

/// Neighbours of a slot in one list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    prev: u32,
    next: u32,
}

impl Links {
    pub(crate) const NONE: Self = Self { prev: NONE, next: NONE };
}

/// What can be in lists: a lease of either kind.
pub(crate) trait Linked {
    /// Its neighbours, by [`GROUP`] and [`WHEEL`].
    fn links(&self) -> &[Links; 2];

    /// The same, to be changed.
    fn links_mut(&mut self) -> &mut [Links; 2];
}

/// Which of a slot's [`Links`] a list uses: its generation's or pool's.
pub(crate) const GROUP: usize = 0;
/// Which of a slot's [`Links`] a list uses: the wheel's.
pub(crate) const WHEEL: usize = 1;

/// A list of slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<const WHICH: usize> {
    head: u32,
    tail: u32,
    len: u32,
}

impl<const WHICH: usize> List<WHICH> {
    pub(crate) const EMPTY: Self = Self { head: NONE, tail: NONE, len: 0 };

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn front(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    pub(crate) fn back(&self) -> Option<u32> {
        (self.tail != NONE).then_some(self.tail)
    }

    /// The slots from the last to the first.
    pub(crate) fn backwards<'a, T: Linked>(&self, slots: &'a [T]) -> impl Iterator<Item = u32> + use<'a, T, WHICH> {
        core::iter::successors(self.back(), |slot| match slots[*slot as usize].links()[WHICH].prev {
            NONE => None,
            prev => Some(prev),
        })
    }

    /// The slots from the first to the last.
    pub(crate) fn forwards<'a, T: Linked>(&self, slots: &'a [T]) -> impl Iterator<Item = u32> + use<'a, T, WHICH> {
        core::iter::successors(self.front(), |slot| match slots[*slot as usize].links()[WHICH].next {
            NONE => None,
            next => Some(next),
        })
    }

    pub(crate) fn push_back<T: Linked>(&mut self, slots: &mut [T], slot: u32) {
        slots[slot as usize].links_mut()[WHICH] = Links { prev: self.tail, next: NONE };
        match self.tail {
            NONE => self.head = slot,
            tail => slots[tail as usize].links_mut()[WHICH].next = slot,
        }
        self.tail = slot;
        self.len += 1;
    }

    pub(crate) fn push_front<T: Linked>(&mut self, slots: &mut [T], slot: u32) {
        slots[slot as usize].links_mut()[WHICH] = Links { prev: NONE, next: self.head };
        match self.head {
            NONE => self.tail = slot,
            head => slots[head as usize].links_mut()[WHICH].prev = slot,
        }
        self.head = slot;
        self.len += 1;
    }

    /// The slot must be in this list.
    pub(crate) fn remove<T: Linked>(&mut self, slots: &mut [T], slot: u32) {
        let Links { prev, next } = core::mem::replace(&mut slots[slot as usize].links_mut()[WHICH], Links::NONE);
        match prev {
            NONE => self.head = next,
            prev => slots[prev as usize].links_mut()[WHICH].next = next,
        }
        match next {
            NONE => self.tail = prev,
            next => slots[next as usize].links_mut()[WHICH].prev = prev,
        }
        self.len -= 1;
    }
}
