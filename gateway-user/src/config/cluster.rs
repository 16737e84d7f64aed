//! `[cluster]`: several gateways with one address.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway_common::unit::UnitKey;
use gateway_core::association::Hysteresis;
use gateway_core::cluster::{self as core, ClusterConfig, Constants, MemberConfig, Quorum};
use gateway_core::member::{MemberId, Term};
use gateway_core::replication::{GateConfig, WhenShort};
use gateway_core::wire::cluster::MEMBERS_MAX;
use toml::de::DeValue;

use super::etcd::{self, Etcd};
use super::reader::{At, Place, Reader, Section};
use super::value::{InterfaceName, Label, MemberNumber, Value};
use super::{constants, secret};
use crate::cluster::tls::Files;

/// A cluster as this member's file has it.
#[derive(Clone, PartialEq, Debug)]
pub struct Cluster {
    /// Its name. In certificates, and as CRC-32C in control messages.
    pub name: String,
    /// This member.
    pub member: MemberId,
    /// All members there may be, 1 to 32, this one included.
    pub members: Vec<ClusterMember>,
    /// The address that all members answer to, beside the giaddrs.
    pub address: Option<Ipv4Addr>,
    /// The IPv6 address that all members answer to, beside the link-addresses.
    pub address6: Option<Ipv6Addr>,
    /// The link-local address that all members have on access ports: the subscribers' router.
    pub link_local: Ipv6Addr,
    /// The interface toward the other members.
    pub interface: String,
    /// Further interfaces toward them, which an association may have addresses of.
    pub links: Vec<String>,
    /// What members' streams run over.
    pub transport: Transport,
    /// When the addresses of an association change.
    pub paths: Hysteresis,
    /// UDP port of control messages, TCP and SCTP port of state.
    pub port: u16,
    /// Where control messages for all go.
    pub group: Ipv4Addr,
    /// How packets reach the member that owns their unit.
    pub delivery: Delivery,
    /// The times and bounds that members work with.
    pub profile: Profile,
    /// By which packets are of their units (H-CL-17).
    pub unit_key: UnitKey,
    /// Version of the configuration: the members with the greatest form the cluster (H-CL-11).
    pub version: u32,
    /// Who may be master (H-CL-6).
    pub quorum: Quorum,
    /// When a reply to a client may leave (H-CL-24): [cluster] sync, sync_timeout and sync_policy.
    pub sync: GateConfig,
    /// Octets of this member's changes of state that are kept for a member that is slow or away for a while. One that lacks
    /// more takes a snapshot.
    pub backlog: usize,
    /// The profile's, with those of `[cluster.constants]` in their places.
    pub constants: Constants,
    /// This member's certificate and key, the authority's certificate and list of revoked ones.
    pub files: Files,
    /// Who elects the master.
    pub coordination: Coordination,
}

impl Cluster {
    /// A member by its number.
    pub fn get(&self, id: MemberId) -> Option<&ClusterMember> {
        self.members.iter().find(|member| member.id == id)
    }

    /// What the cluster's core is told. `config_digest` is of what must be the same on all members; see [`ClusterConfig`] for
    /// `first_term`. The packet loop is asked whether a unit may join (CL-39).
    pub fn core(&self, config_digest: u64, first_term: Term) -> ClusterConfig {
        let member =
            |member: &ClusterMember| MemberConfig { id: member.id, ip: member.address, name: member.name.clone() };
        ClusterConfig {
            me: self.member,
            members: self.members.iter().map(member).collect(),
            config_version: self.version,
            config_digest,
            delivery: match self.delivery {
                Delivery::Forward => core::Delivery::Forward,
                Delivery::Unicast(_) => core::Delivery::UnicastMac,
                Delivery::Multicast(_) => core::Delivery::MulticastMac,
            },
            quorum: self.quorum,
            coordination: match self.coordination {
                Coordination::BuiltIn => core::Coordination::Members,
                Coordination::Etcd(_) => core::Coordination::External,
            },
            objectors: true,
            first_term,
            constants: self.constants.clone(),
        }
    }

    /// Whether no unit ever has two owners: of the parts of a cluster that is split one at most takes over from others, and who
    /// was lost has stopped by then.
    pub fn has_one_owner(&self) -> bool {
        let elected = self.quorum == Quorum::Majority || matches!(self.coordination, Coordination::Etcd(_));
        elected && self.constants.fencing.is_some()
    }

    /// Numbers and names of all members, as [`Tls::new`](crate::cluster::tls::Tls::new) wants them.
    pub fn names(&self) -> Vec<(MemberId, String)> {
        self.members.iter().map(|member| (member.id, member.name.clone())).collect()
    }
}

/// The link-local address of a cluster that is given none.
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// `[[cluster.member]]`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterMember {
    /// Its number.
    pub id: MemberId,
    /// Its name, as in its certificate.
    pub name: String,
    /// Its own address on the cluster's link.
    pub address: Ipv4Addr,
}

/// How a packet reaches the member that owns its unit (CL-48 to CL-50).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// It reaches the master, whose data plane forwards it.
    Forward,
    /// It reaches all members, at a unicast MAC that they share.
    Unicast([u8; 6]),
    /// It reaches all members, at a multicast MAC.
    Multicast([u8; 6]),
}

/// What members' streams run over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// SCTP where both hosts have it, else TCP.
    Auto,
    /// SCTP alone.
    Sctp,
    /// TCP alone.
    Tcp,
}

/// The times and bounds that members work with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// With the corrections of the hazards table.
    Production,
    /// Exactly as in the source document.
    Document,
}

/// Who elects the master and assigns the units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Coordination {
    /// The members.
    BuiltIn,
    /// An etcd cluster.
    Etcd(Etcd),
}

/// Reads the table. `ports` are those of FPCs, `uplinks` those of `[upstream]`, `units` is where `[units]` is, `file` the file that
/// is read.
pub(super) fn read(
    reader: &Reader<'_>,
    section: &Section<'_, '_>,
    ports: &[&At<InterfaceName>],
    uplinks: &[At<InterfaceName>],
    units: Option<Place>,
    file: &Path,
) -> Option<Cluster> {
    if let Some(place) = units {
        reader.wrong_because(&place, "beside [cluster]", "one of them: the master of a cluster assigns the units");
    }
    let (name, own) = (section.required::<Label>("name"), section.required::<Label>("me"));
    let interface = section.required::<InterfaceName>("interface");
    // It is a segment of the members alone: what comes in on it is believed to be from one of them, and shared addresses are
    // not announced there.
    if let Some(At { value, place }) = &interface {
        let would_do = "an interface toward the members alone";
        if ports.iter().any(|port| port.value == *value) {
            reader.wrong_because(place, "which is a port of an FPC", would_do);
        } else if uplinks.iter().any(|port| port.value == *value) {
            reader.wrong_because(place, "which is an upstream port", would_do);
        }
    }
    let links = links(reader, section, interface.as_ref(), ports);
    let address = section.optional::<Ipv4Addr>("address");
    if let Some(At { value, place }) = &address
        && !unicast(*value)
    {
        reader.wrong(place, "a unicast address that all members share");
    }
    let address6 = section.optional::<Ipv6Addr>("address6");
    if let Some(At { value, place }) = &address6
        && (value.is_unspecified() || value.is_loopback() || value.is_multicast() || value.is_unicast_link_local())
    {
        reader.wrong(place, "a global unicast address that all members share");
    }
    let link_local =
        section.read("link_local", "a link-local address that all members share, such as \"fe80::1\"", |raw| {
            Ipv6Addr::read(raw).filter(Ipv6Addr::is_unicast_link_local)
        });
    let group = section.read("group", "an IPv4 multicast address, such as \"239.255.67.67\"", |raw| {
        Ipv4Addr::read(raw).filter(Ipv4Addr::is_multicast)
    });
    let members = members(reader, section, address.as_ref().map(|at| at.value));
    let unit_key = secret::unit_key(reader, section, file);
    let file = |key, name: &str| section.or::<PathBuf>(key, format!("/etc/gateway/cluster/{name}").into());
    let files = Files {
        certificate: file("certificate", "certificate.pem"),
        key: file("key", "key.pem"),
        ca: file("ca", "ca.pem"),
        crl: file("crl", "crl.pem"),
    };
    let (delivery, sync) = (delivery(reader, section), sync(reader, section, members.len()));
    let backlog = section.within::<u32>("backlog", 32 << 20, 1 << 14..=1 << 30) as usize;
    let port = section.within("port", 16067, 1..=u16::MAX);
    let version = section.within("version", 1, 1..=u32::MAX);
    let profile = section.choice(
        "profile",
        Profile::Production,
        &[("production", Profile::Production), ("document", Profile::Document)],
    );
    let quorum = section.choice(
        "quorum",
        Quorum::Majority,
        &[("majority", Quorum::Majority), ("degraded", Quorum::Degraded), ("none", Quorum::None)],
    );
    let coordination = etcd::coordination(reader, section, quorum);
    let transport = section.choice(
        "transport",
        Transport::Auto,
        &[("auto", Transport::Auto), ("sctp", Transport::Sctp), ("tcp", Transport::Tcp)],
    );
    let paths = paths(&section.table("paths"));
    let profiled = match profile {
        Profile::Production => Constants::production(),
        Profile::Document => Constants::document(),
    };
    let constants = constants::read(reader, &section.table("constants"), profiled);
    let own = own?;
    let member = members.iter().find(|member| member.name == own.value.0).map(|member| member.id);
    if member.is_none() && !members.is_empty() {
        let known: Vec<_> = members.iter().map(|member| format!("\"{}\"", member.name)).collect();
        let would_do = format!("one of {}", known.join(", "));
        reader.wrong_because(&own.place, "which is no [[cluster.member]]", would_do);
    }
    Some(Cluster {
        name: name?.value.0,
        member: member?,
        members,
        address: address.map(|at| at.value),
        address6: address6.map(|at| at.value),
        link_local: link_local.map_or(LINK_LOCAL, |at| at.value),
        interface: interface?.value.0,
        links,
        transport,
        paths,
        port,
        group: group.map_or(Ipv4Addr::new(239, 255, 67, 67), |at| at.value),
        delivery,
        profile,
        unit_key,
        version,
        quorum,
        sync,
        backlog,
        constants,
        files,
        coordination,
    })
}

/// What comes in on them is believed only of who has shown its certificate: they may lead elsewhere, too.
fn links(
    reader: &Reader<'_>,
    section: &Section<'_, '_>,
    interface: Option<&At<InterfaceName>>,
    ports: &[&At<InterfaceName>],
) -> Vec<String> {
    let links = section.list::<InterfaceName>("links");
    let would_do = "further interfaces toward the members";
    for (place, At { value, place: at }) in links.iter().enumerate() {
        if interface.is_some_and(|interface| interface.value == *value) {
            reader.wrong_because(at, "which is the first already", would_do);
        } else if links[..place].iter().any(|link| link.value == *value) {
            reader.wrong_because(at, "twice", would_do);
        } else if ports.iter().any(|port| port.value == *value) {
            reader.wrong_because(at, "which is a port of an FPC", would_do);
        }
    }
    links.into_iter().map(|at| at.value.0).collect()
}

/// `paths`, by which an association's addresses do not flap (H-SC-8).
fn paths(section: &Section<'_, '_>) -> Hysteresis {
    let plain = Hysteresis::default();
    let limit = Duration::from_millis(100)..=Duration::from_secs(3600);
    let time = |key, plain| {
        let time = section.read(key, "a duration from 100ms to 1h, such as \"3s\"", |raw| {
            Duration::read(raw).filter(|time| limit.contains(time))
        });
        time.map_or(plain, |at| at.value)
    };
    Hysteresis {
        margin: section.within("margin", plain.margin, 0..=1000),
        least: plain.least,
        t_up: time("better_for", plain.t_up),
        t_down: time("fading_for", plain.t_down),
        hold_down: time("hold_down", plain.hold_down),
    }
}

fn unicast(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast() || address.is_loopback())
}

fn members(reader: &Reader<'_>, section: &Section<'_, '_>, shared: Option<Ipv4Addr>) -> Vec<ClusterMember> {
    let tables = section.tables("member");
    let mut members = Vec::new();
    let (mut ids, mut names, mut addresses) = (HashMap::new(), HashMap::new(), HashMap::new());
    for table in &tables {
        let id = table.required::<MemberNumber>("id");
        let (name, address) = (table.required::<Label>("name"), table.required::<Ipv4Addr>("address"));
        let (Some(id), Some(name), Some(address)) = (id, name, address) else { continue };
        once(reader, &mut ids, id.value.0, &id.place, "a number of its own for each member");
        once(reader, &mut names, name.value.0.clone(), &name.place, "a name of its own for each member");
        once(reader, &mut addresses, address.value, &address.place, "an address of its own for each member");
        if !unicast(address.value) || shared == Some(address.value) {
            reader.wrong(&address.place, "the member's own address on the cluster's link");
        }
        members.push(ClusterMember { id: id.value.0, name: name.value.0, address: address.value });
    }
    if tables.is_empty() {
        reader.wrong(&section.place(), "[[cluster.member]] with id, name and address, one for each member");
    }
    if members.len() > MEMBERS_MAX {
        reader.wrong(&tables[MEMBERS_MAX].place(), format!("at most {MEMBERS_MAX} members"));
    }
    members
}

fn once<T: Eq + Hash + Display>(
    reader: &Reader<'_>,
    seen: &mut HashMap<T, usize>,
    value: T,
    place: &Place,
    would_do: &str,
) {
    match seen.get(&value) {
        Some(line) => reader.wrong_because(place, format!("which line {line} has already"), would_do),
        None => drop(seen.insert(value, reader.line(place))),
    }
}

/// Modes 2 and 3 have a MAC, mode 1 has none.
fn delivery(reader: &Reader<'_>, section: &Section<'_, '_>) -> Delivery {
    #[derive(Clone, Copy)]
    enum Mode {
        Forward,
        Unicast,
        Multicast,
    }
    let modes = [("forward", Mode::Forward), ("unicast", Mode::Unicast), ("multicast", Mode::Multicast)];
    let mode = section.choice("delivery", Mode::Forward, &modes);
    let would_do = match mode {
        Mode::Forward => {
            if let Some(mac) = section.read("mac", "a MAC address", |_| Some(())) {
                reader.wrong_because(&mac.place, "with delivery = \"forward\"", "no mac: each member has its own");
            }
            return Delivery::Forward;
        }
        Mode::Unicast => "a unicast MAC address that the members share, such as \"02:00:00:00:43:01\"",
        Mode::Multicast => "a multicast MAC address, such as \"03:00:00:00:43:01\"",
    };
    section.require("mac", would_do);
    let multicast = matches!(mode, Mode::Multicast);
    let fits = |mac: &[u8; 6]| *mac != [0; 6] && *mac != [0xff; 6] && (mac[0] & 1 == 1) == multicast;
    let mac = section.read("mac", would_do, |raw: &DeValue<'_>| super::value::mac(raw.as_str()?).filter(fits));
    let mac = mac.map_or([0; 6], |at| at.value);
    if multicast { Delivery::Multicast(mac) } else { Delivery::Unicast(mac) }
}

fn sync(reader: &Reader<'_>, section: &Section<'_, '_>, members: usize) -> GateConfig {
    let needed = section.optional::<u8>("sync");
    if let Some(At { value, place }) = &needed
        && usize::from(*value) >= members.max(1)
    {
        let why = format!("of {} other members", members.saturating_sub(1));
        reader.wrong_because(place, why, "0 (replies wait for nobody) or fewer than there are members");
    }
    let limit = Duration::from_millis(1)..=Duration::from_secs(10);
    let timeout = section.read("sync_timeout", "a duration from 1ms to 10s, such as \"50ms\"", |raw| {
        Duration::read(raw).filter(|timeout| limit.contains(timeout))
    });
    GateConfig {
        // A cluster of one has nobody to wait for.
        sync: needed.map_or(1, |at| usize::from(at.value)).min(members.saturating_sub(1)),
        timeout: timeout.map_or(GateConfig::default().timeout, |at| at.value),
        when_short: section.choice(
            "sync_policy",
            WhenShort::Degrade,
            &[("wait", WhenShort::Wait), ("degrade", WhenShort::Degrade)],
        ),
    }
}
