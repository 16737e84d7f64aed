//! A gateway's and a DHCP server's cores in one process, with a virtual clock: what they say to each other is handed
//! over directly, and the server's records go to a real store.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gateway_common::vlan::{VlanTag, VlanTags};
use gateway_core::capability::CapabilityConfig;
use gateway_core::fpc::{self, Policy, Trigger};
use gateway_core::line::{FpcId, HardwareAddress, PortId};
use gateway_core::node::{self, Node, NodeConfig, Request};
use gateway_core::relay::{self, Authentication, RelayConfig};
use gateway_core::release::ReleaseConfig;
use gateway_core::scope::{DeviceId, DeviceIdType};
use gateway_core::time::Instant;
use gateway_core::wire::dhcp4::{Builder, REQUEST, code, kind};
use gateway_core::wire::frame::{BROADCAST_MAC, Datagram};
use gateway_core::wire::relay_auth::{Algorithm, Key};
use gateway_server::LEASES;
use gateway_server::{self as server, Config, Permitted, Server, Subnet};
use gateway_store::{Change, Durability, Store};
use nix::time::ClockId;

/// The DHCP server's address.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The line card's giaddr; its subnet is 100.64.0.0/10.
pub(super) const GIADDR: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
/// Records that are committed at once while logging in.
const BATCH: usize = 8192;
/// Commits of which the middle one counts.
const COMMITS: usize = 15;

/// The address of subscriber `number`.
pub(super) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(GIADDR) + 255 + number)
}

/// The Ethernet address of subscriber `number`.
pub(super) fn mac(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [0x02, 0x00, a, b, c, d]
}

/// The VLAN tags of subscriber `number`: a line of its own.
pub(super) fn tags(number: u32) -> VlanTags {
    let vid = |number: u32| u16::try_from(1 + number % 4000).unwrap_or(1);
    let outer = VlanTag { tpid: 0x88a8, vid: vid(number / 4000) };
    VlanTags { outer, inner: VlanTag { tpid: 0x8100, vid: vid(number) } }
}

/// Option 61 of subscriber `number` in the form of RFC 4361: type, IAID, and a DUID of link-layer address and time.
pub(super) fn client_id(number: u32) -> [u8; 19] {
    let mut id = [0; 19];
    id[0] = 255;
    id[5..11].copy_from_slice(&[0, 1, 0, 1, 0x2c, 0x01]);
    id[13..].copy_from_slice(&mac(number));
    id
}

/// The gateway's name in every scope.
pub(super) fn device() -> Result<DeviceId> {
    DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").context("a device id")
}

/// How long each step of one single logout took, and how many messages it was. What does not wait for anything is
/// measured in this thread's own processor time, so that what else the host does does not count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logout {
    /// From the operator's word to the request.
    pub(super) decision: Duration,
    /// From the request to the records and the reply.
    pub(super) server: Duration,
    /// Making those records durable, by the clock on the wall.
    pub(super) durable: Duration,
    /// From the reply to the end of the cohort, with the word to the data plane.
    pub(super) confirmation: Duration,
    /// Messages to the server.
    pub(super) requests: usize,
    /// Messages from the server.
    pub(super) replies: usize,
}

/// Key and value; none is taken off the disk.
type Record = (Vec<u8>, Option<Vec<u8>>);

/// One FPC with as many subscribers as there is room for.
pub(super) struct World {
    node: Node,
    server: Server,
    store: Store,
    now: Instant,
    count: u32,
    changes: Vec<Record>,
    /// Option 82 of the last login, as the relay made it.
    pub(super) agent_information: Vec<u8>,
}

impl World {
    /// Nobody is logged in yet. The server's records go to `directory`.
    pub(super) fn new(count: u32, directory: &Path) -> Result<Self> {
        let now = Instant::from_nanos(1_000_000_000_000);
        let key =
            Key { id: 1, secret: vec![7; 16].into(), algorithm: Algorithm::HmacSha1, zero_key_id: false, relay: 0 };
        let mut config = Config::new(SERVER, directory);
        let pool = (address(0), address(count - 1));
        config.subnets = vec![Subnet::new(Ipv4Addr::new(100, 64, 0, 0), 10, pool, GIADDR)];
        config.bulk_release.keys = vec![Permitted { key: key.clone(), devices: vec![device()?] }];
        let node = Node::new(node_config(count, key)?, Vec::new(), now, unix(now).as_nanos() as u64, 1)?;
        Ok(Self {
            node,
            server: Server::new(config, Vec::new(), now, unix(now))?,
            store: Store::open(directory, LEASES)?,
            now,
            count,
            changes: Vec::new(),
            agent_information: Vec::new(),
        })
    }

    /// Every subscriber logs in. Leases are durable at the end.
    pub(super) fn log_in_all(&mut self) -> Result<()> {
        self.settle();
        for number in 0..self.count {
            self.log_in(number)?;
            if self.changes.len() >= BATCH {
                self.commit()?;
            }
        }
        self.commit()?;
        let active = (self.node.session_count(), self.server.status().active);
        ensure!(active == (self.count.into(), self.count.into()), "{active:?} logins of {}", self.count);
        // Not in the same second as the decision that follows.
        self.now = self.now + Duration::from_secs(20);
        Ok(())
    }

    /// The line card restarts. `before` is called ahead of each step.
    pub(super) fn log_out(&mut self, mut before: impl FnMut()) -> Result<Logout> {
        let request = Request::RestartFpc { fpc: FpcId(0), policy: None };
        before();
        let started = cpu_time()?;
        self.node.handle_operator(request, self.now)?;
        let asked = self.node_commands();
        let decision = cpu_time()? - started;
        let to_server = asked.iter().filter_map(|command| match command {
            node::Command::SendToServer { payload, .. } => Some(payload),
            _ => None,
        });
        let requests: Vec<_> = to_server.collect();
        let [payload] = requests[..] else { anyhow::bail!("{} requests for one single logout", requests.len()) };

        before();
        let started = cpu_time()?;
        self.server.handle_message(SocketAddrV4::new(GIADDR, 67), payload, self.now, unix(self.now));
        let (changes, replies) = self.server_commands();
        let server = cpu_time()? - started;
        before();
        let durable = self.time_commit(&changes)?;
        let [reply] = &replies[..] else { anyhow::bail!("{} replies to one single logout", replies.len()) };

        before();
        let started = cpu_time()?;
        self.node.handle_server_message(SERVER, reply, self.now);
        let done = self.node_commands();
        let confirmation = cpu_time()? - started;
        let cut_off = done.iter().filter(|command| matches!(command, node::Command::SetLeastEpoch { .. })).count();
        let further = done.iter().filter(|command| matches!(command, node::Command::SendToServer { .. })).count();
        let left = (self.node.session_count(), self.server.status().active);
        ensure!((cut_off, left) == (1, (0, 0)), "{cut_off} cut-offs, {left:?} logins left of {}", self.count);
        let requests = requests.len() + further;
        Ok(Logout { decision, server, durable, confirmation, requests, replies: replies.len() })
    }

    /// Both sides reclaim what has ended.
    fn settle(&mut self) {
        while self.node.poll_timeout().is_some_and(|at| at <= self.now) {
            self.node.handle_timeout(self.now);
            while self.node.poll_command().is_some() {}
        }
        while self.server.poll_timeout().is_some_and(|at| at <= self.now) {
            self.server.handle_timeout(self.now, unix(self.now));
            self.now = self.now + Duration::from_millis(50);
        }
    }

    /// A client in SELECTING, so one exchange instead of two.
    fn log_in(&mut self, number: u32) -> Result<()> {
        let request = Builder::new(REQUEST)
            .hardware(HardwareAddress::ethernet(mac(number)))
            .xid(number)
            .flags(0x8000)
            .kind(kind::REQUEST)
            .option(code::CLIENT_ID, &client_id(number))
            .address(code::SERVER_ID, SERVER)
            .address(code::REQUESTED_IP, address(number))
            .finish();
        let frame = Datagram {
            source_mac: mac(number),
            destination_mac: BROADCAST_MAC,
            tags: tags(number),
            source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
            destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, 67),
            payload: &request,
        };
        let frame = frame.build().context("a frame")?;
        self.node.handle_client_frame(PortId(0), &frame, false, self.now);
        for command in self.node_commands() {
            let node::Command::SendToServer { payload, .. } = command else { continue };
            self.server.handle_message(SocketAddrV4::new(GIADDR, 67), &payload, self.now, unix(self.now));
            let (changes, replies) = self.server_commands();
            self.changes.extend(changes);
            for reply in replies {
                self.node.handle_server_message(SERVER, &reply, self.now);
                let acknowledged = |command: &node::Command| matches!(command, node::Command::SendToClient { .. });
                ensure!(self.node_commands().iter().any(acknowledged), "subscriber {number} got no ACK");
            }
            if number + 1 == self.count {
                let message = gateway_core::wire::dhcp4::Message::parse(&payload)?;
                self.agent_information = message.agent_information().context("no option 82")?.to_vec();
            }
        }
        Ok(())
    }

    fn node_commands(&mut self) -> Vec<node::Command> {
        std::iter::from_fn(|| self.node.poll_command()).collect()
    }

    fn server_commands(&mut self) -> (Vec<Record>, Vec<Vec<u8>>) {
        let (mut changes, mut replies) = (Vec::new(), Vec::new());
        while let Some(command) = self.server.poll_command() {
            match command {
                server::Command::Persist { key, value } => changes.push((key, Some(value))),
                server::Command::Forget { key } => changes.push((key, None)),
                server::Command::Send { payload, .. } => replies.push(payload),
                // Nobody asks it by leasequery.
                server::Command::Probe { .. }
                | server::Command::Stream { .. }
                | server::Command::Close { .. }
                | server::Command::Tell(_) => {}
            }
        }
        (changes, replies)
    }

    /// The same few records again and again, because one write to a disk says little.
    fn time_commit(&mut self, changes: &[Record]) -> Result<Duration> {
        let mut times = Vec::with_capacity(COMMITS);
        for _ in 0..COMMITS {
            let started = std::time::Instant::now();
            commit(&mut self.store, changes)?;
            times.push(started.elapsed());
        }
        times.sort();
        Ok(times[COMMITS / 2])
    }

    fn commit(&mut self) -> Result<()> {
        commit(&mut self.store, &self.changes)?;
        self.changes.clear();
        Ok(())
    }
}

fn commit(store: &mut Store, records: &[Record]) -> Result<()> {
    let changes = records.iter().map(|(key, value)| Change { key, value: value.as_deref() });
    Ok(store.commit(changes, Durability::Disk)?)
}

/// Processor time of this thread.
fn cpu_time() -> Result<Duration> {
    Ok(ClockId::CLOCK_THREAD_CPUTIME_ID.now()?.into())
}

/// Wall-clock time of the virtual clock.
pub(super) fn unix(now: Instant) -> Duration {
    Duration::from_secs(1_800_000_000) + Duration::from_nanos(now.as_nanos())
}

fn node_config(capacity: u32, key: Key) -> Result<NodeConfig> {
    let name = "fpc0".to_owned();
    let relay = RelayConfig {
        servers: vec![SERVER],
        fpcs: vec![relay::FpcConfig::new(&name, GIADDR)],
        ports: vec![relay::PortConfig { name: name.clone(), fpc: FpcId(0) }],
        authentication: Some(Authentication { key: key.clone(), require_replies: false, sliding_window: false }),
        ..RelayConfig::new(device()?)
    };
    let card = fpc::FpcConfig {
        name: name.clone(),
        policy: Policy::Logout,
        hold_down: Duration::ZERO,
        schedule: None,
        trigger: Trigger::default(),
    };
    Ok(NodeConfig {
        capacity,
        fpcs: vec![card],
        ports: vec![fpc::PortConfig { name, fpc: FpcId(0), max_clients: None }],
        statics: Vec::new(),
        lockout: None,
        takeover_after: Duration::ZERO,
        relay,
        release: ReleaseConfig::new(device()?, Some(key)),
        capability: CapabilityConfig { authenticated_only: true, ..CapabilityConfig::default() },
        v6: None,
        cluster: None,
        unit_key: gateway_common::unit::UnitKey::NONE,
    })
}
