//! The rows of the answers: also what `--json` prints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

/// The embedded DHCP server: DHCPv4, and the half for DHCPv6 where there is one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DhcpServer {
    /// Leases in force.
    pub active: u64,
    /// Addresses in all pools, and reserved ones.
    pub capacity: u64,
    /// Addresses it remembers, with leases that are over.
    pub known: u64,
    /// Whether its leases can be written; it is silent while they can't.
    pub store_ok: bool,
    /// Where they are kept: a directory, or a database.
    #[serde(default)]
    pub store: String,
    /// How full its subnets are, those of DHCPv6 behind the others; of thousands the first few hundred.
    #[serde(default)]
    pub pools: Vec<Pool>,
    /// How long its ACKs and REPLYs took since its start.
    #[serde(default)]
    pub answers: Answers,
    /// What it received, and what became of it: `discover`, `offer`, `conflict` …
    pub counters: BTreeMap<String, u64>,
    /// Absent where it leases nothing by DHCPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub six: Option<DhcpServer6>,
    /// Subnets from and for other servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnets: Option<SubnetNumbers>,
}

/// How full a subnet is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Pool {
    /// Its prefix; of prefixes that are delegated, what they are cut from and how long they are.
    pub name: String,
    /// Addresses or prefixes leased.
    pub in_use: u64,
    /// Kept from clients for a while: offered, declined, released a moment ago.
    pub held: u64,
    /// Addresses or prefixes in all.
    pub size: u64,
}

/// How long answers took, from the moment that their request was read.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Answers {
    /// Number of those that took no longer than so many microseconds, but longer than those before; the last number also counts what
    /// took longer.
    pub within_us: Vec<(u64, u64)>,
    /// Microseconds of all, together.
    pub sum_us: u64,
}

impl Answers {
    /// All of them.
    pub fn count(&self) -> u64 {
        self.within_us.iter().map(|(_, count)| count).sum()
    }

    /// Those that came after `before`; all, where the server was started anew since.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let earlier = |at: usize| before.within_us.get(at).map_or(0, |(_, count)| *count);
        let more =
            self.within_us.iter().enumerate().map(|(at, (us, count))| Some((*us, count.checked_sub(earlier(at))?)));
        match (more.collect(), self.sum_us.checked_sub(before.sum_us)) {
            (Some(within_us), Some(sum_us)) => Self { within_us, sum_us },
            _ => self.clone(),
        }
    }

    /// Microseconds that so many in a thousand took no longer than, to a factor of two; none where there are no answers.
    pub fn part(&self, thousandth: u64) -> Option<u64> {
        let wanted = (u128::from(self.count()) * u128::from(thousandth)).div_ceil(1000);
        let mut sum = 0;
        self.within_us.iter().filter(|_| wanted > 0).find_map(|(us, count)| {
            sum += u128::from(*count);
            (sum >= wanted).then_some(*us)
        })
    }
}

impl From<&gateway_server::Latency> for Answers {
    fn from(latency: &gateway_server::Latency) -> Self {
        let sum_us = u64::try_from(latency.sum().as_micros()).unwrap_or(u64::MAX);
        Self { within_us: latency.ranges().collect(), sum_us }
    }
}

impl From<&gateway_server::Fill> for Pool {
    fn from(fill: &gateway_server::Fill) -> Self {
        let &gateway_server::Fill { ref name, in_use, held, size } = fill;
        Self { name: name.clone(), in_use, held, size }
    }
}

/// Addresses of the subnets that the embedded DHCP server administers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SubnetNumbers {
    /// By who has them: `free`, `leased`, `own`, `resting`.
    pub addresses: BTreeMap<String, u64>,
    /// Of its own, leased to subscribers.
    pub own_in_use: u64,
    /// What happened, by kind: `subnet-leased` …
    pub events: BTreeMap<String, u64>,
}

impl From<&gateway_server::subnets::Tally> for SubnetNumbers {
    fn from(tally: &gateway_server::subnets::Tally) -> Self {
        let &gateway_server::subnets::Tally { free, leased, own, own_in_use, resting, ref events, .. } = tally;
        let addresses = [("free", free), ("leased", leased), ("own", own), ("resting", resting)];
        Self {
            addresses: addresses.map(|(whose, count)| (whose.to_owned(), count)).into(),
            own_in_use,
            events: events.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
        }
    }
}

/// What the embedded DHCP server leases by DHCPv6.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DhcpServer6 {
    /// Addresses and prefixes leased.
    pub active: u64,
    /// Addresses and prefixes in all pools, at most 2^64 - 1.
    pub capacity: u64,
    /// Those it remembers, with leases that are over.
    pub known: u64,
    /// What it received, and what became of it: `solicit`, `advertise` …
    pub counters: BTreeMap<String, u64>,
}

impl From<&gateway_server::Status> for DhcpServer {
    fn from(status: &gateway_server::Status) -> Self {
        let &gateway_server::Status { active, capacity, known, store_ok, ref counters, ref six, .. } = status;
        let fills6 = six.iter().flat_map(|six| &six.fills);
        let pools = status.fills.iter().chain(fills6).map(Pool::from).collect();
        let six = six.as_ref().map(|six| DhcpServer6 {
            active: six.active,
            capacity: u64::try_from(six.capacity).unwrap_or(u64::MAX),
            known: six.known,
            counters: named(six.counters.named()),
        });
        Self {
            active,
            capacity,
            known,
            store_ok,
            store: status.store.clone(),
            pools,
            answers: (&status.latency).into(),
            counters: named(counters.named()),
            six,
            subnets: status.subnets.as_ref().map(SubnetNumbers::from),
        }
    }
}

fn named(counters: impl Iterator<Item = (&'static str, u64)>) -> BTreeMap<String, u64> {
    counters.map(|(name, value)| (name.replace('_', "-"), value)).collect()
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

/// The release of one FPC's logins.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Release {
    /// Line card.
    pub fpc: String,
    /// Why: `link down`, `interface removed`, `operator`, `schedule`, `resumed`.
    pub cause: String,
    /// Logins up to this epoch.
    pub cutoff: u32,
    /// Seconds since it was decided.
    pub age: f64,
    /// Seconds it took; none while it runs.
    pub took: Option<f64>,
    /// Logins when it was decided.
    pub total: u64,
    /// Of these, released and confirmed (or, where nothing can confirm it, sent).
    pub released: u64,
    /// Of these, given up for now and retried later.
    pub orphaned: u64,
    /// Single logouts sent, retransmissions included.
    pub single_logouts: u64,
    /// Individual RELEASEs sent.
    pub individual: u64,
    /// Leases of DHCPv6 that are released in the same plan; none where there are none.
    pub leases6: Option<ReleaseOf6>,
    /// What goes on at each server.
    pub servers: Vec<ReleaseAtServer>,
}

/// The DHCPv6 half of a release, in leases.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ReleaseOf6 {
    /// Leases when it was decided.
    pub total: u64,
    /// Of these, ended, or left alone because they are newer.
    pub released: u64,
    /// Of these, given up for now or kept by their server.
    pub orphaned: u64,
    /// Single logouts sent, retransmissions included.
    pub single_logouts: u64,
    /// RELEASE-REQUESTs for many clients sent, retransmissions included.
    pub requests: u64,
    /// RELEASEs of single clients sent, retransmissions included.
    pub individual: u64,
}

/// The part of a release that concerns one server.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ReleaseAtServer {
    /// The server.
    pub server: String,
    /// What is being done, such as `single logout, attempt 2` or `individual RELEASEs`.
    pub phase: String,
    /// Logins at it; leases at one of DHCPv6.
    pub total: u64,
    /// Of these, released.
    pub released: u64,
}

impl Release {
    /// Released part of all, 0 to 1.
    pub fn progress(&self) -> f64 {
        let six = self.leases6.unwrap_or_default();
        match (self.took, self.total + six.total) {
            (Some(_), _) | (None, 0) => 1.0,
            (None, total) => {
                let done = self.released + self.orphaned + six.released + six.orphaned;
                done.min(total) as f64 / total as f64
            }
        }
    }
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

/// What an ordered restart means.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Restart {
    /// The card.
    pub fpc: String,
    /// Sessions concerned.
    pub sessions: u64,
    /// Leases of DHCPv6 concerned; none where it is not served.
    pub leases6: Option<u64>,
    /// Whether they are logged out (else maintained).
    pub logout: bool,
    /// Milliseconds after which the restart may go on, whatever became of the logout.
    pub hold_ms: u64,
}
