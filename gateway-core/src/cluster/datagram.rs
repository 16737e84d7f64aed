//! Messages: who may say what to whom (H-CL-10).

use core::net::Ipv4Addr;

use super::event::{Event, Why};
use super::rank::Rank;
use super::state::{Following, State};
use super::{Cluster, Command, Destination};
use crate::member::{MemberId, Term};
use crate::time::{Duration, Instant};
use crate::wire::cluster::{Body, Header, JoinRefusal, MasterOffer};

/// Reasons of EXIT.
pub(super) const LEAVES: u8 = 0;
pub(super) const NOT_A_MEMBER: u8 = 1;
pub(super) const OUT_OF_DATE: u8 = 2;
/// The sender offers itself by this term no more.
pub(super) const WITHDRAWN: u8 = 4;

impl Cluster {
    pub(super) fn receive(&mut self, from: Ipv4Addr, header: &Header, body: &Body, now: Instant) {
        let (sender, term) = (header.sender, header.term);
        if sender == self.me() {
            return; // its own keepalive, come back (CL-21)
        }
        let Some(member) = self.config.member(sender) else {
            self.counters.strangers += 1;
            if matches!((body, &self.state), (Body::JoinRequest(_), State::Master(_))) {
                self.refuse(sender, JoinRefusal::UnknownCertificate); // CL-10
            }
            return;
        };
        if member.ip != from || matches!(self.state, State::Left) {
            self.counters.strangers += u64::from(member.ip != from);
            return;
        }
        if !self.is_wish(body) {
            self.before_support = self.before_support.filter(|_| term < self.term).map(|before| before.max(term));
            self.term = self.term.max(term);
        }
        match body {
            Body::JoinRequest(request) => self.join_request(sender, term, request, now),
            Body::JoinOk { .. } => self.join_ok(sender, term, now),
            Body::JoinRefused { reason, retry_ms } => {
                let retry = Duration::from_millis(u64::from(*retry_ms));
                self.join_refused(sender, term, *reason, retry, now);
            }
            Body::MasterOffer(offer) => self.master_offer(sender, term, offer, now),
            Body::OtherMasterExists { master, ip, members } => {
                self.other_master(*master, Rank { term, members: *members, ip: *ip }, now);
            }
            Body::MasterKeepalive(keepalive) => {
                if self.follows(sender, term) {
                    return self.heard_master(keepalive, now);
                }
                let rank = Rank { term, members: keepalive.members.len() as u8, ip: from };
                self.master_elsewhere(sender, rank, now);
            }
            Body::MemberKeepalive(keepalive) => self.member_keepalive(sender, term, keepalive, now),
            Body::Exit { reason } => self.exit_received(sender, term, *reason, now),
            Body::UnitAssign { units, after } if self.follows(sender, term) => self.assigned(units, *after, now),
            Body::UnitDeassign(units) if self.follows(sender, term) => self.deassigned(units),
            Body::UnitAssign { .. } | Body::UnitDeassign(_) => self.counters.stale += 1,
            Body::UnitAssignAck(units) => self.assign_ack(sender, term, units, now),
            Body::UnitDeassignAck { units, last_seq } => self.deassign_ack(sender, term, units, *last_seq, now),
            Body::UnitStop(units) => self.asked_to_stop(sender, term, units, now),
            Body::UnitStopped(units) if self.ruler().is_some_and(|(_, ours)| ours == term) => {
                self.stopped(sender, units, now);
            }
            Body::UnitStopped(_) => self.counters.stale += 1,
            Body::FrameLeft { unit, version, name } => self.frame_left(*unit, *version, *name),
            Body::ForwardedPacket { unit, port, frame } => {
                if !self.holdings.is_own(*unit) || self.fenced {
                    self.counters.misdirected += 1;
                    return;
                }
                let frame = super::HeldFrame { port: *port, frame: frame.clone() };
                self.commands.push_back(Command::Inject { unit: *unit, frame });
            }
        }
    }

    /// An offer's term is a wish, and so is what is said to who offers itself. Everything else speaks of a mastership that is or
    /// was.
    fn is_wish(&self, body: &Body) -> bool {
        match body {
            Body::MasterOffer(_) | Body::JoinRequest(_) | Body::Exit { reason: WITHDRAWN } => true,
            Body::UnitAssignAck(_) => matches!(self.state, State::Joining(_) | State::Offering(_)),
            _ => false,
        }
    }

    /// Whether this is the master this member follows, in the present term.
    pub(super) fn follows(&self, sender: MemberId, term: Term) -> bool {
        matches!(&self.state, State::Member(following) if (following.master, following.term) == (sender, term))
    }

    /// A master that this member does not follow.
    fn master_elsewhere(&mut self, master: MemberId, rank: Rank, now: Instant) {
        match &self.state {
            State::Master(_) => self.tie_break(master, rank, now),
            State::Member(following) => {
                let newer = rank.term > following.term;
                if newer && (self.config.constants.term_first || master == following.master) {
                    self.lose_master(Why::OtherMaster(master), now);
                    self.heard_of_master(master, rank.term, now);
                } else {
                    self.counters.stale += 1;
                }
            }
            State::Joining(_) | State::Offering(_) => self.heard_of_master(master, rank.term, now),
            State::Left => {}
        }
    }

    fn master_offer(&mut self, candidate: MemberId, term: Term, offer: &MasterOffer, now: Instant) {
        if offer.config_version != self.config.config_version {
            // Not one we could follow (H-CL-11).
            if offer.config_version > self.config.config_version {
                self.tell(Event::ConfigurationBehind { member: candidate, version: offer.config_version });
            } else if matches!(self.state, State::Master(_)) {
                self.send(Destination::Member(candidate), self.term, Body::Exit { reason: OUT_OF_DATE });
            }
            return;
        }
        match &self.state {
            State::Joining(_) => self.heard_offer(candidate, term, offer, now),
            State::Offering(_) => self.heard_rival(candidate, term, offer, now),
            State::Master(_) => self.object(candidate),
            State::Member(_) | State::Left => {}
        }
    }

    /// OTHER-MASTER-EXISTS: a candidate looks for that one (CL-18); a master compares (H-CL-8).
    fn other_master(&mut self, master: MemberId, rank: Rank, now: Instant) {
        if master == self.me() {
            return;
        }
        match &self.state {
            State::Master(_) => self.tie_break(master, rank, now),
            State::Offering(_) | State::Joining(_) => self.heard_of_master(master, rank.term, now),
            State::Member(_) | State::Left => {}
        }
    }

    fn exit_received(&mut self, sender: MemberId, term: Term, reason: u8, now: Instant) {
        match &mut self.state {
            State::Member(Following { master, term: of, .. }) if (*master, *of) == (sender, term) => {
                let why = if reason == LEAVES { Why::Left } else { Why::Told(reason) };
                self.lose_master(why, now);
            }
            State::Master(ruling) if ruling.peers.contains_key(&sender) => {
                if reason == LEAVES && term == ruling.term {
                    self.remove_peer(sender, Why::Left, now);
                } else {
                    self.counters.stale += 1;
                }
            }
            // Told by a master that comes before us (CL-20).
            State::Master(ruling)
                if reason != LEAVES
                    && reason != WITHDRAWN
                    && (term > ruling.term || !self.config.constants.term_first) =>
            {
                self.step_down(Why::Told(reason), now);
            }
            State::Joining(_) if reason == WITHDRAWN => self.offer_withdrawn(sender, term, now),
            State::Offering(_) if reason == OUT_OF_DATE => {
                self.tell(Event::Refused { master: sender, reason: JoinRefusal::Configuration });
                self.look_for_master(now);
            }
            _ => self.counters.stale += 1,
        }
    }

    /// What this member said to itself as its own master.
    pub(super) fn hear_itself(&mut self, now: Instant) {
        while let Some(body) = self.inbox.pop_front() {
            let (me, Some((_, term))) = (self.me(), self.ruler()) else { continue };
            match body {
                Body::UnitAssign { units, after } => self.assigned(&units, after, now),
                Body::UnitDeassign(units) => self.deassigned(&units),
                Body::UnitAssignAck(units) => self.assign_ack(me, term, &units, now),
                Body::UnitDeassignAck { units, last_seq } => self.deassign_ack(me, term, &units, last_seq, now),
                _ => {}
            }
        }
    }
}
