//! The rows of the answers: also what `--json` prints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::DhcpServer;

/// The gateway as a whole.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// The gateway's identity, as text or in hexadecimal.
    pub id: String,
    /// Process id of the controller.
    pub pid: u32,
    /// Seconds since the controller started.
    pub uptime: u64,
    /// Whether it took over a data plane that was already forwarding.
    pub adopted: bool,
    /// Subscribers there is room for.
    pub capacity: u32,
    /// IPv4 sessions, static ones included.
    pub sessions: u64,
    /// Subscribers: those with a session, and those that have IPv6 alone. Seconds old where there are very many.
    #[serde(default)]
    pub subscribers: u64,
    /// Addresses and delegated prefixes of IPv6; none where it is not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leases6: Option<u64>,
    /// Sessions that are logged out but not confirmed.
    pub orphaned: u64,
    /// All interfaces the programs are attached to.
    pub ports: Vec<Port>,
    /// Every verdict of both programs, also those that never occurred.
    pub verdicts: Vec<VerdictCount>,
    /// What the relay counted: `relayed-up`, `logins`, `dropped-malformed` …
    pub counters: BTreeMap<String, u64>,
    /// The store on disk.
    pub store: Store,
    /// The cluster it is a member of; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The embedded DHCP server; none where none runs in the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dhcp_server: Option<DhcpServer>,
    /// What an operator should know: generic XDP, single logout off, disk full …
    pub warnings: Vec<String>,
}

/// An interface of the gateway.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Port {
    /// Interface name.
    pub name: String,
    /// Its FPC; none for an upstream port.
    pub fpc: Option<String>,
    /// Interface index; none while the interface does not exist.
    pub ifindex: Option<u32>,
    /// Whether it has a carrier.
    pub up: bool,
    /// `native`, `generic`, or `detached`.
    pub xdp: String,
}

/// How often a program gave a verdict.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VerdictCount {
    /// `access` or `upstream`.
    pub program: String,
    /// Name of the verdict.
    pub verdict: String,
    /// `forwarded`, `passed`, `punted` or `dropped`.
    pub fate: String,
    /// Packets.
    pub packets: u64,
    /// Octets with the Ethernet header.
    pub octets: u64,
}

/// The store on disk.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Store {
    /// Octets on disk.
    pub octets: u64,
    /// Batches that could not be written.
    pub errors: u64,
    /// Records that wait for the next attempt.
    pub pending: u64,
    /// Why the last attempt failed; none once one succeeded.
    pub last_error: Option<String>,
}

/// A page of sessions.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<Session>,
    /// Where the next page starts; none after the last one.
    pub next: Option<u32>,
}

/// A subscriber: its IPv4 session, its IPv6 leases, or both. Without an IPv4 session what is told of it here is told of the
/// first of the leases.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Session {
    /// The leased IPv4 address.
    pub address: Option<String>,
    /// The CPE's MAC.
    pub mac: String,
    /// Option 61 in hexadecimal.
    pub client_id: Option<String>,
    /// Line card.
    pub fpc: String,
    /// Access interface.
    pub port: String,
    /// VLAN tags, outer first: `100.7`, `88a8:100.7`; empty when untagged.
    pub vlan: String,
    /// Epoch of the card when it logged in.
    pub epoch: u32,
    /// Server; none for a static subscriber.
    pub server: Option<String>,
    /// What the server stored as the scope of a single logout; none means it can only be released individually.
    pub scope: Option<String>,
    /// Seconds since the last exchange with the server.
    pub age: u64,
    /// Seconds until the lease ends; none when it never does.
    pub expires_in: Option<u64>,
    /// `live`, `orphaned`, or `static`.
    pub state: String,
    /// Seconds since its last packet, in a cluster through any member; none when it sent none.
    pub idle: Option<u64>,
    /// Packets from the subscriber.
    pub up_packets: u64,
    /// Their octets.
    pub up_octets: u64,
    /// Packets to the subscriber.
    pub down_packets: u64,
    /// Their octets.
    pub down_octets: u64,
    /// What it has of IPv6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leases6: Vec<Lease6>,
}

/// An address or a delegated prefix.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Lease6 {
    /// The address, or the prefix with its length.
    pub prefix: String,
    /// `na`, `ta` or `pd`: in which sort of IA.
    pub kind: String,
    /// What the client calls that IA; none while nobody has told.
    pub iaid: Option<u32>,
    /// The client's DUID in hexadecimal.
    pub duid: String,
    /// Epoch of the card when it was granted or last extended.
    pub epoch: u32,
    /// Server.
    pub server: String,
    /// Seconds since the last exchange with the server.
    pub age: u64,
    /// Seconds until the lease ends; none when it never does.
    pub expires_in: Option<u64>,
    /// `live` or `orphaned`.
    pub state: String,
    /// Seconds since its last packet, in a cluster through any member; none when it sent none.
    pub idle: Option<u64>,
    /// Packets from the subscriber.
    pub up_packets: u64,
    /// Their octets.
    pub up_octets: u64,
    /// Packets to the subscriber.
    pub down_packets: u64,
    /// Their octets.
    pub down_octets: u64,
}

/// A line card.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Fpc {
    /// Name.
    pub name: String,
    /// Its access interfaces.
    pub ports: Vec<String>,
    /// The relay's address on them.
    pub giaddr: String,
    /// The same for IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_address6: Option<String>,
    /// What a single logout names: `address 100.64.0.1` or `group fpc0`.
    pub scope: String,
    /// `up`, `lost`, `down`, `frozen` or `unknown`.
    pub state: String,
    /// Seconds it is in a state other than `up`.
    pub since: Option<u64>,
    /// `logout` or `maintain`.
    pub on_restart: String,
    /// Its epoch.
    pub epoch: u32,
    /// Its IPv4 sessions.
    pub sessions: u64,
    /// Its addresses and prefixes of IPv6; none where that is not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leases6: Option<u64>,
    /// Those among them that are logged out but not confirmed.
    pub orphaned: u64,
    /// Restarts since the controller started.
    pub restarts: u64,
}

/// A DHCP server.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Server {
    /// Its address.
    pub address: String,
    /// `unknown`, `capable`, `refused`, `incapable` or `stripped`. Of DHCPv6 `capable` takes single logouts, `batches` answers
    /// RELEASE-REQUESTs, `refused` refuses them, and `incapable` answers none.
    pub capability: String,
    /// Seconds since the capability was learnt or confirmed.
    pub age: Option<u64>,
    /// Scopes it takes in one single logout.
    pub max_scopes: Option<u16>,
    /// Whether it answers leasequeries; none while unknown.
    pub leasequery: Option<bool>,
    /// Whether it runs inside this gateway.
    pub embedded: bool,
    /// Individual RELEASEs per second it is sent at most.
    pub release_rate: u32,
    /// Sessions at it; leases at one of DHCPv6.
    pub sessions: Option<u64>,
}

/// The start of a dropped frame.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DropSample {
    /// Counts the samples.
    pub number: u64,
    /// Milliseconds since it was dropped.
    pub age_ms: u64,
    /// Interface.
    pub port: String,
    /// Why.
    pub verdict: String,
    /// Octets of the whole frame.
    pub length: u32,
    /// Its start in hexadecimal.
    pub octets: String,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Event {
    /// Counts the events.
    pub number: u64,
    /// Milliseconds since it happened.
    pub age_ms: u64,
    /// Kind, such as `logged-in`, `restart`.
    pub kind: String,
    /// In words.
    pub text: String,
}
