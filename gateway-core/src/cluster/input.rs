//! What the shell tells the cluster.

use core::net::Ipv4Addr;

use gateway_common::unit::Unit;

use super::Cluster;
use super::command::HeldFrame;
use super::event::{Event, Why};
use super::state::State;
use crate::member::{MemberId, UnitVersion};
use crate::time::Instant;
use crate::wire::cluster::{Body, Header};

/// The state of the connection to a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerEvent {
    /// It stands, and both sides have proved who they are (H-CL-9).
    Connected,
    /// It is gone.
    Lost,
    /// The member's certificate is unknown, expired or revoked (CL-10).
    Refused,
}

impl Cluster {
    /// A datagram that was decoded, authenticated and not replayed (H-CL-10). `from` is the sender's address.
    pub fn handle_datagram(&mut self, from: Ipv4Addr, header: &Header, body: &Body, now: Instant) {
        self.wake(now);
        self.receive(from, header, body, now);
        self.settle(now);
    }

    /// A member's connection changed.
    pub fn handle_peer(&mut self, member: MemberId, event: PeerEvent, now: Instant) {
        self.wake(now);
        match event {
            PeerEvent::Connected => {
                self.connected.insert(member);
                self.unsettled.remove(&member);
            }
            PeerEvent::Lost => self.disconnected(member),
            PeerEvent::Refused => {
                self.disconnected(member);
                self.tell(Event::CertificateRefused(member));
            }
        }
        self.take_ready(now);
        self.settle(now);
    }

    fn disconnected(&mut self, member: MemberId) {
        self.gone.remove(&member);
        if self.connected.remove(&member) {
            self.unsettled.insert(member);
        }
    }

    /// Of a member whose stream is lost we have all that anybody in reach has: its units may be taken over.
    pub fn handle_settled(&mut self, member: MemberId, now: Instant) {
        self.wake(now);
        self.unsettled.remove(&member);
        self.take_ready(now);
        self.settle(now);
    }

    /// A member has discarded what we said of units, because they are not ours any more (H-CL-19). Our master knows whose
    /// they are: we ask to join again, and learn it.
    pub fn handle_discarded(&mut self, by: MemberId, now: Instant) {
        self.wake(now);
        if matches!(self.state, State::Member(_)) && !self.holdings.is_empty() {
            self.tell(Event::Discarded(by));
            self.lose_master(Why::OutOfDate, now);
        }
        self.settle(now);
    }

    /// Our state is complete: before, we own nothing (H-CL-25).
    pub fn handle_synced(&mut self, synced: bool, now: Instant) {
        self.wake(now);
        self.synced = synced;
        self.take_ready(now);
        self.settle(now);
    }

    /// All changes of `origin` up to this one are applied (H-CL-19).
    pub fn handle_applied(&mut self, origin: MemberId, seq: u64, now: Instant) {
        self.wake(now);
        let applied = self.applied.entry(origin).or_default();
        *applied = seq.max(*applied);
        self.take_ready(now);
        self.settle(now);
    }

    /// A member knows of a newer assignment of a unit than the one by which we own it, and does not listen to us: a master whom
    /// nobody followed for long made it. Whatever is ours by older versions than that one needs a newer one (H-CL-19).
    pub fn handle_outdated(&mut self, unit: Unit, version: UnitVersion, now: Instant) {
        self.wake(now);
        if self.owns(unit).is_some_and(|held| held < version) && !self.fenced {
            self.renew_older(version, now);
        }
        self.settle(now);
    }

    /// A member began a new life: its changes are counted from the beginning.
    pub fn handle_restarted(&mut self, origin: MemberId, now: Instant) {
        self.wake(now);
        self.applied.remove(&origin);
        self.settle(now);
    }

    /// The packet loop has stopped this unit's logins; `last_seq` is our own last change of state, 0 when there is none.
    pub fn handle_flushed(&mut self, unit: Unit, last_seq: u64, now: Instant) {
        self.wake(now);
        self.flushed(unit, last_seq);
        self.settle(now);
    }

    /// The data plane gave us a frame to hold, since its unit's disposition is `Held`.
    pub fn handle_held(&mut self, unit: Unit, frame: HeldFrame, now: Instant) {
        self.wake(now);
        self.held(unit, frame, now);
        self.settle(now);
    }

    /// This member's load, in packets per second or sessions: the same on all members.
    pub fn handle_load(&mut self, load: u32) {
        self.load = load;
    }

    /// The applications' answer to [`Command::AskToJoin`](super::Command::AskToJoin).
    pub fn handle_approval(&mut self, member: MemberId, approve: bool, now: Instant) {
        self.wake(now);
        self.approved(member, approve, now);
        self.settle(now);
    }

    /// What follows from every input: what this member has said to itself, and what the data plane and the members are
    /// to know of it.
    pub(super) fn settle(&mut self, now: Instant) {
        self.hear_itself(now);
        if matches!(&self.state, State::Master(ruling) if self.table.version() > ruling.pushed && !ruling.peers.is_empty())
        {
            self.push_table(now);
        }
        self.show();
    }
}
