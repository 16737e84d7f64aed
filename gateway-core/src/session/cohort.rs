//! Cohorts and their generations: who ends together.
//!
//! A *cohort* is what one single logout can name: the logins of one FPC, at one server, with one scope. A
//! *generation* is the part of a cohort that logged in during one epoch of the FPC. Sessions hang in their
//! generation's list, so counting a generation and ending it are constant work however many sessions it has; the
//! sessions themselves are reclaimed later, in batches.

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use super::slab::Slab;
use super::table::Session;
use super::wheel::NIL;
use super::words::CohortId;
use crate::line::{FpcId, PortId};
use crate::scope::{Epoch, ScopeKind};

/// What one single logout can name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cohort {
    /// The line card.
    pub fpc: FpcId,
    /// The server, by the address it is configured with; 0.0.0.0 for static subscribers.
    pub server: Ipv4Addr,
    /// The scope the server stored; `None` for logins that can only be released individually (H-BR-3).
    pub scope: Option<ScopeKind>,
    /// Logins of epochs up to this one have ended.
    pub ended: Option<Epoch>,
}

#[derive(Debug)]
struct Node {
    cohort: Cohort,
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
pub(super) struct Link {
    generation: u32,
    previous: u32,
    next: u32,
    pub(super) sequence: u64,
}

impl Link {
    pub(super) const NONE: Self = Self { generation: NIL, previous: NIL, next: NIL, sequence: 0 };
}

/// Where a walk through a cohort has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) epoch: Epoch,
    pub(super) slot: u32,
    pub(super) sequence: u64,
}

/// What ended with a generation.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Ended {
    pub(super) sessions: u64,
    pub(super) orphaned: u64,
    pub(super) ports: Vec<(PortId, u32)>,
}

/// All cohorts and generations.
#[derive(Debug, Default)]
pub(super) struct Cohorts {
    nodes: Vec<Option<Node>>,
    by_fpc: Vec<Vec<CohortId>>,
    generations: Vec<Generation>,
    /// Numbers of generations that are free for reuse.
    vacant: Vec<u32>,
    /// Ended generations whose sessions wait to be reclaimed.
    ended: VecDeque<u32>,
    sequence: u64,
}

impl Cohorts {
    pub(super) fn get(&self, id: CohortId) -> Option<&Cohort> {
        Some(&self.nodes.get(usize::from(id.0))?.as_ref()?.cohort)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (CohortId, &Cohort)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(id, node)| Some((CohortId(id as u16), &node.as_ref()?.cohort)))
    }

    /// The cohorts of an FPC.
    pub(super) fn of_fpc(&self, fpc: FpcId) -> impl Iterator<Item = CohortId> {
        self.by_fpc.get(usize::from(fpc.0)).into_iter().flatten().copied()
    }

    pub(super) fn find(&self, fpc: FpcId, server: Ipv4Addr, scope: Option<&ScopeKind>) -> Option<CohortId> {
        self.of_fpc(fpc)
            .find(|id| self.get(*id).is_some_and(|cohort| cohort.server == server && cohort.scope.as_ref() == scope))
    }

    /// Takes the lowest free number. `None` when the data plane's array is full.
    pub(super) fn create(&mut self, cohort: Cohort) -> Option<CohortId> {
        let free = self.nodes.iter().position(Option::is_none).unwrap_or(self.nodes.len());
        let id = CohortId(u16::try_from(free).ok()?);
        self.create_as(id, cohort).then_some(id)
    }

    /// Takes the number it had before. False when that number is taken or out of range.
    pub(super) fn create_as(&mut self, id: CohortId, cohort: Cohort) -> bool {
        let index = usize::from(id.0);
        if index >= gateway_common::fpc::MAX_COHORTS as usize || self.get(id).is_some() {
            return false;
        }
        if self.nodes.len() <= index {
            self.nodes.resize_with(index + 1, || None);
        }
        let fpc = usize::from(cohort.fpc.0);
        if self.by_fpc.len() <= fpc {
            self.by_fpc.resize_with(fpc + 1, Vec::new);
        }
        self.by_fpc[fpc].push(id);
        self.nodes[index] = Some(Node { cohort, generations: Vec::new() });
        true
    }

    /// Drops a cohort that has no generation, not even an ended one.
    pub(super) fn discard(&mut self, id: CohortId) -> bool {
        let idle = self
            .nodes
            .get(usize::from(id.0))
            .is_some_and(|node| node.as_ref().is_some_and(|node| node.generations.is_empty()))
            && !self.ended.iter().any(|generation| self.generations[*generation as usize].cohort == id);
        if idle && let Some(node) = self.nodes[usize::from(id.0)].take() {
            self.by_fpc[usize::from(node.cohort.fpc.0)].retain(|other| *other != id);
        }
        idle
    }

    /// Whether the session's generation has ended: it is gone, only not yet reclaimed.
    pub(super) fn has_ended(&self, session: &Session) -> bool {
        self.generations[session.link.generation as usize].ended
    }

    /// Hangs a session into the generation that its cohort and epoch name. Into an ended one, if that epoch has
    /// ended: it will be reclaimed.
    pub(super) fn link(&mut self, slab: &mut Slab<Session>, slot: u32) {
        let (cohort, epoch, port) = (slab[slot].cohort, slab[slot].epoch, slab[slot].line.port);
        let number = self.generation(cohort, epoch);
        self.sequence += 1;
        let generation = &mut self.generations[number as usize];
        let previous = core::mem::replace(&mut generation.tail, slot);
        match previous {
            NIL => generation.head = slot,
            _ => slab[previous].link.next = slot,
        }
        generation.count += 1;
        generation.orphaned += u32::from(slab[slot].orphaned);
        match generation.ports.iter_mut().find(|(other, _)| *other == port) {
            Some((_, count)) => *count += 1,
            None => generation.ports.push((port, 1)),
        }
        slab[slot].link = Link { generation: number, previous, next: NIL, sequence: self.sequence };
    }

    /// Takes a session out of its generation's list.
    pub(super) fn unlink(&mut self, slab: &mut Slab<Session>, slot: u32) {
        let Link { generation: number, previous, next, .. } = core::mem::replace(&mut slab[slot].link, Link::NONE);
        let generation = &mut self.generations[number as usize];
        match previous {
            NIL => generation.head = next,
            _ => slab[previous].link.next = next,
        }
        match next {
            NIL => generation.tail = previous,
            _ => slab[next].link.previous = previous,
        }
        generation.count -= 1;
        generation.orphaned -= u32::from(slab[slot].orphaned);
        let port = slab[slot].line.port;
        if let Some((_, count)) = generation.ports.iter_mut().find(|(other, _)| *other == port) {
            *count -= 1;
        }
        if generation.count == 0 && !generation.ended {
            let cohort = generation.cohort;
            if let Some(node) = &mut self.nodes[usize::from(cohort.0)] {
                node.generations.retain(|(_, other)| *other != number);
            }
            self.vacant.push(number);
        }
    }

    /// Counts a session of a live generation as orphaned, or no longer.
    pub(super) fn mark(&mut self, session: &mut Session, orphaned: bool) {
        let generation = &mut self.generations[session.link.generation as usize];
        generation.orphaned = generation.orphaned + u32::from(orphaned) - u32::from(session.orphaned);
        session.orphaned = orphaned;
    }

    fn generation(&mut self, cohort: CohortId, epoch: Epoch) -> u32 {
        let node = self.nodes[usize::from(cohort.0)].as_mut().expect("a session's cohort exists");
        if let Some((_, number)) = node.generations.iter().find(|(other, _)| *other == epoch) {
            return *number;
        }
        let ended = node.cohort.ended.is_some_and(|ended| epoch <= ended);
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
    pub(super) fn end(&mut self, id: CohortId, cutoff: Epoch) -> Ended {
        let mut ended = Ended::default();
        let Some(Some(node)) = self.nodes.get_mut(usize::from(id.0)) else { return ended };
        node.cohort.ended = node.cohort.ended.max(Some(cutoff));
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
    pub(super) fn reclaimable(&mut self) -> Option<u32> {
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
    pub(super) fn has_reclaimable(&self) -> bool {
        !self.ended.is_empty()
    }

    /// The latest epoch in which a cohort has live sessions.
    pub(super) fn latest(&self, id: CohortId) -> Option<Epoch> {
        self.covered(id, Epoch(u32::MAX)).last().map(|(epoch, _)| epoch)
    }

    /// Live sessions of a cohort up to an epoch, and the orphaned ones among them. Constant work.
    pub(super) fn count(&self, id: CohortId, cutoff: Epoch) -> (u64, u64) {
        self.covered(id, cutoff).fold((0, 0), |(sessions, orphaned), (_, number)| {
            let generation = &self.generations[number as usize];
            (sessions + u64::from(generation.count), orphaned + u64::from(generation.orphaned))
        })
    }

    /// The live sessions of a cohort up to `cutoff`, by epoch and sequence number, from behind the session that had
    /// this place. Sessions may come and go between two calls: whoever stays is visited exactly once.
    pub(super) fn after<'a>(
        &'a self,
        slab: &'a Slab<Session>,
        id: CohortId,
        cutoff: Epoch,
        after: Option<Place>,
    ) -> impl Iterator<Item = (u32, &'a Session)> {
        let existing = |slot: u32| (slot != NIL).then_some(slot);
        let covered = self.covered(id, cutoff);
        let covered = covered.skip_while(move |(epoch, _)| after.is_some_and(|place| *epoch < place.epoch));
        let starts = covered.map(move |(epoch, number)| {
            let head = self.generations[number as usize].head;
            let Some(place) = after.filter(|place| place.epoch == epoch) else { return (head, 0) };
            // Normally the session is still there, and the walk goes on behind it; if not, it starts over and skips.
            let link = slab.get(place.slot).map(|session| session.link);
            match link.filter(|link| link.sequence == place.sequence && link.generation == number) {
                Some(link) => (link.next, 0),
                None => (head, place.sequence),
            }
        });
        starts.flat_map(move |(head, threshold)| {
            let slots = core::iter::successors(existing(head), move |slot| existing(slab[*slot].link.next));
            let sessions = slots.map(|slot| (slot, &slab[slot]));
            sessions.skip_while(move |(_, session)| session.link.sequence <= threshold)
        })
    }

    /// A cohort's live generations up to `cutoff`, by epoch.
    fn covered(&self, id: CohortId, cutoff: Epoch) -> impl Iterator<Item = (Epoch, u32)> {
        let generations = self.nodes.get(usize::from(id.0)).and_then(Option::as_ref).into_iter();
        let generations = generations.flat_map(|node| &node.generations);
        generations.take_while(move |(epoch, _)| *epoch <= cutoff).copied()
    }
}
