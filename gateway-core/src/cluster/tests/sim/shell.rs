//! A member's packet loop as far as state is concerned: the real session tables, the real replication and the real gate,
//! around them what a shell does, in its order.

use std::collections::VecDeque;

use gateway_common::unit::{UNITS, Unit};

use super::clients::{self, Lease};
use super::tables::{Disk, Tables};
use crate::member::{Boot, MemberId, UnitVersion};
use crate::replication::{
    Command, Event, Gate, GateCommand, GateConfig, PeerEvent, Replication, ReplicationConfig, Said, WhenShort,
};
use crate::time::{Duration, Instant, WallClock};

/// How members share their state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sharing {
    pub(super) when_short: WhenShort,
    /// Octets of changes that are kept for others.
    pub(super) kept: usize,
    /// Subscribers speak DHCPv6 beside DHCPv4.
    pub(super) six: bool,
}

/// What the data plane gives to the loop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Frame {
    /// A server has granted this lease; the ACK has come.
    Granted(Lease),
    /// A client gives its address back.
    Release { client: usize },
}

/// What the core's thread tells the loop.
#[derive(Debug)]
pub(super) enum Output {
    Owned(Vec<(Unit, UnitVersion)>),
    Flush(Unit),
    Joined(Option<MemberId>),
}

/// What the streams tell the loop.
#[derive(Debug)]
pub(super) enum Mesh {
    Peer(MemberId, PeerEvent),
    Octets(MemberId, Vec<u8>),
}

/// What the loop tells the core's thread.
#[derive(Debug)]
pub(super) enum Input {
    Synced,
    Applied(MemberId, u64),
    Settled(MemberId),
    Discarded(MemberId),
    Outdated(Unit, UnitVersion),
    Flushed(Unit, u64),
}

/// What becomes of one turn.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) octets: Vec<(MemberId, Vec<u8>)>,
    pub(super) inputs: Vec<Input>,
    /// Clients that were told that they are logged in.
    pub(super) told: Vec<Lease>,
    /// For those who watch.
    pub(super) events: Vec<Event>,
}

#[derive(Debug)]
pub(super) struct Shell {
    pub(super) tables: Tables,
    pub(super) replication: Replication,
    gate: Gate<Vec<Lease>>,
    pub(super) versions: Vec<UnitVersion>,
    pub(super) frames: VecDeque<Frame>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) mesh: VecDeque<Mesh>,
    flushing: Vec<Unit>,
    said: Vec<Said>,
    replies: Vec<Lease>,
}

impl Shell {
    /// A process starts with what its disk holds.
    pub(super) fn new(me: MemberId, boot: u64, disk: Disk, sharing: Sharing, clock: WallClock, now: Instant) -> Self {
        let config = ReplicationConfig::new(me, Boot(boot << 32 | u64::from(me.get())), [me.get(); 32]);
        let config = ReplicationConfig { kept: sharing.kept, kept_of_others: sharing.kept / 2, ..config };
        let mut shell = Self {
            tables: Tables::new(me, disk, sharing.six, clock, now),
            replication: Replication::new(config),
            gate: Gate::new(GateConfig { when_short: sharing.when_short, ..GateConfig::default() }),
            versions: vec![UnitVersion::default(); UNITS as usize],
            frames: VecDeque::new(),
            outputs: VecDeque::new(),
            mesh: VecDeque::new(),
            flushing: Vec::new(),
            said: Vec::new(),
            replies: Vec::new(),
        };
        shell.drain();
        shell
    }

    /// One turn of the loop: packets, then what the core said, then what others said; and what follows from it. `acts`: what is
    /// its own is so still.
    pub(super) fn turn(&mut self, acts: bool, now: Instant) -> Effects {
        let mut effects = Effects::default();
        while let Some(frame) = self.frames.pop_front() {
            if acts {
                self.frame(frame, now);
            }
        }
        while let Some(output) = self.outputs.pop_front() {
            self.output(output, now);
        }
        while let Some(event) = self.mesh.pop_front() {
            self.stream(event, now);
        }
        self.replication.handle_timeout(now);
        self.gate.handle_timeout(now);
        self.share(now);
        self.replicate(now, &mut effects);
        self.share(now);
        self.replicate(now, &mut effects);
        let last = self.replication.last_seq();
        effects.inputs.extend(self.flushing.drain(..).map(|unit| Input::Flushed(unit, last)));
        while let Some(command) = self.gate.poll_command() {
            if let GateCommand::Release(leases) = command
                && acts
            {
                effects.told.extend(leases);
            }
        }
        effects
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.replication.poll_timeout(), self.gate.poll_timeout()].into_iter().flatten().min()
    }

    /// The lease that it knows a client to have, with all its parts.
    pub(super) fn lease(&self, client: usize) -> Option<u64> {
        let [one, other] = self.tables.held(client);
        one.min(other)
    }

    fn frame(&mut self, frame: Frame, now: Instant) {
        self.tables.handle_now(now);
        match frame {
            Frame::Granted(lease) => {
                self.tables.bind(lease, now);
                self.replies.push(lease);
            }
            Frame::Release { client } => self.tables.release(client, now),
        }
        self.drain();
    }

    fn output(&mut self, output: Output, now: Instant) {
        match output {
            Output::Owned(units) => {
                for (unit, version) in &units {
                    self.versions[unit.index() as usize] = *version;
                }
                self.replication.handle_owned(units);
            }
            Output::Flush(unit) => self.flushing.push(unit),
            Output::Joined(master) => self.replication.handle_join(master, now),
        }
    }

    fn stream(&mut self, event: Mesh, now: Instant) {
        match event {
            Mesh::Peer(member, event) => {
                self.replication.handle_peer(member, event, now);
                if event == PeerEvent::Lost {
                    self.gate.handle_peer(member, false, now);
                }
            }
            Mesh::Octets(from, octets) => self.replication.handle_octets(from, &octets, now),
        }
    }

    fn drain(&mut self) {
        self.tables.drain(&mut self.said);
    }

    fn share(&mut self, now: Instant) {
        let mut last = None;
        for said in core::mem::take(&mut self.said) {
            let version = said.unit.map_or(UnitVersion::default(), |unit| self.versions[unit.index() as usize]);
            last = Some(self.replication.handle_change(&said, version));
        }
        let replies = core::mem::take(&mut self.replies);
        if !replies.is_empty() {
            self.gate.hold(replies, last.unwrap_or(0), false, now);
        }
    }

    fn replicate(&mut self, now: Instant, effects: &mut Effects) {
        while let Some(command) = self.replication.poll_command() {
            self.tables.handle_now(now);
            match command {
                Command::Apply(record) => self.tables.apply(record, now),
                Command::BeginReplace { theirs, ours, yielding } => self.tables.begin_replace(&theirs, &ours, yielding),
                Command::Merge(records) => self.tables.merge(records, now),
                Command::EndReplace => self.tables.end_replace(),
                Command::AbortReplace => self.tables.abort_replace(),
                Command::SnapshotWanted { to, id, cursor, .. } => {
                    let (records, next) = self.tables.snapshot(cursor);
                    self.replication.handle_snapshot(to, id, &records, next);
                }
                Command::Send { to, octets } => {
                    self.share(now);
                    effects.octets.push((to, octets.0));
                }
                Command::Disconnect { member, why } => panic!("member {member} is cut off: {why}"),
                Command::PeerSynced { member } => self.gate.handle_peer(member, true, now),
                Command::Acked { by, seq } => self.gate.handle_acked(by, seq, now),
                Command::Applied { origin, seq } => effects.inputs.push(Input::Applied(origin, seq)),
                Command::Settled { origin } => effects.inputs.push(Input::Settled(origin)),
                Command::Fenced { by } => {
                    self.gate.handle_discarded();
                    effects.inputs.push(Input::Discarded(by));
                }
                Command::Outdated { unit, version } => effects.inputs.push(Input::Outdated(unit, version)),
                Command::Synced => effects.inputs.push(Input::Synced),
                Command::Tell(event) => effects.events.push(event),
                _ => {}
            }
            self.drain();
        }
    }
}

/// The wall clock of a machine whose own clock shows `now`, in a world that is `age` old.
pub(super) fn wall_clock(now: Instant, age: Duration, skew: u64) -> WallClock {
    WallClock::new(now, clients::BIRTH * 1_000_000 + age.as_nanos() as u64 + skew * 1_000_000)
}
