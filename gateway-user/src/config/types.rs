//! The validated configuration: what the rest of the program works with.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use gateway_common::bucket::Rate;
use gateway_common::vlan::VlanTags;
use gateway_core::line::{FpcId, PortId};
use gateway_core::liveness::Watch;
use gateway_core::scope::{DeviceId, ScopeKind};
use gateway_core::wire::bulk_release::CodePoints;
use gateway_core::wire::relay_auth::Key;

use super::cluster::Cluster;
use super::dhcpv6::Dhcpv6;
pub use super::schedule::Schedule;

/// The configuration of `gateway run`.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[gateway]`
    pub gateway: Gateway,
    /// `[[fpc]]`; the index is the [`FpcId`].
    pub fpcs: Vec<Fpc>,
    /// The access ports of all FPCs; the index is the [`PortId`].
    pub ports: Vec<AccessPort>,
    /// Interfaces toward servers and the internet, at least one.
    pub upstream: Vec<String>,
    /// `[[server]]`, at least one. The embedded server is among them.
    pub servers: Vec<Server>,
    /// `[dhcpv6]`: IPv6 is served.
    pub dhcpv6: Option<Dhcpv6>,
    /// `[relay]`
    pub relay: Relay,
    /// `[relay_auth]`, when it has a key.
    pub relay_auth: Option<RelayAuth>,
    /// `[bulk_release]`
    pub bulk_release: BulkRelease,
    /// `[limits]`
    pub limits: Limits,
    /// `[units]`: what a gateway without a cluster owns.
    pub units: Units,
    /// `[cluster]`: this gateway is a member of one.
    pub cluster: Option<Cluster>,
    /// `[[static]]`
    pub statics: Vec<StaticSubscriber>,
    /// `[dhcp_server]`: runs inside the gateway.
    pub dhcp_server: Option<gateway_server::Config>,
}

/// How a DHCP server on its own is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerControl {
    /// Its control socket.
    pub path: PathBuf,
    /// A group that may use that beside root.
    pub group: Option<String>,
    /// Where Prometheus metrics are served; `None` when off.
    pub metrics: Option<SocketAddr>,
}

impl Default for ServerControl {
    fn default() -> Self {
        Self { path: "/run/gateway/server.sock".into(), group: None, metrics: Some(METRICS) }
    }
}

/// Where metrics are served unless the file says otherwise.
pub(super) const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9467);

/// The gateway itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Gateway {
    /// Stable identity, sub-option 12 of option 82 (BR-11, BR-12).
    pub id: DeviceId,
    /// Where sessions and journals are kept.
    pub state_dir: PathBuf,
    /// Where maps and links are pinned.
    pub bpffs: PathBuf,
    /// Subscribers the maps have room for.
    pub capacity: u32,
    /// The control socket.
    pub control: PathBuf,
    /// A group that may use the control socket beside root.
    pub control_group: Option<String>,
    /// Where Prometheus metrics are served; `None` when off.
    pub metrics: Option<SocketAddr>,
    /// How the programs are attached.
    pub xdp_mode: XdpMode,
    /// Whether sessions also get a /32 route and a neighbour in the kernel's own tables.
    pub kernel_routes: bool,
    /// How the embedded server's subnets from and for other servers are told to routing daemons.
    pub announce_subnets: Announce,
    /// How far a session's record has come before its client hears of it.
    pub store_sync: StoreSync,
    /// Whether the gateway answers ARP requests for its other subscribers.
    pub proxy_arp: bool,
    /// When servers are asked for what they leased through this gateway.
    pub recover: Recover,
}

/// Whether a subnet that comes and goes has a kernel route for all of its subscribers together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Announce {
    /// It has none.
    No,
    /// It has one, and each of its subscribers has one.
    Beside,
    /// It has one, and its subscribers have none.
    Instead,
}

/// When servers are asked by bulk leasequery for what they leased through this gateway (RFC 5460, RFC 6926), to rebuild
/// what was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recover {
    /// At a start that finds no state on disk, only leases that have ended, or one that was being rebuilt.
    Auto,
    /// When an operator says so.
    Off,
}

/// How far records of sessions have come before what they lead to is sent. Epochs and journals are on the disk in any case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreSync {
    /// With the operating system: they survive the end of the process, however it comes; a host without power may forget those
    /// of the last seconds.
    Os,
    /// On the disk.
    Disk,
}

/// How XDP programs are attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XdpMode {
    /// Native where the driver has it, generic with a warning where not.
    Auto,
    /// Native or nothing.
    Native,
    /// Generic.
    Generic,
}

/// A line card.
#[derive(Clone, PartialEq, Debug)]
pub struct Fpc {
    /// Unique name.
    pub name: String,
    /// Its access ports, at least one.
    pub ports: Vec<PortId>,
    /// The relay's address on those ports.
    pub giaddr: Ipv4Addr,
    /// The relay's global IPv6 address on those ports; there is one when IPv6 is served.
    pub link_address6: Option<Ipv6Addr>,
    /// Whether DHCPv6 relays and LDRAs below are believed.
    pub trust_relays6: bool,
    /// What one single logout of this card names: the giaddr when no other card uses it (BR-15), else a group (BR-16).
    pub scope: ScopeKind,
    /// What a restart does to its logins.
    pub on_restart: OnRestart,
    /// How long a port may be without carrier before that is a restart.
    pub hold_down: Duration,
    /// How many of its ports must be lost for that.
    pub restart_when: RestartWhen,
    /// Restarts by schedule.
    pub schedule: Option<Schedule>,
    /// Sessions each of its ports may have.
    pub max_clients_per_port: Option<u32>,
    /// Whether option 82 that arrives from below is believed.
    pub trust_option_82: bool,
    /// Sub-option 5: the subnet to allocate from (RFC 3527).
    pub link_selection: Option<Ipv4Addr>,
    /// Sub-option 11: be the server identifier of the clients, so that renewals pass the relay (RFC 5107).
    pub server_id_override: bool,
    /// Whether subscribers that have fallen silent are asked whether they are there, and logged out if not.
    pub liveness: Option<Watch>,
}

/// Which lost ports make a lost card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestartWhen {
    /// All of them: one bad cable does not log out the neighbours.
    AllPorts,
    /// Any of them.
    AnyPort,
}

/// What a restart of an FPC does to its logins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnRestart {
    /// Release them.
    Logout,
    /// Keep them until their leases end.
    Maintain,
}

/// An access interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessPort {
    /// Interface name.
    pub name: String,
    /// Its line card.
    pub fpc: FpcId,
}

/// A DHCP server.
#[derive(Clone, PartialEq, Debug)]
pub struct Server {
    /// Its address.
    pub address: Ipv4Addr,
    /// Individual RELEASEs per second it is sent at most.
    pub release_rate: u32,
    /// How individual releases are verified.
    pub verify: Verify,
    /// Whether a lease is released whose client was given another address.
    pub release_replaced: bool,
}

/// How individual releases are verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verify {
    /// By leasequery once the server answered one.
    Auto,
    /// By leasequery.
    Leasequery,
    /// Not at all.
    None,
}

/// What the relay adds and refuses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Relay {
    /// Template of sub-option 1.
    pub circuit_id: String,
    /// Template of sub-option 2; empty: the sub-option is left out.
    pub remote_id: String,
    /// Longest message relayed to a server, in octets of DHCP (RFC 3046: beyond it, option 82 is left out).
    pub max_message: u16,
    /// Messages that crossed this many relays are dropped (RFC 1542 4.1.1).
    pub max_hops: u8,
}

/// RFC 4030 relay authentication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelayAuth {
    /// What the relay signs with and verifies with.
    pub key: Key,
    /// Whether replies without a valid MAC are dropped.
    pub required: bool,
    /// Whether replies may overtake each other: counters up to 64 behind the newest are taken, each once (H-BR-16).
    pub replay_window: bool,
}

/// The single logout.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BulkRelease {
    /// Whether the file says that it shall be used, or nothing.
    pub wanted: bool,
    /// Whether the relay announces and uses it: the file says so, and there is a key or `allow_unauthenticated`
    /// (H-BR-13: anybody may forge a single logout that is not signed).
    pub enabled: bool,
    /// How it is carried.
    pub code_points: CodePoints,
    /// How long an ordered restart waits for the servers' confirmation.
    pub restart_hold: Duration,
}

/// Token buckets and other limits.
#[derive(Clone, PartialEq, Debug)]
pub struct Limits {
    /// DHCP of one subscriber.
    pub subscriber: Rate,
    /// DHCP of one line.
    pub line: Rate,
    /// DHCP of one port.
    pub port: Rate,
    /// Events about one source.
    pub event: Rate,
    /// Questions a second to subscribers that have fallen silent.
    pub probe_rate: u32,
    /// One dropped frame in this many is sampled; 0 samples none.
    pub drop_sample: u32,
    /// How long a lease has to be unused until its client may have it with another MAC or on another line.
    pub takeover_after: Duration,
    /// Lock-out of clients that log in and out in short cycles.
    pub lockout: Option<Lockout>,
}

/// `cycles` logins `within` a time lock a client out `duration` long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lockout {
    /// How many logins.
    pub cycles: u32,
    /// In which time.
    pub within: Duration,
    /// For how long.
    pub duration: Duration,
}

/// Static ownership of work units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Units {
    /// This member's number, 1 to 65535.
    pub member: u16,
    /// The units it owns, sorted.
    pub own: Vec<u16>,
}

/// A subscriber without DHCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StaticSubscriber {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its MAC.
    pub mac: [u8; 6],
    /// Where it is.
    pub port: PortId,
    /// Behind which tags.
    pub tags: VlanTags,
}
