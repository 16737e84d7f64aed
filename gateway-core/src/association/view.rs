//! What an operator sees.

use core::net::IpAddr;

use super::AddressManager;
use super::command::{Capability, Change, Outcome};
use super::event::Why;
use super::local::Presence;
use super::path::{PathState, Quality};
use super::policy::Refusal;
use crate::time::{Duration, Instant};

/// The last change that was made or failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastChange {
    /// What.
    pub change: Change,
    /// Why.
    pub why: Why,
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub at: Instant,
}

/// An address of this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalView {
    /// Which.
    pub address: IpAddr,
    /// Its card.
    pub interface: u32,
    /// Whether the host has it.
    pub presence: Presence,
    /// Whether the association has it.
    pub member: bool,
    /// Whether the peer is known to reach it.
    pub confirmed: bool,
    /// The peer could send there now.
    pub usable: bool,
    /// The peer sends there.
    pub primary: bool,
    /// What is known of its card.
    pub quality: Option<Quality>,
    /// Why it stays out.
    pub refusal: Option<Refusal>,
}

/// An address of the peer, and the path to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerView {
    /// Which.
    pub address: IpAddr,
    /// State of the path.
    pub state: PathState,
    /// We send there.
    pub primary: bool,
    /// The card that it leaves by.
    pub interface: Option<u32>,
    /// Loss and round trip.
    pub quality: Option<Quality>,
    /// Retransmission timeout.
    pub rto: Duration,
    /// Congestion window in octets.
    pub cwnd: u32,
    /// Errors in a row.
    pub errors: u32,
    /// Why nothing is sent there.
    pub refusal: Option<Refusal>,
}

/// One association.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssociationView {
    /// What the peer can do; `None`: there is no association.
    pub capability: Option<Capability>,
    /// This host's addresses.
    pub locals: Vec<LocalView>,
    /// The peer's.
    pub peers: Vec<PeerView>,
    /// The change that is under way.
    pub under_way: Option<Change>,
    /// What would be added and removed next, as things are.
    pub waiting: Vec<Change>,
    /// The last change.
    pub last: Option<LastChange>,
}

impl AddressManager {
    /// Everything there is to see.
    pub fn view(&self, now: Instant) -> AssociationView {
        let locals = self.locals.iter().map(|(address, local)| LocalView {
            address: *address,
            interface: local.interface,
            presence: local.presence,
            member: local.member,
            confirmed: local.confirmed,
            usable: self.is_usable(local, now),
            primary: self.reach.current == Some(*address),
            quality: self.quality(local.interface),
            refusal: self.excludes(*address, local),
        });
        let peers = self.peers.iter().map(|(address, peer)| PeerView {
            address: *address,
            state: peer.state,
            primary: self.own.current == Some(*address),
            interface: peer.interface,
            quality: peer.quality,
            rto: peer.rto,
            cwnd: peer.cwnd,
            errors: peer.errors,
            refusal: self.refuses_peer(*address),
        });
        AssociationView {
            capability: self.standing.as_ref().map(|standing| standing.capability),
            locals: locals.collect(),
            peers: peers.collect(),
            under_way: self.asconf.as_ref().map(|outstanding| outstanding.change),
            waiting: self.waiting(now),
            last: self.last,
        }
    }

    /// The queue, were there one.
    fn waiting(&self, now: Instant) -> Vec<Change> {
        let under_way = self.asconf.as_ref().map(|outstanding| outstanding.change);
        let adds = self.candidates().filter(|(_, local)| local.held <= now);
        let adds = adds.map(|(address, _)| Change::Add(*address));
        let gone = self.members().filter(|(_, local)| local.presence == Presence::Gone);
        let all = adds.chain(gone.map(|(address, _)| Change::Remove(*address)));
        all.filter(|change| Some(*change) != under_way).collect()
    }

    /// There is an association.
    pub fn is_established(&self) -> bool {
        self.standing.is_some()
    }
}
