//! What comes from the cluster's thread and from the other members, and what follows from it.

use gateway_core::cluster::PeerEvent;
use gateway_core::member::MemberId;
use gateway_core::replication::{self, Command};
use gateway_core::time::Instant;
use gateway_core::wire::cluster::Key;

use super::membership::{Members, Stream};
use super::words;
use crate::cluster::door::{Input, Output};
use crate::cluster::mesh::MeshEvent;
use crate::config::Config;
use crate::run::Gateway;

/// Outputs of the core taken at once.
const AT_ONCE: usize = 64;
/// Pieces of streams taken at once. Of a snapshot they are some two thousand sessions: its sender makes the next while these
/// are worked on, since what it may have on its way is several times as much.
const PIECES: usize = 16;

/// A member's name.
fn name(config: &Config, member: MemberId) -> String {
    let cluster = config.cluster.as_ref();
    cluster.map_or_else(|| member.to_string(), |cluster| words::name(cluster, member))
}

impl Gateway {
    /// Takes what has come from the cluster.
    pub(in crate::run) fn take_members(&mut self, members: &mut Members, now: Instant) -> bool {
        for _ in 0..AT_ONCE {
            let Some(output) = members.output() else { break };
            self.on_output(output, now);
        }
        let mut more = true;
        for _ in 0..PIECES {
            let Some(event) = members.event() else {
                more = false;
                break;
            };
            self.on_mesh(event, now);
        }
        self.replicate(now);
        more
    }

    fn on_output(&mut self, output: Output, now: Instant) {
        let Some(membership) = &mut self.membership else { return };
        match output {
            Output::Owned(units) => membership.sharing.owned(&units),
            Output::Flush(unit) => self.flushing.push(unit),
            Output::Inject(frame) => self.inject(&frame, now),
            Output::Keeper(keeper) => {
                membership.sharing.keeper = keeper;
                let ours = keeper == Some(membership.me);
                self.node.handle_keeper(ours, now);
            }
            Output::Joined(master) => {
                membership.sharing.replication.handle_join(master, now);
            }
            Output::Left => {
                membership.left = true;
                tracing::info!("this member has left the cluster");
            }
            Output::AskToJoin(member) => {
                // What a joiner is told, and what it tells, must be stored here to be worth anything.
                let approved = !self.outbox.store.is_down();
                membership.tell(Input::Approved(member, approved));
            }
            Output::Disconnect(member) => {
                tracing::info!(member = member.get(), "the stream to a member that is gone is closed");
                self.lose(member, now);
            }
            Output::Owners(units) => {
                membership.moves.handle(&units, now);
                if membership.has_one_owner {
                    self.node.handle_owners(membership.moves.owners(), now);
                }
            }
            Output::Answers(answers) => membership.answers = answers,
            Output::Announced => self.announcing.begin(now),
            Output::Degraded(degraded) => self.tell_degraded(degraded, now),
            Output::Tell(event) => self.tell_cluster(&event, now),
        }
    }

    fn on_mesh(&mut self, event: MeshEvent, now: Instant) {
        let Some(membership) = &mut self.membership else { return };
        match event {
            MeshEvent::Connected { member, connection, carrier, writer } => {
                let (over, why) = (carrier.name(), carrier.why());
                tracing::info!(member = name(&self.config, member), over, why, "the stream to a member stands");
                let stream = Stream { connection, carrier, since: now, writer };
                if membership.streams.insert(member, stream).is_some() {
                    membership.sharing.replication.handle_peer(member, replication::PeerEvent::Lost, now);
                    membership.sharing.synced(member, false, now);
                    self.node.handle_peer(member, false, now);
                }
                membership.sharing.replication.handle_peer(member, replication::PeerEvent::Connected, now);
                membership.tell(Input::Peer(member, PeerEvent::Connected));
                self.node.handle_peer(member, true, now);
            }
            MeshEvent::Octets { member, connection, octets } => {
                if membership.is_current(member, connection) {
                    membership.sharing.replication.handle_octets(member, &octets, now);
                }
            }
            MeshEvent::Path { member, event } => self.tell_path(member, &event, now),
            MeshEvent::Lost { member, connection, why } => {
                if membership.is_current(member, connection) {
                    tracing::warn!(member = name(&self.config, member), why, "the stream to a member is lost");
                    self.lose(member, now);
                }
            }
            MeshEvent::Unreachable { ip, member, why } => {
                if membership.strangers.is_news(ip, &why, now) {
                    tracing::warn!(%ip, member = name(&self.config, member), "can't be reached: {why}");
                }
            }
            MeshEvent::Refused { ip, member, why } => {
                if membership.strangers.is_news(ip, &why, now) {
                    tracing::warn!(%ip, member = member.map(|member| name(&self.config, member)), "refused: {why}");
                }
                if let Some(member) = member {
                    membership.tell(Input::Peer(member, PeerEvent::Refused));
                }
            }
        }
    }

    fn lose(&mut self, member: MemberId, now: Instant) {
        let Some(membership) = &mut self.membership else { return };
        membership.streams.remove(&member);
        membership.interfaces.remove(&member);
        membership.sharing.synced(member, false, now);
        membership.sharing.replication.handle_peer(member, replication::PeerEvent::Lost, now);
        membership.tell(Input::Peer(member, PeerEvent::Lost));
        self.node.handle_peer(member, false, now);
    }

    /// Does what replication wants: others' changes go to the node, and what says that they were taken in leaves once they
    /// are stored.
    pub(in crate::run) fn replicate(&mut self, now: Instant) {
        while let Some(membership) = &mut self.membership
            && let Some(command) = membership.sharing.replication.poll_command()
        {
            match command {
                Command::Apply(record) => self.node.handle_replica(record, now),
                Command::BeginReplace { theirs, ours, yielding } => {
                    // A member that joins is of use to nobody before it has everything.
                    self.outbox.hold_kernel_routes(!membership.sharing.replication.is_synced());
                    self.node.begin_replace(theirs, ours, yielding);
                }
                Command::Merge(records) => self.node.handle_snapshot(records, now),
                Command::EndReplace => self.node.end_replace(now),
                Command::AbortReplace => {
                    self.node.abort_replace();
                    self.outbox.hold_kernel_routes(false);
                }
                Command::SnapshotWanted { to, id, cursor, most } => {
                    let (records, next) = self.node.snapshot(cursor, most);
                    membership.sharing.replication.handle_snapshot(to, id, &records, next);
                }
                Command::Send { to, octets } => {
                    self.carry_out(now);
                    if let Some(membership) = &mut self.membership {
                        membership.write(to, octets.0);
                    }
                }
                Command::Disconnect { member, why } => {
                    tracing::warn!(member = name(&self.config, member), %why, "the stream to a member is closed");
                    self.lose(member, now);
                }
                Command::Key { member, boot, key } => membership.tell(Input::Key(member, Key::of(boot, key))),
                Command::Interfaces { member, interfaces } => {
                    membership.interfaces.insert(member, interfaces);
                    self.tell_segments();
                }
                Command::ForKeeper { server, payload } => self.node.handle_for_keeper(server, &payload, now),
                Command::Sightings { from, message } => self.node.handle_sightings(from, message, now),
                Command::PeerSynced { member } => membership.sharing.synced(member, true, now),
                Command::Acked { by, seq } => membership.sharing.acked(by, seq, now),
                Command::Applied { origin, seq } => membership.tell(Input::Applied(origin, seq)),
                Command::Settled { origin } => {
                    tracing::debug!(member = origin.get(), "all that is left of a lost member's state is here");
                    membership.tell(Input::Settled(origin));
                }
                Command::Fenced { by } => {
                    membership.sharing.discarded();
                    membership.tell(Input::Discarded(by));
                }
                Command::Outdated { unit, version } => membership.tell(Input::Outdated(unit, version)),
                Command::Synced => {
                    membership.tell(Input::Synced(true));
                    self.carry_out(now);
                    tracing::info!(sessions = self.node.session_count(), "the state is complete");
                    self.outbox.hold_kernel_routes(false);
                }
                Command::Tell(event) => self.tell_replication(&event, now),
            }
        }
        self.carry_out(now);
    }

    /// Everything that was punted before has been handled: logins of these units have stopped here.
    pub(in crate::run) fn flushed(&mut self) {
        let Some(membership) = &self.membership else { return };
        let last = membership.sharing.replication.last_seq();
        for unit in self.flushing.drain(..) {
            membership.tell(Input::Flushed(unit, last));
        }
    }
}
