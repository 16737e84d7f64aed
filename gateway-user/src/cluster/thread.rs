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

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use anyhow::Context;
use gateway_common::cluster::{MemberKey, Role};
use gateway_common::unit::{Unit, UnitState};
use gateway_common::vlan::VlanTags;
use gateway_core::cluster::{
    Cluster, ClusterConfig, Command, Destination, Disposition, Event, PeerEvent, Stand, UnitRule,
};
use gateway_core::member::MemberId;
use gateway_core::wire::cluster::{Key, Keyring, Refused, Sealer, cluster_id};
use tokio::sync::mpsc;

use super::acting::Acting;
use super::door::{self, Arrival, Arrivals, Door, Exit, Input, Output, Outputs, Seen, Segment, Turn};
use super::etcd::Told;
use super::link::Link;
use crate::dataplane::Delivery;
use crate::io::announce;
use crate::io::clock;
use crate::io::raw::RawSender;
use crate::run::Throttle;

/// Longest control datagram, a forwarded jumbo frame included.
const DATAGRAM: usize = 10 << 10;
/// Datagrams taken before time is looked at again.
const AT_ONCE: usize = 256;
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

    fn receive(&mut self, buffer: &mut [u8]) {
        for _ in 0..AT_ONCE {
            let Some((length, from)) = self.link.receive(buffer) else { return };
            match self.keyring.open(&buffer[..length]) {
                Ok((header, body)) => self.cluster.handle_datagram(from, &header, &body, clock::now()),
                // Of another cluster on the same link: no business of ours.
                Err(Refused::OtherCluster(_)) => {}
                Err(refused) => {
                    *self.refused.entry(refused.name()).or_default() += 1;
                    self.refusals
                        .entry(refused.name())
                        .or_insert(Throttle::new("a control message was refused"))
                        .warn(format_args!("from {from}: {refused}"), clock::now());
                }
            }
            self.carry_out();
        }
    }

    fn take(&mut self, input: Input) {
        let now = clock::now();
        match input {
            Input::Peer(member, event) => {
                if event != PeerEvent::Connected {
                    self.keyring.remove(member);
                }
                self.cluster.handle_peer(member, event, now);
            }
            Input::Key(member, key) => self.keyring.insert(member, key),
            Input::Synced(synced) => self.cluster.handle_synced(synced, now),
            Input::Applied(origin, seq) => self.cluster.handle_applied(origin, seq, now),
            Input::Settled(member) => self.cluster.handle_settled(member, now),
            Input::Discarded(by) => self.cluster.handle_discarded(by, now),
            Input::Outdated(unit, version) => self.cluster.handle_outdated(unit, version, now),
            Input::Flushed(unit, last_seq) => self.cluster.handle_flushed(unit, last_seq, now),
            Input::Load(load) => self.cluster.handle_load(load),
            Input::Approved(member, approved) => self.cluster.handle_approval(member, approved, now),
            Input::Segments(segments) => self.learn(segments),
            Input::Coordination(said) => self.cluster.handle_coordination(said, now),
            Input::Recorded(units) => self.cluster.handle_recorded(&units, now),
            // Whoever asked may have gone.
            Input::Operator(request, answer) => drop(answer.send(self.cluster.handle_operator(request, now))),
            Input::View(answer) => {
                let (view, mut counters) = (self.cluster.view(), self.cluster.counters());
                counters.held_dropped += self.overrun;
                drop(answer.send(Seen { view, counters, refused: self.refused.clone() }));
            }
        }
    }

    fn learn(&mut self, segments: Vec<Segment>) {
        let members: Vec<_> = segments
            .iter()
            .flat_map(|segment| segment.members.iter().map(|(member, mac)| (segment.ifindex, *member, *mac)))
            .map(|(ifindex, member, mac)| (MemberKey { ifindex, member: member.get().into() }, mac))
            .collect();
        if let Err(error) = self.delivery.set_members(&members) {
            tracing::error!(%error, "the MEMBERS map can't be written");
        }
        self.role.link = segments.iter().find(|segment| segment.is_link).map_or(0, |segment| segment.ifindex);
        self.link.look(clock::now());
        self.segments = segments;
        self.write_role();
    }

    fn write_role(&self) {
        if let Err(error) = self.delivery.set_role(&self.role) {
            tracing::error!(%error, "the CLUSTER map can't be written");
        }
    }

    fn carry_out(&mut self) {
        self.do_commands();
        if let Some(coordinator) = &self.coordinator
            && self.stand.replace(self.cluster.stand()) != Some(self.cluster.stand())
        {
            // It ends after us.
            let _ = coordinator.send(Told::Stand(self.cluster.stand()));
        }
        // The kernel serves what is ours for so long without us, and no longer.
        self.publish();
        let until_ns = self.cluster.acts_until().as_nanos().max(1);
        if until_ns != self.role.until_ns {
            self.role.until_ns = until_ns;
            self.write_role();
        }
    }

    /// Lets the packet loop know whether it may act.
    fn publish(&self) {
        match self.fenced {
            true => self.acting.fence(),
            false => self.acting.set(self.cluster.acts_until()),
        }
    }

    fn do_commands(&mut self) {
        while let Some(command) = self.cluster.poll_command() {
            match command {
                Command::Send { to, term, body } => match self.sealer.seal(term, &body) {
                    Ok(datagram) => self.send(to, &datagram),
                    Err(error) => tracing::error!(%error, "a control message can't be encoded"),
                },
                Command::SetUnits(rules) => self.set_units(&rules),
                Command::Flush { unit, .. } => self.output(Output::Flush(unit)),
                Command::Inject { frame, .. } => self.overrun += u64::from(!self.outputs.inject(frame)),
                Command::AnswerForCluster(answers) => {
                    let other = self.cluster.master().filter(|master| *master != self.me());
                    let master = if answers { Some(self.me()) } else { other };
                    self.role.master = master.map_or(0, |master| master.get().into());
                    self.write_role();
                    self.output(Output::Answers(answers));
                }
                Command::Announce => self.announce(),
                Command::Keeper(keeper) => self.output(Output::Keeper(keeper)),
                // The unit rules say it to the data plane, and what becomes of unit 0 to the node. The packet loop looks
                // before it acts.
                Command::Fence | Command::Unfence => {
                    self.fenced = command == Command::Fence;
                    self.publish();
                }
                Command::Disconnect(member) => self.output(Output::Disconnect(member)),
                Command::Left => self.output(Output::Left),
                Command::AskToJoin(member) => self.output(Output::AskToJoin(member)),
                Command::Degraded(degraded) => self.output(Output::Degraded(degraded)),
                Command::Record { term, units } => {
                    if let Some(coordinator) = &self.coordinator {
                        let _ = coordinator.send(Told::Record(term, units));
                    }
                }
                Command::Tell(event) => {
                    match event {
                        Event::Joined { master, .. } => self.output(Output::Joined(Some(master))),
                        Event::BecameMaster { .. } => self.output(Output::Joined(None)),
                        _ => {}
                    }
                    self.output(Output::Tell(event));
                }
            }
        }
    }

    fn me(&self) -> MemberId {
        self.cluster.me()
    }

    fn send(&mut self, to: Destination, datagram: &[u8]) {
        match to {
            Destination::Group => self.link.send_to_group(datagram),
            Destination::Member(member) => {
                if let Some(ip) = self.members.get(&member) {
                    self.link.send_to(datagram, *ip);
                }
            }
        }
    }

    fn set_units(&mut self, rules: &[UnitRule]) {
        // Before the first login of these units can come in: it is told by the new version.
        let owned: Vec<_> = rules
            .iter()
            .filter(|rule| rule.dhcp == Disposition::Own)
            .filter_map(|rule| Some((rule.unit, self.cluster.owns(rule.unit)?)))
            .collect();
        if !owned.is_empty() {
            self.output(Output::Owned(owned));
        }
        let states: Vec<_> = rules.iter().map(|rule| (rule.unit, state(rule))).collect();
        if let Err(error) = self.delivery.set_units(&states) {
            tracing::error!(%error, "the UNITS map can't be written");
        }
        self.output(Output::Owners(rules.iter().map(|rule| (rule.unit, rule.owner)).collect()));
    }

    fn announce(&mut self) {
        let shared = Some(self.role.shared_mac).filter(|mac| *mac != [0; 6]);
        let frames: Vec<_> = self
            .segments
            .iter()
            .flat_map(|segment| segment.addresses.iter().map(move |address| (segment, *address)))
            .map(|(segment, address)| {
                announce::at(segment.ifindex, VlanTags::NONE, segment.mac, shared.unwrap_or(segment.mac), address)
            })
            .collect();
        if shared.is_none() {
            self.output(Output::Announced);
        }
        // Said five times and every minute (H-CL-12): one that is lost is no matter.
        self.raw.send(&frames, |frame, error| tracing::debug!(frame.ifindex, %error, "an announcement was not sent"));
    }

    fn output(&self, output: Output) {
        self.outputs.tell(output);
    }
}

fn state(rule: &UnitRule) -> UnitState {
    let number = |disposition| match disposition {
        Disposition::Foreign => UnitState::FOREIGN,
        Disposition::Own => UnitState::OWN,
        Disposition::Forward => UnitState::FORWARD,
        Disposition::Held => UnitState::HELD,
    };
    UnitState {
        data: number(rule.data),
        dhcp: number(rule.dhcp),
        owner: rule.owner.map_or(0, |owner| owner.get().into()),
    }
}
