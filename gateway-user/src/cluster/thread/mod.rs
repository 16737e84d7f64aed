//! The thread in which the cluster's core lives (H-CL-27).
//!
//! ```text
//!   cluster's link ─▶ Keyring::open ─▶ ┌─────────┐ ─▶ Sealer::seal ─▶ cluster's link
//!   packet loop ─────────── Input ───▶ │ Cluster │ ─▶ UNITS, CLUSTER, MEMBERS maps, announcements
//!   time ────────────────────────────▶ └─────────┘ ─▶ Output ─▶ packet loop
//! ```
//!
//! It does nothing else and waits for nothing else, so that a takeover takes no longer because the packet loop has much
//! to do, or a disk is slow. In each turn time comes first, then the link, then inputs, then frames to hold, each up to a bound:
//! none of them can keep another from its turn.

mod incoming;
mod outgoing;

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use anyhow::Context;
use gateway_common::cluster::Role;
use gateway_common::unit::{Unit, UnitState};
use gateway_core::cluster::{Cluster, ClusterConfig, Stand};
use gateway_core::member::MemberId;
use gateway_core::wire::cluster::{Key, Keyring, Sealer, cluster_id};
use tokio::sync::mpsc;

use super::acting::Acting;
use super::door::{self, Arrival, Arrivals, Door, Exit, Outputs, Segment, Turn};
use super::etcd::Told;
use super::link::Link;
use crate::dataplane::Delivery;
use crate::io::clock;
use crate::io::raw::RawSender;
use crate::run::Throttle;

/// Longest control datagram, a forwarded jumbo frame included.
const DATAGRAM: usize = 10 << 10;
/// The thread's nice value: ahead of everything that is not a kernel's.
const NICE: libc::c_int = -15;

/// What the thread begins with.
pub(crate) struct Begin {
    /// The core's configuration.
    pub(crate) config: ClusterConfig,
    /// The cluster's name.
    pub(crate) name: String,
    /// The link between the members, and their group and port on it.
    pub(crate) interface: String,
    pub(crate) group: SocketAddrV4,
    /// The key of our datagrams in this life.
    pub(crate) key: Key,
    /// A number nobody can guess.
    pub(crate) seed: u64,
    /// MAC that stands for the shared addresses; zero in delivery mode forward.
    pub(crate) shared_mac: [u8; 6],
    /// The maps.
    pub(crate) delivery: Delivery,
    /// Until when this member acts, for the packet loop.
    pub(crate) acting: Arc<Acting>,
    /// Who speaks with the coordinator outside, if there is one.
    pub(crate) coordinator: Option<mpsc::UnboundedSender<Told>>,
}

/// Starts the thread. It ends when its door is dropped.
pub(crate) fn spawn(begin: Begin) -> anyhow::Result<(Door, Outputs)> {
    let (to_core, arrivals) = door::open();
    let (outputs, from_core) = door::exit();
    let (ready, readiness) = std::sync::mpsc::sync_channel(1);
    let body = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error.into()))),
        };
        runtime.block_on(async {
            match Core::new(begin, outputs) {
                Ok(core) => {
                    // Whoever started us waits for this.
                    let _ = ready.send(Ok(()));
                    core.serve(arrivals).await;
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
    };
    std::thread::Builder::new().name("cluster".into()).spawn(body).context("start the cluster's thread")?;
    readiness.recv().context("the cluster's thread ended")??;
    Ok((to_core, from_core))
}

struct Core {
    cluster: Cluster,
    members: HashMap<MemberId, Ipv4Addr>,
    keyring: Keyring,
    sealer: Sealer,
    link: Link,
    raw: RawSender,
    delivery: Delivery,
    role: Role,
    acting: Arc<Acting>,
    fenced: bool,
    /// What is said of datagrams that were refused, of each reason by itself.
    refusals: BTreeMap<&'static str, Throttle>,
    segments: Vec<Segment>,
    refused: BTreeMap<&'static str, u64>,
    outputs: Exit,
    /// Frames that the packet loop could not take.
    overrun: u64,
    coordinator: Option<mpsc::UnboundedSender<Told>>,
    stand: Option<Stand>,
}

/// A [`Role::until_ns`] that is over; 0 would be without end.
const EXPIRED: u64 = 1;

impl Core {
    fn new(begin: Begin, outputs: Exit) -> anyhow::Result<Self> {
        let Begin { config, name, interface, group, key, seed, shared_mac, delivery, acting, coordinator } = begin;
        // SAFETY: no memory is involved; it changes the calling thread's priority only.
        if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } != 0 {
            tracing::debug!("the cluster's thread has no higher priority than others");
        }
        let me = config.me;
        let id = cluster_id(&name);
        let ip = config.member(me).context("this member is not among the cluster's members")?.ip;
        // What an earlier life left in the pinned maps is others' by now, or will be: nothing is ours until a master says so.
        let role = Role { shared_mac, member: me.get().into(), until_ns: EXPIRED, ..Role::default() };
        delivery.set_role(&role).context("write the CLUSTER map")?;
        let nobodys: Vec<_> = (0..).map_while(Unit::new).map(|unit| (unit, UnitState::default())).collect();
        delivery.set_units(&nobodys).context("write the UNITS map")?;
        Ok(Self {
            members: config.members.iter().map(|member| (member.id, member.ip)).collect(),
            keyring: Keyring::new(id),
            sealer: Sealer::new(id, me, key),
            link: Link::open(&interface, ip, group)?,
            raw: RawSender::open()?,
            role,
            acting,
            fenced: true,
            refusals: BTreeMap::new(),
            delivery,
            segments: Vec::new(),
            refused: BTreeMap::new(),
            outputs,
            overrun: 0,
            coordinator,
            stand: None,
            cluster: Cluster::new(config, seed, clock::now()),
        })
    }

    async fn serve(mut self, mut arrivals: Arrivals) {
        let mut buffer = vec![0; DATAGRAM];
        let timeout = tokio::time::sleep(std::time::Duration::ZERO);
        tokio::pin!(timeout);
        self.carry_out();
        loop {
            let wanted = [self.cluster.poll_timeout(), self.link.poll_timeout()].into_iter().flatten().min();
            if let Some(at) = wanted {
                timeout.as_mut().reset(tokio::time::Instant::now() + at.since(clock::now()));
            }
            tokio::select! {
                biased;
                () = &mut timeout, if wanted.is_some() => {}
                result = self.link.readable() => if let Err(error) = result {
                    tracing::error!(%error, "the cluster's link can't be read");
                    self.link.close(clock::now());
                },
                open = arrivals.wait() => if !open {
                    return;
                },
            }
            self.turn(&mut arrivals, &mut buffer);
            // The runtime looks at its descriptors only when nothing else is left to do.
            tokio::task::yield_now().await;
        }
    }

    /// Takes what there is, up to a bound of each kind.
    fn turn(&mut self, arrivals: &mut Arrivals, buffer: &mut [u8]) {
        let now = clock::now();
        self.link.handle_timeout(now);
        self.hail(now);
        if self.cluster.poll_timeout().is_some_and(|at| at <= now) {
            self.cluster.handle_timeout(now);
            self.carry_out();
        }
        self.receive(buffer);
        let mut turn = Turn::new();
        while let Some(arrival) = arrivals.next(&mut turn) {
            match arrival {
                Arrival::Input(input) => self.take(input),
                Arrival::Held(unit, frame) => self.cluster.handle_held(unit, frame, clock::now()),
            }
            self.carry_out();
        }
    }
}
