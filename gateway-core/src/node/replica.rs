//! What this node and the other members of its cluster tell each other (CL-67, CL-69, CL-79).

use std::collections::{BTreeMap, BTreeSet};

use super::restore::replay_key;
use super::{Command, Node};
use crate::fpc::FPC_PREFIX;
use crate::line::{FpcId, Line};
use crate::member::MemberId;
use crate::replication::{Change, Initial6, Positions, Record, Said, Stamp};
use crate::session::EndReason;
use crate::sightings::Sightings;
use crate::time::Instant;
use crate::wire::dhcp6::DuidBuf;

/// Where the leases of DHCPv6 begin among the places of a snapshot; before it are the sessions of DHCPv4.
const LEASES6: u64 = 1 << 33;

/// What a node has to remember in a cluster, beside what it has anyway.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) keeper: bool,
    /// Everything is restored: from now on what is decided is news.
    sharing: bool,
    /// Journals of releases by key, with the change that said so; `None`: it is done.
    pub(super) journals: BTreeMap<Vec<u8>, (Stamp, Option<Vec<u8>>)>,
    /// Last word about each line card, by name.
    cards: BTreeMap<String, Stamp>,
    /// Line cards of which this node knows more than whoever spoke of them.
    ahead: BTreeSet<String>,
    /// Records of capabilities by key.
    capabilities: BTreeMap<Vec<u8>, (Stamp, Vec<u8>)>,
    /// Whom the members have seen.
    pub(super) sightings: Sightings,
    /// Of the last input.
    pub(super) now: Instant,
}

impl Shared {
    pub(super) fn new(me: MemberId, now: Instant) -> Self {
        Self {
            keeper: false,
            sharing: false,
            journals: BTreeMap::new(),
            cards: BTreeMap::new(),
            ahead: BTreeSet::new(),
            capabilities: BTreeMap::new(),
            sightings: Sightings::new(me, now),
            now,
        }
    }
}

impl Node {
    /// From now on everything that is decided is told.
    pub(super) fn begin_sharing(&mut self) {
        self.shared.iter_mut().for_each(|shared| shared.sharing = true);
    }

    pub(super) fn hold_capabilities(&mut self, records: Vec<(Vec<u8>, Vec<u8>)>) {
        let Some(shared) = &mut self.shared else { return };
        shared.capabilities.extend(records.into_iter().map(|(key, value)| (key, (Stamp::NONE, value))));
    }

    pub(super) fn hold_journals(&mut self, journals: Vec<(Vec<u8>, Vec<u8>)>) {
        let Some(shared) = &mut self.shared else { return };
        shared.journals.extend(journals.into_iter().map(|(key, value)| (key, (Stamp::NONE, Some(value)))));
    }

    /// Tells the others what was decided here, after all that the table has to tell; returns the stamp.
    pub(super) fn say(&mut self, change: impl FnOnce() -> Change) -> Option<Stamp> {
        if !self.shared.as_ref().is_some_and(|shared| shared.sharing) {
            return None;
        }
        while let Some(command) = self.sessions.poll_command() {
            self.on_session(command);
        }
        while self.drain_sessions6() {}
        let stamp = self.sessions.next_stamp()?;
        self.commands.push_back(Command::Replicate(Said { stamp, unit: None, change: change() }));
        Some(stamp)
    }

    pub(super) fn say_fpc(&mut self, key: &[u8], value: &[u8]) {
        let Some(Ok(name)) = key.strip_prefix(&[FPC_PREFIX]).map(core::str::from_utf8) else { return };
        if let Some(stamp) = self.say(|| Change::Fpc { name: name.to_owned(), record: value.to_vec() })
            && let Some(shared) = &mut self.shared
        {
            shared.cards.insert(name.to_owned(), stamp);
        }
    }

    pub(super) fn say_journal(&mut self, key: &[u8], value: Option<&[u8]>) {
        let (key, value) = (key.to_vec(), value.map(<[u8]>::to_vec));
        if let Some(stamp) = self.say(|| Change::Journal { key: key.clone(), value: value.clone() })
            && let Some(shared) = &mut self.shared
        {
            shared.journals.insert(key, (stamp, value));
        }
    }

    pub(super) fn say_capability(&mut self, key: &[u8], value: &[u8]) {
        let (key, value) = (key.to_vec(), value.to_vec());
        if let Some(stamp) = self.say(|| Change::Capability { key: key.clone(), value: value.clone() })
            && let Some(shared) = &mut self.shared
        {
            shared.capabilities.insert(key, (stamp, value));
        }
    }

    /// Time has passed: for the stamps.
    pub(super) fn handle_now(&mut self, now: Instant) {
        self.shared.iter_mut().for_each(|shared| shared.now = now);
        self.sessions.handle_now(now);
        self.six.iter_mut().for_each(|six| six.sessions.handle_now(now));
    }

    /// A change of another member. It is carried out in the table, the store and the data plane; no server, no client and
    /// no other member hears of it. What is older than what is known here changes nothing.
    pub fn handle_replica(&mut self, record: Record, now: Instant) {
        self.handle_now(now);
        let card = match &record.change {
            Change::Fpc { name, .. } => Some(name.clone()),
            _ => None,
        };
        self.take_in(record, false, now);
        self.drain(now);
        // Whoever is ahead says so: members that have guessed, each by itself, come to one epoch.
        let ahead = |name: &String| self.shared.as_mut().is_some_and(|shared| shared.ahead.remove(name));
        if let Some(name) = card.filter(ahead) {
            let fpc = self.fpcs.known().find(|(_, known)| *known == name).map(|(fpc, _)| fpc);
            self.say_epochs(fpc);
        }
    }

    /// Tells the others the epochs of these cards.
    pub(super) fn say_epochs(&mut self, fpcs: impl IntoIterator<Item = FpcId>) {
        for fpc in fpcs {
            let (key, value) = self.fpcs.record(fpc);
            self.say_fpc(&key, &value);
        }
    }

    /// `snapshot`: it is part of one.
    fn take_in(&mut self, record: Record, snapshot: bool, now: Instant) {
        if let Change::Ended { address, hardware, reason: EndReason::Released | EndReason::Declined, .. } =
            record.change
        {
            self.recoveries.given_up(address, hardware, now);
        }
        let Some(record) = self.sessions.handle_replica(record, now) else { return };
        let news = self.newcomer6(&record.change).filter(|_| !snapshot);
        let record = match &mut self.six {
            Some(six) => six.sessions.handle_replica(record, now),
            None => Some(record),
        };
        if let Some((line, client, mac)) = news
            && self.six.as_ref().is_some_and(|six| six.sessions.by_client(line, client.as_duid()).is_some())
        {
            // Another member's client, of which only the keeper may release what it left behind. After the table's records.
            while self.drain_sessions6() {}
            self.left_behind6(line, client.as_duid(), mac, now);
        }
        let Some(Record { stamp, change }) = record else { return };
        let Some(shared) = &mut self.shared else { return };
        match change {
            Change::Fpc { name, record } => {
                let newer = shared.cards.get(&name).is_none_or(|known| stamp > *known);
                if newer {
                    shared.cards.insert(name.clone(), stamp);
                }
                if self.fpcs.handle_replica(&name, &record, newer, snapshot, now) {
                    shared.ahead.insert(name);
                }
            }
            Change::Journal { key, value } => {
                if shared.journals.get(&key).is_some_and(|(known, _)| *known >= stamp) {
                    return;
                }
                shared.journals.insert(key.clone(), (stamp, value.clone()));
                self.commands.push_back(match value {
                    Some(value) => Command::Persist { key, value, sync: true },
                    None => Command::Forget { key },
                });
            }
            Change::ReplayReserved { server, through }
                if self.relay.replay_counters().handle_replica(server, through) =>
            {
                let (key, value) = (replay_key(server), through.to_be_bytes().to_vec());
                self.commands.push_back(Command::Persist { key, value, sync: true });
            }
            Change::Capability { key, value } => {
                if shared.capabilities.get(&key).is_some_and(|(known, _)| *known >= stamp)
                    || !self.capabilities.restore(&key, &value, self.clock.boot())
                {
                    return;
                }
                shared.capabilities.insert(key.clone(), (stamp, value.clone()));
                self.commands.push_back(Command::Persist { key, value, sync: false });
            }
            Change::Spoke6 { client, line } => self.spoke_elsewhere6(line, client.as_duid(), now),
            // Known, or the table's.
            _ => {}
        }
    }

    /// The client that begins to have leases by this change, if it does, and if this node would release others for it.
    fn newcomer6(&self, change: &Change) -> Option<(Line, DuidBuf, [u8; 6])> {
        let Change::Lease6(state) = change else { return None };
        let six = self.six.as_ref().filter(|_| self.is_keeper())?;
        let Initial6 { line, client, mac, relayed, .. } = &state.initial;
        let known = six.sessions.by_client(*line, client.as_duid()).is_some();
        (!known && !relayed).then(|| (*line, client.clone(), *mac))
    }

    /// State for a member that takes a snapshot, from `cursor` on (0: the beginning), at most about `most` records; and
    /// where to go on, `None` at the end. Cut-offs come first, so that what they ended is not revived.
    pub fn snapshot(&self, cursor: u64, most: usize) -> (Vec<Record>, Option<u64>) {
        let Some(from) = cursor.checked_sub(1) else { return (self.snapshot_head(), Some(1)) };
        let slot = |from| u32::try_from(from).unwrap_or(u32::MAX);
        match (from.checked_sub(LEASES6), &self.six) {
            (Some(from), Some(six)) => {
                let (records, next) = six.sessions.snapshot(slot(from), most);
                (records, next.map(|slot| LEASES6 + u64::from(slot) + 1))
            }
            (None, six) => {
                let (records, next) = self.sessions.snapshot(slot(from), most);
                let then = six.as_ref().map(|_| LEASES6 + 1);
                (records, next.map(|slot| u64::from(slot) + 1).or(then))
            }
            (Some(_), None) => (Vec::new(), None),
        }
    }

    /// Everything but the sessions.
    fn snapshot_head(&self) -> Vec<Record> {
        let Some(shared) = &self.shared else { return Vec::new() };
        let cards = self.fpcs.known().map(|(fpc, name)| {
            let stamp = shared.cards.get(name).copied().unwrap_or_default();
            Record { stamp, change: Change::Fpc { name: name.to_owned(), record: self.fpcs.record(fpc).1 } }
        });
        let journals = shared.journals.iter().map(|(key, (stamp, value))| Record {
            stamp: *stamp,
            change: Change::Journal { key: key.clone(), value: value.clone() },
        });
        let capabilities = shared.capabilities.iter().map(|(key, (stamp, value))| Record {
            stamp: *stamp,
            change: Change::Capability { key: key.clone(), value: value.clone() },
        });
        let reserved = self
            .relay
            .reserved_replay()
            .map(|(server, through)| Record { stamp: Stamp::NONE, change: Change::ReplayReserved { server, through } });
        let cutoffs6 = self.six.iter().flat_map(|six| six.sessions.cutoffs());
        cards
            .chain(self.sessions.cutoffs())
            .chain(cutoffs6)
            .chain(journals)
            .chain(capabilities)
            .chain(reserved)
            .collect()
    }

    /// A snapshot of another member follows: `theirs` is what that one had seen when it began, `ours` what this one has.
    /// `yielding`: that one has discarded some of what this one said.
    pub fn begin_replace(&mut self, theirs: Positions, ours: Positions, yielding: bool) {
        if let Some(six) = &mut self.six {
            six.sessions.begin_replace(theirs.clone(), ours.clone(), yielding);
        }
        self.sessions.begin_replace(theirs, ours, yielding);
        self.shared.iter_mut().for_each(|shared| shared.ahead.clear());
    }

    /// A part of the snapshot.
    pub fn handle_snapshot(&mut self, records: Vec<Record>, now: Instant) {
        self.handle_now(now);
        for Record { stamp, change } in records {
            match change {
                Change::Session(state) => self.sessions.handle_snapshot(stamp, *state, now),
                Change::Lease6(state) => {
                    if let Some(six) = &mut self.six {
                        six.sessions.handle_snapshot(stamp, *state, now);
                    }
                }
                change => self.take_in(Record { stamp, change }, true, now),
            }
        }
        self.drain(now);
    }

    /// The snapshot is complete: what its sender has seen end, ends here, and what nobody but this node knows is told.
    pub fn end_replace(&mut self, now: Instant) {
        self.handle_now(now);
        self.sessions.end_replace();
        self.six.iter_mut().for_each(|six| six.sessions.end_replace());
        self.drain(now);
        let guessed = self.fpcs.settle_epochs();
        let ahead = self.shared.as_mut().map(|shared| core::mem::take(&mut shared.ahead)).unwrap_or_default();
        let ahead: Vec<_> = self.fpcs.known().filter(|(_, name)| ahead.contains(*name)).map(|(fpc, _)| fpc).collect();
        self.say_epochs(guessed.into_iter().chain(ahead));
    }

    /// Nothing will come of the snapshot.
    pub fn abort_replace(&mut self) {
        self.sessions.abort_replace();
        self.six.iter_mut().for_each(|six| six.sessions.abort_replace());
    }
}
