//! What is told: addresses of this host and of the peer, and how good paths are.

use core::net::IpAddr;

use super::event::Event;
use super::local::{Local, Presence};
use super::path::{Measurement, PathState, PeerEvent};
use super::policy::Refusal;
use super::{AddressManager, CARDS_MOST, KNOWN_MOST};
use crate::time::Instant;

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
        } else if presence != Presence::Gone {
            self.forget_one();
            let refusal = self.refuses(address, self.peers.contains_key(&address));
            let refusal = refusal.or((self.locals.len() >= KNOWN_MOST).then_some(Refusal::TooMany));
            if let Some(refusal) = refusal {
                self.tell(Event::NotAdded { address, refusal });
            }
            if self.locals.len() < KNOWN_MOST {
                self.locals.insert(address, Local::new(interface, presence, refusal, now));
            }
        }
        self.settle(now);
    }

    /// Carrier is a card's: what is told of one address goes for all that are on the card.
    fn share_carrier(&mut self, interface: u32, presence: Presence) {
        if presence != Presence::Gone {
            let others = self.locals.values_mut().filter(|local| local.interface == interface);
            others.filter(|local| local.presence != Presence::Gone).for_each(|local| local.presence = presence);
        }
    }

    /// One that is gone makes room.
    fn forget_one(&mut self) {
        if self.locals.len() >= KNOWN_MOST {
            let under_way = self.asconf.as_ref().map(|outstanding| outstanding.change.address());
            let gone = self.locals.iter().find(|(address, local)| {
                !local.member && local.presence == Presence::Gone && under_way != Some(**address)
            });
            if let Some(address) = gone.map(|(address, _)| *address) {
                self.locals.remove(&address);
            }
        }
    }

    pub(super) fn refuses(&self, address: IpAddr, others: bool) -> Option<Refusal> {
        self.config.policy.admits(address).err().or(others.then_some(Refusal::Ours))
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
    pub fn handle_peer(&mut self, address: IpAddr, event: PeerEvent, now: Instant) {
        if self.standing.is_none() {
            return;
        }
        match event {
            PeerEvent::Added => self.peer_added(address, now),
            PeerEvent::Removed => {
                self.peers.remove(&address);
                self.wished = self.wished.filter(|(wished, _)| *wished != address);
            }
            PeerEvent::MadePrimary => self.made_primary(address, now),
            PeerEvent::Available | PeerEvent::Confirmed => self.path(address, PathState::Active),
            PeerEvent::PotentiallyFailed => self.path(address, PathState::PotentiallyFailed),
            PeerEvent::Unreachable => self.path(address, PathState::Inactive),
        }
        self.settle(now);
    }

    fn peer_added(&mut self, address: IpAddr, now: Instant) {
        if self.peers.len() >= self.config.most && !self.peers.contains_key(&address) {
            self.tell(Event::Unwanted { address, refusal: Refusal::TooMany });
        } else {
            self.meet(address, now);
        }
    }

    fn path(&mut self, address: IpAddr, state: PathState) {
        if let Some(peer) = self.peers.get_mut(&address) {
            peer.state = state;
        }
    }

    /// The own primary was set: by us, which is known already, or by the peer's SET PRIMARY, which is followed once the
    /// address is confirmed (H-SC-2).
    fn made_primary(&mut self, address: IpAddr, now: Instant) {
        if self.echo.take_if(|echo| *echo == address).is_some() {
            return;
        }
        self.meet(address, now);
        self.wished = Some((address, true));
    }

    /// What the kernel measures on the paths. To be told together: when routes have changed, what was measured before says
    /// nothing beside what was measured after.
    pub fn handle_measurements(&mut self, measured: &[Measurement], now: Instant) {
        for measured in measured {
            let Some(peer) = self.peers.get_mut(&measured.peer) else { continue };
            peer.state = measured.state;
            (peer.interface, peer.quality) = (measured.interface, Some(measured.quality));
            (peer.rto, peer.cwnd, peer.errors) = (measured.rto, measured.cwnd, measured.errors);
            let answered = measured.state == PathState::Active && measured.errors == 0;
            let sent = measured.quality.srtt.is_some();
            if let Some(interface) = measured.interface.filter(|_| answered && sent) {
                self.prove(interface);
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

    /// Something came back over this card since its addresses joined.
    fn prove(&mut self, interface: u32) {
        for local in self.locals.values_mut() {
            local.confirmed |= local.member && local.interface == interface && local.is_up();
        }
    }
}
