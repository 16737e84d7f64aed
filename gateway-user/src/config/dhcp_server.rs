//! `[dhcp_server]`: the embedded DHCP server.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use gateway_core::scope::DeviceId;
use gateway_core::wire::bulk_release::CodePoints;
use gateway_core::wire::relay_auth::Key;
use gateway_server::{Admits, BulkReleasePolicy, Class, Config, LeasequeryPolicy, Permitted, PingCheck, Subnet};

use super::ServerControl;
use super::reader::{At, Place, Reader, Section};
use super::value::{AddressRange, Device, Prefix, Value as _};
use super::{delegation, dhcp_classes, dhcp_terms};

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
    let store = super::lease_store::read(reader, section, file);
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
        metrics: super::tables::metrics(section),
    };
    let authoritative = section.or("authoritative", true);
    let offer_hold = section.or("offer_hold", Config::OFFER_HOLD);
    let decline_hold = section.or("decline_hold", Config::DECLINE_HOLD);
    let ping_check = ping_check(reader, section, offer_hold);
    let subnet_selection = section.or("subnet_selection", false);
    let classes = dhcp_classes::classes(reader, section);
    let delegation = section.table("delegation");
    let (prefixes, subnets, excluded) = subnets(reader, section, &classes, delegation.exists());
    let reservations = dhcp_classes::reservations(reader, section, &prefixes);
    let six = section.table("v6");
    let shared = super::dhcp_server6::Shared {
        hold: (offer_hold, decline_hold),
        single_logout: relay.single_logout6,
        enterprise: relay.enterprise,
    };
    let six = six.exists().then(|| super::dhcp_server6::read(reader, &six, &shared)).flatten();
    let around = delegation::Around {
        listen: listen.as_ref().map_or(Ipv4Addr::UNSPECIFIED, |at| at.value),
        store: &store,
        prefixes: &prefixes,
    };
    let delegation = delegation.exists().then(|| delegation::read(reader, &delegation, file, &around)).flatten();
    let (delegation, delegated) = delegation.unzip();
    let delegated = delegated.flatten();
    let At { value: listen, place } = listen?;
    if listen.is_unspecified() || listen.is_multicast() || listen.is_broadcast() {
        reader.wrong(&place, "the one address that relays send to: it is also the server identifier (option 54)");
    }
    let server = Config {
        subnets,
        delegation,
        delegated,
        classes,
        reservations,
        excluded,
        subnet_selection,
        ping_check,
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

/// Whether and how addresses are asked before they are offered.
fn ping_check(reader: &Reader<'_>, section: &Section<'_, '_>, offer_hold: Duration) -> Option<PingCheck> {
    let defaults = PingCheck::default();
    let timeout = section.optional::<Duration>("ping_timeout");
    if let Some(at) = timeout.as_ref().filter(|at| at.value.is_zero() || at.value >= offer_hold) {
        let why = format!("where an offer is kept for {} s", offer_hold.as_secs_f32());
        reader.wrong_because(&at.place, why, "a duration from 1ms to less than offer_hold");
    }
    let check = PingCheck {
        timeout: timeout.map_or(defaults.timeout, |at| at.value),
        recent: section.or("ping_recent", defaults.recent),
        most: usize::from(section.within("ping_at_once", 1000u16, 1..=10_000)),
    };
    section.or("ping_check", false).then_some(check)
}

/// The prefixes, the subnets with their pools, and addresses that are never leased. `others`: there may be subnets from other
/// servers.
fn subnets(
    reader: &Reader<'_>,
    section: &Section<'_, '_>,
    classes: &[Class],
    others: bool,
) -> (Vec<Prefix>, Vec<Subnet>, Vec<Ipv4Addr>) {
    let tables = section.tables("subnet");
    let read: Vec<_> = tables.iter().filter_map(|table| subnet(reader, table, classes)).collect();
    if tables.is_empty() && !others {
        reader.wrong_because(&section.place(), "without subnets", "a [[dhcp_server.subnet]] with prefix and pool");
    }
    let (mut prefixes, mut subnets, mut excluded): (Vec<At<Prefix>>, _, _) = (Vec::new(), Vec::new(), Vec::new());
    for (prefix, parts, reserved) in read {
        if let Some(other) = prefixes.iter().find(|other| other.value.overlaps(&prefix.value)) {
            let why = format!("which overlaps {} of line {}", other.value, reader.line(&other.place));
            reader.wrong_because(&prefix.place, why, "a prefix apart from the others");
        }
        prefixes.push(prefix);
        subnets.extend(parts);
        excluded.extend(reserved);
    }
    (prefixes.into_iter().map(|at| at.value).collect(), subnets, excluded)
}

/// A subnet: its prefix, itself and the pools that are for classes, and what is never leased.
fn subnet(
    reader: &Reader<'_>,
    section: &Section<'_, '_>,
    classes: &[Class],
) -> Option<(At<Prefix>, Vec<Subnet>, Vec<Ipv4Addr>)> {
    let prefix = section.required::<Prefix>("prefix");
    section.require_either("pool", &["pool", "pools", "class_pool"], AddressRange::WOULD_DO);
    let mut pools: Vec<_> = section.optional::<AddressRange>("pool").into_iter().collect();
    pools.extend(section.list::<AddressRange>("pools"));
    let common = pools.len();
    let mut of_classes = Vec::new();
    for table in section.tables("class_pool") {
        let range = table.required::<AddressRange>("range");
        let admits = Admits::Classes(dhcp_classes::named(reader, &table, classes));
        let Some(range) = range else { continue };
        of_classes.push(((range.value.first, range.value.last), admits));
        pools.push(range);
    }
    let router = section.optional::<Ipv4Addr>("router");
    let reserved = section.list::<Ipv4Addr>("reserved");
    let terms = dhcp_terms::subnet(reader, section);
    let prefix = prefix?;
    let inside = prefix.value;
    for pool in &pools {
        pool_inside(reader, pool, inside);
    }
    pools_apart(reader, &pools);
    for at in reserved.iter().filter(|at| !inside.contains(at.value)) {
        reader.wrong_because(&at.place, format!("which is not inside {inside}"), "an address of the prefix");
    }
    if let Some(router) = &router {
        let leased = pools.iter().find(|pool| (pool.value.first..=pool.value.last).contains(&router.value));
        if !inside.contains(router.value) {
            reader.wrong_because(&router.place, format!("which is not inside {inside}"), "an address of the prefix");
        } else if let Some(pool) = leased {
            let why = format!("which the pool of line {} would lease to a subscriber", reader.line(&pool.place));
            reader.wrong_because(&router.place, why, "an address outside the pool");
        }
    }
    let range = |pool: &At<AddressRange>| (pool.value.first, pool.value.last);
    let subnet = Subnet {
        prefix: inside.address,
        length: inside.len,
        pools: pools[..common].iter().map(range).collect(),
        routers: router.into_iter().map(|at| at.value).collect(),
        ..terms
    };
    let part = |(range, admits)| Subnet { pools: vec![range], admits, ..subnet.clone() };
    let parts: Vec<_> = of_classes.into_iter().map(part).collect();
    Some((prefix, core::iter::once(subnet).chain(parts).collect(), reserved.into_iter().map(|at| at.value).collect()))
}

/// Keeps a mistake at each pool that shares addresses with an earlier one.
fn pools_apart(reader: &Reader<'_>, pools: &[At<AddressRange>]) {
    for (index, pool) in pools.iter().enumerate() {
        let shares =
            |other: &&At<AddressRange>| other.value.first <= pool.value.last && pool.value.first <= other.value.last;
        if let Some(other) = pools[..index].iter().find(shares) {
            let why = format!("which shares addresses with the pool of line {}", reader.line(&other.place));
            reader.wrong_because(&pool.place, why, "pools apart from each other");
        }
    }
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
