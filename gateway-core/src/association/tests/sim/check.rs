//! What must hold at all times, and what must hold in the end.

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::world::{Kind, World};
use crate::association::{Change, ChangeId, Outcome, PathState};
use crate::time::{Duration, Instant};

const HOLD_DOWN: Duration = Duration::from_secs(10);

/// What an end did, and when.
#[derive(Debug, Default)]
pub(super) struct History {
    reach: Turns,
    own: Turns,
    removed: BTreeMap<IpAddr, Instant>,
    under_way: Option<(ChangeId, Change)>,
}

/// Changes of a primary.
#[derive(Debug, Default)]
struct Turns {
    last: Option<Instant>,
    /// Not gone back to before, if there is anything else.
    left: BTreeMap<IpAddr, Instant>,
}

impl World {
    /// A change is about to be made.
    pub(super) fn check_change(&mut self, side: usize, id: ChangeId, change: Change) {
        let now = self.now;
        let view = self.sides[side].manager.view(now);
        let end = self.sides[side].end.as_ref().expect("changed without an association");
        match change {
            Change::Remove(gone) => {
                let other = view.locals.iter().any(|local| local.address != gone && local.confirmed && local.usable);
                assert!(other, "{gone} is the last confirmed address");
                assert!(end.locals.len() > 1, "{gone} is the last address");
            }
            Change::Move { from, .. } => {
                let works: Vec<_> = end.locals.iter().filter(|address| self.holds(side, **address)).collect();
                assert!(works.is_empty(), "{works:?} could send when {from} was moved");
            }
            Change::SetOwnPrimary(to) => {
                assert!(end.peers.get(&to).is_some_and(|path| path.confirmed), "{to} is not confirmed");
                let current = view.peers.iter().find(|peer| peer.primary);
                let up = |interface: u32| {
                    let mut cards = self.sides[side].cards.iter();
                    cards.any(|card| card.interface == interface && card.carrier && !card.addresses.is_empty())
                };
                let works = current
                    .is_some_and(|peer| matches!(peer.state, PathState::Active) && peer.interface.is_none_or(up));
                let usable = view.peers.iter().filter(|peer| peer.address != to && !peer.primary);
                let others: Vec<_> = usable
                    .filter(|peer| peer.state == PathState::Active && peer.interface.is_none_or(up))
                    .map(|peer| peer.address)
                    .collect();
                let (from, wished) = (current.map(|peer| peer.address), end.wish == Some(to));
                self.sides[side].history.own.turn(from, to, works && !wished, &others, wished, now);
            }
            Change::SetPrimary(to) => {
                let target = view.locals.iter().find(|local| local.address == to).expect("an address of this host");
                assert!(target.member && target.confirmed && target.usable, "{target:?}");
                let current = view.locals.iter().find(|local| local.primary);
                let usable = view.locals.iter().filter(|local| local.usable && local.address != to && !local.primary);
                let others: Vec<_> = usable.map(|local| local.address).collect();
                let (from, works) = (current.map(|local| local.address), current.is_some_and(|local| local.usable));
                self.sides[side].history.reach.turn(from, to, works, &others, false, now);
            }
            Change::Add(new) => {
                assert!(end.locals.len() < 16 && !end.locals.contains(&new), "{new} is one too many");
                let cut = !end.peers.values().any(|path| path.active && path.confirmed);
                let removed = self.sides[side].history.removed.get(&new);
                assert!(
                    cut || removed.is_none_or(|at| now.since(*at) >= HOLD_DOWN),
                    "{new} was removed {:?} ago",
                    removed.map(|at| now.since(*at))
                );
            }
        }
        if !matches!(change, Change::SetOwnPrimary(_)) {
            self.sides[side].history.under_way = Some((id, change));
        }
    }

    pub(super) fn check_result(&mut self, side: usize, id: ChangeId, outcome: Outcome) {
        let now = self.now;
        let history = &mut self.sides[side].history;
        match history.under_way.take_if(|(under_way, _)| *under_way == id).map(|(_, change)| change) {
            Some(Change::Remove(address) | Change::Move { from: address, .. }) if outcome == Outcome::Acknowledged => {
                history.removed.insert(address, now);
            }
            Some(Change::SetPrimary(address)) if outcome != Outcome::Acknowledged => {
                history.reach.left.insert(address, now + HOLD_DOWN * 6);
            }
            _ => {}
        }
    }

    /// After every step.
    pub(super) fn check_always(&self, side: usize) {
        let side = &self.sides[side];
        let Some(end) = &side.end else { return };
        assert!(!end.locals.is_empty() && !end.peers.is_empty(), "no address is left");
        assert!(end.peers.len() <= 16 && end.locals.len() <= 16);
        let view = side.manager.view(self.now);
        assert!(view.waiting.len() <= 64, "{:?}", view.waiting);
        assert_eq!(view.under_way, end.sent.as_ref().map(|sent| sent.change));
    }

    /// When nothing has happened for long enough.
    pub(super) fn check_end(&self) {
        if matches!(self.kind, Kind::Steady | Kind::Home) {
            assert_eq!(self.tag, 1, "the association is another one");
        }
        let ends = self.sides.each_ref().map(|side| side.end.as_ref().expect("an association"));
        assert_eq!(ends[0].tag, ends[1].tag);
        for side in 0..2 {
            let (end, other) = (ends[side], ends[1 - side]);
            let mut present = self.present(side);
            present.sort();
            assert!(end.locals.iter().eq(present.iter()), "{side} has {:?}, not {present:?}", end.locals);
            assert!(end.locals.iter().eq(other.peers.keys()), "{side} has {:?}, told {:?}", end.locals, other.peers);
            assert!(end.peers.values().all(|path| path.confirmed && path.active), "{:?}", end.peers);
            let view = self.sides[side].manager.view(self.now);
            assert_eq!((view.under_way, view.waiting.len()), (None, 0), "{view:?}");
            let reach = view.locals.iter().find(|local| local.primary).expect("a primary");
            assert_eq!(
                self.interface(side, reach.address),
                self.best(side),
                "{side} is reached at the wrong card: {view:?}"
            );
            // What a card says of its signal only its own side knows: whom it asked nothing measures alike paths.
            let asked = end.wish.is_some_and(|wish| end.peers.contains_key(&wish));
            let sends = self.interface(1 - side, end.primary);
            let right = sends == self.best(1 - side) || self.kind.is_routed() && !asked;
            assert!(right, "{side} sends to card {sends}: {view:?}");
        }
    }

    fn best(&self, side: usize) -> u32 {
        let cards = &self.sides[side].cards;
        let first = if self.kind.is_routed() { side * cards.len() } else { 0 };
        let key = |card: &usize| (self.links[first + card].signal, self.links[first + card].millis);
        cards[(0..cards.len()).min_by_key(key).expect("a card")].interface
    }
}

impl Turns {
    /// A turn from a primary that works waits for the hold-down; one from a primary that is lost does not go to what was
    /// left just now while there is anything else.
    fn turn(&mut self, from: Option<IpAddr>, to: IpAddr, works: bool, others: &[IpAddr], wished: bool, now: Instant) {
        let recent = |address: &IpAddr| self.left.get(address).is_some_and(|until| *until > now);
        if works {
            let held = self.last.is_some_and(|last| now.since(last) < HOLD_DOWN);
            assert!(!held, "{from:?} works, and {to} follows soon after the turn at {:?}", self.last);
        } else if !wished && recent(&to) {
            let better: Vec<_> = others.iter().filter(|other| !recent(other)).collect();
            assert!(better.is_empty(), "back to {to} while there are {better:?}");
        }
        self.last = Some(now);
        self.left.extend(from.map(|from| (from, now + HOLD_DOWN)));
    }
}
