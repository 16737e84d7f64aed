//! Cohorts and their generations: who ends together.
//!
//! A *cohort* is what one single logout can name: the logins of one FPC, at one server, with one scope. A
//! *generation* is the part of a cohort that logged in during one epoch of the FPC. Sessions hang in their
//! generation's list, so counting a generation and ending it are constant work however many sessions it has; the
//! sessions themselves are reclaimed later, in batches.

use core::ops::Range;
use std::collections::VecDeque;

use super::slab::Slab;
use super::wheel::NIL;
use super::words::CohortId;
use crate::line::{FpcId, PortId};
use crate::scope::Epoch;

/// What a cohort is, beyond who is in it.
pub(crate) trait Named {
    fn fpc(&self) -> FpcId;
    /// Epochs up to this one have ended.
    fn ended(&mut self) -> &mut Option<Epoch>;
}

/// What hangs in a cohort.
pub(crate) trait Grouped {
    fn link(&self) -> &Link;
    fn link_mut(&mut self) -> &mut Link;
    fn cohort(&self) -> CohortId;
    fn epoch(&self) -> Epoch;
    fn port(&self) -> PortId;
    fn orphaned(&self) -> bool;
    fn set_orphaned(&mut self, orphaned: bool);
}

#[derive(Debug)]
struct Node<C> {
    cohort: C,
    /// Live generations, by epoch.
    generations: Vec<(Epoch, u32)>,
}

#[derive(Debug)]
struct Generation {
    cohort: CohortId,
    head: u32,
    tail: u32,
    count: u32,
    orphaned: u32,
    /// Sessions on each port, so that ending the generation frees its ports' places at once.
    ports: Vec<(PortId, u32)>,
    ended: bool,
}

/// A session's place in its generation's list. Lists are in the order of `sequence`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    generation: u32,
    previous: u32,
    next: u32,
    pub(crate) sequence: u64,
}

impl Link {
    pub(crate) const NONE: Self = Self { generation: NIL, previous: NIL, next: NIL, sequence: 0 };
}

/// Where a walk through a cohort has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) epoch: Epoch,
    pub(crate) slot: u32,
    pub(crate) sequence: u64,
}

/// What ended with a generation.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Ended {
    pub(crate) sessions: u64,
    pub(crate) orphaned: u64,
    pub(crate) ports: Vec<(PortId, u32)>,
}

/// All cohorts and generations.
#[derive(Debug)]
pub(crate) struct Cohorts<C> {
    /// The cells of the data plane's array that are theirs.
    numbers: Range<u16>,
    /// By number, from the first one that is theirs.
    nodes: Vec<Option<Node<C>>>,
    by_fpc: Vec<Vec<CohortId>>,
    generations: Vec<Generation>,
    /// Numbers of generations that are free for reuse.
    vacant: Vec<u32>,
    /// Ended generations whose sessions wait to be reclaimed.
    ended: VecDeque<u32>,
    sequence: u64,
}

impl<C: Named> Cohorts<C> {
    /// None yet; they will have these numbers.
    pub(crate) fn new(numbers: Range<u16>) -> Self {
        Self {
            numbers,
            nodes: Vec::new(),
            by_fpc: Vec::new(),
            generations: Vec::new(),
            vacant: Vec::new(),
            ended: VecDeque::new(),
            sequence: 0,
        }
    }

    fn place(&self, id: CohortId) -> Option<usize> {
        self.numbers.contains(&id.0).then(|| usize::from(id.0 - self.numbers.start))
    }

    fn node(&self, id: CohortId) -> Option<&Node<C>> {
        self.nodes.get(self.place(id)?)?.as_ref()
    }

    fn node_mut(&mut self, id: CohortId) -> Option<&mut Node<C>> {
        let place = self.place(id)?;
        self.nodes.get_mut(place)?.as_mut()
    }

    pub(crate) fn get(&self, id: CohortId) -> Option<&C> {
        Some(&self.node(id)?.cohort)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (CohortId, &C)> {
        let nodes = self.numbers.clone().zip(&self.nodes);
        nodes.filter_map(|(id, node)| Some((CohortId(id), &node.as_ref()?.cohort)))
    }

    /// The cohorts of an FPC.
    pub(crate) fn of_fpc(&self, fpc: FpcId) -> impl Iterator<Item = CohortId> {
        self.by_fpc.get(usize::from(fpc.0)).into_iter().flatten().copied()
    }

    pub(crate) fn find(&self, fpc: FpcId, mut wanted: impl FnMut(&C) -> bool) -> Option<CohortId> {
        self.of_fpc(fpc).find(|id| self.get(*id).is_some_and(&mut wanted))
    }

    /// Takes the lowest free number. `None` when the data plane's array is full.
    pub(crate) fn create(&mut self, cohort: C) -> Option<CohortId> {
        let free = self.nodes.iter().position(Option::is_none).unwrap_or(self.nodes.len());
        let id = CohortId(self.numbers.start.checked_add(u16::try_from(free).ok()?)?);
        self.create_as(id, cohort).then_some(id)
    }

    /// Takes the number it had before. False when that number is taken or out of range.
    pub(crate) fn create_as(&mut self, id: CohortId, cohort: C) -> bool {
        let Some(index) = self.place(id).filter(|_| self.get(id).is_none()) else { return false };
        if self.nodes.len() <= index {
            self.nodes.resize_with(index + 1, || None);
        }
        let fpc = usize::from(cohort.fpc().0);
        if self.by_fpc.len() <= fpc {
            self.by_fpc.resize_with(fpc + 1, Vec::new);
        }
        self.by_fpc[fpc].push(id);
        self.nodes[index] = Some(Node { cohort, generations: Vec::new() });
        true
    }

    /// Drops a cohort that has no generation, not even an ended one.
    pub(crate) fn discard(&mut self, id: CohortId) -> bool {
        let idle = self.node(id).is_some_and(|node| node.generations.is_empty())
            && !self.ended.iter().any(|generation| self.generations[*generation as usize].cohort == id);
        if idle
            && let Some(place) = self.place(id)
            && let Some(node) = self.nodes[place].take()
        {
            self.by_fpc[usize::from(node.cohort.fpc().0)].retain(|other| *other != id);
        }
        idle
    }

    /// Whether the session's generation has ended: it is gone, only not yet reclaimed.
    pub(crate) fn has_ended(&self, session: &impl Grouped) -> bool {
        self.generations[session.link().generation as usize].ended
    }

    /// Hangs a session into the generation that its cohort and epoch name. Into an ended one, if that epoch has
    /// ended: it will be reclaimed.
    pub(crate) fn link<T: Grouped>(&mut self, slab: &mut Slab<T>, slot: u32) {
        let (cohort, epoch, port) = (slab[slot].cohort(), slab[slot].epoch(), slab[slot].port());
        let number = self.generation(cohort, epoch);
        self.sequence += 1;
        let generation = &mut self.generations[number as usize];
        let previous = core::mem::replace(&mut generation.tail, slot);
        match previous {
            NIL => generation.head = slot,
            _ => slab[previous].link_mut().next = slot,
        }
        generation.count += 1;
        generation.orphaned += u32::from(slab[slot].orphaned());
        match generation.ports.iter_mut().find(|(other, _)| *other == port) {
            Some((_, count)) => *count += 1,
            None => generation.ports.push((port, 1)),
        }
        *slab[slot].link_mut() = Link { generation: number, previous, next: NIL, sequence: self.sequence };
    }

    /// Takes a session out of its generation's list.
    pub(crate) fn unlink<T: Grouped>(&mut self, slab: &mut Slab<T>, slot: u32) {
        let Link { generation: number, previous, next, .. } = core::mem::replace(slab[slot].link_mut(), Link::NONE);
        let generation = &mut self.generations[number as usize];
        match previous {
            NIL => generation.head = next,
            _ => slab[previous].link_mut().next = next,
        }
        match next {
            NIL => generation.tail = previous,
            _ => slab[next].link_mut().previous = previous,
        }
        generation.count -= 1;
        generation.orphaned -= u32::from(slab[slot].orphaned());
        let port = slab[slot].port();
        if let Some((_, count)) = generation.ports.iter_mut().find(|(other, _)| *other == port) {
            *count -= 1;
        }
        if generation.count == 0 && !generation.ended {
            let cohort = generation.cohort;
            if let Some(node) = self.node_mut(cohort) {
                node.generations.retain(|(_, other)| *other != number);
            }
            self.vacant.push(number);
        }
    }

    /// Counts a session of a live generation as orphaned, or no longer.
    pub(crate) fn mark(&mut self, session: &mut impl Grouped, orphaned: bool) {
        let generation = &mut self.generations[session.link().generation as usize];
        generation.orphaned = generation.orphaned + u32::from(orphaned) - u32::from(session.orphaned());
        session.set_orphaned(orphaned);
    }

    fn generation(&mut self, cohort: CohortId, epoch: Epoch) -> u32 {
        let place = self.place(cohort).expect("a session's cohort is in range");
        let node = self.nodes[place].as_mut().expect("a session's cohort exists");
        if let Some((_, number)) = node.generations.iter().find(|(other, _)| *other == epoch) {
            return *number;
        }
        let ended = node.cohort.ended().is_some_and(|ended| epoch <= ended);
        let generation = Generation { cohort, head: NIL, tail: NIL, count: 0, orphaned: 0, ports: Vec::new(), ended };
        let number = match self.vacant.pop() {
            Some(number) => {
                self.generations[number as usize] = generation;
                number
            }
            None => {
                self.generations.push(generation);
                self.generations.len() as u32 - 1
            }
        };
        if ended {
            self.ended.push_back(number);
        } else {
            let place = node.generations.partition_point(|(other, _)| *other < epoch);
            node.generations.insert(place, (epoch, number));
        }
        number
    }

    /// Ends all generations up to `cutoff`. Constant work in the number of sessions.
    pub(crate) fn end(&mut self, id: CohortId, cutoff: Epoch) -> Ended {
        let mut ended = Ended::default();
        let Some(place) = self.place(id) else { return ended };
        let Some(Some(node)) = self.nodes.get_mut(place) else { return ended };
        let before = node.cohort.ended();
        *before = (*before).max(Some(cutoff));
        let covered = node.generations.partition_point(|(epoch, _)| *epoch <= cutoff);
        for (_, number) in node.generations.drain(..covered) {
            let generation = &mut self.generations[number as usize];
            generation.ended = true;
            ended.sessions += u64::from(generation.count);
            ended.orphaned += u64::from(generation.orphaned);
            ended.ports.append(&mut generation.ports);
            self.ended.push_back(number);
        }
        ended
    }

    /// A session that waits to be reclaimed.
    pub(crate) fn reclaimable(&mut self) -> Option<u32> {
        while let Some(number) = self.ended.front() {
            let generation = &self.generations[*number as usize];
            if generation.count > 0 {
                return Some(generation.head);
            }
            self.vacant.extend(self.ended.pop_front());
        }
        None
    }

    /// Whether [`Cohorts::reclaimable`] may find one.
    pub(crate) fn has_reclaimable(&self) -> bool {
        !self.ended.is_empty()
    }

    /// The latest epoch in which a cohort has live sessions.
    pub(crate) fn latest(&self, id: CohortId) -> Option<Epoch> {
        self.covered(id, Epoch(u32::MAX)).last().map(|(epoch, _)| epoch)
    }

    /// Live sessions of a cohort up to an epoch, and the orphaned ones among them. Constant work.
    pub(crate) fn count(&self, id: CohortId, cutoff: Epoch) -> (u64, u64) {
        self.covered(id, cutoff).fold((0, 0), |(sessions, orphaned), (_, number)| {
            let generation = &self.generations[number as usize];
            (sessions + u64::from(generation.count), orphaned + u64::from(generation.orphaned))
        })
    }

    /// The live sessions of a cohort up to `cutoff`, by epoch and sequence number, from behind the session that had
    /// this place. Sessions may come and go between two calls: whoever stays is visited exactly once.
    pub(crate) fn after<'a, T: Grouped>(
        &'a self,
        slab: &'a Slab<T>,
        id: CohortId,
        cutoff: Epoch,
        after: Option<Place>,
    ) -> impl Iterator<Item = (u32, &'a T)> {
        let existing = |slot: u32| (slot != NIL).then_some(slot);
        let covered = self.covered(id, cutoff);
        let covered = covered.skip_while(move |(epoch, _)| after.is_some_and(|place| *epoch < place.epoch));
        let starts = covered.map(move |(epoch, number)| {
            let head = self.generations[number as usize].head;
            let Some(place) = after.filter(|place| place.epoch == epoch) else { return (head, 0) };
            // Normally the session is still there, and the walk goes on behind it; if not, it starts over and skips.
            let link = slab.get(place.slot).map(|session| *session.link());
            match link.filter(|link| link.sequence == place.sequence && link.generation == number) {
                Some(link) => (link.next, 0),
                None => (head, place.sequence),
            }
        });
        starts.flat_map(move |(head, threshold)| {
            let slots = core::iter::successors(existing(head), move |slot| existing(slab[*slot].link().next));
            let sessions = slots.map(|slot| (slot, &slab[slot]));
            sessions.skip_while(move |(_, session)| session.link().sequence <= threshold)
        })
    }

    /// A cohort's live generations up to `cutoff`, by epoch.
    fn covered(&self, id: CohortId, cutoff: Epoch) -> impl Iterator<Item = (Epoch, u32)> {
        let generations = self.node(id).into_iter();
        let generations = generations.flat_map(|node| &node.generations);
        generations.take_while(move |(epoch, _)| *epoch <= cutoff).copied()
    }
}
