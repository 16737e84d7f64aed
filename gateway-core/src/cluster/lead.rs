//! Being master: becoming it, keepalives both ways, other masters (CL-19 to CL-31).

use std::collections::BTreeMap;

use gateway_common::unit::Unit;

use super::announce::Announcements;
use super::config::{Coordination, Quorum};
use super::datagram::{LEAVES, NOT_A_MEMBER, OUT_OF_DATE};
use super::event::{Event, Why};
use super::loss::{self, Loss};
use super::rank::Rank;
use super::state::{Peer, Phase, Ruling, State};
use super::table::CHUNKS;
use super::{Cluster, Command, Destination};
use crate::member::{MemberId, Term, UnitVersion};
use crate::time::{Duration, Instant};
use crate::wire::cluster::{Body, MasterKeepalive, MemberKeepalive, MemberState};

/// A new master's assignments leave this much room for ones of the last master that nobody could tell it of.
const UNHEARD_ASSIGNMENTS: u32 = 1024;

impl Cluster {
    /// CL-19: this member is master, with those who support it. `since`: their promise counts from then on.
    pub(super) fn become_master(
        &mut self,
        term: Term,
        supporters: &BTreeMap<MemberId, Term>,
        since: Instant,
        now: Instant,
    ) {
        let constants = &self.config.constants;
        let recorded = self.coordinated.as_ref().map_or(UnitVersion(0), |said| said.highest);
        let known = self.table.highest().max(self.holdings.highest()).max(recorded);
        let floor = known.0.saturating_add(UNHEARD_ASSIGNMENTS).max(term.0);
        self.holdings.unconfirm();
        let mut ruling = Ruling {
            term,
            peers: BTreeMap::new(),
            removed: None,
            pending: BTreeMap::new(),
            suspects: self.suspects(supporters, now),
            phases: BTreeMap::new(),
            releasing: BTreeMap::new(),
            floor: UnitVersion(floor),
            n: constants.n_min,
            next_keepalive: now,
            keepalives: 0,
            pushed: 0,
            next_tick: now,
            next_balance: now + constants.balance_every,
            frozen_until: now + constants.freeze,
            wait_for_peers: now + constants.watchdog / 2,
            drained: self.list.drained.clone(),
            announcements: Announcements::new(constants, now),
        };
        for unit in super::table::units() {
            let held = self.holdings.get(unit).filter(|_| self.holdings.is_own(unit));
            match held {
                Some(held) => _ = self.table.set(unit, Some(self.config.me), held.version, now),
                None => {
                    let version = self.table.get(unit).version.max(self.holdings.given_up(unit));
                    self.table.set(unit, None, version, now);
                    ruling.phases.insert(unit, Phase::Pool { from: now, unknown: true });
                }
            }
        }
        self.term = self.term.max(term);
        self.state = State::Master(Box::new(ruling));
        self.counters.masterships += 1;
        self.shown.all_changed();
        self.followed(term);
        for supporter in supporters.keys() {
            self.admit(*supporter, Some(since), now);
        }
        let absent = self.list.members.iter().filter(|member| !supporters.contains_key(member)).copied();
        absent.collect::<Vec<_>>().into_iter().for_each(|member| self.note_gone(member, now));
        self.claims.retain(|member, _| !supporters.contains_key(member));
        let members = supporters.len() + 1;
        self.tell(Event::BecameMaster { term, members });
        self.unfence();
        self.note_degraded();
        self.commands.push_back(Command::AnswerForCluster(true));
        self.master_timeout(now);
    }

    /// Who may own units that nobody told us of, and until when. Not who supports us: it says what it owns. Not the last
    /// master: no majority supports it. Who was no member under that one when we last heard it, for so long that it had
    /// nothing more to bring with it, neither: under that master it can't have got anything that we would not know of.
    /// All that we only know if we followed the last master until now, and no other came between: then none of a majority
    /// has followed or supported one.
    fn suspects(&self, supporters: &BTreeMap<MemberId, Term>, now: Instant) -> BTreeMap<MemberId, Instant> {
        let constants = &self.config.constants;
        let others = self.config.members.iter().map(|member| member.id).filter(|id| *id != self.config.me);
        if self.config.coordination == Coordination::External {
            return others.map(|id| (id, Instant::NEVER)).collect();
        }
        let fencing = constants.fencing.unwrap_or(constants.watchdog) + constants.margin;
        let list = &self.list;
        let own = self.ruled_before(Some(self.config.me));
        let witnesses = supporters.values().chain([&own]).filter(|ruled| **ruled <= list.term).count();
        let recent = now.since(list.heard) < fencing && witnesses >= self.config.majority();
        let last = list.master.filter(|_| recent && self.config.quorum == Quorum::Majority);
        let harmless = |id: &MemberId| match last {
            Some(master) if *id == master => true,
            Some(_) if !list.members.contains(id) => {
                let listed = self.listed.get(id).copied().unwrap_or_default();
                listed.max(list.since) + fencing <= list.heard
            }
            _ => false,
        };
        others.filter(|id| !harmless(id)).map(|id| (id, now + fencing)).collect()
    }

    /// This member is master no more, and what it owned is not its own.
    pub(super) fn step_down(&mut self, why: Why, now: Instant) {
        let State::Master(ruling) = &self.state else { return };
        let (term, drained) = (ruling.term, ruling.drained.clone());
        self.fence(why);
        self.hold.clear();
        self.inbox.clear();
        self.commands.push_back(Command::AnswerForCluster(false));
        // Whoever follows us need not wait for our silence: we have stopped.
        self.send(Destination::Group, term, Body::Exit { reason: LEAVES });
        self.tell(Event::SteppedDown { term, why });
        (self.promise.to, self.promise.until) = (None, now);
        // Of what it listed only what an operator wants is for its next mastership, if it is the next.
        self.list = super::List { drained, ..super::List::default() };
        self.look_for_master(now);
        self.note_degraded();
    }

    /// Applications know whether this member rules alone (H-CL-6).
    pub(super) fn note_degraded(&mut self) {
        let alone = matches!(&self.state, State::Master(ruling) if ruling.peers.len() + 1 < self.config.majority());
        let degraded = alone && self.config.quorum == Quorum::Degraded;
        if core::mem::replace(&mut self.degraded, degraded) != degraded {
            self.commands.push_back(Command::Degraded(degraded));
        }
    }

    /// Two masters have met (CL-22 to CL-27).
    pub(super) fn tie_break(&mut self, other: MemberId, rank: Rank, now: Instant) {
        let State::Master(ruling) = &self.state else { return };
        let own = Rank { term: ruling.term, members: ruling.peers.len() as u8 + 1, ip: self.config.ip(self.me()) };
        if rank.beats(&own, self.config.constants.term_first) {
            self.tell(Event::OtherMaster { master: other, won: false });
            self.step_down(Why::OtherMaster(other), now);
            return self.heard_of_master(other, rank.term, now);
        }
        self.tell(Event::OtherMaster { master: other, won: true });
        self.object(other);
        self.commands.push_back(Command::Announce);
    }

    /// OTHER-MASTER-EXISTS, to who would be master or is one beside us.
    pub(super) fn object(&mut self, to: MemberId) {
        let State::Master(ruling) = &self.state else { return };
        let (master, ip) = (self.me(), self.config.ip(self.me()));
        let body = Body::OtherMasterExists { master, ip, members: ruling.peers.len() as u8 + 1 };
        self.send(Destination::Member(to), ruling.term, body);
    }

    /// A member lives (CL-29, CL-30).
    pub(super) fn member_keepalive(&mut self, member: MemberId, term: Term, said: &MemberKeepalive, now: Instant) {
        let State::Master(ruling) = &mut self.state else { return };
        let constants = &self.config.constants;
        if term != ruling.term || !ruling.peers.contains_key(&member) {
            let term = ruling.term;
            return self.send(Destination::Member(member), term, Body::Exit { reason: NOT_A_MEMBER });
        }
        // It has joined: it asks no more.
        ruling.pending.remove(&member);
        self.claims.remove(&member);
        let Some(peer) = ruling.peers.get_mut(&member) else { return };
        if !peer.loss.heard(said.keepalive_seq, constants) {
            return;
        }
        peer.heard = now;
        peer.has_heard = peer.has_heard.max(said.heard);
        if let Some(sent) = self.sent.time(said.heard) {
            peer.support = peer.support.max(sent);
        }
        (peer.load, peer.ready, peer.leaving) = (said.load, said.ready, said.leaving);
        peer.table_version = said.table_version;
        if !core::mem::replace(&mut peer.confirmed, true) {
            ruling.next_keepalive = now; // until it knows that it was heard it may own nothing
        }
        peer.n = loss::interval(peer.loss.probability(constants.estimator), constants);
        let n = ruling.peers.values().map(|peer| peer.n).max().unwrap_or(constants.n_min);
        let old = core::mem::replace(&mut ruling.n, n);
        if old != n {
            let longest = constants.watchdog / u32::from(old.min(n));
            ruling.peers.values_mut().for_each(|peer| peer.change = (longest, now + constants.watchdog));
        }
        self.compare(member, said.units, now);
    }

    /// Until when a member may be silent (CL-31, H-CL-5).
    pub(super) fn patience(&self, ruling: &Ruling, peer: &Peer) -> Instant {
        let constants = &self.config.constants;
        let (longest, until) = peer.change;
        let changing = until > peer.heard;
        let period = if changing { longest } else { constants.watchdog / u32::from(ruling.n) };
        peer.heard + constants.watchdog + period * constants.patience.max(u32::from(changing))
    }

    pub(super) fn master_period(&self, ruling: &Ruling) -> Duration {
        self.config.constants.watchdog / u32::from(ruling.n).max(self.config.constants.master_keepalives)
    }

    /// The master lives (CL-28). What of the table is news to somebody goes with it, in as many keepalives as it has parts.
    pub(super) fn master_keepalive(&mut self, now: Instant) {
        let State::Master(ruling) = &mut self.state else { return };
        ruling.keepalives = ruling.keepalives.wrapping_add(1);
        let behind = ruling.peers.values().map(|peer| peer.table_version).min().unwrap_or(u32::MAX);
        let mut chunks: Vec<_> = self.table.chunks_after(behind).map(Some).collect();
        ruling.pushed = self.table.version();
        if chunks.is_empty() {
            let every = self.config.constants.table_every.max(1);
            let turn = ruling.keepalives / every;
            chunks.push(ruling.keepalives.is_multiple_of(every).then_some(turn as usize % CHUNKS));
        }
        chunks.into_iter().for_each(|chunk| self.say_keepalive(chunk, now));
        let State::Master(ruling) = &self.state else { return };
        let next = now + self.master_period(ruling);
        if let State::Master(ruling) = &mut self.state {
            ruling.next_keepalive = next;
        }
    }

    pub(super) fn say_keepalive(&mut self, chunk: Option<usize>, now: Instant) {
        let State::Master(ruling) = &self.state else { return };
        let counts = self.table.counts();
        let state = |id: MemberId, heard: u64, leaving: bool| MemberState {
            id,
            ip: self.config.ip(id),
            units: counts[usize::from(id.get())],
            heard,
            leaving,
        };
        let mut members = vec![state(self.me(), 0, self.leaving)];
        members.extend(ruling.peers.iter().map(|(id, peer)| state(*id, peer.loss.last_seq(), peer.leaving)));
        self.keepalive_seq += 1;
        let keepalive = MasterKeepalive {
            keepalive_seq: self.keepalive_seq,
            n: ruling.n,
            watchdog_ms: self.config.constants.watchdog.as_millis() as u16,
            members,
            drained: ruling.drained.iter().copied().collect(),
            table_version: self.table.version(),
            table_digest: self.table.digest(),
            table: chunk.map(|chunk| self.table.chunk(chunk)),
        };
        let term = ruling.term;
        if let State::Master(ruling) = &mut self.state {
            ruling.peers.values_mut().filter(|peer| peer.listed == 0).for_each(|peer| peer.listed = self.keepalive_seq);
        }
        self.sent.push(self.keepalive_seq, self.config.constants.support.max(self.lease_length()), now);
        self.send(Destination::Group, term, Body::MasterKeepalive(keepalive));
    }

    /// A member is no member any more: its units go to the pool (CL-36), as soon as it is sure not to act on them (H-CL-20).
    pub(super) fn remove_peer(&mut self, member: MemberId, why: Why, now: Instant) {
        let State::Master(ruling) = &mut self.state else { return };
        let Some(peer) = ruling.peers.remove(&member) else { return };
        ruling.removed = Some(now);
        let fencing = self.config.constants.fencing.filter(|_| why != Why::Left && why != Why::Restarted);
        let from = fencing.map_or(now, |fencing| peer.heard + fencing + self.config.constants.margin);
        if from > now {
            ruling.suspects.entry(member).or_insert(from);
        }
        self.orphan(member, from, now);
        if why != Why::Left {
            self.note_gone(member, now);
        }
        self.tell(Event::MemberWent { member, why });
        self.note_degraded();
    }

    pub(super) fn new_peer(n: u8, support: Instant, eligible: Instant, now: Instant) -> Peer {
        Peer {
            loss: Loss::default(),
            n,
            heard: now,
            change: (Duration::ZERO, now),
            support,
            eligible,
            listed: 0,
            has_heard: 0,
            load: 0,
            ready: false,
            leaving: false,
            table_version: 0,
            confirmed: false,
            lacks: None,
        }
    }

    /// What a member says it owns is compared with what it is to own, but for what is on its way. Whoever owns less for longer
    /// than a message takes, and does not know it, would leave units unserved for ever: it is told to join again, and says then
    /// what it owns.
    fn compare(&mut self, member: MemberId, owned: u16, now: Instant) {
        let State::Master(ruling) = &mut self.state else { return };
        let settled = |unit: &Unit| self.table.get(*unit).owner == Some(member) && !ruling.phases.contains_key(unit);
        let settled = super::table::units().filter(settled).count();
        let Some(peer) = ruling.peers.get_mut(&member) else { return };
        peer.lacks = (usize::from(owned) < settled).then(|| peer.lacks.unwrap_or(now));
        if peer.lacks.is_some_and(|since| since + self.config.constants.watchdog <= now) {
            peer.lacks = None;
            let term = ruling.term;
            self.send(Destination::Member(member), term, Body::Exit { reason: OUT_OF_DATE });
        }
    }
}
