//! What must hold at all times, and what must hold in the end.

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::world::{Kind, World};
use crate::association::choice::{Candidate, beats};
use crate::association::{AssociationView, Change, Hysteresis, LastChange, Outcome, PathState, PeerView};
use crate::time::{Duration, Instant};

const HOLD_DOWN: Duration = Duration::from_secs(10);
const T_UP: Duration = Duration::from_secs(3);

/// What an end did, and when.
#[derive(Debug, Default)]
pub(super) struct History {
    reach: Turns,
    own: Turns,
    removed: BTreeMap<IpAddr, Instant>,
    last: Option<LastChange>,
    /// Since when the association has these, or was to have them.
    joined: BTreeMap<IpAddr, Instant>,
    /// When something of the peer last arrived here.
    pub(super) reached: BTreeMap<IpAddr, Instant>,
    /// When something that left by this card was last answered.
    pub(super) answered: BTreeMap<u32, Instant>,
}

/// Changes of a primary.
#[derive(Debug, Default)]
struct Turns {
    last: Option<Instant>,
    /// Not gone back to before, if there is anything else.
    left: BTreeMap<IpAddr, Instant>,
    /// Since when these are better.
    better: BTreeMap<IpAddr, Instant>,
}

impl History {
    /// Of a new association; `last` was of the former.
    pub(super) fn new(last: Option<LastChange>) -> Self {
        Self { last, ..Self::default() }
    }
}

impl World {
    /// A change is about to be made.
    pub(super) fn check_change(&mut self, side: usize, change: Change) {
        let now = self.now;
        let view = self.sides[side].manager.view(now);
        let end = self.sides[side].end.as_ref().expect("changed without an association");
        match change {
            Change::Remove(gone) => {
                let other = view.locals.iter().any(|local| local.address != gone && local.confirmed && local.usable);
                assert!(other, "{gone} is the last confirmed address");
                assert!(end.locals.len() > 1 || !self.answers, "{gone} is the last address");
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
                let active = |peer: &&PeerView| {
                    peer.state == PathState::Active && peer.refusal.is_none() && peer.interface.is_none_or(up)
                };
                let works = current.as_ref().is_some_and(active);
                let usable = view.peers.iter().filter(|peer| peer.address != to && !peer.primary);
                let others: Vec<_> = usable.filter(active).map(|peer| peer.address).collect();
                let (from, wished) = (current.map(|peer| peer.address), end.wish == Some(to));
                let candidates = self.sides[side].manager.own_candidates();
                self.sides[side].history.own.check_better(&candidates, from, to, now);
                self.sides[side].history.own.turn(from, to, works && !wished, &others, wished, now);
            }
            Change::SetPrimary(to) => {
                let target = view.locals.iter().find(|local| local.address == to).expect("an address of this host");
                assert!(target.member && target.confirmed && target.usable, "{target:?}");
                let over = |peer: &IpAddr| self.route(side, *peer).map(|card| self.sides[side].cards[card].interface);
                let toward = end.peers.keys().any(|peer| over(peer) == Some(target.interface));
                assert!(self.answers || toward, "asked for {to}, which nothing of the peer is toward");
                let current = view.locals.iter().find(|local| local.primary);
                let usable = view.locals.iter().filter(|local| local.usable && local.address != to && !local.primary);
                let others: Vec<_> = usable.map(|local| local.address).collect();
                let (from, works) = (current.map(|local| local.address), current.is_some_and(|local| local.usable));
                let candidates = self.sides[side].manager.reach_candidates(now);
                let reach = &mut self.sides[side].history.reach;
                assert_ne!(from, Some(to), "asked for again");
                reach.check_better(&candidates, from, to, now);
                reach.turn(from, to, works, &others, false, now);
            }
            Change::Add(new) => {
                assert!(end.locals.len() < 16 && !end.listed().contains(&new), "{new} is one too many");
                let cut = !end.peers.values().any(|path| path.active && path.confirmed);
                let removed = self.sides[side].history.removed.get(&new);
                assert!(
                    cut || removed.is_none_or(|at| now.since(*at) >= HOLD_DOWN),
                    "{new} was removed {:?} ago",
                    removed.map(|at| now.since(*at))
                );
            }
        }
        if let Change::Add(address) | Change::Move { to: address, .. } = change {
            self.sides[side].history.joined.insert(address, now);
        }
    }

    /// What became of the last change.
    pub(super) fn learn(&mut self, side: usize) {
        let now = self.now;
        let last = self.sides[side].manager.last;
        let history = &mut self.sides[side].history;
        if history.last == last {
            return;
        }
        history.last = last;
        let Some(LastChange { change, outcome, .. }) = last else { return };
        let done = matches!(outcome, Outcome::Acknowledged | Outcome::Assumed);
        match change {
            Change::Remove(address) | Change::Move { from: address, .. } if done => {
                history.removed.insert(address, now);
            }
            Change::SetPrimary(_) if done => history.reach.better.clear(),
            Change::SetPrimary(address) => {
                // It was refused.
                history.reach.left.insert(address, now + HOLD_DOWN * 6);
            }
            Change::SetOwnPrimary(_) if done => history.own.better.clear(),
            _ => {}
        }
    }

    /// Who is better, since when, and what is confirmed and why.
    pub(super) fn watch(&mut self, side: usize, view: &AssociationView) {
        let now = self.now;
        let side = &mut self.sides[side];
        if side.end.is_none() {
            return;
        }
        let primary = |address: &IpAddr| view.locals.iter().any(|local| local.primary && local.address == *address);
        side.history.reach.watch(&side.manager.reach_candidates(now), primary, now);
        let primary = |address: &IpAddr| view.peers.iter().any(|peer| peer.primary && peer.address == *address);
        side.history.own.watch(&side.manager.own_candidates(), primary, now);
        for local in view.locals.iter().filter(|local| local.member) {
            let began = *side.history.joined.entry(local.address).or_insert(now);
            let later = |at: Option<&Instant>| at.is_some_and(|at| *at >= began);
            let reached = later(side.history.reached.get(&local.address));
            let answered = later(side.history.answered.get(&local.interface));
            // Those of the set-up were reached by it.
            assert!(!local.confirmed || reached || answered || self.set_up == began, "{local:?} without evidence");
        }
        side.history.joined.retain(|address, _| view.locals.iter().any(|local| local.address == *address));
    }

    /// After every step.
    pub(super) fn check_always(&self, side: usize, view: &AssociationView) {
        let side = &self.sides[side];
        let Some(end) = &side.end else { return };
        assert!(!end.locals.is_empty() && !end.peers.is_empty(), "no address is left");
        assert!(end.peers.len() <= 16 && end.locals.len() <= 16);
        assert!(view.waiting.len() <= 64, "{:?}", view.waiting);
        if self.answers {
            assert_eq!(view.under_way, end.sent.as_ref().map(|sent| sent.change));
        }
        for peer in view.peers.iter().filter(|peer| peer.refusal.is_some()) {
            let ours = side.cards.iter().any(|card| card.addresses.contains(&peer.address));
            assert!(ours, "{} is the peer's and nobody else's, and {:?}", peer.address, peer.refusal);
        }
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
            // What a card says of its signal only its own side knows. Whom it asked nothing measures alike paths; and it is not
            // asked for what it seems to do anyway.
            let asked = end.wish.is_some_and(|wish| end.peers.contains_key(&wish));
            let sends = self.interface(1 - side, end.primary);
            let right = sends == self.best(1 - side) || self.kind == Kind::Roaming && !asked;
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
    /// Since when candidates are better than the primary, if it works.
    fn watch(&mut self, candidates: &[Candidate], primary: impl Fn(&IpAddr) -> bool, now: Instant) {
        let Some(current) = candidates.iter().find(|one| primary(&one.address)).filter(|one| one.usable) else {
            return self.better.clear();
        };
        let better =
            |one: &&Candidate| one.usable && !primary(&one.address) && beats(one, current, &Hysteresis::default());
        let better: Vec<_> = candidates.iter().filter(better).map(|one| one.address).collect();
        self.better.retain(|address, _| better.contains(address));
        for address in better {
            self.better.entry(address).or_insert(now);
        }
    }

    /// What works is left for what has been better for three seconds, all the time; but for who has no wish to be where it is.
    fn check_better(&self, candidates: &[Candidate], from: Option<IpAddr>, to: IpAddr, now: Instant) {
        let find = |address: IpAddr| candidates.iter().find(|one| one.address == address);
        let current = from.and_then(find).filter(|one| one.usable && !one.home && one.wished.is_none());
        if current.is_some() && find(to).is_some_and(|one| one.wished.is_none()) {
            let since = self.better.get(&to);
            assert!(
                since.is_some_and(|since| now.since(*since) >= T_UP),
                "{to} is better than {from:?} since {since:?}"
            );
        }
    }

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
