//! Servers with disks and address servers, on one network and one clock.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::delegation::{
    Assignment, CLASS, Command, Constants, Delegation, DelegationConfig, Event, Handled, Lessees, Policy, Proof,
    Proven, ServerId,
};
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::{Message, code, kind};
use crate::wire::subnet_allocation::SubnetAllocation;

pub(super) const DAY: Duration = Duration::from_secs(86400);

pub(super) fn subnet(text: &str) -> Subnet {
    text.parse().unwrap()
}

/// A server's address by its number.
pub(super) fn at(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, number)
}

pub(super) fn id(number: u8) -> ServerId {
    ServerId::new(format!("server-{number}").as_bytes()).unwrap()
}

/// A server that asks these.
pub(super) fn config(number: u8, providers: &[u8]) -> DelegationConfig {
    DelegationConfig {
        me: id(number),
        address: at(number),
        providers: providers.iter().map(|number| at(*number)).collect(),
        lessees: Lessees::Anyone,
        class: Some(CLASS.to_vec()),
        reserve: None,
        authenticate: false,
        policy: Policy { push_above_percent: 101, ..Policy::default() },
        constants: Constants::default(),
    }
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) core: Delegation,
    pub(super) config: DelegationConfig,
    pub(super) disk: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What its address server was told last of each subnet: until when it may assign; `None`: stop.
    pub(super) assigned: BTreeMap<Subnet, Option<Instant>>,
    /// What it was told last, word for word.
    pub(super) told: BTreeMap<Subnet, Assignment>,
    /// Those of which it was told that hosts may be forgotten.
    pub(super) recovered: BTreeSet<Subnet>,
    pub(super) gone: Vec<Subnet>,
    pub(super) events: Vec<Event>,
    /// The address server says that it is drained as soon as it is told to stop.
    pub(super) drains: bool,
}

#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) from: Ipv4Addr,
    pub(super) to: Ipv4Addr,
    pub(super) octets: Vec<u8>,
    proven: Proven,
}

#[derive(Debug)]
pub(super) struct Lab {
    pub(super) now: Instant,
    pub(super) servers: BTreeMap<u8, Server>,
    pub(super) wire: VecDeque<Datagram>,
    /// Everything that was delivered, as text.
    pub(super) transcript: Vec<String>,
}

impl Lab {
    pub(super) fn new() -> Self {
        let now = Instant::ZERO + Duration::from_secs(1000);
        Self { now, servers: BTreeMap::new(), wire: VecDeque::new(), transcript: Vec::new() }
    }

    /// A server that has had nothing before, and knows it.
    pub(super) fn start(&mut self, number: u8, config: DelegationConfig) {
        let nothing: (&[u8], &[u8]) = (b"Df", &[1, 0, 0, 0, 0, 0, 0, 0, 0]);
        let core = Delegation::new(config.clone(), [nothing], u64::from(number), self.now);
        let (disk, assigned) = (BTreeMap::new(), BTreeMap::new());
        let server = Server {
            core,
            config,
            disk,
            assigned,
            told: BTreeMap::new(),
            recovered: BTreeSet::new(),
            gone: Vec::new(),
            events: Vec::new(),
            drains: true,
        };
        self.servers.insert(number, server);
        self.collect();
    }

    /// The process dies and starts again, with its disk or with an empty one.
    pub(super) fn restart(&mut self, number: u8, disk: bool) {
        let now = self.now;
        let server = self.server(number);
        if !disk {
            server.disk.clear();
        }
        let records = server.disk.iter().map(|(key, value)| (&key[..], &value[..]));
        server.core = Delegation::new(server.config.clone(), records, now.as_nanos(), now);
        server.assigned.clear();
        server.told.clear();
        server.recovered.clear();
        self.collect();
    }

    pub(super) fn server(&mut self, number: u8) -> &mut Server {
        self.servers.get_mut(&number).unwrap()
    }

    /// Something happens at a server.
    pub(super) fn act<T>(&mut self, number: u8, act: impl FnOnce(&mut Delegation, Instant) -> T) -> T {
        let now = self.now;
        let result = act(&mut self.server(number).core, now);
        self.collect();
        result
    }

    /// A message reaches a server.
    pub(super) fn hand(&mut self, number: u8, octets: &[u8], from: Ipv4Addr, proven: Proven) -> Handled {
        self.act(number, |core, now| core.handle_message(octets, from, proven, now))
    }

    /// Carries out what the servers want.
    fn collect(&mut self) {
        let now = self.now;
        for server in self.servers.values_mut() {
            while let Some(command) = server.core.poll_command() {
                let mut drained = None;
                match command {
                    Command::Persist { key, value } => drop(server.disk.insert(key, value)),
                    Command::Forget { key } => drop(server.disk.remove(&key)),
                    Command::Assign(assignment) => {
                        server.assigned.insert(assignment.subnet, Some(assignment.until));
                        if assignment.recovered {
                            server.recovered.insert(assignment.subnet);
                        } else {
                            server.recovered.remove(&assignment.subnet);
                        }
                        server.told.insert(assignment.subnet, assignment);
                    }
                    Command::StopAssigning { subnet } => {
                        server.assigned.insert(subnet, None);
                        drained = Some(subnet);
                    }
                    Command::Gone { subnet } => {
                        server.assigned.remove(&subnet);
                        server.gone.push(subnet);
                        drained = Some(subnet);
                    }
                    Command::Send { to, message, proof, .. } => {
                        let proven = if proof == Proof::Signed { Proven::Yes } else { Proven::No };
                        self.wire.push_back(Datagram { from: server.config.address, to, octets: message, proven });
                    }
                    Command::Tell(event) => server.events.push(event),
                }
                if let Some(subnet) = drained.filter(|_| server.drains) {
                    server.core.handle_drained(&subnet, now);
                }
            }
            server.core.space.check();
        }
    }

    /// Delivers the next message; what it said, or an empty text when there is none.
    pub(super) fn step(&mut self) -> String {
        let Some(datagram) = self.wire.pop_front() else { return String::new() };
        let text = said(&datagram);
        self.transcript.push(text.clone());
        let to: Vec<u8> =
            self.servers.iter().filter(|(_, s)| s.config.address == datagram.to).map(|(number, _)| *number).collect();
        for number in to {
            self.hand(number, &datagram.octets, datagram.from, datagram.proven);
        }
        text
    }

    /// Delivers everything.
    pub(super) fn deliver(&mut self) {
        for _ in 0..10_000 {
            if self.step().is_empty() {
                return;
            }
        }
        panic!("they never stop talking: {:?}", &self.transcript[self.transcript.len() - 20..]);
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.deliver();
        for _ in 0..1_000_000 {
            let next = self.servers.values().filter_map(|server| server.core.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            let numbers: Vec<u8> = self.servers.keys().copied().collect();
            for number in numbers {
                if self.server(number).core.poll_timeout().is_some_and(|due| due <= self.now) {
                    self.act(number, |core, now| core.handle_timeout(now));
                }
            }
            self.deliver();
        }
        panic!("time stands still");
    }

    /// What is on the wire next, octets and all.
    pub(super) fn next_octets(&self) -> Vec<u8> {
        self.wire.front().unwrap().octets.clone()
    }

    /// Who holds what at a server, as text.
    pub(super) fn holders(&self, number: u8) -> Vec<String> {
        use crate::delegation::Holder;
        let view = self.servers[&number].core.view(self.now);
        let block = |block: crate::delegation::BlockView| {
            let holder = match block.holder {
                Holder::Pool => "pool".into(),
                Holder::Own => "own".into(),
                Holder::Provider => "reserved".into(),
                Holder::Offered(who) => format!("offered to {who}"),
                Holder::Leased { lessee, .. } => format!("leased to {lessee}"),
                Holder::Resting(who) => format!("resting after {who}"),
            };
            format!("{} {holder}", block.subnet)
        };
        view.roots.into_iter().flat_map(|root| root.blocks).map(block).collect()
    }
}

/// A message as a line: `110 > 136 OFFER lease 604800 10.0.1.0/25 more`.
fn said(datagram: &Datagram) -> String {
    let message = Message::parse(&datagram.octets).unwrap();
    let allocation = SubnetAllocation::read(&message).unwrap().unwrap();
    assert!(message.yiaddr().is_unspecified(), "yiaddr is zero in all of them");
    let name = match message.kind().unwrap() {
        kind::DISCOVER => "DISCOVER",
        kind::OFFER => "OFFER",
        kind::REQUEST if message.option(code::SERVER_ID).is_some() => "REQUEST",
        kind::REQUEST => "RENEW",
        kind::ACK => "ACK",
        kind::NAK => "NAK",
        kind::RELEASE => "RELEASE",
        kind::FORCERENEW => "FORCERENEW",
        other => panic!("nobody sends {other}"),
    };
    let mut text = format!("{} > {} {name}", datagram.from.octets()[3], datagram.to.octets()[3]);
    if let Some(lease) = message.u32_option(code::LEASE_TIME) {
        text += &format!(" lease {lease}");
    }
    for request in allocation.requests() {
        text += &if request.earlier { " earlier".into() } else { format!(" /{}", request.prefix) };
        text += if request.earlier || request.delegate { "" } else { " reserve" };
    }
    for block in allocation.blocks() {
        text += &format!(" {}", block.subnet);
        if let Some(in_use) = block.statistics.in_use {
            let (high, unusable) = (block.statistics.high_water.unwrap(), block.statistics.unusable.unwrap());
            text += &format!(" used {in_use} of {high} unusable {unusable}");
        }
        text += if block.deprecate { " deprecated" } else { "" };
    }
    if allocation.more() {
        text += " more";
    }
    text
}
