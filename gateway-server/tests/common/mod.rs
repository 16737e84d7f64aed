//! A server with a virtual clock and a disk in memory, and clients and relays that speak to it.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use gateway_core::line::HardwareAddress;
use gateway_core::scope::{DeviceId, DeviceIdType, Epoch, GroupId, Scope, ScopeKind};
use gateway_core::time::{Duration, Instant};
use gateway_core::wire::agent::{AgentBuilder, AgentInformation, sub};
use gateway_core::wire::bulk_release::{BulkRelease, Capability, CodePoints, Operation, Transaction};
use gateway_core::wire::dhcp4::{Builder, Message, REQUEST, code, kind};
use gateway_core::wire::relay_auth::{Algorithm, Key, append_and_sign};
use gateway_server::{Command, Config, Event, Permitted, Server, Subnet};

pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub const RELAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const OTHER_RELAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);

/// Two subnets of 10.0.0.0/16 and 10.1.0.0/16 with ten addresses each, a key, and a lease of an hour.
pub fn config() -> Config {
    let mut config = Config::new(SERVER, "/nowhere");
    for second in [0, 1] {
        let at = |third, fourth| Ipv4Addr::new(10, second, third, fourth);
        let mut subnet = Subnet::new(at(0, 0), 16, (at(0, 1), at(0, 11)), at(0, 1));
        subnet.dns = vec![Ipv4Addr::new(9, 9, 9, 9)];
        subnet.options = vec![(code::DOMAIN_NAME, b"example.net".to_vec())];
        config.subnets.push(subnet);
    }
    config.leasequery.requestors = vec![RELAY, OTHER_RELAY];
    config.bulk_release.keys = vec![Permitted { key: key(), devices: vec![device()] }];
    config
}

pub fn wide(mut config: Config, addresses: u32) -> Config {
    for subnet in &mut config.subnets {
        let first = u32::from(subnet.prefix) + 2;
        subnet.pools = vec![(Ipv4Addr::from(first), Ipv4Addr::from(first + addresses - 1))];
    }
    config
}

pub fn key() -> Key {
    let secret = b"0123456789abcdef0123".to_vec().into();
    Key { id: 5, secret, algorithm: Algorithm::HmacSha1, zero_key_id: false, relay: 0 }
}

pub fn device() -> DeviceId {
    DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").unwrap()
}

pub fn scope(relay: Ipv4Addr, epoch: u32) -> Scope {
    Scope { device: device(), kind: ScopeKind::Address(relay), epoch: Epoch(epoch) }
}

pub fn group(name: &str, epoch: u32) -> Scope {
    let kind = ScopeKind::Group(GroupId::new(name.as_bytes()).unwrap());
    Scope { device: device(), kind, epoch: Epoch(epoch) }
}

/// A reply as a relay reads it.
#[derive(Clone, Debug)]
pub struct Reply {
    pub to: SocketAddrV4,
    pub octets: Vec<u8>,
}

impl Reply {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.octets).unwrap()
    }

    pub fn kind(&self) -> u8 {
        self.message().kind().unwrap()
    }

    pub fn yiaddr(&self) -> Ipv4Addr {
        self.message().yiaddr()
    }

    pub fn agent(&self) -> Vec<u8> {
        self.message().agent_information().unwrap().to_vec()
    }

    pub fn release(&self) -> BulkRelease {
        let agent = self.agent();
        let agent = AgentInformation::parse(&agent).unwrap();
        BulkRelease::decode(&agent, &CodePoints::default()).unwrap().unwrap()
    }

    /// Released, skipped, highest epoch of the first scope.
    pub fn counts(&self) -> (u32, u32, u32) {
        let result = self.release().results[0];
        (result.released, result.skipped, result.highest_epoch)
    }
}

/// A client behind a relay.
#[derive(Clone, Debug)]
pub struct Cpe {
    pub mac: [u8; 6],
    pub client_id: Option<Vec<u8>>,
    pub relay: Ipv4Addr,
    pub scope: Option<Scope>,
    /// Further sub-options of option 82.
    pub subs: Vec<(u8, Vec<u8>)>,
    /// No relay in between: a renewal that bypasses it.
    pub direct: bool,
}

pub fn cpe(number: u32) -> Cpe {
    let [_, a, b, c] = number.to_be_bytes();
    Cpe {
        mac: [2, 0, 0, a, b, c],
        client_id: None,
        relay: RELAY,
        scope: Some(scope(RELAY, 7)),
        subs: Vec::new(),
        direct: false,
    }
}

impl Cpe {
    pub fn tagged(mut self, scope: Option<Scope>) -> Self {
        self.scope = scope;
        self
    }

    pub fn at(mut self, relay: Ipv4Addr) -> Self {
        self.relay = relay;
        self.scope = self.scope.map(|was| Scope { kind: ScopeKind::Address(relay), ..was });
        self
    }

    pub fn agent(&self) -> Vec<u8> {
        let mut agent = AgentBuilder::new().sub(sub::CIRCUIT_ID, b"ge-0/0/1:100");
        for (code, value) in &self.subs {
            agent.push(*code, value);
        }
        if let Some(scope) = &self.scope {
            agent.push(sub::RELAY_ID, scope.device.octets());
            let elements = BulkRelease {
                capability: Some(Capability::RELAY),
                scopes: vec![scope.clone()],
                ..BulkRelease::default()
            };
            for (code, value) in elements.encode(&CodePoints::default()) {
                agent.push(code, &value);
            }
        }
        agent.finish().unwrap()
    }

    /// A message of this kind with option 82 as the relay adds it.
    pub fn message(&self, kind: u8, with: impl FnOnce(Builder) -> Builder) -> Vec<u8> {
        let mut builder = Builder::new(REQUEST).hardware(HardwareAddress::ethernet(self.mac)).xid(0x1234).kind(kind);
        if let Some(id) = &self.client_id {
            builder = builder.option(code::CLIENT_ID, id);
        }
        builder = with(builder);
        if !self.direct {
            builder = builder.giaddr(self.relay).hops(1).option(code::AGENT_INFORMATION, &self.agent());
        }
        builder.finish()
    }

    pub fn discover(&self) -> Vec<u8> {
        self.message(kind::DISCOVER, |builder| builder)
    }

    /// In SELECTING.
    pub fn select(&self, address: Ipv4Addr) -> Vec<u8> {
        self.message(kind::REQUEST, |builder| {
            builder.address(code::SERVER_ID, SERVER).address(code::REQUESTED_IP, address)
        })
    }

    /// In INIT-REBOOT.
    pub fn reboot(&self, address: Ipv4Addr) -> Vec<u8> {
        self.message(kind::REQUEST, |builder| builder.address(code::REQUESTED_IP, address))
    }

    /// In RENEWING when direct, else in REBINDING.
    pub fn renew(&self, address: Ipv4Addr) -> Vec<u8> {
        self.message(kind::REQUEST, |builder| builder.ciaddr(address))
    }

    pub fn release(&self, address: Ipv4Addr) -> Vec<u8> {
        self.message(kind::RELEASE, |builder| builder.ciaddr(address).address(code::SERVER_ID, SERVER))
    }

    pub fn decline(&self, address: Ipv4Addr) -> Vec<u8> {
        self.message(kind::DECLINE, |builder| {
            builder.address(code::SERVER_ID, SERVER).address(code::REQUESTED_IP, address)
        })
    }

    fn source(&self, ciaddr: Ipv4Addr) -> SocketAddrV4 {
        if self.direct { SocketAddrV4::new(ciaddr, 68) } else { SocketAddrV4::new(self.relay, 67) }
    }
}

/// A single logout before it is signed.
#[derive(Clone, Debug)]
pub struct Logout {
    pub relay: Ipv4Addr,
    pub scopes: Vec<Scope>,
    pub operation: Operation,
    pub txid: u64,
    pub secs: u16,
    pub relay_id: Option<Vec<u8>>,
}

pub fn logout(scope: Scope, txid: u64) -> Logout {
    let relay_id = Some(scope.device.octets().to_vec());
    Logout { relay: RELAY, scopes: vec![scope], operation: Operation::Release, txid, secs: 0, relay_id }
}

impl Logout {
    pub fn unsigned(&self) -> Vec<u8> {
        let transaction = Transaction { operation: self.operation, final_: false, txid: self.txid, count: 0 };
        let elements = BulkRelease {
            capability: Some(Capability::RELAY),
            transaction: Some(transaction),
            scopes: self.scopes.clone(),
            ..BulkRelease::default()
        };
        let mut agent = AgentBuilder::new();
        if let Some(id) = &self.relay_id {
            agent.push(sub::RELAY_ID, id);
        }
        for (code, value) in elements.encode(&CodePoints::default()) {
            agent.push(code, &value);
        }
        Builder::new(REQUEST)
            .xid(0xa1b2_c3d4)
            .secs(self.secs)
            .giaddr(self.relay)
            .kind(kind::RELEASE)
            .address(code::SERVER_ID, SERVER)
            .option(code::AGENT_INFORMATION, &agent.finish().unwrap())
            .finish()
    }

    pub fn signed(&self, key: &Key, replay: u64) -> Vec<u8> {
        append_and_sign(&self.unsigned(), key, replay).unwrap()
    }
}

/// The server, its disk and its clock.
pub struct Lab {
    pub config: Config,
    pub server: Server,
    pub disk: BTreeMap<Vec<u8>, Vec<u8>>,
    pub now: Instant,
    pub unix: Duration,
    pub events: Vec<Event>,
    /// What was written to connections; `None`: it was closed.
    pub streams: Vec<(u64, Option<Vec<u8>>)>,
    /// Addresses asked.
    pub probes: Vec<Ipv4Addr>,
    pub writes: usize,
    /// Messages that waited for none.
    pub hasty: usize,
    replay: u64,
}

impl Lab {
    pub fn new(config: Config) -> Self {
        Self::with_disk(config, BTreeMap::new())
    }

    /// A server that finds records on its disk.
    pub fn with_disk(config: Config, disk: BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        let (now, unix) = (Instant::ZERO + Duration::from_secs(10_000), Duration::from_secs(1_790_000_000));
        let server = Server::new(config.clone(), disk.clone(), now, unix).unwrap();
        let (events, streams, probes) = (Vec::new(), Vec::new(), Vec::new());
        Self { config, server, disk, now, unix, events, streams, probes, writes: 0, hasty: 0, replay: 0 }
    }

    pub fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.unix += duration;
    }

    /// Time passes and the server does what is due.
    pub fn rest(&mut self, duration: Duration) {
        self.wait(duration);
        while self.server.poll_timeout().is_some_and(|at| at <= self.now) {
            self.server.handle_timeout(self.now, self.unix);
            self.carry_out();
        }
    }

    /// Carries commands out in order.
    pub fn carry_out(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        while let Some(command) = self.server.poll_command() {
            match command {
                Command::Persist { key, value } => {
                    self.writes += 1;
                    self.disk.insert(key, value);
                }
                Command::Forget { key } => {
                    self.disk.remove(&key);
                }
                Command::Send { to, payload, waits } => {
                    let offers = Message::parse(&payload).unwrap().kind() == Some(kind::OFFER);
                    assert!(waits || offers, "only an OFFER promises nothing");
                    self.hasty += usize::from(!waits);
                    replies.push(Reply { to, octets: payload });
                }
                Command::Probe { address } => self.probes.push(address),
                Command::Stream { connection, octets } => self.streams.push((connection, Some(octets))),
                Command::Close { connection } => self.streams.push((connection, None)),
                Command::Tell(event) => self.events.push(event),
            }
        }
        replies
    }

    /// Kill and restart: only what is on disk is left.
    pub fn crash(&mut self) {
        self.server = Server::new(self.config.clone(), self.disk.clone(), self.now, self.unix).unwrap();
        self.carry_out();
    }

    pub fn send(&mut self, source: SocketAddrV4, payload: &[u8]) -> Option<Reply> {
        self.server.handle_message(source, payload, self.now, self.unix);
        let mut replies = self.carry_out();
        assert!(replies.len() <= 1, "one message, at most one reply");
        replies.pop()
    }

    pub fn relayed(&mut self, cpe: &Cpe, payload: &[u8]) -> Option<Reply> {
        let ciaddr = Message::parse(payload).unwrap().ciaddr();
        self.send(cpe.source(ciaddr), payload)
    }

    /// DISCOVER to ACK; `None` when there is no offer.
    pub fn login(&mut self, cpe: &Cpe) -> Option<Ipv4Addr> {
        let offer = self.relayed(cpe, &cpe.discover())?;
        assert_eq!(offer.kind(), kind::OFFER);
        let ack = self.relayed(cpe, &cpe.select(offer.yiaddr()))?;
        assert_eq!((ack.kind(), ack.yiaddr()), (kind::ACK, offer.yiaddr()));
        Some(ack.yiaddr())
    }

    /// Sends a single logout, signed with the next counter.
    pub fn logout(&mut self, logout: &Logout) -> Option<Reply> {
        self.replay += 1;
        let payload = logout.signed(&key(), self.replay);
        self.send(SocketAddrV4::new(logout.relay, 67), &payload)
    }

    /// What leasequery says of an address: the kind of the answer.
    pub fn query(&mut self, address: Ipv4Addr) -> u8 {
        let payload = gateway_core::wire::leasequery::by_address(address, RELAY, 9);
        self.send(SocketAddrV4::new(RELAY, 67), &payload).unwrap().kind()
    }

    pub fn is_leased(&mut self, address: Ipv4Addr) -> bool {
        self.query(address) == kind::LEASEACTIVE
    }

    pub fn active(&self) -> u64 {
        self.server.status().active
    }
}
