//! Members of a cluster around one server. Octets between them arrive in order on each stream, and else as the test
//! wants; commands are carried out as a shell does it, with a gate before the sends, and a member may die behind any of
//! them.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gateway_common::unit::{self, Unit};
use gateway_common::vlan::VlanTags;

use super::Server;
use super::world::{BOOT, address, mac};
use crate::fpc::LinkEvent;
use crate::line::PortId;
use crate::member::{Boot, MemberId, UnitVersion};
use crate::node::tests::World;
use crate::node::{Command, Event, Node, NodeConfig, Route, SessionView};
use crate::replication::{self, Gate, GateCommand, GateConfig, PeerEvent, Replication, ReplicationConfig, WhenShort};
use crate::scope::Epoch;
use crate::session::CohortId;
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::{Message, code, kind};
use crate::wire::frame::{BROADCAST_MAC, Datagram};

pub(super) fn member(number: u8) -> MemberId {
    MemberId::new(number).expect("a number")
}

fn unit_of(client: u8) -> Unit {
    let mut chaddr = [0; 16];
    chaddr[..6].copy_from_slice(&mac(client));
    unit::dhcp4(&unit::UnitKey::NONE, unit::words(chaddr), 6)
}

/// One member.
pub(super) struct Member {
    pub(super) node: Node,
    pub(super) replication: Replication,
    gate: Gate<Command>,
    pub(super) store: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) routes: BTreeMap<Ipv4Addr, Route>,
    least: BTreeMap<CohortId, Epoch>,
    pub(super) events: Vec<Event>,
    pub(super) told: Vec<replication::Command>,
}

pub(super) struct Mesh {
    config: NodeConfig,
    when_short: WhenShort,
    kept: usize,
    pub(super) members: BTreeMap<u8, Member>,
    pub(super) now: Instant,
    pub(super) server: Server,
    pub(super) keeper: u8,
    /// Owner and version of a client's unit, where it is not member 1 in version 1.
    pub(super) owners: BTreeMap<u8, (u8, u32)>,
    /// Who hears an answer that belongs to no client: 0 is the keeper.
    pub(super) hearer: u8,
    streams: BTreeMap<(u8, u8), VecDeque<Vec<u8>>>,
    /// Streams whose octets don't arrive for now.
    pub(super) stuck: BTreeSet<(u8, u8)>,
    connected: BTreeSet<(u8, u8)>,
    /// What clients got: hardware address, type, address.
    pub(super) received: Vec<([u8; 6], u8, Ipv4Addr)>,
    /// Addresses that the server leased, and how much clients had received by then.
    pub(super) leased: BTreeMap<Ipv4Addr, usize>,
    /// Transactions (xid) of bulk releases that the server got.
    pub(super) transactions: BTreeSet<u32>,
    /// Member that dies, and after how many commands that it carries out.
    pub(super) kill: Option<(u8, usize)>,
    pub(super) steps: usize,
    lives: u64,
    /// What a stream carried.
    pub(super) octets: usize,
}

impl Mesh {
    /// Members 1 to `count`; 1 is first and keeper, the others have joined.
    pub(super) fn new(config: NodeConfig, server: Server, count: u8) -> Self {
        Self::with(config, server, count, WhenShort::Degrade, 1 << 20)
    }

    /// `kept`: octets of changes that a member keeps for others.
    pub(super) fn with(config: NodeConfig, server: Server, count: u8, when_short: WhenShort, kept: usize) -> Self {
        let mut mesh = Self::empty(config, server, when_short, kept);
        for me in 1..=count {
            mesh.start(me, BTreeMap::new());
            let from = (me > 1).then(|| member(1));
            mesh.join(me, from);
        }
        mesh.member(1).node.handle_keeper(true, Instant::ZERO + Duration::from_secs(100));
        mesh.run();
        mesh
    }

    /// Without members.
    pub(super) fn empty(config: NodeConfig, server: Server, when_short: WhenShort, kept: usize) -> Self {
        Self {
            config,
            when_short,
            kept,
            members: BTreeMap::new(),
            now: Instant::ZERO + Duration::from_secs(100),
            server,
            keeper: 1,
            owners: BTreeMap::new(),
            hearer: 0,
            streams: BTreeMap::new(),
            stuck: BTreeSet::new(),
            connected: BTreeSet::new(),
            received: Vec::new(),
            leased: BTreeMap::new(),
            transactions: BTreeSet::new(),
            kill: None,
            steps: 0,
            lives: 0,
            octets: 0,
        }
    }

    /// A member's process starts with what its disk holds, and its streams stand. Its wall clock is wrong by its number in
    /// tenths of a second.
    pub(super) fn start(&mut self, me: u8, store: BTreeMap<Vec<u8>, Vec<u8>>) {
        self.lives += 1;
        let unix = BOOT * 1_000_000_000 + self.now.as_nanos() + u64::from(me) * 100_000_000;
        let config = NodeConfig { cluster: Some(member(me)), ..self.config.clone() };
        let records: Vec<_> = store.clone().into_iter().collect();
        let node = Node::new(config, records, self.now, unix, self.lives).expect("configured");
        let boot = Boot(self.lives << 32);
        let replication = ReplicationConfig::new(member(me), boot, [me; 32]);
        let (kept, kept_of_others) = (self.kept, self.kept / 2);
        let replication = Replication::new(ReplicationConfig { kept, kept_of_others, ..replication });
        let gate = Gate::new(GateConfig { when_short: self.when_short, ..GateConfig::default() });
        let routes = node.routes().map(|route| (route.address, route)).collect();
        let (least, events, told) = (BTreeMap::new(), Vec::new(), Vec::new());
        self.members.insert(me, Member { node, replication, gate, store, routes, least, events, told });
        for port in 0..4 {
            let now = self.now;
            self.member(me).node.handle_link(PortId(port), LinkEvent::Up, now);
        }
        let others: Vec<u8> = self.members.keys().copied().filter(|other| *other != me).collect();
        others.into_iter().for_each(|other| self.connect(me, other));
        self.run();
    }

    pub(super) fn join(&mut self, me: u8, from: Option<MemberId>) {
        let now = self.now;
        self.member(me).replication.handle_join(from, now);
        self.run();
    }

    pub(super) fn member(&mut self, me: u8) -> &mut Member {
        self.members.get_mut(&me).expect("alive")
    }

    pub(super) fn connect(&mut self, a: u8, b: u8) {
        if !self.connected.insert((a.min(b), a.max(b))) {
            return;
        }
        self.peer(a, b, PeerEvent::Connected);
        self.peer(b, a, PeerEvent::Connected);
    }

    pub(super) fn cut(&mut self, a: u8, b: u8) {
        if self.connected.remove(&(a.min(b), a.max(b))) {
            self.peer(a, b, PeerEvent::Lost);
            self.peer(b, a, PeerEvent::Lost);
        }
    }

    fn peer(&mut self, me: u8, other: u8, event: PeerEvent) {
        self.streams.remove(&(me, other));
        self.stuck.remove(&(me, other));
        let now = self.now;
        if let Some(this) = self.members.get_mut(&me) {
            this.replication.handle_peer(member(other), event, now);
            if event == PeerEvent::Lost {
                this.gate.handle_peer(member(other), false, now);
            }
        }
    }

    /// The plug is pulled. What it sent and nobody has received is lost.
    pub(super) fn kill(&mut self, me: u8) -> Member {
        let dead = self.members.remove(&me).expect("alive");
        let others: Vec<u8> = self.members.keys().copied().collect();
        others.into_iter().for_each(|other| self.cut(me, other));
        dead
    }

    /// The units of one member go to another, and the keeping with them.
    pub(super) fn take_over(&mut self, from: u8, to: u8) {
        for client in 0..=u8::MAX {
            let (owner, version) = self.owner(client);
            // A unit that was given to somebody for another client's sake goes with that one.
            let own = |other: &u8| *other != client && unit_of(*other) == unit_of(client);
            if owner == from && (self.owners.contains_key(&client) || !self.owners.keys().any(own)) {
                self.own(client, to, version + 1);
            }
        }
        if self.keeper == from {
            self.keeper = to;
            let now = self.now;
            self.member(to).node.handle_keeper(true, now);
        }
        self.run();
    }

    pub(super) fn own(&mut self, client: u8, owner: u8, version: u32) {
        self.owners.insert(client, (owner, version));
        self.member(owner).replication.handle_owned([(unit_of(client), UnitVersion(version))]);
    }

    pub(super) fn owner(&self, client: u8) -> (u8, u32) {
        self.owners.get(&client).copied().unwrap_or((1, 1))
    }

    fn version(&self, unit: Option<Unit>) -> UnitVersion {
        let of =
            |unit| self.owners.iter().find(|(client, _)| unit_of(**client) == unit).map(|(_, (_, version))| *version);
        UnitVersion(unit.and_then(of).unwrap_or(1))
    }

    /// Carries everything out and lets everything arrive.
    pub(super) fn run(&mut self) {
        for _ in 0..100_000 {
            let idle = !self.carry_out_all();
            let ready = self.streams.iter().filter(|(way, queue)| !self.stuck.contains(way) && !queue.is_empty());
            let Some(way) = ready.map(|(way, _)| *way).next() else {
                if idle {
                    return;
                }
                continue;
            };
            self.deliver(way);
        }
        panic!("never comes to rest");
    }

    /// One write arrives.
    pub(super) fn deliver(&mut self, (from, to): (u8, u8)) {
        let Some(octets) = self.streams.get_mut(&(from, to)).and_then(VecDeque::pop_front) else { return };
        self.octets += octets.len();
        let now = self.now;
        if let Some(this) = self.members.get_mut(&to) {
            this.replication.handle_octets(member(from), &octets, now);
        }
    }

    /// Streams with something on its way.
    pub(super) fn ways(&self) -> Vec<(u8, u8)> {
        self.streams.iter().filter(|(_, queue)| !queue.is_empty()).map(|(way, _)| *way).collect()
    }

    /// Whether anything was to be done.
    pub(super) fn carry_out_all(&mut self) -> bool {
        let mut busy = false;
        let all: Vec<u8> = self.members.keys().copied().collect();
        for me in all {
            while self.members.contains_key(&me) && self.carry_out(me) {
                busy = true;
            }
        }
        busy
    }

    /// One batch of a member, in a shell's order: records, maps, then what is sent. False when there was none.
    fn carry_out(&mut self, me: u8) -> bool {
        let now = self.now;
        let mut sends = VecDeque::new();
        // What the others said comes before what is decided here, as in one turn of a loop.
        while let Some(command) = self.members.get_mut(&me).and_then(|this| this.replication.poll_command()) {
            match command {
                replication::Command::Send { to, octets } => sends.push_back((to.get(), octets.0)),
                command => self.replicate(me, command),
            }
        }
        if !self.members.contains_key(&me) {
            return true;
        }
        let batch: Vec<Command> = core::iter::from_fn(|| self.member(me).node.poll_command()).collect();
        if batch.is_empty() && sends.is_empty() {
            return false;
        }
        let (mut seq, mut everyone) = (None, false);
        for command in &batch {
            if let Command::Replicate(said) = command {
                let version = self.version(said.unit);
                everyone |= said.change.concerns_everyone();
                seq = Some(self.member(me).replication.handle_change(said, version));
            }
        }
        let rank = |command: &Command| match command {
            Command::Persist { .. } | Command::Forget { .. } => 0,
            Command::SendToServer { .. } | Command::SendToClient { .. } | Command::ForKeeper { .. } => 2,
            Command::Replicate(_) | Command::Tell(_) => 3,
            _ => 1,
        };
        let (early, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(|command| rank(command) < 2);
        for command in early {
            if self.step(me, command) {
                return true;
            }
        }
        for (to, octets) in sends {
            if self.dies(me) {
                return true;
            }
            self.streams.entry((me, to)).or_default().push_back(octets);
        }
        for command in late {
            match (seq, rank(&command)) {
                (Some(seq), 2) => self.member(me).gate.hold(command, seq, everyone, now),
                _ => {
                    if self.step(me, command) {
                        return true;
                    }
                }
            }
        }
        self.open_gate(me);
        true
    }

    fn open_gate(&mut self, me: u8) {
        while let Some(command) = self.members.get_mut(&me).and_then(|this| this.gate.poll_command()) {
            if let GateCommand::Release(command) = command
                && self.step(me, command)
            {
                return;
            }
        }
    }

    fn replicate(&mut self, me: u8, command: replication::Command) {
        let now = self.now;
        let this = self.member(me);
        match command {
            replication::Command::Apply(record) => this.node.handle_replica(record, now),
            replication::Command::BeginReplace { theirs, ours, yielding } => {
                this.node.begin_replace(theirs, ours, yielding)
            }
            replication::Command::Merge(records) => this.node.handle_snapshot(records, now),
            replication::Command::EndReplace => this.node.end_replace(now),
            replication::Command::AbortReplace => this.node.abort_replace(),
            replication::Command::SnapshotWanted { to, id, cursor, most } => {
                let (records, next) = this.node.snapshot(cursor, most.min(3));
                this.replication.handle_snapshot(to, id, &records, next);
            }
            replication::Command::PeerSynced { member } => this.gate.handle_peer(member, true, now),
            replication::Command::Acked { by, seq } => {
                this.gate.handle_acked(by, seq, now);
                self.open_gate(me);
            }
            replication::Command::Disconnect { why, .. } => panic!("{why}"),
            other => this.told.push(other),
        }
    }

    /// Whether the member dies here.
    fn dies(&mut self, me: u8) -> bool {
        if self.kill.is_none_or(|(who, _)| who != me) {
            return false;
        }
        self.steps += 1;
        let over = self.kill.is_some_and(|(_, after)| self.steps > after);
        if over {
            self.kill = None;
            self.kill(me);
        }
        over
    }

    /// Carries one command out, unless the member dies before.
    fn step(&mut self, me: u8, command: Command) -> bool {
        if self.dies(me) {
            return true;
        }
        let now = self.now;
        let this = self.members.get_mut(&me).expect("alive");
        match command {
            Command::Persist { key, value, .. } => drop(this.store.insert(key, value)),
            Command::Forget { key } => drop(this.store.remove(&key)),
            Command::InstallRoute(route) => drop(this.routes.insert(route.address, route)),
            Command::RemoveRoute(address) => drop(this.routes.remove(&address)),
            Command::SetExpiry { slot, expires } => {
                let route = this.routes.values_mut().find(|route| route.slot == slot);
                route.expect("a route has this cell").expires = expires;
            }
            Command::SetLeastEpoch { cohort, epoch, .. } => drop(this.least.insert(cohort, epoch)),
            Command::SendToServer { payload, .. } => {
                let message = Message::parse(&payload).expect("the node sends DHCP");
                if message.kind() == Some(kind::RELEASE) && message.ciaddr().is_unspecified() {
                    self.transactions.insert(message.xid());
                }
                let client = message.hardware().mac().map(|mac| mac[5]);
                let before = self.server.active();
                let answer = self.server.handle(&payload, now);
                let new = self.server.active().into_iter().filter(|address| !before.contains(address));
                self.leased.extend(new.map(|address| (address, self.received.len())));
                if let Some(answer) = answer {
                    self.answer(client, &answer);
                }
            }
            Command::SendToClient { payload, .. } => {
                let message = Message::parse(&payload).expect("the node sends DHCP");
                let mac = message.hardware().mac().expect("to Ethernet clients");
                self.received.push((mac, message.kind().expect("with a type"), message.yiaddr()));
            }
            Command::ForKeeper { server, payload } => {
                let keeper = self.keeper;
                if let Some(keeper) = self.members.get_mut(&keeper) {
                    keeper.node.handle_for_keeper(server, &payload, now);
                }
            }
            Command::Dial { .. } | Command::Converse { .. } | Command::HangUp { .. } => {
                panic!("members get what they lack from each other: {command:?}")
            }
            Command::Tell(event) => this.events.push(event),
            Command::Replicate(_) => {}
            Command::Sightings { to, message } => this.replication.handle_sightings(to, message),
            Command::InstallRoute6(_)
            | Command::RemoveRoute6(_)
            | Command::SetExpiry6 { .. }
            | Command::SendToServer6 { .. }
            | Command::SendToClient6 { .. }
            | Command::SetSeen6 { .. }
            | Command::Probe(_) => panic!("no DHCPv6 in a cluster"),
        }
        false
    }

    /// The server's answer reaches the owner of the unit that it hashes to.
    fn answer(&mut self, client: Option<u8>, answer: &[u8]) {
        let keeper = if self.hearer == 0 { self.keeper } else { self.hearer };
        let hearer = client.map_or(keeper, |client| self.owner(client).0);
        let (now, server) = (self.now, self.server.address);
        if let Some(hearer) = self.members.get_mut(&hearer) {
            hearer.node.handle_server_message(server, answer, now);
        }
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            let wanted = self
                .members
                .values()
                .flat_map(|this| [this.node.poll_timeout(), this.replication.poll_timeout(), this.gate.poll_timeout()]);
            let Some(wanted) = wanted.flatten().min().filter(|wanted| *wanted <= end) else { break };
            self.now = self.now.max(wanted);
            let now = self.now;
            for this in self.members.values_mut() {
                this.node.handle_timeout(now);
                this.replication.handle_timeout(now);
                this.gate.handle_timeout(now);
            }
            let all: Vec<u8> = self.members.keys().copied().collect();
            all.into_iter().for_each(|me| self.open_gate(me));
            self.run();
        }
        self.now = end;
    }

    /// A client's message arrives at the owner of its unit; nothing is carried out yet.
    pub(super) fn send(&mut self, client: u8, port: u16, payload: &[u8]) {
        let frame = Datagram {
            source_mac: mac(client),
            destination_mac: BROADCAST_MAC,
            tags: VlanTags::NONE,
            source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
            destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, 67),
            payload,
        };
        let frame = frame.build().expect("short");
        let (owner, now) = (self.owner(client).0, self.now);
        if let Some(owner) = self.members.get_mut(&owner) {
            owner.node.handle_client_frame(PortId(port), &frame, false, now);
        }
    }

    pub(super) fn request(&mut self, client: u8, port: u16) {
        self.request_address(client, port, client);
    }

    /// A client asks for the address that is named after a client.
    pub(super) fn request_address(&mut self, client: u8, port: u16, of: u8) {
        let payload = World::ask(client, kind::REQUEST).address(code::REQUESTED_IP, address(of)).finish();
        self.send(client, port, &payload);
    }

    /// A client gives its address back.
    pub(super) fn release(&mut self, client: u8, port: u16) {
        let payload = World::ask(client, kind::RELEASE).ciaddr(address(client)).finish();
        self.send(client, port, &payload);
    }

    pub(super) fn log_in(&mut self, client: u8, port: u16) {
        for _ in 0..5 {
            let before = self.received.len();
            self.request(client, port);
            self.run();
            if self.received[before..].contains(&(mac(client), kind::ACK, address(client))) {
                return;
            }
            self.wait(4);
        }
        panic!("client {client} can't log in");
    }

    /// The interfaces of a card disappear everywhere, one member after the other, and come back.
    pub(super) fn restart_card(&mut self, card: u16) {
        for event in [LinkEvent::Removed, LinkEvent::Up] {
            let all: Vec<u8> = self.members.keys().copied().collect();
            for me in all {
                for port in [2 * card, 2 * card + 1] {
                    let now = self.now;
                    if let Some(this) = self.members.get_mut(&me) {
                        this.node.handle_link(PortId(port), event, now);
                    }
                    self.run();
                }
            }
        }
    }

    /// What a member has of each session, a line each; times are Unix milliseconds by its clock.
    pub(super) fn sessions(&self, me: u8) -> Vec<String> {
        let skew = u64::from(me) * 100;
        let line = |session: SessionView| {
            let expires = session.expires.as_nanos() / 1_000_000 + skew;
            let SessionView { address, hardware, client_id, line, fpc, epoch, server, scope, orphaned, .. } = session;
            let place = (line.port.0, fpc.0, epoch.0);
            format!("{address} {hardware} {client_id:?} {place:?} {server} {scope:?} {expires} {orphaned}")
        };
        let mut sessions: Vec<_> = self.members[&me].node.sessions(0, 1000).0.into_iter().map(line).collect();
        sessions.sort();
        sessions
    }

    pub(super) fn addresses(&self, me: u8) -> BTreeSet<Ipv4Addr> {
        self.members[&me].node.sessions(0, 1000).0.into_iter().map(|session| session.address).collect()
    }

    /// Addresses whose traffic a member's data plane lets through.
    pub(super) fn through(&self, me: u8) -> BTreeSet<Ipv4Addr> {
        let this = &self.members[&me];
        let valid = |route: &&Route| {
            route.epoch >= this.least.get(&route.cohort).copied().unwrap_or_default() && route.expires > self.now
        };
        this.routes.values().filter(valid).map(|route| route.address).collect()
    }

    /// Every member has exactly these clients, in its table, its data plane and its store.
    pub(super) fn assert_logged_in(&self, clients: impl IntoIterator<Item = u8>) {
        let expected = World::addresses(clients);
        for me in self.members.keys().copied() {
            assert_eq!(self.addresses(me), expected, "sessions of member {me}");
            assert_eq!(self.through(me), expected, "routes of member {me}");
            let restored = self.restored(me);
            let stored: BTreeSet<_> = restored.sessions(0, 1000).0.into_iter().map(|session| session.address).collect();
            assert_eq!(stored, expected, "records of member {me}");
        }
    }

    fn restored(&self, me: u8) -> Node {
        let unix = BOOT * 1_000_000_000 + self.now.as_nanos();
        let records = self.members[&me].store.clone();
        Node::new(NodeConfig { cluster: None, ..self.config.clone() }, records, self.now, unix, 7).expect("configured")
    }
}
