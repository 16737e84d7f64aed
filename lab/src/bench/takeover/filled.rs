//! A store full of sessions, as a member leaves it that was stopped: logins of so many clients would be a test of the
//! DHCP server.

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use gateway_common::vlan::VlanTags;
use gateway_core::capability::CapabilityConfig;
use gateway_core::fpc::{self, Policy, Trigger};
use gateway_core::line::{FpcId, HardwareAddress, Line, PortId};
use gateway_core::member::MemberId;
use gateway_core::node::{Command, Node, NodeConfig};
use gateway_core::relay::{self, RelayConfig};
use gateway_core::release::ReleaseConfig;
use gateway_core::replication::{Change, Essential, Initial, Record, SessionState, Stamp};
use gateway_core::scope::{DeviceId, DeviceIdType, Epoch, ScopeKind};
use gateway_core::time::Instant;
use gateway_store::{Durability, Settings, Store};
use gateway_tests::lab::Lab;
use gateway_tests::plan::Plan;

/// Where a gateway keeps its records.
const NODE: Settings = Settings { records: "node", memtable: 8 << 20, durability: Durability::Process };
/// Records committed at once.
const BATCH: usize = 8192;
/// How long the leases last, and how long ago they began.
const LEASE: Duration = Duration::from_secs(24 * 3600);
const AGO: Duration = Duration::from_secs(60);

/// Writes the store of the first member, which must not run: `sessions`, in turn behind each line card.
pub(super) fn write(lab: &Lab, capacity: u32, sessions: u32) -> Result<()> {
    let cards = u32::from(lab.plan.fpcs);
    // Addresses from 256 on of a /16.
    ensure!(sessions.div_ceil(cards) <= 0xfe00, "{sessions} sessions don't fit {cards} line cards");
    let me = MemberId::new(1).context("a member")?;
    let unix = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = Instant::from_nanos(1_000_000_000_000);
    let mut node = Node::new(node_config(lab, capacity, me)?, Vec::new(), now, u64::try_from(unix.as_nanos())?, 1)?;
    let path = lab.directory().join(Plan::member_name(0)).join("state").join("sessions");
    let mut store = Store::open(&path, NODE)?;
    let mut records = Vec::new();
    let began = u64::try_from((unix - AGO).as_millis())?;
    for number in 0..sessions {
        let card = u8::try_from(number % cards)?;
        let state = session(lab, card, number / cards, number, began)?;
        // As if said a minute ago: above the counter in the lower twelve bits are milliseconds.
        let stamp = Stamp::new(me, (began << 12) + u64::from(number) + 1);
        node.handle_replica(Record { stamp, change: Change::Session(Box::new(state)) }, now);
        while let Some(command) = node.poll_command() {
            if let Command::Persist { key, value, .. } = command {
                records.push((key, value));
            }
        }
        if records.len() >= BATCH || number + 1 == sessions {
            let changes = records.iter().map(|(key, value)| gateway_store::Change { key, value: Some(value) });
            store.commit(changes, Durability::Process)?;
            records.clear();
        }
    }
    ensure!(node.session_count() == u64::from(sessions), "{} sessions of {sessions}", node.session_count());
    Ok(())
}

/// Client `number`, the `place`-th behind its line card.
fn session(lab: &Lab, card: u8, place: u32, number: u32, began: u64) -> Result<SessionState> {
    let [.., b, c, d] = number.to_be_bytes();
    let mac = [0x02, 0, 0, b, c, d];
    let giaddr = lab.plan.giaddr(card);
    let server = lab.plan.server(0);
    let circuit = format!("{}:0.0", Lab::port(card));
    let remote = mac.map(|octet| format!("{octet:02x}")).join(":");
    let mut agent_information: Vec<u8> = Vec::new();
    // Circuit-id, remote-id and relay-id.
    for (code, octets) in [(1, circuit.as_bytes()), (2, remote.as_bytes()), (12, &b"\x00BNG-0042"[..])] {
        agent_information.extend([code, u8::try_from(octets.len())?]);
        agent_information.extend(octets);
    }
    let initial = Initial {
        client_id: Some([&[1][..], &mac[..]].concat().into()),
        line: Line { port: PortId(card.into()), tags: VlanTags::NONE },
        fpc: FpcId(card.into()),
        server,
        server_identifier: server,
        giaddr,
        agent_information: agent_information.into(),
        scope: Some(ScopeKind::Address(giaddr)),
    };
    let essential = Essential {
        address: Ipv4Addr::from(u32::from(lab.plan.subnet(card)) + 256 + place),
        hardware: HardwareAddress::ethernet(mac),
        epoch: Epoch(1),
        at: began,
        expires: began + u64::try_from(LEASE.as_millis())?,
        orphaned: false,
    };
    Ok(SessionState { initial, essential })
}

/// As far as records depend on it, the configuration that the lab's gateways have.
fn node_config(lab: &Lab, capacity: u32, me: MemberId) -> Result<NodeConfig> {
    let device = || DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").context("a device id");
    let cards = || (0..lab.plan.fpcs).map(|card| (FpcId(card.into()), Lab::port(card), lab.plan.giaddr(card)));
    let card = |name| fpc::FpcConfig {
        name,
        policy: Policy::Logout,
        hold_down: Duration::ZERO,
        schedule: None,
        trigger: Trigger::default(),
    };
    let relay = RelayConfig {
        servers: vec![lab.plan.server(0)],
        fpcs: cards().map(|(_, name, giaddr)| relay::FpcConfig::new(&name, giaddr)).collect(),
        ports: cards().map(|(fpc, name, _)| relay::PortConfig { name, fpc }).collect(),
        ..RelayConfig::new(device()?)
    };
    Ok(NodeConfig {
        capacity,
        fpcs: cards().map(|(_, name, _)| card(name)).collect(),
        ports: cards().map(|(fpc, name, _)| fpc::PortConfig { name, fpc, max_clients: None }).collect(),
        statics: Vec::new(),
        lockout: None,
        takeover_after: Duration::ZERO,
        relay,
        release: ReleaseConfig::new(device()?, None),
        capability: CapabilityConfig::default(),
        v6: None,
        cluster: Some(me),
        unit_key: gateway_common::unit::UnitKey::NONE,
    })
}
