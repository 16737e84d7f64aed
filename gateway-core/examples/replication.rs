//! What replication costs, without sockets: logins said by one member and applied by another, and a joiner's snapshot.
//!
//! ```text
//! cargo run --release -p gateway-core --example replication [sessions]
//! ```

use std::net::Ipv4Addr;
use std::time::Instant as Clock;

use gateway_common::unit::{dhcp4, words};
use gateway_common::vlan::VlanTags;
use gateway_core::capability::CapabilityConfig;
use gateway_core::fpc::{FpcConfig, Policy, PortConfig, Trigger};
use gateway_core::line::{FpcId, HardwareAddress, Line, PortId};
use gateway_core::member::{Boot, MemberId, UnitVersion};
use gateway_core::node::{self, Node, NodeConfig};
use gateway_core::relay::{self, RelayConfig};
use gateway_core::release::ReleaseConfig;
use gateway_core::replication::{
    Change, Command, Essential, Initial, PeerEvent, Replication, ReplicationConfig, Said, SessionState, StampClock,
};
use gateway_core::scope::{DeviceId, DeviceIdType, Epoch, ScopeKind};
use gateway_core::time::{Duration, Instant};

const UNIX: u64 = 1_700_000_000;
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const GIADDR: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
/// Logins of one turn of a loop.
const BATCH: u32 = 32;

fn config(me: MemberId, capacity: u32) -> NodeConfig {
    let device = DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").expect("short");
    let card = |n: u16| FpcConfig {
        name: format!("fpc{n}"),
        policy: Policy::Logout,
        hold_down: Duration::from_secs(2),
        schedule: None,
        trigger: Trigger::AllPorts,
    };
    let giaddr = |n: u16| Ipv4Addr::from(u32::from(GIADDR) + (u32::from(n) << 20));
    NodeConfig {
        capacity,
        fpcs: (0..4).map(card).collect(),
        ports: (0..8).map(|n| PortConfig { name: format!("ge{n}"), fpc: FpcId(n / 2), max_clients: None }).collect(),
        statics: Vec::new(),
        lockout: None,
        takeover_after: Duration::ZERO,
        relay: RelayConfig {
            servers: vec![SERVER],
            fpcs: (0..4).map(|n| relay::FpcConfig::new(&format!("fpc{n}"), giaddr(n))).collect(),
            ports: (0..8).map(|n| relay::PortConfig { name: format!("ge{n}"), fpc: FpcId(n / 2) }).collect(),
            ..RelayConfig::new(device.clone())
        },
        release: ReleaseConfig { allow_unauthenticated: true, ..ReleaseConfig::new(device, None) },
        capability: CapabilityConfig::default(),
        v6: None,
        cluster: Some(me),
        unit_key: gateway_common::unit::UnitKey::NONE,
    }
}

/// As a login of the usual size is said.
fn session(number: u32) -> SessionState {
    let [a, b, c, d] = number.to_be_bytes();
    let mut client_id = vec![0xff, a, b, c, d, 0, 1];
    client_id.extend([2; 12]);
    let port = (number % 8) as u16;
    SessionState {
        initial: Initial {
            client_id: Some(client_id.into()),
            line: Line { port: PortId(port), tags: VlanTags::NONE },
            fpc: FpcId(port / 2),
            server: SERVER,
            server_identifier: SERVER,
            giaddr: GIADDR,
            agent_information: vec![9; 100].into(),
            scope: Some(ScopeKind::Address(GIADDR)),
        },
        essential: Essential {
            address: Ipv4Addr::from(0x6440_0100 + number),
            hardware: HardwareAddress::ethernet([2, 0, a, b, c, d]),
            epoch: Epoch(7),
            at: (UNIX + 100) * 1000,
            expires: (UNIX + 3700) * 1000 + u64::from(number % 600_000),
            orphaned: false,
        },
    }
}

struct Member {
    id: MemberId,
    node: Node,
    replication: Replication,
    stored: u64,
}

impl Member {
    fn new(number: u8, capacity: u32, now: Instant) -> Self {
        let id = MemberId::new(number).expect("a number");
        let unix = UNIX * 1_000_000_000 + now.as_nanos();
        let node = Node::new(config(id, capacity), [], now, unix, 1).expect("configured");
        let replication = Replication::new(ReplicationConfig::new(id, Boot(u64::from(number) << 32), [number; 32]));
        Self { id, node, replication, stored: 0 }
    }

    /// Carries out what replication wants; returns what is to be sent.
    fn turn(&mut self, now: Instant) -> Vec<(MemberId, Vec<u8>)> {
        let mut sends = Vec::new();
        while let Some(command) = self.replication.poll_command() {
            match command {
                Command::Send { to, octets } => sends.push((to, octets.0)),
                Command::Apply(record) => self.node.handle_replica(record, now),
                Command::BeginReplace { theirs, ours, yielding } => self.node.begin_replace(theirs, ours, yielding),
                Command::Merge(records) => self.node.handle_snapshot(records, now),
                Command::EndReplace => self.node.end_replace(now),
                Command::SnapshotWanted { to, id, cursor, most } => {
                    let (records, next) = self.node.snapshot(cursor, most);
                    self.replication.handle_snapshot(to, id, &records, next);
                }
                _ => {}
            }
        }
        while let Some(command) = self.node.poll_command() {
            if let node::Command::Persist { value, .. } = command {
                self.stored += value.len() as u64;
            }
        }
        sends
    }
}

/// Time that each member spent.
fn settle(members: &mut [Member], now: Instant) -> Vec<std::time::Duration> {
    let mut spent = vec![std::time::Duration::ZERO; members.len()];
    loop {
        let mut idle = true;
        for at in 0..members.len() {
            let begun = Clock::now();
            let sends = members[at].turn(now);
            spent[at] += begun.elapsed();
            let from = members[at].id;
            for (to, octets) in sends {
                idle = false;
                let place = members.iter().position(|member| member.id == to).expect("there");
                let begun = Clock::now();
                members[place].replication.handle_octets(from, &octets, now);
                spent[place] += begun.elapsed();
            }
        }
        if idle {
            return spent;
        }
    }
}

fn connect(members: &mut [Member], a: usize, b: usize, now: Instant) {
    let (of_a, of_b) = (members[a].id, members[b].id);
    members[a].replication.handle_peer(of_b, PeerEvent::Connected, now);
    members[b].replication.handle_peer(of_a, PeerEvent::Connected, now);
}

fn rate(what: &str, count: u32, spent: std::time::Duration) {
    let each = spent.as_secs_f64() / f64::from(count);
    println!("{what:<44} {:>7.2} µs each {:>10.0} /s", each * 1e6, 1.0 / each);
}

fn main() {
    let count: u32 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let now = Instant::ZERO + Duration::from_secs(100);
    let mut members: Vec<Member> = (1..=3).map(|number| Member::new(number, count, now)).collect();
    members.iter_mut().for_each(|member| member.replication.handle_join(None, now));
    connect(&mut members, 0, 1, now);
    connect(&mut members, 0, 2, now);
    connect(&mut members, 1, 2, now);
    settle(&mut members, now);

    let mut clock = StampClock::new(members[0].id);
    clock.reach(UNIX * 1000);
    for (what, renewals) in [("login", false), ("renewal", true)] {
        let (mut said, mut sent, mut applied) = Default::default();
        for first in (0..count).step_by(BATCH as usize) {
            let changes: Vec<Said> = (first..count.min(first + BATCH))
                .map(|number| {
                    let state = session(number);
                    let hardware = state.essential.hardware;
                    let unit =
                        Some(dhcp4(&gateway_common::unit::UnitKey::NONE, words(*hardware.chaddr()), hardware.hlen()));
                    let essential = Essential { expires: state.essential.expires + 1000, ..state.essential };
                    let change = if renewals { Change::Essential(essential) } else { Change::Session(Box::new(state)) };
                    Said { stamp: clock.next_stamp(), unit, change }
                })
                .collect();
            let begun = Clock::now();
            for change in &changes {
                members[0].replication.handle_change(change, UnitVersion(1));
            }
            said += begun.elapsed();
            let spent = settle(&mut members, now);
            sent += spent[0];
            applied += spent[1];
        }
        rate(&format!("{what}: encode, at its owner"), count, said);
        rate(&format!("{what}: send to 2 members, take their acks"), count, sent);
        rate(&format!("{what}: decode and apply, at each member"), count, applied);
    }
    assert_eq!(members[1].node.session_count(), u64::from(count));

    members.push(Member::new(4, count, now));
    (0..3).for_each(|at| connect(&mut members, at, 3, now));
    settle(&mut members, now);
    let source = members[1].id;
    members[3].replication.handle_join(Some(source), now);
    let begun = Clock::now();
    let spent = settle(&mut members, now);
    let whole = begun.elapsed();
    assert!(members[3].replication.is_synced());
    assert_eq!(members[3].node.session_count(), u64::from(count));
    rate("snapshot: read and encode, at its sender", count, spent[1]);
    rate("snapshot: decode and apply, at the joiner", count, spent[3]);
    rate("snapshot: both in one thread", count, whole);
}
