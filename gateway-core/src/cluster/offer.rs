//! Offering to be master (CL-17 to CL-19, H-CL-8).

use std::collections::BTreeMap;

use super::config::Quorum;
use super::datagram::WITHDRAWN;
use super::event::Event;
use super::rank::Rank;
use super::state::{Bid, Offering, State};
use super::{Cluster, Destination};
use crate::member::{MemberId, Term};
use crate::time::Instant;
use crate::wire::cluster::{Body, MasterOffer};

impl Cluster {
    /// With what this member would offer.
    pub(super) fn own_rank(&self) -> Rank {
        let term = Term(self.term.max(self.offered).0.saturating_add(1));
        Rank { term, members: self.connected.len() as u8 + 1, ip: self.config.ip(self.me()) }
    }

    pub(super) fn begin_offering(&mut self, now: Instant) {
        let in_touch = self.connected.len() + 1;
        let wait = self.config.constants.offer_wait;
        let rank = self.own_rank();
        let State::Joining(joining) = &mut self.state else { return };
        if self.leaving {
            // It supports whoever else offers, and gives the units that it still has to that one.
            joining.offers_from = now + wait;
            return if self.connected.is_empty() {
                self.leave(now)
            };
        }
        if self.config.quorum == Quorum::Majority && in_touch < self.config.majority() {
            joining.offers_from = now + wait;
            if !core::mem::replace(&mut joining.complained, true) {
                self.tell(Event::NoQuorum { members: in_touch });
            }
            return;
        }
        self.offered = rank.term;
        self.state = State::Offering(Offering { rank, since: now, next_offer: now, supporters: Default::default() });
        self.offering_timeout(now);
    }

    pub(super) fn offering_timeout(&mut self, now: Instant) {
        let State::Offering(offering) = &mut self.state else { return };
        let rank = offering.rank;
        // What an offer gains counts from its first word on (H-CL-6), so it must not take long.
        let limit = self.config.constants.support.saturating_sub(self.config.constants.offer_wait / 2);
        if self.config.quorum != Quorum::None && offering.since + limit <= now {
            return self.look_for_master(now);
        }
        if offering.next_offer <= now {
            offering.next_offer = now + self.config.constants.offer_repeat;
            let offer = MasterOffer { ip: rank.ip, config_version: self.config.config_version, members: rank.members };
            self.send(Destination::Group, rank.term, Body::MasterOffer(offer));
        }
        self.conclude_offer(now);
    }

    pub(super) fn offering_deadline(&self, offering: &Offering) -> Instant {
        let end = offering.since + self.config.constants.offer_wait;
        let end = if end > self.last_seen { end } else { self.promise.until };
        let end = if end > self.last_seen { end } else { Instant::NEVER };
        offering.next_offer.min(end)
    }

    /// Nobody objected for long enough (CL-19); and where a quorum is asked for, a majority supports it (H-CL-6).
    pub(super) fn conclude_offer(&mut self, now: Instant) {
        let State::Offering(offering) = &mut self.state else { return };
        if offering.since + self.config.constants.offer_wait > now {
            return;
        }
        if self.config.quorum != Quorum::None && self.promise.until > now {
            return; // the old master may still count on us
        }
        let complete = |member: &MemberId| self.claims.get(member).is_some_and(|claim| claim.is_complete());
        let supporters: BTreeMap<_, _> =
            offering.supporters.iter().map(|(id, ruled)| (*id, *ruled)).filter(|(id, _)| complete(id)).collect();
        if self.config.quorum == Quorum::Majority && supporters.len() + 1 < self.config.majority() {
            return;
        }
        let (term, since) = (offering.rank.term, offering.since);
        self.become_master(term, &supporters, since, now);
    }

    /// This member offers itself by this term no more.
    pub(super) fn withdraw(&mut self, to: Destination, term: Term) {
        self.send(to, term, Body::Exit { reason: WITHDRAWN });
    }

    /// Another offer was heard while offering: the better one goes on.
    pub(super) fn heard_rival(&mut self, candidate: MemberId, term: Term, offer: &MasterOffer, now: Instant) {
        let rank = Rank { term, members: offer.members, ip: offer.ip };
        let State::Offering(offering) = &self.state else { return };
        if !rank.beats(&offering.rank, self.config.constants.term_first) {
            return;
        }
        self.look_for_master(now);
        if let State::Joining(joining) = &mut self.state {
            joining.best = Some(Bid { candidate, rank, heard: now });
            joining.offers_from = joining.offers_from + 2 * self.config.constants.offer_wait;
        }
        self.joining_timeout(now);
    }
}
