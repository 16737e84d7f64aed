//! Replication: every member's changes to every member, in order, exactly once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gateway_common::unit::Unit;

use super::aside::Interface;
use super::change::{Record, Said};
use super::command::{Command, Event, Refusal};
use super::fence::Fences;
use super::fetch::Fetch;
use super::frame::{Frame, MAX_FRAME, ResyncReason, Update};
use super::log::Log;
use super::peer::Peer;
use super::positions::Positions;
use crate::member::{Boot, MemberId, Secret, UnitVersion};
use crate::time::Instant;

/// What the shell chooses.
#[derive(Clone, Debug)]
pub struct ReplicationConfig {
    /// This member.
    pub me: MemberId,
    /// This life of it.
    pub boot: Boot,
    /// The key of its datagrams in this life.
    pub key: Secret,
    /// Octets of its own changes that are kept for those who were away; 32 MiB.
    pub kept: usize,
    /// Octets of each other member's changes that are kept in case that member dies before all have them; 4 MiB.
    pub kept_of_others: usize,
}

impl ReplicationConfig {
    /// With the usual sizes.
    pub const fn new(me: MemberId, boot: Boot, key: [u8; 32]) -> Self {
        Self { me, boot, key: Secret(key), kept: 32 << 20, kept_of_others: 4 << 20 }
    }
}

/// What happened to a member's stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerEvent {
    /// It stands; the certificates were checked.
    Connected,
    /// It is gone.
    Lost,
}

/// What is counted, since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Changes of our own.
    pub said: u64,
    /// Changes of others that were taken in.
    pub applied: u64,
    /// Changes that were here already.
    pub duplicate: u64,
    /// Changes of former owners that were discarded (H-CL-19).
    pub fenced: u64,
    /// Changes behind which something was missing.
    pub gaps: u64,
    /// Snapshots taken, and given.
    pub snapshots: (u64, u64),
}

/// The replication of one member.
///
/// ```text
///  node ──Said──▶ handle_change ──▶ own log ──┐ to each peer from where it stands, a batch a write
///                                             ├──────▶ Send
///  TLS stream ──▶ handle_octets ─▶ in order? ─┤ once per batch: Ack
///                   │  gap, or told RESYNC    └──▶ Apply ──▶ node
///                   └──▶ snapshot from that peer: BeginReplace, Merge …, EndReplace
/// ```
#[derive(Debug)]
pub struct Replication {
    pub(super) config: ReplicationConfig,
    pub(super) peers: BTreeMap<MemberId, Peer>,
    pub(super) logs: BTreeMap<MemberId, Log>,
    /// Number of the last own change of this life.
    last: u64,
    /// What was taken in of each origin, our own changes included.
    pub(super) positions: Positions,
    fences: Fences,
    /// The state is complete.
    pub(super) synced: bool,
    /// Nobody names a source of state: this member is master.
    pub(super) first: bool,
    pub(super) fetch: Option<Fetch>,
    /// Members whose snapshot is needed after the one under way.
    pub(super) wanted: BTreeSet<MemberId>,
    pub(super) snapshots: u64,
    /// Lost members of whom others may have more, and whether it was said that nobody has.
    pub(super) unsettled: BTreeMap<MemberId, bool>,
    /// Our own, as the others know them.
    pub(super) interfaces: Vec<Interface>,
    pub(super) counters: Counters,
    pub(super) commands: VecDeque<Command>,
    /// There may be something to send.
    pub(super) dirty: bool,
}

impl Replication {
    /// Knows nobody yet and has nothing.
    pub fn new(config: ReplicationConfig) -> Self {
        Self {
            config,
            peers: BTreeMap::new(),
            logs: BTreeMap::new(),
            last: 0,
            positions: Positions::default(),
            fences: Fences::new(),
            synced: false,
            first: false,
            fetch: None,
            wanted: BTreeSet::new(),
            snapshots: 0,
            unsettled: BTreeMap::new(),
            interfaces: Vec::new(),
            counters: Counters::default(),
            commands: VecDeque::new(),
            dirty: false,
        }
    }

    /// The node changed something (CL-67). `version` is that of its unit's assignment, if it has a unit. Returns the
    /// change's number, which a reply may have to wait for ([`super::Gate`]).
    pub fn handle_change(&mut self, said: &Said, version: UnitVersion) -> u64 {
        let seq = said.stamp.seq();
        let update = Update {
            previous: self.last,
            stamp: said.stamp,
            unit: said.unit.map(|unit| (unit, version)),
            change: said.change.clone(),
        };
        let mut octets = Vec::with_capacity(256);
        Frame::State(update).encode(&mut octets);
        if octets.len() > MAX_FRAME + 4 {
            self.commands.push_back(Command::Tell(Event::TooLarge { octets: octets.len() }));
            return self.last;
        }
        self.log(self.config.me).push(seq, &octets);
        self.last = seq;
        self.positions.advance(self.config.me, seq);
        self.counters.said += 1;
        self.dirty = true;
        seq
    }

    /// Units are ours from now on, under these versions: what former owners do from now on does not count.
    pub fn handle_owned(&mut self, units: impl IntoIterator<Item = (Unit, UnitVersion)>) {
        let floor = self.positions.latest() + 1;
        units.into_iter().for_each(|(unit, version)| self.fences.begin(unit, version, floor));
    }

    /// A member's stream stands, or is gone.
    pub fn handle_peer(&mut self, member: MemberId, event: PeerEvent, now: Instant) {
        let connected = event == PeerEvent::Connected;
        let was = core::mem::replace(&mut self.peers.entry(member).or_default().connected, connected);
        self.peer(member).reset(connected);
        if connected {
            self.hello(member);
            let key = self.config.key;
            self.send(member, &Frame::Key(key));
            self.tell_interfaces(member);
            self.next_fetch(now);
        } else if was {
            self.lost(member, now);
        }
    }

    /// More of a member's stream, cut anywhere. After this poll the commands.
    pub fn handle_octets(&mut self, from: MemberId, octets: &[u8], now: Instant) {
        let Some(peer) = self.peers.get_mut(&from).filter(|peer| peer.connected) else { return };
        let mut decoder = core::mem::take(&mut peer.decoder);
        decoder.push(octets);
        loop {
            match decoder.next_frame() {
                Ok(None) => break,
                Ok(Some((frame, octets))) => self.frame(from, frame, octets, now),
                Err(malformed) => self.refuse(from, malformed.into(), now),
            }
            if !self.peer(from).connected {
                return;
            }
        }
        self.peer(from).decoder = decoder;
    }

    fn refuse(&mut self, member: MemberId, why: Refusal, now: Instant) {
        self.commands.push_back(Command::Disconnect { member, why });
        self.handle_peer(member, PeerEvent::Lost, now);
    }

    fn frame(&mut self, from: MemberId, frame: Frame, octets: &[u8], now: Instant) {
        let boot = match frame {
            Frame::Hello { member, .. } if member != from => {
                return self.refuse(from, Refusal::NotItself(member), now);
            }
            Frame::Hello { boot, positions, synced, .. } => return self.hello_from(from, boot, positions, synced),
            _ => self.peer(from).boot,
        };
        let Some(boot) = boot else { return self.refuse(from, Refusal::NoHello, now) };
        match frame {
            Frame::Hello { .. } => {}
            Frame::Key(key) => self.commands.push_back(Command::Key { member: from, boot, key }),
            Frame::State(update) => self.update(from, update, octets, now),
            Frame::Ack { origin, seq } => self.ack(from, origin, seq),
            Frame::SnapshotRequest { id, chunk } => self.snapshot_request(from, id, chunk),
            Frame::SnapshotData { id, chunk, positions, records } => {
                self.snapshot_data(from, id, chunk, positions, records, now);
            }
            Frame::SnapshotEnd { id, chunks } => self.snapshot_end(from, id, chunks, now),
            Frame::Resync(reason) => self.resync_from(from, reason, now),
            Frame::Outdated { unit, version } => self.commands.push_back(Command::Outdated { unit, version }),
            frame @ (Frame::Interfaces(_) | Frame::ForKeeper { .. } | Frame::Sightings(_)) => self.aside(from, frame),
        }
    }

    fn hello_from(&mut self, from: MemberId, boot: Boot, positions: Option<Positions>, synced: bool) {
        self.peer(from).boot = Some(boot);
        if self.unsettled.remove(&from).is_some() {
            self.peers.values_mut().for_each(|peer| drop((peer.stated.remove(&from), peer.streams.remove(&from))));
        }
        self.peer(from).synced = synced;
        let Some(positions) = positions else { return };
        if synced {
            self.commands.push_back(Command::PeerSynced { member: from });
            self.commands.push_back(Command::Acked { by: from, seq: positions.get(self.config.me) });
        }
        self.stream(from, self.config.me, positions.get(self.config.me));
        // Of those who are not here it may lack something, too.
        for origin in self.unsettled.keys().copied().collect::<Vec<_>>() {
            if synced && positions.get(origin) < self.positions.get(origin) {
                self.stream(from, origin, positions.get(origin));
            }
            self.state_position(origin, from);
        }
    }

    fn update(&mut self, from: MemberId, update: Update, octets: &[u8], now: Instant) {
        let Update { previous, stamp, unit, change } = update;
        let Some(origin) = stamp.origin().filter(|origin| *origin != self.config.me) else { return };
        let (seq, position) = (stamp.seq(), self.positions.get(origin));
        if !self.receiving() {
            return; // it will be asked for what we need
        }
        if seq <= position {
            self.counters.duplicate += 1;
            self.peer(from).ack_due.insert(origin);
            self.dirty = true;
            return;
        }
        if previous > position {
            // Once it has read our HELLO it begins again where we are.
            if self.synced && self.fetch.as_ref().is_none_or(|fetch| fetch.from != from) {
                self.counters.gaps += 1;
                self.want(from, None, now);
            }
            return;
        }
        self.positions.advance(origin, seq);
        self.log(origin).push(seq, octets);
        self.peer(from).ack_due.insert(origin);
        self.dirty = true;
        if let Some((unit, version)) = unit
            && !self.fences.admits(unit, version, seq)
        {
            self.counters.fenced += 1;
            if from == origin {
                self.fenced(from, unit);
            }
            return;
        }
        self.counters.applied += 1;
        self.commands.push_back(Command::Apply(Record { stamp, change }));
    }

    /// A member has spoken for a unit by a version that is over.
    fn fenced(&mut self, member: MemberId, unit: Unit) {
        if self.peer(member).outdated.insert(unit) {
            let version = self.fences.current(unit);
            self.send(member, &Frame::Outdated { unit, version });
        }
        if !core::mem::replace(&mut self.peer(member).fenced, true) {
            self.send(member, &Frame::Resync(ResyncReason::Fenced));
            self.commands.push_back(Command::Tell(Event::Fenced { member }));
        }
    }

    /// The next thing to do. What is to be taken in comes before what says that it was.
    pub fn poll_command(&mut self) -> Option<Command> {
        if self.commands.is_empty() && core::mem::take(&mut self.dirty) {
            self.flush();
        }
        self.commands.pop_front()
    }

    pub(super) fn hello(&mut self, to: MemberId) {
        let (member, boot) = (self.config.me, self.config.boot);
        let positions = self.receiving().then(|| self.positions.clone());
        let synced = self.synced;
        self.send(to, &Frame::Hello { member, boot, positions, synced });
    }

    pub(super) fn send(&mut self, to: MemberId, frame: &Frame) {
        frame.encode(&mut self.peer(to).out.0);
        self.dirty = true;
    }

    pub(super) fn peer(&mut self, member: MemberId) -> &mut Peer {
        self.peers.entry(member).or_default()
    }

    pub(super) fn connected(&self) -> impl Iterator<Item = MemberId> {
        self.peers.iter().filter(|(_, peer)| peer.connected).map(|(member, _)| *member)
    }

    /// Everything up to here became known by a snapshot.
    pub(super) fn skip_to(&mut self, origin: MemberId, seq: u64) {
        if origin != self.config.me && seq > self.positions.get(origin) {
            self.log(origin).skip_to(seq);
        }
        self.positions.advance(origin, seq);
    }

    /// What a former life of this member said, up to `seq`, is in the state and not in the log: whoever has less takes a
    /// snapshot.
    pub(super) fn begin_after(&mut self, seq: u64) {
        self.log(self.config.me).lack_to(seq);
        self.last = self.last.max(seq);
    }

    pub(super) fn log(&mut self, origin: MemberId) -> &mut Log {
        let most = if origin == self.config.me { self.config.kept } else { self.config.kept_of_others };
        self.logs.entry(origin).or_insert_with(|| Log::new(most))
    }

    /// Number of our last change, which a former owner names when it hands a unit over (H-CL-19).
    pub fn last_seq(&self) -> u64 {
        self.positions.get(self.config.me)
    }

    /// How many of our changes are behind `seq`, the last that a member acknowledged; at most as many as are kept.
    pub fn behind(&self, seq: u64) -> usize {
        self.logs.get(&self.config.me).map_or(0, |log| log.count_after(seq))
    }

    /// What was taken in of each origin.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Whether the state is complete.
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// What is counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}
