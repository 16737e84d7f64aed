//! `[dhcp_server]`: the embedded DHCP server.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway_core::scope::DeviceId;
use gateway_core::wire::bulk_release::CodePoints;
use gateway_core::wire::relay_auth::Key;
use gateway_server::{BulkReleasePolicy, Config, LeasequeryPolicy, Permitted, Subnet};

use super::ServerControl;
use super::reader::{At, Place, Reader, Section};
use super::value::{AddressRange, Device, Prefix, Value};

/// `[dhcp_server]` with the place of its address.
pub(super) struct RawDhcpServer {
    pub(super) server: Config,
    pub(super) listen: Place,
    pub(super) control: ServerControl,
}

/// What the file says for the relay and holds for the server too.
pub(super) struct RelaySide<'s> {
    pub(super) key: Option<&'s Key>,
    pub(super) allow_unauthenticated: bool,
    pub(super) code_points: CodePoints,
    /// Whether it uses the single logout for DHCPv6.
    pub(super) single_logout6: bool,
    /// Enterprise number.
    pub(super) enterprise: u32,
}

pub(super) fn read(
    reader: &Reader<'_>,
    section: &Section<'_, '_>,
    file: &Path,
    relay: &RelaySide<'_>,
) -> Option<RawDhcpServer> {
    let listen = section.required::<Ipv4Addr>("listen");
    let store = section.or::<PathBuf>("store", "/var/lib/gateway/leases".into());
    let defaults = BulkReleasePolicy::default();
    let bulk_release = BulkReleasePolicy {
        enabled: section.or("bulk_release", true),
        code_points: relay.code_points,
        keys: keys(reader, section, file, relay.key),
        allow_unauthenticated: section.or("allow_unauthenticated", relay.allow_unauthenticated),
        require_authentication: section.or("require_authentication", false),
        replay_window: section.or("replay_window", false),
        relays: section.list("relays").into_iter().map(|at| at.value).collect(),
        registered: registered(section),
        quarantine: section.or("release_quarantine", defaults.quarantine),
        max_scopes: section.within("max_scopes", defaults.max_scopes, 1..=255),
        rate: section.or("bulk_release_rate", defaults.rate),
        burst: section.within("bulk_release_burst", defaults.burst, 1..=1_000_000),
    };
    let leasequery = LeasequeryPolicy {
        enabled: section.or("leasequery", true),
        requestors: section.list("leasequery_from").into_iter().map(|at| at.value).collect(),
        ..LeasequeryPolicy::default()
    };
    let control = ServerControl {
        path: section.or("control", ServerControl::default().path),
        group: section.optional::<String>("control_group").map(|at| at.value),
    };
    let authoritative = section.or("authoritative", true);
    let offer_hold = section.or("offer_hold", Config::OFFER_HOLD);
    let decline_hold = section.or("decline_hold", Config::DECLINE_HOLD);
    let subnets = subnets(reader, section);
    let six = section.table("v6");
    let shared = super::dhcp_server6::Shared {
        hold: (offer_hold, decline_hold),
        single_logout: relay.single_logout6,
        enterprise: relay.enterprise,
    };
    let six = six.exists().then(|| super::dhcp_server6::read(reader, &six, &shared)).flatten();
    let At { value: listen, place } = listen?;
    if listen.is_unspecified() || listen.is_multicast() || listen.is_broadcast() {
        reader.wrong(&place, "the one address that relays send to: it is also the server identifier (option 54)");
    }
    let server = Config {
        subnets,
        bulk_release,
        leasequery,
        authoritative,
        offer_hold,
        decline_hold,
        v6: six,
        ..Config::new(listen, store)
    };
    Some(RawDhcpServer { server, listen: place, control })
}

fn subnets(reader: &Reader<'_>, section: &Section<'_, '_>) -> Vec<Subnet> {
    let tables = section.tables("subnet");
    let subnets: Vec<_> = tables.iter().filter_map(|table| subnet(reader, table)).collect();
    if tables.is_empty() {
        reader.wrong_because(&section.place(), "without subnets", "a [[dhcp_server.subnet]] with prefix and pool");
    }
    for (index, (prefix, _)) in subnets.iter().enumerate() {
        if let Some((other, _)) = subnets[..index].iter().find(|(other, _)| other.value.overlaps(&prefix.value)) {
            let why = format!("which overlaps {} of line {}", other.value, reader.line(&other.place));
            reader.wrong_because(&prefix.place, why, "a prefix apart from the others");
        }
    }
    subnets.into_iter().map(|(_, subnet)| subnet).collect()
}

fn subnet(reader: &Reader<'_>, section: &Section<'_, '_>) -> Option<(At<Prefix>, Subnet)> {
    let prefix = section.required::<Prefix>("prefix");
    let pool = section.required::<AddressRange>("pool");
    let router = section.optional::<Ipv4Addr>("router");
    let addresses = |key| section.list::<Ipv4Addr>(key).into_iter().map(|at| at.value).collect::<Vec<_>>();
    let (dns, relays) = (addresses("dns"), addresses("relays"));
    let lease = section.read("lease", "a duration from 1s to 3650d, such as \"1h\", or \"infinite\"", |raw| {
        if raw.as_str() == Some("infinite") {
            return Some(Duration::MAX);
        }
        Duration::read(raw).filter(|lease| (1..=3650 * 86_400).contains(&lease.as_secs()))
    });
    let (renew_percent, rebind_percent) = times(reader, section);
    let (prefix, pool) = (prefix?, pool?);
    let inside = prefix.value;
    pool_inside(reader, &pool, inside);
    if let Some(router) = &router {
        if !inside.contains(router.value) {
            reader.wrong_because(&router.place, format!("which is not inside {inside}"), "an address of the prefix");
        } else if (pool.value.first..=pool.value.last).contains(&router.value) {
            let why = format!("which the pool of line {} would lease to a subscriber", reader.line(&pool.place));
            reader.wrong_because(&router.place, why, "an address outside the pool");
        }
    }
    let subnet = Subnet {
        routers: router.into_iter().map(|at| at.value).collect(),
        relays,
        dns,
        lease: lease.map_or(Duration::from_secs(3600), |at| at.value),
        renew_percent,
        rebind_percent,
        ..Subnet::new(inside.address, inside.len, (pool.value.first, pool.value.last), Ipv4Addr::UNSPECIFIED)
    };
    Some((prefix, subnet))
}

/// T1 and T2 in hundredths of the lease (RFC 2131 4.4.5).
fn times(reader: &Reader<'_>, section: &Section<'_, '_>) -> (u8, u8) {
    let percent =
        |key| section.read(key, "a number from 1 to 100", |raw| u8::read(raw).filter(|n| (1..=100).contains(n)));
    let (renew, rebind) = (percent("renew_percent"), percent("rebind_percent"));
    let (first, second) = (renew.as_ref().map_or(50, |at| at.value), rebind.as_ref().map_or(87, |at| at.value));
    if first > second
        && let Some(late) = renew.or(rebind)
    {
        let why = format!("where clients renew at {first} and rebind at {second} percent of the lease");
        reader.wrong_because(&late.place, why, "renew_percent of at most rebind_percent");
    }
    (first, second)
}

/// The addresses of `[[dhcp_server.device]]`: what a gateway may name in a single logout beside the giaddr of its message.
fn registered(section: &Section<'_, '_>) -> Vec<(DeviceId, Ipv4Addr)> {
    let mut registered = Vec::new();
    for table in section.tables("device") {
        let id = table.required::<Device>("id");
        table.require("addresses", "a list of giaddrs, such as [\"100.64.0.1\"]");
        let addresses = table.list::<Ipv4Addr>("addresses");
        let Some(At { value: Device(id), .. }) = id else { continue };
        registered.extend(addresses.into_iter().map(|at| (id.clone(), at.value)));
    }
    registered
}

fn pool_inside(reader: &Reader<'_>, pool: &At<AddressRange>, inside: Prefix) {
    let (mut first, mut last) = (inside.address, inside.last());
    if inside.len <= 30 {
        // Not the subnet's own address nor its broadcast address.
        (first, last) = (Ipv4Addr::from_bits(first.to_bits() + 1), Ipv4Addr::from_bits(last.to_bits() - 1));
    }
    if pool.value.first < first || pool.value.last > last {
        let why = format!("which is not inside {inside}");
        reader.wrong_because(&pool.place, why, format!("a range within {first}-{last}"));
    }
}

/// The keys of `[[dhcp_server.key]]`, and the relay's own when it runs in the same process.
fn keys(reader: &Reader<'_>, section: &Section<'_, '_>, file: &Path, relay: Option<&Key>) -> Vec<Permitted> {
    let mut keys: Vec<Permitted> = Vec::new();
    for table in section.tables("key") {
        let key = super::secret::read(reader, &table, file);
        let devices = table.list::<Device>("devices").into_iter().map(|at| at.value.0).collect();
        let Some(key) = key else { continue };
        if keys.iter().any(|other| other.key.id == key.id) {
            let why = format!("with the key_id {} of another key", key.id);
            reader.wrong_because(&table.place(), why, "a key_id of its own");
        }
        keys.push(Permitted { key, devices });
    }
    if let Some(relay) = relay.filter(|relay| keys.iter().all(|key| key.key.id != relay.id)) {
        keys.push(Permitted { key: relay.clone(), devices: Vec::new() });
    }
    keys
}
