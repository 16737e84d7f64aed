//! The gateway as a member of a cluster: what its packet loop keeps of that, and how it begins. What comes from the cluster's thread
//! and from the other members is taken in [`super::inputs`]; [`super::operator`] answers operators, and
//! [`super::segments`] has what members share on the wire.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddrV4};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use gateway_core::member::{Boot, MemberId, Secret, Term};
use gateway_core::replication::{Interface, ReplicationConfig};
use gateway_core::time::Instant;
use gateway_core::wire::cluster::Key;
use tokio::sync::mpsc;

use super::digest;
use super::moves::Moves;
use super::paths::PathCounts;
use super::sharing::Sharing;
use super::strangers::Strangers;
use crate::cluster::acting::Acting;
use crate::cluster::door::{Door, Input, Output, Outputs};
use crate::cluster::etcd;
use crate::cluster::mesh::{self, Connection, MeshConfig, MeshEvent};
use crate::cluster::over::Carrier;
use crate::cluster::thread::{self, Begin};
use crate::cluster::tls::Tls;
use crate::config::{Config, Coordination};
use crate::dataplane::Dataplane;
use crate::io::{clock, random};
use crate::run::{Gateway, settings};

/// What comes from the cluster.
pub(in crate::run) struct Members {
    outputs: Outputs,
    mesh: mpsc::Receiver<MeshEvent>,
    output: Option<Output>,
    event: Option<MeshEvent>,
    /// The cluster's thread has ended, which it never does by itself.
    ended: bool,
}

impl Members {
    /// Returns when there is something to take.
    pub(in crate::run) async fn wait(&mut self) -> io::Result<()> {
        tokio::select! {
            output = self.outputs.wait() => match output {
                Some(output) => self.output = Some(output),
                // A gateway that answers nobody's keepalives is no member; whoever started it starts it anew.
                None => self.ended = true,
            },
            Some(event) = self.mesh.recv() => self.event = Some(event),
        }
        Ok(())
    }

    /// Whether the cluster's thread has failed.
    pub(in crate::run) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(in crate::run) fn output(&mut self) -> Option<Output> {
        self.output.take().or_else(|| self.outputs.next())
    }

    pub(in crate::run) fn event(&mut self) -> Option<MeshEvent> {
        self.event.take().or_else(|| self.mesh.try_recv().ok())
    }
}

/// A stream that stands.
pub(in crate::run) struct Stream {
    pub(in crate::run) connection: Connection,
    pub(in crate::run) carrier: Carrier,
    pub(in crate::run) since: Instant,
    /// Dropped, it ends the stream.
    pub(in crate::run) writer: mpsc::UnboundedSender<Vec<u8>>,
}

/// Our side of the cluster.
pub(in crate::run) struct Membership {
    pub(in crate::run) me: MemberId,
    pub(in crate::run) core: Door,
    /// What its streams are made with.
    pub(in crate::run) tls: Arc<Tls>,
    pub(in crate::run) sharing: Sharing,
    pub(in crate::run) strangers: Strangers,
    pub(in crate::run) streams: HashMap<MemberId, Stream>,
    pub(in crate::run) interfaces: HashMap<MemberId, Vec<Interface>>,
    pub(in crate::run) paths: PathCounts,
    /// How it stands with etcd, where that elects.
    pub(in crate::run) etcd: Option<Arc<Mutex<etcd::Status>>>,
    /// Packets forwarded when that was last looked at.
    pub(in crate::run) forwarded: u64,
    pub(in crate::run) moves: Moves,
    /// Whether no unit ever has two owners: where all have one, nobody else serves subscribers.
    pub(in crate::run) has_one_owner: bool,
    /// Why it serves nothing, if so.
    pub(in crate::run) fenced: Option<String>,
    pub(in crate::run) degraded: bool,
    /// It is the master, which speaks for all where one must.
    pub(in crate::run) answers: bool,
    /// It has given its units away and is no longer in the cluster.
    pub(in crate::run) left: bool,
}

/// Starts the streams and the core. Must be called within a tokio runtime.
pub(in crate::run) fn begin(config: &Config, dataplane: &Dataplane) -> anyhow::Result<Option<(Membership, Members)>> {
    let Some(cluster) = &config.cluster else { return Ok(None) };
    let me = cluster.member;
    let own = cluster.get(me).context("this member is not on the list")?;
    let tls = Arc::new(Tls::new(&cluster.name, me, cluster.names(), cluster.files.clone())?);
    let secret: [u8; 32] = random::octets()?;
    let (boot, seed) = (u64::from_ne_bytes(random::octets()?), u64::from_ne_bytes(random::octets()?));
    let others = cluster.members.iter().filter(|member| member.id != me);
    let mesh = MeshConfig {
        me,
        interface: cluster.interface.clone(),
        ip: own.address,
        port: cluster.port,
        others: others.map(|member| (member.id, member.address)).collect(),
        links: cluster.links.clone(),
        shared: shared(config),
        transport: cluster.transport,
        paths: cluster.paths,
    };
    let mesh = mesh::start(mesh, Arc::clone(&tls))?;
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
        tls,
        sharing: Sharing::new(replication, cluster.sync, acting),
        streams: HashMap::new(),
        interfaces: HashMap::new(),
        paths: PathCounts::default(),
        etcd,
        forwarded: 0,
        moves: Moves::new(),
        has_one_owner: cluster.has_one_owner(),
        strangers: Strangers::default(),
        fenced: Some("it has not joined yet".to_owned()),
        degraded: false,
        answers: false,
        left: false,
    };
    Ok(Some((membership, Members { outputs, mesh, output: None, event: None, ended: false })))
}

/// The addresses that every member has.
fn shared(config: &Config) -> Vec<IpAddr> {
    let giaddrs = config.fpcs.iter().map(|fpc| fpc.giaddr);
    giaddrs.chain(config.cluster.iter().filter_map(|cluster| cluster.address)).map(IpAddr::from).collect()
}

impl Membership {
    /// Tells the core. It has ended only when this process does.
    pub(in crate::run) fn tell(&self, input: Input) {
        let _ = self.core.tell(input);
    }

    /// Whether a member's stream is this one.
    pub(in crate::run) fn is_current(&self, member: MemberId, connection: Connection) -> bool {
        self.streams.get(&member).is_some_and(|stream| stream.connection == connection)
    }

    pub(in crate::run) fn write(&mut self, to: MemberId, octets: Vec<u8>) {
        // A stream that has just ended is reported as lost.
        if let Some(stream) = self.streams.get(&to) {
            let _ = stream.writer.send(octets);
        }
    }
}

impl Gateway {
    /// Whether subscribers hear from this gateway what all members would say alike: in a cluster from the master.
    pub(in crate::run) fn answers_for_all(&self) -> bool {
        self.membership.as_ref().is_none_or(|membership| membership.answers) && self.acts()
    }

    /// Whether this gateway acts: a member of a cluster that others have taken over from does not.
    pub(in crate::run) fn acts(&self) -> bool {
        self.membership.as_ref().is_none_or(|membership| membership.sharing.acts())
    }
}
