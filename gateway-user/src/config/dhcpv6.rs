//! `[dhcpv6]`: serving IPv6.

use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

use gateway_common::maps::DEFAULT_CAPACITY;
use gateway_core::relay::Template;
use gateway_core::scope::{DeviceId, DeviceIdType};
use gateway_core::v6::release::ReleaseConfig;
use gateway_core::v6::session::Limits;
use gateway_core::wire::dhcp6::DuidBuf;
use gateway_core::wire::dhcp6::release::ReleaseTypes;
use gateway_core::wire::relay_auth::Secret;
use gateway_server::v6::{Config, Registered};

use super::reader::{At, Place, Reader, Section};
use super::tables::RawFpc;
use super::value::{Duid, Value};

/// `[dhcpv6]`.
#[derive(Clone, Debug)]
pub struct Dhcpv6 {
    /// The Relay-Id (RFC 5460 section 5.4.1, RR-22).
    pub duid: DuidBuf,
    /// The servers, at least one. The embedded server is among them.
    pub servers: Vec<Ipv6Addr>,
    /// Addresses and delegated prefixes the maps have room for.
    pub capacity: u32,
    /// What one client, and one MAC, may have.
    pub limits: Limits,
    /// Template of what a server may read in the Interface-Id.
    pub interface_id: String,
    /// Template of option 37; empty: it is left out.
    pub remote_id: String,
    /// Enterprise number of option 37.
    pub enterprise: u32,
    /// What makes the Interface-Id ours, or that of all members of a cluster; `None`: one that is made and kept in the state
    /// directory.
    pub secret: Option<Secret>,
    /// Message types of RELEASE-REQUEST and its reply.
    pub release_types: ReleaseTypes,
    /// Whether RELEASE-REQUESTs from trusted relays below are relayed (RR-6, RR-42).
    pub forward_release_requests: bool,
    /// Enterprise number under which servers are told by which scope a card's leases can be released at once; `None`: they
    /// are not.
    pub single_logout: Option<u32>,
    /// `[dhcpv6.release]`: how clients that are gone are released.
    pub release: ReleaseConfig,
    /// Whether the gateway answers neighbour solicitations for its other subscribers.
    pub proxy_nd: bool,
    /// How long a router advertisement makes the gateway a subscriber's router, in seconds.
    pub router_lifetime: u16,
    /// How often a subscriber is advertised without asking; `None`: never.
    pub advertise_every: Option<Duration>,
    /// Whether delegated prefixes behind VLAN tags get a route in the kernel's table, too, which leads nowhere.
    pub announce_prefixes: bool,
}

/// `[dhcpv6]` with the places of its servers.
pub(super) struct RawDhcpv6 {
    pub(super) dhcpv6: Dhcpv6,
    pub(super) servers: Vec<At<Ipv6Addr>>,
    /// The causes of releases are not chosen.
    pub(super) all_causes: bool,
    pub(super) place: Place,
    /// The file says what makes the Interface-Id ours, be it right or wrong.
    has_secret: bool,
}

/// Example enterprise number of RFC 5612, of operators who have none.
pub(super) const ENTERPRISE: u32 = 32473;
/// Whether the single logout is used (H-BR-13: nothing on its way is signed, so only where the operator says so).
pub(super) const SINGLE_LOGOUT: &str = "bulk_release";
/// Seconds that a router's lifetime may have (RFC 8319).
const LIFETIMES: std::ops::RangeInclusive<u64> = 30..=65_535;

pub(super) fn read(
    reader: &Reader<'_>,
    section: &Section<'_, '_>,
    file: &Path,
    id: Option<&DeviceId>,
    enterprise: u32,
) -> Option<RawDhcpv6> {
    let servers = section.list::<Ipv6Addr>("servers");
    for server in &servers {
        let At { value, place } = server;
        let unfit = value.is_unspecified() || value.is_loopback() || value.is_unicast_link_local();
        if unfit || (value.is_multicast() && value.segments()[0] != 0xff05) {
            reader.wrong(place, "the global address of a server, or \"ff05::1:3\" for all servers of the site");
        }
    }
    let would_do = "a text, with {port} {fpc} {outer} {inner} {mac} {giaddr} where they belong";
    let template = |key: &'static str, default: &str, may_be_empty: bool| {
        let good = |text: &&str| Template::new(text).is_ok() && (may_be_empty || !text.is_empty());
        let text = section.read(key, would_do, |raw| raw.as_str().filter(good).map(str::to_owned));
        text.map_or(default.to_owned(), |at| at.value)
    };
    let lifetime = section.read("router_lifetime", "a duration from 30s to 18h", |raw| {
        Duration::read(raw).filter(|lifetime| LIFETIMES.contains(&lifetime.as_secs()))
    });
    let lifetime = lifetime.map_or(Duration::from_secs(1800), |at| at.value);
    let every = section.read("advertise_every", "a duration from 4s to 12h, such as \"10m\", or \"off\"", |raw| {
        if raw.as_str() == Some("off") {
            return Some(None);
        }
        // RFC 4861 section 6.2.1: MaxRtrAdvInterval is 4 s at least.
        Duration::read(raw).filter(|every| (4..=43_200).contains(&every.as_secs())).map(Some)
    });
    if let Some(At { value: Some(often), place }) = &every
        && *often >= lifetime
    {
        let why = format!("where the gateway is a router for {} s", lifetime.as_secs());
        reader.wrong_because(place, why, "less than router_lifetime, best a third of it");
    }
    let (release, all_causes) = super::release6::read(&section.table("release"));
    let dhcpv6 = Dhcpv6 {
        duid: section.optional::<Duid>("duid").map(|at| at.value.0).or_else(|| id.map(relay_id))?,
        servers: servers.iter().map(|at| at.value).collect(),
        capacity: section.within("capacity", 2 * DEFAULT_CAPACITY, 1..=1 << 24),
        limits: Limits {
            leases: limit(section, "max_leases_per_client"),
            clients: limit(section, "max_clients_per_mac"),
        },
        interface_id: template("interface_id", "{port}:{outer}.{inner}", true),
        remote_id: template("remote_id", "", true),
        enterprise: section.within("enterprise", enterprise, 1..=u32::MAX),
        secret: super::secret::octets(reader, section, file, "secret", "secret_file").map(Secret::from),
        release_types: release_types(reader, section),
        announce_prefixes: section.or("announce_prefixes", false),
        forward_release_requests: section.or("forward_release_requests", false),
        single_logout: section.or(SINGLE_LOGOUT, false).then_some(enterprise),
        release,
        proxy_nd: section.or("proxy_nd", true),
        router_lifetime: lifetime.as_secs() as u16,
        advertise_every: every.map_or(Some(Duration::from_secs(600).min(lifetime / 3)), |at| at.value),
    };
    let has_secret = section.has(&["secret", "secret_file"]);
    Some(RawDhcpv6 { dhcpv6, servers, all_causes, place: section.place(), has_secret })
}

/// 16 unless the operator says otherwise; 0 is no limit.
fn limit(section: &Section<'_, '_>, key: &'static str) -> Option<u32> {
    Some(section.or(key, 16)).filter(|limit| *limit > 0)
}

/// RR-64: nobody assigned them.
pub(super) fn release_types(reader: &Reader<'_>, section: &Section<'_, '_>) -> ReleaseTypes {
    let default = ReleaseTypes::default();
    let (request, reply) = (section.optional::<u8>("request_type"), section.optional::<u8>("reply_type"));
    let number = |at: &Option<At<u8>>, default| at.as_ref().map_or(default, |at| at.value);
    let types = ReleaseTypes::new(number(&request, default.request()), number(&reply, default.reply()));
    types.unwrap_or_else(|error| {
        if let Some(at) = request.or(reply) {
            reader.wrong_because(
                &at.place,
                format!("({error})"),
                "two different numbers that no message type has, such as 240 and 241",
            );
        }
        default
    })
}

/// The DUID of a gateway that is given none: what identifies it towards DHCPv4 servers.
fn relay_id(id: &DeviceId) -> DuidBuf {
    let octets = match id.id_type() {
        DeviceIdType::Duid => id.octets().to_vec(),
        DeviceIdType::Uuid => [&[0, 4][..], id.octets()].concat(),
        DeviceIdType::Opaque => [&[0, 2][..], &ENTERPRISE.to_be_bytes(), id.octets()].concat(),
    };
    DuidBuf::new(&octets).expect("an identity has 1 to 64 octets")
}

/// Checks what the line cards say against `[dhcpv6]`, and both against the embedded server and the cluster.
pub(super) fn check(
    reader: &Reader<'_>,
    six: Option<&RawDhcpv6>,
    fpcs: &[RawFpc],
    embedded: Option<Ipv6Addr>,
    is_member: bool,
) {
    for fpc in fpcs {
        match (&fpc.link_address6, six) {
            (Some(at), None) => {
                reader.wrong_because(
                    &at.place,
                    "without [dhcpv6]",
                    "a table [dhcpv6] with servers, or no link_address6",
                );
            }
            (None, Some(_)) => {
                let would_do = "link_address6 = the gateway's global IPv6 address on these ports, by which servers choose a subnet";
                reader.wrong_because(&fpc.place, "without link_address6", would_do);
            }
            (Some(At { value, place }), Some(six)) => {
                let unfit = value.is_unspecified() || value.is_loopback() || value.is_multicast();
                if unfit || value.is_unicast_link_local() {
                    reader.wrong(place, "a global unicast address of the gateway");
                }
                if six.dhcpv6.servers.contains(value) || embedded == Some(*value) {
                    reader.wrong_because(place, "which is a server's", "an address of the gateway that no server has");
                }
            }
            (None, None) => {}
        }
    }
    let Some(six) = six else { return };
    if six.servers.is_empty() && embedded.is_none() {
        reader.wrong_because(
            &six.place,
            "without servers",
            "servers = the DHCPv6 servers' addresses, or [dhcp_server.v6]",
        );
    }
    super::cross::unique(reader, six.servers.iter().map(|at| (at.value, &at.place)), "each server once");
    // A reply comes to the member that owns its client by then, which may not be the one that asked.
    if is_member && !six.has_secret {
        let would_do = "secret_file = a file with the same key on all members, as `openssl rand -hex 32` prints";
        reader.wrong_because(&six.place, "beside [cluster] without secret_file", would_do);
    }
}

/// Makes relay and embedded server know each other: it is one of the servers, believes this relay's releases and
/// tells it what is leased.
pub(super) fn with_embedded(mut dhcpv6: Dhcpv6, fpcs: &[RawFpc], embedded: Option<&mut Config>) -> Dhcpv6 {
    let Some(embedded) = embedded else { return dhcpv6 };
    if !dhcpv6.servers.contains(&embedded.listen) {
        dhcpv6.servers.push(embedded.listen);
    }
    embedded.release.types = dhcpv6.release_types;
    for address in fpcs.iter().filter_map(|fpc| Some(fpc.link_address6.as_ref()?.value)) {
        let duid = || dhcpv6.duid.clone();
        match embedded.release.relays.iter_mut().find(|relay| relay.address == address) {
            Some(known) => drop(known.relay_id.get_or_insert_with(duid)),
            None => embedded.release.relays.push(Registered { address, relay_id: Some(duid()) }),
        }
        if !embedded.leasequery.requestors.contains(&address) {
            embedded.leasequery.requestors.push(address);
        }
    }
    dhcpv6
}
