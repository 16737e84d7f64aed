//! When the time of each slot ends.

use std::collections::BTreeMap;

use gateway_core::time::Instant;

use super::list::{Linked, List, WHEEL};

const SECOND: u64 = 1_000_000_000;

/// Slots by the second in which their time ends.
#[derive(Default, Debug)]
pub(crate) struct Wheel(BTreeMap<u64, List<WHEEL>>);

impl Wheel {
    /// Enters a slot; one whose time never ends is in no list.
    pub(crate) fn add<T: Linked>(&mut self, slots: &mut [T], slot: u32, until: Instant) {
        if until != Instant::NEVER {
            self.0.entry(second_of(until)).or_insert(List::EMPTY).push_back(slots, slot);
        }
    }

    /// Takes a slot out that was entered with this time.
    pub(crate) fn remove<T: Linked>(&mut self, slots: &mut [T], slot: u32, until: Instant) {
        if until == Instant::NEVER {
            return;
        }
        let second = second_of(until);
        if let Some(list) = self.0.get_mut(&second) {
            list.remove(slots, slot);
            if list.len() == 0 {
                self.0.remove(&second);
            }
        }
    }

    /// A slot whose time has ended.
    pub(crate) fn due(&self, now: Instant) -> Option<u32> {
        let (second, list) = self.0.first_key_value()?;
        if second * SECOND <= now.as_nanos() { list.front() } else { None }
    }

    /// When the first one's time ends.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.keys().next().map(|second| Instant::from_nanos(second * SECOND))
    }
}

/// The first full second at which a time is over.
fn second_of(until: Instant) -> u64 {
    until.as_nanos().div_ceil(SECOND)
}
