//! What is told: addresses of this host and of the peer, and how good paths are.

use core::net::IpAddr;

use super::event::Event;
use super::local::{Local, Presence};
use super::path::{Measurement, PathEvent, PathState};
use super::policy::Refusal;
use super::{AddressManager, CARDS_MOST, KNOWN_MOST};
use crate::time::{Duration, Instant};

/// What the kernel does at once it tells at once. Two messages of the peer are a round trip apart.
const TURN: Duration = Duration::from_millis(2);
/// What the kernel tells of the set-up is read by then.
const SETUP: Duration = Duration::from_secs(1);
/// And by then what it tells of the primary that we have set: that waits behind the data that came before.
const ECHO: Duration = Duration::from_secs(5);

/// The kernel says that the own primary is another one. Linux says so of what the peer asks for, and of what it chooses
/// itself when the peer removes the primary: then the first on its list, and that the former is removed follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    address: IpAddr,
    former: IpAddr,
    at: Instant,
}

impl Made {
    /// It was the peer's wish if the former primary is there until then.
    pub(super) fn due(&self) -> Instant {
        self.at + TURN
    }
}

impl AddressManager {
    /// Netlink: an address of this host, and the card that has it (SC-21, SC-22).
    pub fn handle_local(&mut self, address: IpAddr, interface: u32, presence: Presence, now: Instant) {
        if let Some(local) = self.locals.get_mut(&address) {
            let back = local.presence == Presence::Gone && presence != Presence::Gone;
            if back {
                (local.since, local.barred) = (now, false);
            }
            (local.presence, local.interface) = (presence, interface);
            self.share_carrier(interface, presence);
        } else if presence == Presence::Gone {
            self.waiting.remove(&address);
        } else {
            self.wait(address, interface, presence);
        }
        self.settle(now);
    }

    /// One more address of this host. It comes in when there is room.
    fn wait(&mut self, address: IpAddr, interface: u32, presence: Presence) {
        let (known, room) = (self.waiting.contains_key(&address), self.waiting.len() < KNOWN_MOST);
        if !known && !self.has_room() && (room || !self.flooded) {
            self.tell(Event::NotAdded { address, refusal: Refusal::TooMany });
        }
        if known || room {
            self.waiting.insert(address, (interface, presence));
        } else {
            self.flooded = true;
        }
    }

    fn has_room(&self) -> bool {
        self.locals.len() < KNOWN_MOST || self.forgettable().is_some()
    }

    /// What has waited takes the places of what is gone.
    pub(super) fn take_in(&mut self, now: Instant) {
        while self.has_room()
            && let Some((address, (interface, presence))) = self.waiting.pop_first()
        {
            if self.locals.len() >= KNOWN_MOST
                && let Some(gone) = self.forgettable()
            {
                self.locals.remove(&gone);
            }
            self.locals.insert(address, Local::new(interface, presence, now));
            self.flooded = false;
        }
    }

    /// Carrier is a card's: what is told of one address goes for all that are on the card.
    fn share_carrier(&mut self, interface: u32, presence: Presence) {
        if presence != Presence::Gone {
            let others = self.locals.values_mut().filter(|local| local.interface == interface);
            others.filter(|local| local.presence != Presence::Gone).for_each(|local| local.presence = presence);
        }
    }

    /// One that is gone makes room.
    fn forgettable(&self) -> Option<IpAddr> {
        let under_way = self.asconf.as_ref().map(|outstanding| outstanding.change.address());
        let gone = self
            .locals
            .iter()
            .find(|(address, local)| !local.member && local.presence == Presence::Gone && under_way != Some(**address));
        gone.map(|(address, _)| *address)
    }

    /// A card says how good its signal is: what it loses, of 1000 (SC-24, SC-26).
    pub fn handle_signal(&mut self, interface: u32, loss: u16, now: Instant) {
        if self.signals.contains_key(&interface) || self.signals.len() < CARDS_MOST {
            self.signals.insert(interface, loss.min(1000));
        }
        self.settle(now);
    }

    /// A card is gone, and what it said of itself.
    pub fn handle_card_gone(&mut self, interface: u32, now: Instant) {
        self.signals.remove(&interface);
        self.settle(now);
    }

    /// The kernel says something of an address of the peer.
    pub fn handle_peer(&mut self, address: IpAddr, event: PathEvent, now: Instant) {
        if self.standing.is_none() {
            return;
        }
        match event {
            PathEvent::Added => _ = self.peer_added(address, now),
            PathEvent::Removed => self.peer_removed(address),
            PathEvent::MadePrimary => self.made_primary(address, now),
            PathEvent::Available | PathEvent::Confirmed => self.path(address, PathState::Active),
            PathEvent::PotentiallyFailed => self.path(address, PathState::PotentiallyFailed),
            PathEvent::Unreachable => self.path(address, PathState::Inactive),
        }
        self.settle(now);
    }

    /// Whether it is known, or is now.
    fn peer_added(&mut self, address: IpAddr, now: Instant) -> bool {
        let fits = self.peers.len() < self.config.most || self.peers.contains_key(&address);
        if fits {
            self.meet(address, now);
        } else {
            self.tell(Event::Unwanted { address, refusal: Refusal::TooMany });
        }
        fits
    }

    fn peer_removed(&mut self, address: IpAddr) {
        self.peers.remove(&address);
        self.own.forget(address);
        self.wished = self.wished.filter(|(wished, _)| *wished != address);
        // Nobody has asked for what the kernel then had to choose, nor for what is gone.
        let made = self.made.take_if(|made| made.former == address || made.address == address);
        if let Some(made) = made.filter(|made| made.address != address && self.own.current != Some(address)) {
            // It was a wish, not followed yet, that the kernel has replaced: it does not go back to what was primary before.
            self.own.correct(made.address);
        }
        // Who had it may have refused it for that.
        if let Some(local) = self.locals.get_mut(&address).filter(|local| local.barred) {
            (local.barred, local.asked) = (false, Instant::ZERO);
        }
    }

    fn path(&mut self, address: IpAddr, state: PathState) {
        if let Some(peer) = self.peers.get_mut(&address) {
            peer.state = state;
        }
    }

    /// The own primary was set: by us or at the set-up, which is known already; by the kernel, in the place of one that the
    /// peer removes, which is nobody's wish; or by the peer's SET PRIMARY, which is followed once the address is confirmed
    /// (H-SC-2).
    fn made_primary(&mut self, address: IpAddr, now: Instant) {
        let setup = self.standing.as_mut().and_then(|standing| standing.setup.take());
        let known = setup.is_some_and(|(primary, at)| primary == address && now < at + SETUP);
        if self.is_echo(address, now) {
            return;
        }
        let former = self.primary.replace(address);
        if known || !self.peer_added(address, now) {
            return;
        }
        let former = former.filter(|former| *former != address && self.peers.contains_key(former));
        let others = self.peers.iter().filter(|(other, _)| Some(**other) != former);
        let first = others.min_by_key(|(_, peer)| peer.place).is_some_and(|(first, _)| *first == address);
        let new = self.peers.get(&address).is_some_and(|peer| now < peer.since + TURN);
        self.made = former.filter(|_| first && !new).map(|former| Made { address, former, at: now });
        if self.made.is_none() {
            self.wished = Some((address, true));
        }
    }

    /// Whether it was set by us. The kernel tells in order, but we may have set another one since.
    fn is_echo(&mut self, address: IpAddr, now: Instant) -> bool {
        self.echoes.retain(|(_, set)| now < *set + ECHO);
        let place = self.echoes.iter().position(|(echo, _)| *echo == address);
        if let Some(place) = place {
            self.echoes.drain(..=place);
        }
        place.is_some()
    }

    /// It was the peer's wish after all.
    pub(super) fn follow_made(&mut self, now: Instant) {
        if let Some(made) = self.made.take_if(|made| made.due() <= now) {
            self.wished = Some((made.address, true));
        }
    }

    /// What the kernel measures on the paths. To be told together: when routes have changed, what was measured before says
    /// nothing beside what was measured after.
    pub fn handle_measurements(&mut self, measured: &[Measurement], now: Instant) {
        for measured in measured {
            let Some(peer) = self.peers.get_mut(&measured.peer) else { continue };
            let heard = peer.measure(measured, self.config.proof, now);
            if let (Some(interface), Some(heard)) = (measured.interface, heard) {
                self.prove(interface, heard);
            }
        }
        self.settle(now);
    }

    /// The peer's packets arrive at this address: evidence where no path says so, since no route leaves by its card.
    pub fn handle_reached(&mut self, address: IpAddr, now: Instant) {
        let Some(local) = self.locals.get_mut(&address).filter(|local| local.member && !local.confirmed) else {
            return;
        };
        local.confirmed = true;
        self.settle(now);
    }

    /// Something came back over this card after that moment: what was a member then is reached.
    fn prove(&mut self, interface: u32, heard: Instant) {
        for local in self.locals.values_mut() {
            let here = local.member && local.interface == interface && local.is_up();
            if here && local.joined <= heard {
                (local.confirmed, local.measured) = (true, true);
            }
        }
    }
}
