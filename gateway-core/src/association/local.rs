//! The addresses of this host.

use core::net::IpAddr;

use super::event::Event;
use super::policy::Refusal;
use super::{AddressManager, Quality};
use crate::time::{Duration, Instant};

/// What netlink says of an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Presence {
    /// The host has it and its card works.
    Up,
    /// The host has it and its card has no carrier.
    Down,
    /// The host does not have it any more.
    Gone,
}

/// What is known of an address of this host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local {
    pub(super) interface: u32,
    pub(super) presence: Presence,
    /// The association has it.
    pub(super) member: bool,
    /// And there is evidence that the peer reaches it.
    pub(super) confirmed: bool,
    /// That is a path over its card: it lasts as long as there is one.
    pub(super) measured: bool,
    /// When it came.
    pub(super) since: Instant,
    /// Not added again before.
    pub(super) held: Instant,
    /// The peer is not asked about it before: the last answer was none, or no.
    pub(super) asked: Instant,
    /// How long it is held when it fades the next time.
    pub(super) penalty: Duration,
    /// Since when it fades.
    pub(super) fading: Option<Instant>,
    /// When the association had it.
    pub(super) joined: Instant,
    /// That it stays out was told, and why.
    pub(super) refused: Option<Refusal>,
    /// The peer will never take it.
    pub(super) barred: bool,
    /// That the peer lacks what is needed to add it was told.
    pub(super) told: bool,
}

impl Local {
    pub(super) fn new(interface: u32, presence: Presence, now: Instant) -> Self {
        Self {
            interface,
            presence,
            member: false,
            confirmed: false,
            measured: false,
            since: now,
            held: Instant::ZERO,
            asked: Instant::ZERO,
            penalty: Duration::ZERO,
            fading: None,
            joined: now,
            refused: None,
            barred: false,
            told: false,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.presence == Presence::Up
    }
}

impl AddressManager {
    /// How good a card is: its best path, or what it says itself. `None`: nothing is known.
    pub(super) fn quality(&self, interface: u32) -> Option<Quality> {
        let paths = self.peers.values().filter(|peer| peer.interface == Some(interface));
        let best = paths.filter_map(|peer| peer.worth()).min_by_key(|quality| quality.rank());
        match (best, self.signals.get(&interface)) {
            (Some(best), signal) => Some(Quality { loss: best.loss.max(signal.copied().unwrap_or(0)), ..best }),
            (None, Some(loss)) => Some(Quality { loss: *loss, srtt: None }),
            (None, None) => None,
        }
    }

    /// Errors in a row on its best path.
    pub(super) fn errors(&self, interface: u32) -> u32 {
        let paths = self.peers.values().filter(|peer| peer.interface == Some(interface));
        paths.map(|peer| peer.errors).min().unwrap_or(0)
    }

    /// Begins and ends to count how long addresses fade.
    /// Where the peer has no address any more nothing shows that it still reaches ours, and nothing will show that it does not.
    pub(super) fn watch_evidence(&mut self, now: Instant) {
        for local in self.locals.values_mut().filter(|local| local.measured) {
            if !self.peers.values().any(|peer| peer.interface == Some(local.interface)) {
                (local.confirmed, local.measured, local.joined) = (false, false, now);
            }
        }
    }

    pub(super) fn watch_fading(&mut self, now: Instant) {
        let limit = self.config.fading;
        let (home, calm) = (self.config.home, self.config.hysteresis.hold_down * 6);
        let facts: Vec<_> =
            self.locals.iter().map(|(address, local)| (*address, self.quality(local.interface))).collect();
        for (address, quality) in facts {
            let Some(local) = self.locals.get_mut(&address) else { continue };
            let fades = !local.is_up() || quality.is_some_and(|quality| quality.loss >= limit);
            if fades && local.member && home != Some(address) {
                local.fading.get_or_insert(now);
            } else {
                local.fading = None;
                if local.member && now >= local.held + calm {
                    local.penalty = Duration::ZERO;
                }
            }
        }
    }

    /// It has faded for long enough to act on it.
    pub(super) fn has_faded(&self, local: &Local, now: Instant) -> bool {
        local.fading.is_some_and(|since| now >= since + self.config.hysteresis.t_down)
    }

    /// The peer can be asked to send there.
    pub(super) fn is_usable(&self, local: &Local, now: Instant) -> bool {
        let dead = self.quality(local.interface).is_some_and(|quality| quality.loss >= 1000);
        local.member && local.confirmed && local.is_up() && !dead && !self.has_faded(local, now)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&IpAddr, &Local)> {
        self.locals.iter().filter(|(_, local)| local.member)
    }

    /// What may join the association.
    pub(super) fn candidates(&self) -> impl Iterator<Item = (&IpAddr, &Local)> {
        let outside = self.locals.iter().filter(|(_, local)| !local.member && local.is_up() && !local.barred);
        outside.filter(|(address, _)| self.refuses_local(**address).is_none())
    }

    /// Why the association may not have it, as things are: what the other end has today may be ours tomorrow (H-SC-4).
    pub(super) fn refuses_local(&self, address: IpAddr) -> Option<Refusal> {
        let others = self.peers.contains_key(&address).then_some(Refusal::Ours);
        self.config.policy.admits(address).err().or(others)
    }

    /// Why nothing is sent to an address of the peer. One that this host no longer has may be the peer's, also while the
    /// association still has it as ours (H-SC-4).
    pub(super) fn refuses_peer(&self, address: IpAddr) -> Option<Refusal> {
        let ours = self.locals.get(&address).is_some_and(|local| local.presence != Presence::Gone);
        self.config.policy.admits(address).err().or(ours.then_some(Refusal::Ours))
    }

    /// Says once of each address why it is not used, and again when that has changed.
    pub(super) fn tell_refused(&mut self) {
        let mut events = Vec::new();
        for (address, local) in &self.locals {
            let outside = !local.member && local.presence != Presence::Gone;
            let refusal = if outside { self.refuses_local(*address) } else { None };
            if refusal != local.refused {
                events.push((*address, refusal, true));
            }
        }
        for (address, peer) in &self.peers {
            let refusal = self.refuses_peer(*address);
            if refusal != peer.told {
                events.push((*address, refusal, false));
            }
        }
        for (address, refusal, ours) in events {
            if ours {
                self.locals.entry(address).and_modify(|local| local.refused = refusal);
            } else {
                self.peers.entry(address).and_modify(|peer| peer.told = refusal);
            }
            match refusal {
                Some(refusal) if ours => self.tell(Event::NotAdded { address, refusal }),
                Some(refusal) => self.tell(Event::Unwanted { address, refusal }),
                None => {}
            }
        }
    }
}
