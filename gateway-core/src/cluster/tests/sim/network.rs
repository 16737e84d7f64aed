//! The link between the members: it loses, delays, doubles, reorders, and falls apart.

use std::collections::{BTreeMap, BTreeSet};

use crate::seeds::Random;

/// Microseconds.
pub(super) type Micros = u64;

#[derive(Debug)]
pub(super) struct Network {
    /// Lost, of 1000.
    pub(super) loss: u64,
    /// May overtake what was sent before, of 1000.
    pub(super) reordered: u64,
    /// Doubled, of 1000.
    pub(super) doubled: u64,
    pub(super) delay: (Micros, Micros),
    /// The side of a partition that each member is on.
    pub(super) side: Vec<u8>,
    /// Directions that carry nothing.
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// When the last datagram of each direction arrives.
    last: BTreeMap<(usize, usize), Micros>,
}

impl Network {
    pub(super) fn new(members: usize) -> Self {
        Self {
            loss: 0,
            reordered: 0,
            doubled: 0,
            delay: (30, 300),
            side: vec![0; members],
            cut: BTreeSet::new(),
            last: BTreeMap::new(),
        }
    }

    /// Whatever is reached is reached by all.
    pub(super) fn join(&mut self) {
        self.side.fill(0);
        self.cut.clear();
    }

    pub(super) fn heal(&mut self) {
        *self = Self::new(self.side.len());
    }

    pub(super) fn carries(&self, from: usize, to: usize) -> bool {
        self.side[from] == self.side[to] && !self.cut.contains(&(from, to))
    }

    /// When copies of a datagram arrive.
    pub(super) fn arrivals(&mut self, from: usize, to: usize, now: Micros, random: &mut Random) -> Vec<Micros> {
        if !self.carries(from, to) || random.chance(self.loss) {
            return Vec::new();
        }
        let copies = if random.chance(self.doubled) { 2 } else { 1 };
        let mut arrival = || {
            let arrival = now + random.range(self.delay.0, self.delay.1);
            let last = self.last.entry((from, to)).or_default();
            if !random.chance(self.reordered) {
                *last = arrival.max(*last);
                return *last;
            }
            arrival
        };
        (0..copies).map(|_| arrival()).collect()
    }
}
