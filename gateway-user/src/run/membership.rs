//! The gateway as a member of a cluster: between its packet loop, the thread of the cluster's core, and the streams to the
//! other members.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use gateway_common::punt::PuntHeader;
use gateway_common::unit::Unit;
use gateway_common::verdict::{Fate, Program};
use gateway_core::cluster::{HeldFrame, MemberView, OperatorError, PeerEvent, Request, Role};
use gateway_core::line::PortId;
use gateway_core::member::{Boot, MemberId, Secret, Term};
use gateway_core::replication::{self, Command, Interface, ReplicationConfig};
use gateway_core::time::Instant;
use gateway_core::wire::cluster::Key;
use tokio::sync::mpsc;

use super::moves::Moves;
use super::sharing::Sharing;
use super::strangers::Strangers;
use super::{Gateway, cluster_words, digest, settings};
use crate::cluster::acting::Acting;
use crate::cluster::door::{Door, Input, Output, Seen, Segment};
use crate::cluster::etcd;
use crate::cluster::mesh::{self, Connection, MeshConfig, MeshEvent};
use crate::cluster::thread::{self, Begin};
use crate::cluster::tls::Tls;
use crate::config::{Config, Coordination};
use crate::control::protocol::{self, Response};
use crate::dataplane::Dataplane;
use crate::io::{clock, random};

/// Outputs of the core taken at once.
const AT_ONCE: usize = 64;
/// Pieces of streams taken at once. Of a snapshot they are some two thousand sessions: its sender makes the next while these
/// are worked on, since what it may have on its way is several times as much.
const PIECES: usize = 16;

/// How long the core may take to answer.
const PATIENCE: Duration = Duration::from_millis(200);

fn no_answer() -> Response {
    Response::Error("the cluster's thread does not answer: see the log".to_owned())
}

/// What comes from the cluster.
pub(super) struct Members {
    outputs: mpsc::UnboundedReceiver<Output>,
    mesh: mpsc::Receiver<MeshEvent>,
    output: Option<Output>,
    event: Option<MeshEvent>,
    /// The cluster's thread has ended, which it never does by itself.
    ended: bool,
}

impl Members {
    /// Returns when there is something to take.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        tokio::select! {
            output = self.outputs.recv() => match output {
                Some(output) => self.output = Some(output),
                // A gateway that answers nobody's keepalives is no member; whoever started it starts it anew.
                None => self.ended = true,
            },
            Some(event) = self.mesh.recv() => self.event = Some(event),
        }
        Ok(())
    }

    /// Whether the cluster's thread has failed.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    fn output(&mut self) -> Option<Output> {
        self.output.take().or_else(|| self.outputs.try_recv().ok())
    }

    fn event(&mut self) -> Option<MeshEvent> {
        self.event.take().or_else(|| self.mesh.try_recv().ok())
    }
}

/// Our side of the cluster.
pub(super) struct Membership {
    me: MemberId,
    core: Door,
    pub(super) sharing: Sharing,
    strangers: Strangers,
    streams: HashMap<MemberId, (Connection, mpsc::UnboundedSender<Vec<u8>>)>,
    interfaces: HashMap<MemberId, Vec<Interface>>,
    /// How it stands with etcd, where that elects.
    etcd: Option<Arc<Mutex<etcd::Status>>>,
    /// Packets forwarded when that was last looked at.
    forwarded: u64,
    pub(super) moves: Moves,
    /// Why it serves nothing, if so.
    pub(super) fenced: Option<String>,
    pub(super) degraded: bool,
    /// It has given its units away and is no longer in the cluster.
    pub(super) left: bool,
}

/// Starts the streams and the core. Must be called within a tokio runtime.
pub(super) fn begin(config: &Config, dataplane: &Dataplane) -> anyhow::Result<Option<(Membership, Members)>> {
    let Some(cluster) = &config.cluster else { return Ok(None) };
    let me = cluster.member;
    let own = cluster.get(me).context("this member is not on the list")?;
    let tls = Tls::new(&cluster.name, me, cluster.names(), cluster.files.clone())?;
    let secret: [u8; 32] = random::octets()?;
    let (boot, seed) = (u64::from_ne_bytes(random::octets()?), u64::from_ne_bytes(random::octets()?));
    let others = cluster.members.iter().filter(|member| member.id != me);
    let mesh = MeshConfig {
        me,
        interface: cluster.interface.clone(),
        ip: own.address,
        port: cluster.port,
        others: others.map(|member| (member.id, member.address)).collect(),
    };
    let mesh = mesh::start(mesh, Arc::new(tls))?;
    let acting = Arc::<Acting>::default();
    let etcd = match &cluster.coordination {
        Coordination::BuiltIn => None,
        Coordination::Etcd(etcd) => Some((etcd, mpsc::unbounded_channel())),
    };
    let (core, outputs) = thread::spawn(Begin {
        config: cluster.core(digest::digest(config), Term(clock::unix().as_secs() as u32)),
        name: cluster.name.clone(),
        interface: cluster.interface.clone(),
        group: SocketAddrV4::new(cluster.group, cluster.port),
        key: Key::of(Boot(boot), Secret(secret)),
        seed,
        shared_mac: settings::shared_mac(cluster.delivery),
        delivery: dataplane.open_delivery()?,
        acting: Arc::clone(&acting),
        coordinator: etcd.as_ref().map(|(_, (coordinator, _))| coordinator.clone()),
    })?;
    let etcd = match etcd {
        None => None,
        Some((etcd, (_, told))) => Some(etcd::spawn(etcd::Begin {
            me,
            members: cluster.members.len(),
            cluster: cluster.name.clone(),
            config: etcd.clone(),
            told,
            core: core.clone(),
        })?),
    };
    let replication = ReplicationConfig::new(me, Boot(boot), secret);
    let kept_of_others = replication.kept_of_others.min(cluster.backlog);
    let replication = ReplicationConfig { kept: cluster.backlog, kept_of_others, ..replication };
    let membership = Membership {
        me,
        core,
        sharing: Sharing::new(replication, cluster.sync, acting),
        streams: HashMap::new(),
        interfaces: HashMap::new(),
        etcd,
        forwarded: 0,
        moves: Moves::new(),
        strangers: Strangers::default(),
        fenced: Some("it has not joined yet".to_owned()),
        degraded: false,
        left: false,
    };
    Ok(Some((membership, Members { outputs, mesh, output: None, event: None, ended: false })))
}

/// A member's name.
fn name(config: &Config, member: MemberId) -> String {
    let cluster = config.cluster.as_ref();
    cluster.map_or_else(|| member.to_string(), |cluster| cluster_words::name(cluster, member))
}

impl Membership {
    /// Tells the core. It has ended only when this process does.
    pub(super) fn tell(&self, input: Input) {
        let _ = self.core.tell(input);
    }

    fn write(&mut self, to: MemberId, octets: Vec<u8>) {
        // A stream that has just ended is reported as lost.
        if let Some((_, writer)) = self.streams.get(&to) {
            let _ = writer.send(octets);
        }
    }
}

impl Gateway {
    /// Whether this gateway acts: a member of a cluster that others have taken over from does not.
    pub(super) fn acts(&self) -> bool {
        self.membership.as_ref().is_none_or(|membership| membership.sharing.acts())
    }

    /// Takes what has come from the cluster.
    pub(super) fn take_members(&mut self, members: &mut Members, now: Instant) -> bool {
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
            Output::Owners(units) => membership.moves.handle(&units, now),
            Output::Degraded(degraded) => self.tell_degraded(degraded, now),
            Output::Tell(event) => self.tell_cluster(&event, now),
        }
    }

    fn on_mesh(&mut self, event: MeshEvent, now: Instant) {
        let Some(membership) = &mut self.membership else { return };
        match event {
            MeshEvent::Connected { member, connection, writer } => {
                tracing::info!(member = name(&self.config, member), "the stream to a member stands");
                if membership.streams.insert(member, (connection, writer)).is_some() {
                    membership.sharing.replication.handle_peer(member, replication::PeerEvent::Lost, now);
                    membership.sharing.synced(member, false, now);
                }
                membership.sharing.replication.handle_peer(member, replication::PeerEvent::Connected, now);
                membership.tell(Input::Peer(member, PeerEvent::Connected));
            }
            MeshEvent::Octets { member, connection, octets } => {
                if membership.streams.get(&member).is_some_and(|(present, _)| *present == connection) {
                    membership.sharing.replication.handle_octets(member, &octets, now);
                }
            }
            MeshEvent::Lost { member, connection, why } => {
                if membership.streams.get(&member).is_some_and(|(present, _)| *present == connection) {
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
    }

    /// Does what replication wants: others' changes go to the node, and what says that they were taken in leaves once they
    /// are stored.
    pub(super) fn replicate(&mut self, now: Instant) {
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
                        membership.write(to, octets);
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
    pub(super) fn flushed(&mut self) {
        let Some(membership) = &self.membership else { return };
        let last = membership.sharing.replication.last_seq();
        for unit in self.flushing.drain(..) {
            membership.tell(Input::Flushed(unit, last));
        }
    }

    /// How the core sees things; `None` without a cluster, or when its thread is gone.
    pub(super) fn look(&self) -> Option<Seen> {
        self.ask(Input::View)
    }

    /// Asks the core, which answers at once unless it is gone.
    fn ask<T>(&self, question: impl FnOnce(SyncSender<T>) -> Input) -> Option<T> {
        let (answer, answered) = sync_channel(1);
        self.membership.as_ref()?.tell(question(answer));
        answered.recv_timeout(PATIENCE).ok()
    }

    /// The cluster, for the operator.
    pub(super) fn members(&self, now: Instant) -> Response {
        let (Some(cluster), Some(membership)) = (&self.config.cluster, &self.membership) else {
            return Response::Error("this gateway is no member of a cluster: there is no [cluster]".to_owned());
        };
        let Some(seen) = self.look() else { return no_answer() };
        let counted = self.counted(membership, &seen);
        let Seen { view, counters, .. } = seen;
        let name = |id: MemberId| cluster.get(id).map_or_else(|| id.to_string(), |member| member.name.clone());
        let member = |member: &MemberView| protocol::Member {
            id: member.id.get(),
            name: member.name.clone(),
            address: member.ip.to_string(),
            state: match (member.member, member.draining) {
                (true, true) => "draining",
                (true, false) => "member",
                (false, _) => "absent",
            }
            .to_owned(),
            connected: member.connected,
            units: member.units,
            load: member.load,
            loss: member.loss.map(|loss| loss * 100.0),
            heard_ms: member.heard.map(|heard| now.since(heard).as_millis() as u64),
            behind: membership.sharing.behind(member.id),
        };
        Response::Members(Box::new(protocol::Members {
            cluster: cluster.name.clone(),
            me: name(view.me),
            role: match view.role {
                Role::Joining => "joining",
                Role::Offering => "offering",
                Role::Member => "member",
                Role::Master => "master",
                Role::Left => "left",
            }
            .to_owned(),
            master: view.master.map(name),
            term: view.term.0,
            keeper: view.keeper.map(name),
            fenced: view.fenced,
            degraded: view.degraded,
            unreplicated: membership.sharing.is_degraded(),
            held: counters.held,
            held_dropped: counters.held_dropped,
            etcd: membership.etcd.as_ref().map(|status| {
                let status = status.lock().unwrap_or_else(PoisonError::into_inner);
                protocol::Etcd {
                    endpoint: status.endpoint.clone(),
                    reachable: status.reachable,
                    since_ms: now.since(status.since).as_millis() as u64,
                    why: status.why.clone(),
                }
            }),
            members: view.members.iter().map(member).collect(),
            counted,
        }))
    }

    /// An operator moves a member's units away, or ends that.
    pub(super) fn drain(&self, name: &str, end: bool) -> Response {
        let Some(cluster) = &self.config.cluster else {
            return Response::Error("this gateway is no member of a cluster: there is no [cluster]".to_owned());
        };
        let Some(member) = cluster.members.iter().find(|member| member.name == name) else {
            let known: Vec<_> = cluster.members.iter().map(|member| member.name.as_str()).collect();
            return Response::Error(format!("there is no member `{name}`; there are: {}", known.join(", ")));
        };
        let request = if end { Request::Undrain(member.id) } else { Request::Drain(member.id) };
        match self.ask(|answer| Input::Operator(request, answer)) {
            Some(Ok(())) if end => Response::Done(format!("{name} gets units again as the master balances")),
            Some(Ok(())) => Response::Done(format!("the units of {name} move to the others; see `gateway members`")),
            Some(Err(OperatorError::NotMaster(Some(master)))) => {
                let master = cluster.get(master).map_or_else(|| master.to_string(), |master| master.name.clone());
                Response::Error(format!("this is the master's matter: ask {master}"))
            }
            Some(Err(error)) => Response::Error(error.to_string()),
            None => no_answer(),
        }
    }

    /// Tells the core how much we forward, for balancing.
    pub(super) fn tell_load(&mut self) {
        if self.membership.is_none() {
            return;
        }
        let forwarded = |program| {
            let counters = self.dataplane.counters(program).unwrap_or_default();
            let forwarded = counters.iter().filter(|(verdict, _)| verdict.fate() == Fate::Forwarded);
            forwarded.map(|(_, counter)| counter.packets).sum::<u64>()
        };
        let total = forwarded(Program::Access) + forwarded(Program::Upstream);
        if let Some(membership) = &mut self.membership {
            let before = std::mem::replace(&mut membership.forwarded, total);
            let load = u32::try_from(total.saturating_sub(before)).unwrap_or(u32::MAX);
            membership.tell(Input::Load(load));
        }
    }

    /// A frame of a unit whose owner can't have it yet. Only a master is given such frames.
    pub(super) fn held(&mut self, program: Program, header: &PuntHeader, frame: &[u8]) {
        let port = match program {
            Program::Access => self.ports.access_at(header.ifindex),
            Program::Upstream => None,
        };
        match (&self.membership, Unit::new(header.unit)) {
            (Some(membership), Some(unit)) if program == Program::Upstream || port.is_some() => {
                let frame = HeldFrame { port: port.map(|port| port.0), frame: frame.to_vec() };
                self.held_overrun += u64::from(!membership.core.hold(unit, frame));
            }
            _ => self.held_lost += 1,
        }
    }

    /// A frame that was held for us, as if it had just arrived.
    fn inject(&mut self, held: &HeldFrame, now: Instant) {
        let link = match held.port {
            Some(place) => self.ports.link(PortId(place)),
            None => self.ports.upstream(),
        };
        let program = if held.port.is_some() { Program::Access } else { Program::Upstream };
        let Some(link) = link else { return };
        if let Err(error) = self.dataplane.inject(program, link.ifindex, &held.frame) {
            self.refused.warn(format_args!("a frame that was held is lost: {error:#}"), now);
        }
    }

    /// Our interfaces and the members' MACs on their segments, for the other members and for the core.
    pub(super) fn tell_segments(&mut self) {
        let Some(membership) = &mut self.membership else { return };
        let Some(cluster) = &self.config.cluster else { return };
        let mut own = Vec::new();
        let mut segments = Vec::new();
        for (place, entry) in self.ports.iter().enumerate() {
            let Some(link) = &entry.link else { continue };
            let is_link = entry.name == cluster.interface;
            let segment = match entry.access {
                _ if is_link => replication::Segment::Link,
                Some(port) => replication::Segment::Access(port.0),
                None => replication::Segment::Upstream((place - self.config.ports.len()) as u16),
            };
            own.push(Interface { segment, mac: link.mac });
            let on_segment = |interfaces: &Vec<Interface>| {
                interfaces.iter().find(|other| other.segment == segment).map(|other| other.mac)
            };
            let members = membership.interfaces.iter();
            let giaddr = entry
                .access
                .map(|port| self.config.fpcs[usize::from(self.config.ports[usize::from(port.0)].fpc.0)].giaddr);
            let addresses: Vec<Ipv4Addr> = match giaddr {
                Some(giaddr) => vec![giaddr],
                None if is_link => Vec::new(),
                None => cluster.address.into_iter().collect(),
            };
            segments.push(Segment {
                ifindex: link.ifindex,
                mac: link.mac,
                addresses,
                members: members.filter_map(|(member, all)| Some((*member, on_segment(all)?))).collect(),
                is_link,
            });
        }
        membership.sharing.replication.handle_interfaces(own);
        membership.tell(Input::Segments(segments));
    }
}
