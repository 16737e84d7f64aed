//! An association begins and ends.

use core::net::IpAddr;

use super::choice::Choice;
use super::command::{Capability, Command, Reason};
use super::event::Event;
use super::local::{Local, Presence};
use super::path::{PathState, Peer};
use super::{AddressManager, Standing};
use crate::time::Instant;

/// What both ends told each other at set-up (SC-3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Established {
    /// Our addresses in the association, with their cards: those of our INIT or INIT-ACK.
    pub locals: Vec<(IpAddr, u32)>,
    /// Ours that the set-up was done with, which the peer sends to.
    pub via: IpAddr,
    /// The peer's addresses, in the order in which the kernel has them.
    pub peers: Vec<IpAddr>,
    /// The peer's that the set-up was done with (SC-7).
    pub primary: IpAddr,
    /// What the peer can do.
    pub capability: Capability,
}

impl AddressManager {
    /// There is an association, the former is gone. The addresses that carried the set-up are confirmed by it; others by
    /// evidence.
    pub fn handle_established(&mut self, association: &Established, now: Instant) {
        self.forget();
        let Established { capability, via, primary, .. } = *association;
        self.standing = Some(Standing { capability, cut: None, stranded: false, setup: Some((primary, now)) });
        for (address, interface) in &association.locals {
            self.locals.entry(*address).or_insert_with(|| Local::new(*interface, Presence::Up, now));
            self.join(*address, *address == via, now);
        }
        self.meet(primary, now);
        let others = association.peers.iter().filter(|address| **address != primary);
        for address in others.take(self.config.most.saturating_sub(1)) {
            self.meet(*address, now);
        }
        if let Some(peer) = self.peers.get_mut(&primary) {
            peer.state = PathState::Active;
        }
        for (place, address) in association.peers.iter().enumerate() {
            self.peers.entry(*address).and_modify(|peer| peer.place = place as u64);
        }
        self.met = association.peers.len() as u64;
        self.reach = Choice::new(Some(via));
        self.own = Choice::new(Some(primary));
        self.primary = Some(primary);
        self.settle(now);
    }

    /// The kernel gave the association up: too many errors, or ABORT.
    pub fn handle_lost(&mut self, now: Instant) {
        if self.standing.is_some() {
            self.reconnect(Reason::Lost);
            self.settle(now);
        }
    }

    pub(super) fn reconnect(&mut self, reason: Reason) {
        self.forget();
        self.tell(Event::Reconnects(reason));
        self.commands.push_back(Command::Reconnect(reason));
    }

    /// Nothing of an association is left; the host's addresses are.
    fn forget(&mut self) {
        self.standing = None;
        (self.asconf, self.setting) = (None, None);
        self.echoes.clear();
        (self.wished, self.made, self.primary) = (None, None, None);
        self.peers.clear();
        (self.reach, self.own) = (Choice::default(), Choice::default());
        self.locals.retain(|_, local| local.presence != Presence::Gone);
        for local in self.locals.values_mut() {
            (local.member, local.confirmed, local.barred, local.told) = (false, false, false, false);
            (local.measured, local.fading) = (false, None);
            (local.held, local.asked) = (Instant::ZERO, Instant::ZERO);
        }
        // What was not carried out yet is about an association that is gone.
        self.commands.retain(|command| !matches!(command, Command::Change { .. }));
    }

    /// An address of the peer that was not known.
    pub(super) fn meet(&mut self, address: IpAddr, now: Instant) {
        self.met += 1;
        let place = self.met;
        self.peers.entry(address).or_insert_with(|| Peer::new(place, now));
    }
}
