//! What the table says to the other members of a cluster (CL-66, CL-67, CL-79).

use core::hash::Hash;
use std::collections::VecDeque;

use gateway_common::unit::{self, Unit, UnitKey};
use hashbrown::HashMap;

use super::command::Command;
use super::sweep::Sweep;
use super::table::{Session, Sessions};
use super::words::{CohortId, EndReason};
use crate::line::HardwareAddress;
use crate::login::Login;
use crate::member::MemberId;
use crate::replication::{Change, Essential, Initial, Positions, Said, SessionState, Stamp, StampClock};
use crate::time::{Duration, Instant};

/// A renewal that comes when this little of the lease is left says everything: a member whose clock is ahead may have let
/// the session end.
const MARGIN: Duration = Duration::from_secs(30);
/// Ends remembered, and for how long: until whatever was under way before them has arrived, or its connection is gone.
const GRAVES: usize = 1 << 17;
const REMEMBERED: Duration = Duration::from_secs(600);

/// On whose authority the table changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Decider {
    /// The owner of the client's unit, who may be fenced.
    Owner,
    /// The keeper, which acts for what has no client.
    Keeper,
}

/// What a table has to know of its cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShareConfig {
    /// This member.
    pub me: MemberId,
    /// Names of the line cards by [`FpcId`], those included that only this member's records know.
    pub fpcs: Vec<String>,
    /// Line cards and ports that are configured, and so in the same place on all members.
    pub configured: (usize, usize),
    /// By which clients are of their units.
    pub unit_key: UnitKey,
}

/// An address or prefix that has ended.
#[derive(Clone, Copy, Debug)]
struct Grave {
    /// The last change that has ended.
    of: Stamp,
    /// What this member said about the end, if it was this one.
    said: Option<Stamp>,
    /// When it was dug.
    at: Instant,
}

/// The part of a table that only a cluster needs; what it holds goes by `K`.
#[derive(Debug)]
pub(crate) struct Share<K> {
    pub(crate) clock: StampClock,
    pub(crate) config: ShareConfig,
    /// What was said before this life has a lesser number.
    pub(crate) born: u64,
    graves: HashMap<K, Grave>,
    buried: VecDeque<(Instant, K)>,
    pub(crate) now: Instant,
    pub(crate) sweep: Option<Sweep>,
    /// Changes of others that could not be carried out: no room, no such place, or no session to renew.
    pub(crate) unusable: u64,
}

/// The stamp of what is from before this gateway was a member: as old as its last exchange.
pub(crate) fn alien(me: MemberId, unix_millis: u64) -> Stamp {
    let mut then = StampClock::new(me);
    then.reach(unix_millis);
    then.next_stamp()
}

/// The work unit of a client's DHCP messages (CL-52), by this key.
fn unit_by(key: &UnitKey, hardware: &HardwareAddress) -> Unit {
    unit::dhcp4(key, unit::words(*hardware.chaddr()), hardware.hlen())
}

impl<K: Copy + Eq + Hash> Share<K> {
    /// `clock` has seen all that the table has.
    pub(crate) fn new(config: ShareConfig, clock: StampClock, now: Instant) -> Self {
        let (graves, buried, born) = (HashMap::new(), VecDeque::new(), clock.last() + 1);
        Self { clock, config, born, graves, buried, now, sweep: None, unusable: 0 }
    }

    /// Every change up to `of` at this address has ended; what arrives of them now is late. `said`: this member has ended
    /// it, by this change.
    pub(crate) fn bury(&mut self, address: K, of: Stamp, said: Option<Stamp>) {
        let (graves, at) = (&mut self.graves, self.now);
        if graves.get(&address).is_none_or(|grave| grave.of <= of) {
            graves.insert(address, Grave { of, said, at });
            self.buried.push_back((at, address));
        }
        while let Some((at, address)) = self.buried.front().copied()
            && (self.buried.len() > GRAVES || at + REMEMBERED <= self.now)
        {
            self.buried.pop_front();
            // One that was dug again has a later place in the queue, too.
            if self.graves.get(&address).is_some_and(|grave| grave.at == at) {
                self.graves.remove(&address);
            }
        }
    }

    /// Whether this change at the address has ended.
    pub(crate) fn has_buried(&self, address: K, stamp: Stamp) -> bool {
        self.graves.get(&address).is_some_and(|grave| grave.of >= stamp)
    }

    /// Whoever has seen `theirs` still has a session at this address. When it has heard this member say that it ended,
    /// it did not believe it: so it did not end. Returns whether that is so.
    pub(crate) fn exhume(&mut self, address: K, theirs: &Positions) -> bool {
        let said = self.graves.get(&address).and_then(|grave| grave.said);
        let disbelieved = said.is_some_and(|said| theirs.covers(said));
        if disbelieved {
            self.graves.remove(&address);
        }
        disbelieved
    }
}

impl Sessions {
    /// The table is one of a cluster's. Call it once the records are restored.
    pub fn share(&mut self, config: ShareConfig, now: Instant) {
        let mut clock = StampClock::new(config.me);
        self.stamp_alien(config.me);
        self.slab.iter_from(0).for_each(|(_, session)| clock.observe(session.stamp));
        clock.reach(self.clock.to_unix_millis(now));
        self.share = Some(Box::new(Share::new(config, clock, now)));
        self.unit_counts.fill(0);
        for (_, session) in self.slab.iter_from(0) {
            let unit = self.unit_of(&session.hardware);
            self.unit_counts[unit.index() as usize] += 1;
        }
    }

    /// The clock of its stamps, for the member's other table.
    pub fn stamp_clock(&self) -> Option<StampClock> {
        self.share.as_ref().map(|share| share.clock.clone())
    }

    /// The work unit of a client's DHCP messages (CL-52).
    pub(super) fn unit_of(&self, hardware: &HardwareAddress) -> Unit {
        unit_by(self.share.as_ref().map_or(&UnitKey::NONE, |share| &share.config.unit_key), hardware)
    }

    /// Sessions from before this gateway was a member are changes as old as their last exchange: the others are told of them,
    /// and what any of them knows by now that is newer counts.
    fn stamp_alien(&mut self, me: MemberId) {
        let before: Vec<u32> = self
            .slab
            .iter_from(0)
            .filter(|(_, session)| session.stamp == Stamp::NONE && !session.is_static)
            .map(|(slot, _)| slot)
            .collect();
        for slot in before {
            self.slab[slot].stamp = alien(me, self.clock.to_unix_millis(self.slab[slot].at));
        }
    }

    /// Changes of other members that could not be carried out.
    pub fn unusable(&self) -> u64 {
        self.share.as_ref().map_or(0, |share| share.unusable)
    }

    /// Time has passed: for the stamps.
    pub fn handle_now(&mut self, now: Instant) {
        let millis = self.clock.to_unix_millis(now);
        if let Some(share) = &mut self.share {
            share.now = now;
            share.clock.reach(millis);
        }
    }

    /// A change of another member was seen.
    pub fn observe(&mut self, stamp: Stamp) {
        if let Some(share) = &mut self.share {
            share.clock.observe(stamp);
        }
    }

    /// The stamp of a change that is not the table's own. Poll the table's commands before it is used.
    pub fn next_stamp(&mut self) -> Option<Stamp> {
        self.share.as_mut().map(|share| share.clock.next_stamp())
    }

    /// Whether a renewal changes more than essential state, or another member may not know the rest. Members are told
    /// everything by a session's new owner, so that its renewals never arrive before what they renew.
    pub(super) fn says_all(&self, slot: u32, cohort: CohortId, login: &Login) -> bool {
        let Some(share) = &self.share else { return false };
        let session = &self.slab[slot];
        session.stamp.origin() != Some(share.clock.me())
            || session.lacking
            || (session.cohort, session.epoch) != (cohort, login.epoch)
            || (login.client_id.is_some() && session.client_id != login.client_id)
            || session.server_identifier != login.server_identifier
            || session.giaddr != login.giaddr
            || session.agent_information != login.agent_information
            || session.expires <= share.now + MARGIN
    }

    /// Whether there is a word for it that others understand. One behind a card or port that is only in this member's
    /// records, or from the configuration, is this member's alone.
    pub(super) fn is_portable(&self, session: &Session) -> bool {
        self.share.as_ref().is_some_and(|share| {
            let (fpcs, ports) = share.config.configured;
            !session.is_static && usize::from(self.fpc(session).0) < fpcs && usize::from(session.line.port.0) < ports
        })
    }

    fn say(&mut self, unit: Option<Unit>, change: impl FnOnce(&Self) -> Change) -> Stamp {
        let Some(share) = &mut self.share else { return Stamp::NONE };
        let stamp = share.clock.next_stamp();
        let change = change(self);
        self.commands.push_back(Command::Replicate(Said { stamp, unit, change }));
        stamp
    }

    /// Says all there is to know of a session.
    pub(super) fn say_session(&mut self, slot: u32, by: Decider) {
        if !self.is_portable(&self.slab[slot]) {
            return;
        }
        let unit = (by == Decider::Owner).then(|| self.unit_of(&self.slab[slot].hardware));
        let stamp = self.say(unit, |table| Change::Session(Box::new(table.state(&table.slab[slot]))));
        let session = &mut self.slab[slot];
        (session.stamp, session.renewed, session.lacking) = (stamp, false, false);
    }

    pub(super) fn say_essential(&mut self, slot: u32, by: Decider) {
        if self.share.is_none() {
            return;
        }
        let unit = (by == Decider::Owner).then(|| self.unit_of(&self.slab[slot].hardware));
        let stamp = self.say(unit, |table| Change::Essential(table.essential(&table.slab[slot])));
        (self.slab[slot].stamp, self.slab[slot].renewed) = (stamp, true);
    }

    pub(super) fn say_orphaned(&mut self, slot: u32) {
        if self.share.is_some() {
            let (address, of) = (self.slab[slot].address, self.slab[slot].stamp);
            self.say(None, |_| Change::Orphaned { address, of });
        }
    }

    pub(super) fn say_ended(&mut self, slot: u32, reason: EndReason) {
        if self.share.is_none() || self.slab[slot].is_static {
            return;
        }
        let Session { address, hardware, epoch, stamp: of, .. } = self.slab[slot];
        let keeper = matches!(reason, EndReason::LoggedOut | EndReason::Gone);
        let unit = (!keeper).then(|| self.unit_of(&hardware));
        let said = self.say(unit, |_| Change::Ended { address, hardware, epoch, reason, of });
        if let Some(share) = &mut self.share {
            share.bury(address, of, Some(said));
        }
    }

    pub(super) fn say_cutoff(&mut self, id: CohortId) {
        if self.share.is_some()
            && let Some(change) = self.cutoff(id)
        {
            self.say(None, |_| change);
        }
    }

    /// What is known of the end of a cohort.
    pub(super) fn cutoff(&self, id: CohortId) -> Option<Change> {
        let cohort = self.cohorts.get(id)?;
        let (server, scope, ended) = (cohort.server, cohort.scope.clone(), cohort.ended?);
        let fpc = self.share.as_ref()?.config.fpcs.get(usize::from(cohort.fpc.0))?.clone();
        Some(Change::Cutoff { fpc, server, scope, ended })
    }

    /// A session as other members are told of it.
    pub(super) fn state(&self, session: &Session) -> SessionState {
        let cohort = self.cohorts.get(session.cohort).expect("a session's cohort exists");
        let initial = Initial {
            client_id: session.client_id.clone(),
            line: session.line,
            fpc: cohort.fpc,
            server: cohort.server,
            server_identifier: session.server_identifier,
            giaddr: session.giaddr,
            agent_information: session.agent_information.clone(),
            scope: cohort.scope.clone(),
        };
        SessionState { initial, essential: self.essential(session) }
    }

    fn essential(&self, session: &Session) -> Essential {
        Essential {
            address: session.address,
            hardware: session.hardware,
            epoch: session.epoch,
            at: self.clock.to_unix_millis(session.at),
            expires: self.clock.to_unix_millis(session.expires),
            orphaned: session.orphaned,
        }
    }
}
