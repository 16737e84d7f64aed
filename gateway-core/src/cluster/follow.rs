//! Following a master (CL-14, CL-42 to CL-47).

use gateway_common::unit::Unit;

use super::event::{Event, Why};
use super::state::{Following, State};
use super::{Cluster, Command, Destination, List};
use crate::member::{MemberId, Term};
use crate::time::Instant;
use crate::wire::cluster::{Body, MasterKeepalive, MemberKeepalive};

impl Cluster {
    /// The master this member follows lives.
    pub(super) fn heard_master(&mut self, keepalive: &MasterKeepalive, now: Instant) {
        let me = self.me();
        let State::Member(following) = &mut self.state else { return };
        let (master, term) = (following.master, following.term);
        following.last_heard = now;
        let first = following.heard == 0;
        following.heard = following.heard.max(keepalive.keepalive_seq);
        following.n = keepalive.n;
        let period = self.config.constants.watchdog / u32::from(keepalive.n.max(1));
        // The master counts on us from the first of its keepalives on that it knows we have heard.
        following.next_keepalive = if first { now } else { following.next_keepalive.min(now + period) };
        self.promise.until = now + self.support_time();
        let Some(mine) = keepalive.members.iter().find(|member| member.id == me) else {
            return self.lose_master(Why::NotListed, now);
        };
        let confirmed = self.sent.time(mine.heard);
        if let (Some(sent), Some(fencing)) = (confirmed, self.config.constants.fencing) {
            self.lease = self.lease.max(sent + fencing);
            if self.lease > now {
                self.unfence();
            }
        }
        self.note_list(master, term, keepalive, now);
        self.note_table(keepalive, now);
        self.take_ready(now);
        if first {
            self.following_timeout(now);
        }
    }

    /// Members that came and went, for the applications (CL-43, CL-44).
    fn note_list(&mut self, master: MemberId, term: Term, keepalive: &MasterKeepalive, now: Instant) {
        let members = keepalive.members.iter().map(|member| member.id).collect();
        let drained = keepalive.drained.iter().copied().collect();
        let leaving = keepalive.members.iter().filter(|member| member.leaving).map(|member| member.id).collect();
        let followed = (self.list.master, self.list.term) == (Some(master), term);
        let since = if followed { self.list.since } else { now };
        let new = List { master: Some(master), term, since, heard: now, members, drained, leaving };
        self.listed.extend(new.members.iter().map(|member| (*member, now)));
        let old = core::mem::replace(&mut self.list, new);
        let gone: Vec<_> = old.members.difference(&self.list.members).copied().collect();
        let come: Vec<_> = self.list.members.difference(&old.members).copied().collect();
        for member in gone {
            self.note_gone(member, now);
            self.tell(Event::MemberWent { member, why: Why::NotListed });
        }
        for member in come {
            self.note_back(member);
            self.tell(Event::MemberCame(member));
        }
    }

    /// The table informs, and takes away what others have; only UNIT-ASSIGN confers.
    fn note_table(&mut self, keepalive: &MasterKeepalive, now: Instant) {
        if let Some(chunk) = &keepalive.table {
            let units = (chunk.first.index() as u16..).map_while(Unit::new);
            for (unit, entry) in units.zip(&chunk.entries) {
                if self.table.set(unit, entry.owner, entry.version, now) {
                    self.shown.changed(unit);
                }
                self.heed_table(unit, entry);
            }
        }
        let whole = self.table.digest() == keepalive.table_digest;
        let mut reconcile = false;
        if let State::Member(following) = &mut self.state
            && whole
        {
            following.table_version = keepalive.table_version;
            reconcile = !core::mem::replace(&mut following.reconciled, true);
        }
        if reconcile {
            self.reconcile();
        }
        if whole {
            self.look_for_mismatch(now);
        }
    }

    /// The master believes for longer than a message takes that we hold what we don't: we ask to join again, and say
    /// what we do hold.
    fn look_for_mismatch(&mut self, now: Instant) {
        let me = self.me();
        let missing = |unit| self.table.get(unit).owner == Some(me) && self.holdings.get(unit).is_none();
        let missing = super::table::units().any(missing);
        let State::Member(following) = &mut self.state else { return };
        following.mismatch = missing.then(|| following.mismatch.unwrap_or(now));
        if following.mismatch.is_some_and(|since| since + self.config.constants.watchdog <= now) {
            self.lose_master(Why::OutOfDate, now);
        }
    }

    pub(super) fn following_timeout(&mut self, now: Instant) {
        let State::Member(following) = &self.state else { return };
        if following.last_heard + self.config.constants.watchdog <= now {
            return self.lose_master(Why::Silence, now);
        }
        if following.next_keepalive <= now {
            self.send_keepalive(now);
        }
        if self.leaving && self.owns_nothing() {
            self.leave(now);
        }
    }

    pub(super) fn following_deadline(&self, following: &Following) -> Instant {
        following.next_keepalive.min(following.last_heard + self.config.constants.watchdog)
    }

    /// This member lives (CL-46).
    fn send_keepalive(&mut self, now: Instant) {
        let State::Member(following) = &mut self.state else { return };
        following.next_keepalive = now + self.config.constants.watchdog / u32::from(following.n);
        let (master, term) = (following.master, following.term);
        self.keepalive_seq += 1;
        let keepalive = MemberKeepalive {
            keepalive_seq: self.keepalive_seq,
            units: self.holdings.owned(),
            load: self.load,
            table_version: following.table_version,
            heard: following.heard,
            leaving: self.leaving,
            ready: self.synced,
        };
        self.sent.push(self.keepalive_seq, self.config.constants.support.max(self.lease_length()), now);
        self.send(Destination::Member(master), term, Body::MemberKeepalive(keepalive));
    }

    pub(super) fn lease_length(&self) -> crate::time::Duration {
        self.config.constants.fencing.unwrap_or_default()
    }

    /// The operator's exit is complete: nothing is ours any more.
    pub(super) fn leave(&mut self, now: Instant) {
        match &self.state {
            State::Member(Following { master, term, .. }) => {
                let (master, term) = (*master, *term);
                self.send(Destination::Member(master), term, Body::Exit { reason: super::datagram::LEAVES });
            }
            State::Master(_) => self.step_down(Why::Left, now),
            _ => {}
        }
        self.fence(Why::Left);
        self.state = State::Left;
        self.commands.push_back(Command::Left);
    }
}
