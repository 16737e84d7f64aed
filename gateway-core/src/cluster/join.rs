//! Joining: looking for a master, and asking it (CL-9 to CL-18).

use super::config::{Coordination, Quorum};
use super::event::{Event, Why};
use super::lease::Promise;
use super::rank::Rank;
use super::state::{Bid, Following, Joining, State};
use super::{Cluster, Destination};
use crate::member::{MemberId, Term};
use crate::time::{Duration, Instant};
use crate::wire::cluster::{ASSIGNMENTS_MAX, Assignment, Body, JoinRefusal, JoinRequest, MasterOffer};

impl Cluster {
    /// The start of a member: it listens for as long as an earlier life of it may have supported a master.
    pub(super) fn begin(&mut self, now: Instant) {
        self.look_for_master(now);
        if self.config.quorum != Quorum::None {
            self.promise.until = now + self.support_time();
            self.no_offers_before(now + self.config.constants.support);
        }
    }

    /// Begins to look for a master. Whoever offered itself frees those who support it.
    pub(super) fn look_for_master(&mut self, now: Instant) {
        if let State::Offering(offering) = &self.state
            && self.config.quorum != Quorum::None
        {
            let term = offering.rank.term;
            self.withdraw(Destination::Group, term);
        }
        let jitter = self.jitter(self.config.constants.offer_jitter);
        self.state = State::Joining(Joining {
            offers_from: now + self.config.constants.join_wait + jitter,
            next_request: now,
            target: None,
            best: None,
            complained: false,
        });
        self.shown.all_changed();
    }

    /// The master is gone: join again (CL-15, CL-16, CL-47).
    pub(super) fn lose_master(&mut self, why: Why, now: Instant) {
        let State::Member(Following { master, term, last_heard, .. }) = self.state else { return };
        self.tell(Event::LostMaster { master, why });
        self.lost = matches!(why, Why::Silence | Why::Left).then_some(term);
        // A master that left supports itself no more; of one that is silent we don't know.
        let until = if why == Why::Left { now } else { last_heard + self.support_time() };
        (self.promise.to, self.promise.until) = (None, until);
        self.list.heard = last_heard;
        self.holdings.unconfirm();
        self.look_for_master(now);
    }

    fn no_offers_before(&mut self, time: Instant) {
        let jitter = self.jitter(self.config.constants.offer_jitter);
        if let State::Joining(joining) = &mut self.state {
            joining.offers_from = joining.offers_from.max(time + jitter);
        }
    }

    /// Asks to be let in, and says what it owns.
    fn request(&mut self, now: Instant) {
        let term = self.term;
        let holds = self.holdings.owned();
        let highest = self.holdings.highest().max(self.table.highest());
        let State::Joining(joining) = &mut self.state else { return };
        joining.next_request = now + self.config.constants.join_retry;
        let target = joining.target;
        let body = Body::JoinRequest(JoinRequest {
            ip: self.config.ip(self.config.me),
            config_version: self.config.config_version,
            config_digest: self.config.config_digest,
            supports: target.map(|(target, _)| target),
            holds,
            highest,
            ruled: self.ruled_before(target.map(|(target, _)| target)),
        });
        let Some((target, of)) = target else { return self.send(Destination::Group, term, body) };
        self.send(Destination::Member(target), of, body);
        let own = self.holdings.iter().filter(|(unit, _)| self.holdings.is_own(*unit));
        let owner = self.me();
        let own: Vec<_> = own.map(|(unit, holding)| Assignment { unit, version: holding.version, owner }).collect();
        for part in own.chunks(ASSIGNMENTS_MAX) {
            self.send(Destination::Member(target), of, Body::UnitAssignAck(part.to_vec()));
        }
    }

    /// The last mastership that this member followed or supported, but for one of this candidate.
    pub(super) fn ruled_before(&self, candidate: Option<MemberId>) -> Term {
        let Some(ruled) = self.ruled else { return Term(u32::MAX) };
        self.backed.filter(|(backed, _)| Some(*backed) != candidate).map_or(ruled, |(_, term)| term.max(ruled))
    }

    /// This member follows a master of this term, or is it.
    pub(super) fn followed(&mut self, term: Term) {
        self.ruled = Some(self.ruled.map_or(term, |ruled| ruled.max(term)));
        self.backed = None;
        self.lost = None;
    }

    pub(super) fn joining_timeout(&mut self, now: Instant) {
        self.support_best(now);
        let State::Joining(joining) = &self.state else { return };
        if self.config.coordination == Coordination::Members && joining.offers_from <= now {
            return self.begin_offering(now);
        }
        if joining.next_request <= now {
            self.request(now);
        }
    }

    pub(super) fn joining_deadline(&self, joining: &Joining) -> Instant {
        let offers = match self.config.coordination {
            Coordination::Members => joining.offers_from,
            Coordination::External => Instant::NEVER,
        };
        let support = match (&joining.best, &joining.target) {
            (Some(_), None) if self.config.quorum != Quorum::None && self.promise.until > self.last_seen => {
                self.promise.until
            }
            _ => Instant::NEVER,
        };
        offers.min(joining.next_request).min(support)
    }

    /// A master was heard: ask it (CL-18).
    pub(super) fn heard_of_master(&mut self, master: MemberId, term: Term, now: Instant) {
        self.target_master(master, term, false, now);
    }

    fn target_master(&mut self, master: MemberId, term: Term, asked: bool, now: Instant) {
        if !self.may_follow(master, now) || !self.is_elected(master, term) {
            return;
        }
        if matches!(self.state, State::Offering(_)) {
            self.look_for_master(now);
        }
        let State::Joining(joining) = &mut self.state else { return };
        let news = joining.target != Some((master, term));
        joining.target = Some((master, term));
        self.no_offers_before(now + self.config.constants.watchdog);
        // Who thinks about us already need not be asked again, unless we have something to say.
        if news && (!asked || self.holdings.owned() > 0) {
            self.request(now);
        }
    }

    /// An offer was heard by a unit that looks for a master.
    pub(super) fn heard_offer(&mut self, candidate: MemberId, term: Term, offer: &MasterOffer, now: Instant) {
        let rank = Rank { term, members: offer.members, ip: offer.ip };
        let term_first = self.config.constants.term_first;
        let own = self.own_rank();
        let State::Joining(joining) = &mut self.state else { return };
        let best = joining.best.filter(|best| is_fresh(best, self.config.constants.offer_repeat, now));
        if best.is_none_or(|best| best.candidate == candidate || rank.beats(&best.rank, term_first)) {
            joining.best = Some(Bid { candidate, rank, heard: now });
        }
        if rank.beats(&own, term_first) {
            self.no_offers_before(now + 2 * self.config.constants.offer_wait);
        }
        self.support_best(now);
    }

    /// Supports the best offer, as soon as it may: once, and for a time (H-CL-6).
    fn support_best(&mut self, now: Instant) {
        let (wait, support) = (self.config.constants.offer_repeat, self.support_time());
        let State::Joining(joining) = &mut self.state else { return };
        joining.best = joining.best.filter(|best| is_fresh(best, wait, now));
        if self.config.quorum == Quorum::None || self.promise.until > now {
            return;
        }
        let Some(best) = joining.best.filter(|best| best.rank.term > self.term) else { return };
        let other = self.backed.filter(|(candidate, _)| *candidate != best.candidate);
        let backed = other.map_or(Term(0), |(_, term)| term);
        joining.target = Some((best.candidate, best.rank.term));
        (self.promise.to, self.promise.until) = (joining.target, now + support);
        self.ruled = self.ruled.map(|ruled| ruled.max(backed));
        self.backed = Some((best.candidate, best.rank.term));
        self.before_support = Some(self.term);
        self.term = best.rank.term;
        self.no_offers_before(now + support);
        self.request(now);
    }

    /// Whom this member supports has withdrawn, and will never be master by that term: it may support another at once. Else two
    /// that offer themselves at the same time could bind so many for so long that neither is elected while it matters.
    pub(super) fn offer_withdrawn(&mut self, candidate: MemberId, term: Term, now: Instant) {
        let State::Joining(joining) = &mut self.state else { return };
        let offer = (candidate, term);
        joining.best.take_if(|best| (best.candidate, best.rank.term) == offer);
        joining.target.take_if(|target| *target == offer);
        if self.promise.to == Some(offer) {
            self.promise = Promise { to: None, until: now };
            self.backed.take_if(|backed| *backed == offer);
            self.term = self.before_support.take().unwrap_or(self.term);
        }
        self.support_best(now);
    }

    /// It may join (CL-11, CL-13).
    pub(super) fn join_ok(&mut self, master: MemberId, term: Term, now: Instant) {
        let State::Joining(joining) = &self.state else { return };
        if joining.target.is_some_and(|target| target != (master, term)) || !self.may_follow(master, now) {
            return;
        }
        if self.coordinated.as_ref().is_some_and(|coordinated| term < coordinated.term) {
            // Deposed, and does not know it yet.
            return;
        }
        self.term = self.term.max(term);
        self.followed(term);
        self.promise = Promise { to: Some((master, term)), until: now + self.support_time() };
        self.state = State::Member(Following {
            master,
            term,
            n: self.config.constants.n_min,
            last_heard: now,
            heard: 0,
            next_keepalive: now,
            table_version: 0,
            reconciled: false,
            mismatch: None,
            refused: None,
        });
        self.shown.all_changed();
        self.tell(Event::Joined { master, term });
        if self.config.constants.fencing.is_none() {
            self.unfence();
        }
        self.following_timeout(now);
    }

    /// It may not, or not yet (CL-10, CL-38, CL-40).
    pub(super) fn join_refused(
        &mut self,
        master: MemberId,
        term: Term,
        reason: JoinRefusal,
        retry: Duration,
        now: Instant,
    ) {
        if reason == JoinRefusal::InProgress {
            return self.target_master(master, term, true, now);
        }
        let State::Joining(joining) = &mut self.state else { return };
        if reason == JoinRefusal::NotMaster {
            // The coordinator says that it is: it has not heard of it yet.
            if self.config.coordination == Coordination::External {
                return;
            }
            joining.target.take_if(|(target, _)| *target == master);
            return;
        }
        joining.next_request = now + retry;
        self.no_offers_before(now + self.config.constants.watchdog);
        self.tell(Event::Refused { master, reason });
    }
}

/// An offer that was not repeated has been withdrawn.
fn is_fresh(best: &Bid, repeat: Duration, now: Instant) -> bool {
    now.since(best.heard) <= 4 * repeat
}
