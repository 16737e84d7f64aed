//! Generations: the leases of one scope and epoch, in the order of their last transaction.
//!
//! A single logout ends whole generations. What it costs does not depend on how many leases they hold: those renewed
//! after the relay's decision are at the tail and move out one by one, the rest stays where it is, marked as ended.

use std::collections::{BTreeMap, HashMap, VecDeque};

use gateway_core::scope::{DeviceId, Epoch, Scope, ScopeKind};
use gateway_core::time::Instant;

use super::list::{GROUP, Linked, List};
use crate::record::{Cutoff, Moment};

/// A lease of either kind as a generation sees it.
pub(crate) trait Tagged: Linked {
    /// When its last transaction was.
    fn last(&self) -> Moment;

    /// Number of that transaction; rises over all leases.
    fn sequence(&self) -> u64;

    /// Puts it in another generation.
    fn enter(&mut self, generation: u32);
}

#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) scope: Scope,
    pub(crate) list: List<GROUP>,
    /// From when on what it leased is free, once it was ended.
    pub(crate) ended: Option<Instant>,
}

#[derive(Default, Debug)]
struct ScopeState {
    generations: BTreeMap<Epoch, u32>,
    cutoffs: Vec<Cutoff>,
    highest: Epoch,
}

/// What a single logout does, or would do, to one scope.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Outcome {
    /// Leases ended.
    pub(crate) released: u32,
    /// Leases of the scope left alone: of a later epoch, or with a transaction after the decision.
    pub(crate) skipped: u32,
    /// Highest epoch ever seen in the scope.
    pub(crate) highest: Epoch,
}

#[derive(Default, Debug)]
pub(crate) struct Generations {
    slab: Vec<Generation>,
    spare: Vec<u32>,
    scopes: HashMap<(DeviceId, ScopeKind), ScopeState>,
    /// Ended generations, the first ended first.
    pub(crate) reclaim: VecDeque<u32>,
}

impl Generations {
    pub(crate) fn get(&self, index: u32) -> Option<&Generation> {
        self.slab.get(index as usize)
    }

    pub(crate) fn list(&mut self, index: u32) -> &mut List<GROUP> {
        &mut self.slab[index as usize].list
    }

    pub(crate) fn is_ended(&self, index: u32) -> bool {
        self.get(index).is_some_and(|generation| generation.ended.is_some())
    }

    pub(crate) fn scopes(&self) -> usize {
        self.scopes.len()
    }

    /// The generation of this scope and epoch, made if there is none.
    pub(crate) fn enter(&mut self, scope: &Scope) -> u32 {
        let state = self.scopes.entry((scope.device.clone(), scope.kind.clone())).or_default();
        state.highest = state.highest.max(scope.epoch);
        if let Some(index) = state.generations.get(&scope.epoch) {
            return *index;
        }
        let index = Self::create(&mut self.slab, &mut self.spare, scope.clone());
        state.generations.insert(scope.epoch, index);
        index
    }

    fn create(slab: &mut Vec<Generation>, spare: &mut Vec<u32>, scope: Scope) -> u32 {
        let generation = Generation { scope, list: List::EMPTY, ended: None };
        match spare.pop() {
            Some(index) => {
                slab[index as usize] = generation;
                index
            }
            None => {
                slab.push(generation);
                (slab.len() - 1) as u32 // no more generations than leases, whose slots are u32
            }
        }
    }

    /// Takes a slot out. A generation in force that is empty then, and its scope if nothing else is known of it, go.
    pub(crate) fn leave<T: Tagged>(&mut self, slots: &mut [T], index: u32, slot: u32) {
        let generation = &mut self.slab[index as usize];
        generation.list.remove(slots, slot);
        if generation.list.len() > 0 || generation.ended.is_some() {
            return;
        }
        let key = (generation.scope.device.clone(), generation.scope.kind.clone());
        let epoch = generation.scope.epoch;
        self.spare.push(index);
        if let Some(state) = self.scopes.get_mut(&key) {
            state.generations.remove(&epoch);
            if state.generations.is_empty() && state.cutoffs.is_empty() {
                self.scopes.remove(&key);
            }
        }
    }

    /// Enters slots at their places in the order of transactions: those of another server may be older than the last. What
    /// is newer than the first of them is moved once, however many there are.
    pub(crate) fn insert<T: Tagged>(&mut self, slots: &mut [T], news: Vec<(u32, Scope)>) {
        let mut by_generation: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (slot, scope) in news {
            by_generation.entry(self.enter(&scope)).or_default().push(slot);
        }
        for (index, mut new) in by_generation {
            new.sort_unstable_by_key(|slot| slots[*slot as usize].sequence());
            let first = slots[new[0] as usize].sequence(); // there is one
            let list = &mut self.slab[index as usize].list;
            while let Some(back) = list.back().filter(|back| slots[*back as usize].sequence() > first) {
                list.remove(slots, back);
                new.push(back);
            }
            new.sort_unstable_by_key(|slot| slots[*slot as usize].sequence());
            for slot in new {
                list.push_back(slots, slot);
                slots[slot as usize].enter(index);
            }
        }
    }

    /// Gives back the first ended generation, which must be empty.
    pub(crate) fn forget_first_ended(&mut self) {
        if let Some(index) = self.reclaim.pop_front() {
            self.spare.push(index);
        }
    }

    /// Records a cut-off: what to keep on disk for it, and which ones it makes superfluous. A second single logout up to
    /// the same epoch never weakens the first.
    pub(crate) fn cut(&mut self, scope: &Scope, cutoff: Cutoff) -> (Cutoff, Vec<Cutoff>) {
        let state = self.scopes.entry((scope.device.clone(), scope.kind.clone())).or_default();
        state.highest = state.highest.max(cutoff.epoch);
        let same = state.cutoffs.iter().find(|old| old.epoch == cutoff.epoch).copied().unwrap_or(cutoff);
        let (sequence, free_from) = (cutoff.sequence.max(same.sequence), cutoff.free_from.max(same.free_from));
        let cutoff = Cutoff { sequence, free_from, ..cutoff };
        let (gone, kept) = state.cutoffs.drain(..).partition(|old| cutoff.covers(*old));
        state.cutoffs = kept;
        state.cutoffs.push(cutoff);
        (cutoff, gone)
    }

    /// Whether a recorded single logout has ended the lease with this tag and transaction number, and from when on it is
    /// free.
    pub(crate) fn cut_until(&self, scope: &Scope, sequence: u64) -> Option<Instant> {
        let device = Scope { kind: ScopeKind::Device, ..scope.clone() };
        let cutoffs =
            [scope, &device].into_iter().filter_map(|scope| self.state(scope)).flat_map(|state| &state.cutoffs);
        let covers = |cutoff: &&Cutoff| scope.epoch <= cutoff.epoch && sequence <= cutoff.sequence;
        cutoffs.filter(covers).map(|cutoff| cutoff.free_from).max()
    }

    /// The last epoch that a single logout named.
    pub(crate) fn last_cut(&self, scope: &Scope) -> Option<Epoch> {
        self.state(scope)?.cutoffs.iter().map(|cutoff| cutoff.epoch).max()
    }

    fn state(&self, scope: &Scope) -> Option<&ScopeState> {
        self.scopes.get(&(scope.device.clone(), scope.kind.clone()))
    }

    /// The scopes a release of `scope` covers: itself, or all of the device.
    fn covered(&self, scope: &Scope) -> Vec<(DeviceId, ScopeKind)> {
        match scope.kind {
            ScopeKind::Device => self.scopes.keys().filter(|(device, _)| *device == scope.device).cloned().collect(),
            _ => vec![(scope.device.clone(), scope.kind.clone())],
        }
    }

    /// What [`Self::end`] would do now.
    pub(crate) fn probe<T: Tagged>(&self, slots: &[T], scope: &Scope, decided: Moment) -> Outcome {
        let mut outcome = Outcome::default();
        for state in self.covered(scope).iter().filter_map(|key| self.scopes.get(key)) {
            outcome.highest = outcome.highest.max(state.highest);
            for (epoch, index) in &state.generations {
                let list = &self.slab[*index as usize].list;
                let is_newer = |lease: &T| lease.last() > decided;
                let newer = if *epoch <= scope.epoch { at_tail(list, slots, is_newer) } else { list.len() };
                outcome.skipped += newer;
                outcome.released += list.len() - newer;
            }
        }
        outcome
    }

    /// Ends every generation of the scope up to its epoch, except leases with a transaction after `decided`: what that
    /// did, and the transaction number up to which leases were ended. Costs the number of generations and exceptions.
    pub(crate) fn end<T: Tagged>(
        &mut self,
        slots: &mut [T],
        scope: &Scope,
        decided: Moment,
        free_from: Instant,
    ) -> (Outcome, u64) {
        self.end_unless(slots, scope, |lease| lease.last() > decided, free_from)
    }

    /// Does what another server's single logout did: ends what its cut-off covers.
    pub(crate) fn end_up_to<T: Tagged>(
        &mut self,
        slots: &mut [T],
        scope: &Scope,
        sequence: u64,
        free_from: Instant,
    ) -> Outcome {
        self.end_unless(slots, scope, |lease| lease.sequence() > sequence, free_from).0
    }

    /// `is_newer` holds for none of a generation's leases before one for which it does not.
    fn end_unless<T: Tagged>(
        &mut self,
        slots: &mut [T],
        scope: &Scope,
        is_newer: impl Fn(&T) -> bool,
        free_from: Instant,
    ) -> (Outcome, u64) {
        let mut outcome = Outcome::default();
        let (mut last_ended, mut first_kept) = (0, u64::MAX);
        for key in self.covered(scope) {
            let Some(state) = self.scopes.get_mut(&key) else { continue };
            outcome.highest = outcome.highest.max(state.highest);
            for (epoch, index) in state.generations.clone() {
                let list = self.slab[index as usize].list;
                let newer = if epoch <= scope.epoch { at_tail(&list, slots, &is_newer) } else { list.len() };
                outcome.skipped += newer;
                if newer == list.len() {
                    continue;
                }
                state.generations.remove(&epoch);
                if newer > 0 {
                    let of = Scope { device: key.0.clone(), kind: key.1.clone(), epoch };
                    let survivors = Self::create(&mut self.slab, &mut self.spare, of);
                    state.generations.insert(epoch, survivors);
                    for _ in 0..newer {
                        let Some(slot) = self.slab[index as usize].list.back() else { break };
                        self.slab[index as usize].list.remove(slots, slot);
                        self.slab[survivors as usize].list.push_front(slots, slot);
                        slots[slot as usize].enter(survivors);
                        first_kept = first_kept.min(slots[slot as usize].sequence());
                    }
                }
                let generation = &mut self.slab[index as usize];
                generation.ended = Some(free_from);
                outcome.released += generation.list.len();
                last_ended = last_ended.max(generation.list.back().map_or(0, |slot| slots[slot as usize].sequence()));
                self.reclaim.push_back(index);
            }
        }
        (outcome, last_ended.min(first_kept.saturating_sub(1)))
    }
}

/// Leases at the tail for which `is_newer` holds.
fn at_tail<T: Tagged>(list: &List<GROUP>, slots: &[T], is_newer: impl Fn(&T) -> bool) -> u32 {
    list.backwards(slots).take_while(|slot| is_newer(&slots[*slot as usize])).count() as u32
}
