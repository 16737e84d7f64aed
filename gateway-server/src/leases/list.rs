//! Doubly linked lists through the lease slots: joining, leaving and ending whole lists cost the same at any length.

use super::lease::Lease;

/// No slot, no generation.
pub(crate) const NONE: u32 = u32::MAX;

/// Neighbours of a slot in one list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    prev: u32,
    next: u32,
}

impl Links {
    pub(super) const NONE: Self = Self { prev: NONE, next: NONE };
}

/// Which of a slot's [`Links`] a list uses: its generation's or pool's.
pub(super) const GROUP: usize = 0;
/// Which of a slot's [`Links`] a list uses: the wheel's.
pub(super) const WHEEL: usize = 1;

/// A list of slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<const WHICH: usize> {
    head: u32,
    tail: u32,
    len: u32,
}

impl<const WHICH: usize> List<WHICH> {
    pub(super) const EMPTY: Self = Self { head: NONE, tail: NONE, len: 0 };

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn front(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    pub(super) fn back(&self) -> Option<u32> {
        (self.tail != NONE).then_some(self.tail)
    }

    /// The slots from the last to the first.
    pub(super) fn backwards<'a>(&self, slots: &'a [Lease]) -> impl Iterator<Item = u32> + use<'a, WHICH> {
        core::iter::successors(self.back(), |slot| match slots[*slot as usize].links[WHICH].prev {
            NONE => None,
            prev => Some(prev),
        })
    }

    pub(super) fn push_back(&mut self, slots: &mut [Lease], slot: u32) {
        slots[slot as usize].links[WHICH] = Links { prev: self.tail, next: NONE };
        match self.tail {
            NONE => self.head = slot,
            tail => slots[tail as usize].links[WHICH].next = slot,
        }
        self.tail = slot;
        self.len += 1;
    }

    pub(super) fn push_front(&mut self, slots: &mut [Lease], slot: u32) {
        slots[slot as usize].links[WHICH] = Links { prev: NONE, next: self.head };
        match self.head {
            NONE => self.tail = slot,
            head => slots[head as usize].links[WHICH].prev = slot,
        }
        self.head = slot;
        self.len += 1;
    }

    /// The slot must be in this list.
    pub(super) fn remove(&mut self, slots: &mut [Lease], slot: u32) {
        let Links { prev, next } = core::mem::replace(&mut slots[slot as usize].links[WHICH], Links::NONE);
        match prev {
            NONE => self.head = next,
            prev => slots[prev as usize].links[WHICH].next = next,
        }
        match next {
            NONE => self.tail = prev,
            next => slots[next as usize].links[WHICH].prev = prev,
        }
        self.len -= 1;
    }
}
