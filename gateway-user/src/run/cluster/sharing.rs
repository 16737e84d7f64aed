//! What this node did, on its way to the other members, and the replies that wait for it (H-CL-24).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use gateway_common::unit::{UNITS, Unit};
use gateway_core::member::{MemberId, UnitVersion};
use gateway_core::replication::{Change, Gate, GateCommand, GateConfig, Replication, ReplicationConfig, Said};
use gateway_core::sightings::Message;
use gateway_core::time::Instant;

use crate::cluster::acting::Acting;
use crate::io::clock;
use crate::run::outbox::Sends;

/// What has waited long enough.
pub(in crate::run) enum Waited {
    /// It may leave.
    Leaves(Sends),
    /// It must not, or nobody knows what it says.
    Stays(Sends),
}

/// What other members are told beside state.
#[derive(Default)]
pub(in crate::run) struct Aside {
    /// Servers' messages for whoever keeps what has no client.
    pub(in crate::run) for_keeper: Vec<(IpAddr, Vec<u8>)>,
    /// Whom this member has seen.
    pub(in crate::run) sightings: Vec<(MemberId, Message)>,
}

/// Replication, and what is kept back until others know.
pub(in crate::run) struct Sharing {
    pub(in crate::run) replication: Replication,
    /// Whether this member may still act on what was its own.
    acting: Arc<Acting>,
    /// Who keeps what has no client.
    pub(in crate::run) keeper: Option<MemberId>,
    gate: Gate<Sends>,
    /// The last of our changes that each member has.
    acked: BTreeMap<MemberId, u64>,
    /// Whole sessions that were told.
    sessions_sent: u64,
    /// Of each unit that is or was ours, the version of its assignment.
    versions: Vec<UnitVersion>,
}

impl Sharing {
    pub(in crate::run) fn new(replication: ReplicationConfig, gate: GateConfig, acting: Arc<Acting>) -> Self {
        Self {
            replication: Replication::new(replication),
            acting,
            keeper: None,
            gate: Gate::new(gate),
            acked: BTreeMap::new(),
            sessions_sent: 0,
            versions: vec![UnitVersion::default(); UNITS as usize],
        }
    }

    /// Units are ours, under these versions.
    pub(in crate::run) fn owned(&mut self, units: &[(Unit, UnitVersion)]) {
        for (unit, version) in units {
            self.versions[unit.index() as usize] = *version;
        }
        self.replication.handle_owned(units.iter().copied());
    }

    /// Tells the others what was done, and keeps back what must not leave before they know. What nothing was done for
    /// leaves at once, as everything does while nothing is said.
    pub(in crate::run) fn share(&mut self, said: &mut Vec<Said>, aside: &mut Aside, sends: Sends, now: Instant) {
        for (server, payload) in aside.for_keeper.drain(..) {
            if let Some(keeper) = self.keeper {
                self.replication.handle_for_keeper(keeper, server, payload);
            }
        }
        for (to, message) in aside.sightings.drain(..) {
            self.replication.handle_sightings(to, message);
        }
        let mut last = None;
        for said in said.drain(..) {
            let version = said.unit.map_or(UnitVersion::default(), |unit| self.versions[unit.index() as usize]);
            let everyone = last.is_some_and(|(_, everyone)| everyone) || said.change.concerns_everyone();
            self.sessions_sent += u64::from(matches!(said.change, Change::Session(_)));
            last = Some((self.replication.handle_change(&said, version), everyone));
        }
        match last {
            Some((seq, everyone)) if !sends.is_empty() => self.gate.hold(sends, seq, everyone, now),
            Some(_) => {}
            None => self.gate.hold(sends, 0, false, now),
        }
    }

    /// A member counts for the gate, or no longer.
    pub(in crate::run) fn synced(&mut self, member: MemberId, synced: bool, now: Instant) {
        if !synced {
            self.acked.remove(&member);
        }
        self.gate.handle_peer(member, synced, now);
    }

    /// A member has our changes up to this one.
    pub(in crate::run) fn acked(&mut self, member: MemberId, seq: u64, now: Instant) {
        self.acked.insert(member, seq);
        self.gate.handle_acked(member, seq, now);
    }

    pub(in crate::run) fn handle_timeout(&mut self, now: Instant) {
        self.replication.handle_timeout(now);
        self.gate.handle_timeout(now);
    }

    pub(in crate::run) fn poll_timeout(&self) -> Option<Instant> {
        [self.replication.poll_timeout(), self.gate.poll_timeout()].into_iter().flatten().min()
    }

    /// Whether this member acts: others may own by now what was its own (H-CL-20, H-CL-27).
    pub(in crate::run) fn acts(&self) -> bool {
        self.acting.at(clock::now())
    }

    /// A member has discarded changes of ours: what waits for its acknowledgement must not be said (H-CL-19).
    pub(in crate::run) fn discarded(&mut self) {
        self.gate.handle_discarded();
    }

    /// The next that has waited long enough. A member that others have taken over from says nothing, however long that
    /// waited here.
    pub(in crate::run) fn waited(&mut self) -> Option<Waited> {
        loop {
            match self.gate.poll_command()? {
                GateCommand::Release(sends) if sends.is_empty() || self.acts() => return Some(Waited::Leaves(sends)),
                GateCommand::Release(sends) => {
                    tracing::debug!(messages = sends.len(), "this member is fenced: not sent");
                    return Some(Waited::Stays(sends));
                }
                // The clients ask again.
                GateCommand::Drop(sends) => {
                    tracing::debug!(messages = sends.len(), "too few members know: not sent");
                    return Some(Waited::Stays(sends));
                }
                GateCommand::Degraded => {
                    tracing::warn!(
                        "replies are sent though too few members have their sessions: see `gateway members`"
                    );
                }
                GateCommand::Recovered => tracing::info!("enough members keep up again"),
            }
        }
    }

    /// Too few members keep up.
    pub(in crate::run) fn is_degraded(&self) -> bool {
        self.gate.is_degraded()
    }

    /// How many of our changes a member has not acknowledged; `None` while it has acknowledged nothing.
    pub(in crate::run) fn behind(&self, member: MemberId) -> Option<u64> {
        self.acked.get(&member).map(|acked| self.replication.behind(*acked) as u64)
    }

    /// Whole sessions that were told the others.
    pub(in crate::run) fn sessions_sent(&self) -> u64 {
        self.sessions_sent
    }

    /// Batches of replies that wait for acknowledgements.
    pub(in crate::run) fn waiting(&self) -> usize {
        self.gate.len()
    }
}
