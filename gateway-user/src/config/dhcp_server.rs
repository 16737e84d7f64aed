//! `[dhcp_server]`: the embedded DHCP server.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::reader::{At, Place, Reader, Section};
use super::types::*;
use super::value::Hex;

/// `[dhcp_server]` with the place of its address.
pub(super) struct RawDhcpServer {
    pub(super) server: DhcpServer,
    pub(super) listen: Place,
}

/// What the file says for the relay and holds for the server too.
pub(super) struct RelaySide<'s> {
    pub(super) key: Option<&'s Key>,
    pub(super) allow_unauthenticated: bool,
    pub(super) code_points: &'s BulkRelease,
}

pub(super) fn read(
    reader: &Reader<'_>,
    section: &Section<'_, '_>,
    file: &Path,
    relay: &RelaySide<'_>,
) -> Option<RawDhcpServer> {
    let listen = section.required::<Ipv4Addr>("listen");
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
    let key_tables = section.tables("key");
    let mut keys: Vec<ServerKey> = key_tables.iter().filter_map(|table| key(reader, table, file)).collect();
    for (index, table) in key_tables.iter().enumerate() {
        let id = |index: usize| keys.get(index).map(|key| key.key.id);
        if id(index).is_some() && (0..index).any(|other| id(other) == id(index)) {
            reader.wrong_because(&table.place(), "with the key_id of another key", "a key_id of its own");
        }
    }
    // Inside the gateway the relay's key is known already.
    if let Some(relay_key) = relay.key.filter(|relay| keys.iter().all(|key| key.key.id != relay.id)) {
        keys.push(ServerKey { key: relay_key.clone(), devices: Vec::new() });
    }
    let server = DhcpServer {
        listen: listen.as_ref().map_or(Ipv4Addr::UNSPECIFIED, |at| at.value),
        store: section.or("store", "/var/lib/gateway/leases".into()),
        subnets: subnets.into_iter().map(|(_, subnet)| subnet).collect(),
        keys,
        allow_unauthenticated: section.or("allow_unauthenticated", relay.allow_unauthenticated),
        bulk_release: section.or("bulk_release", true),
        release_quarantine: section.or("release_quarantine", Duration::from_secs(60)),
        code_points: relay.code_points.clone(),
    };
    let At { value, place } = listen?;
    if value.is_unspecified() || value.is_multicast() || value.is_broadcast() {
        reader.wrong(&place, "the one address that relays send to: it is also the server identifier (option 54)");
    }
    Some(RawDhcpServer { server, listen: place })
}

fn subnet(reader: &Reader<'_>, section: &Section<'_, '_>) -> Option<(At<Prefix>, Subnet)> {
    let prefix = section.required::<Prefix>("prefix");
    let pool = section.required::<AddressRange>("pool");
    let router = section.optional::<Ipv4Addr>("router");
    let dns = section.list::<Ipv4Addr>("dns").into_iter().map(|at| at.value).collect();
    let lease = section.read("lease", "a duration from 1m to 365d, such as \"1h\"", |raw| {
        let lease = <Duration as super::value::Value>::read(raw)?;
        (60..=365 * 86_400).contains(&lease.as_secs()).then_some(lease)
    });
    let (prefix, pool) = (prefix?, pool?);
    let inside = prefix.value;
    let usable = |address: Ipv4Addr| {
        inside.contains(address) && (inside.len > 30 || (address != inside.address && address != inside.last()))
    };
    if !usable(pool.value.first) || !usable(pool.value.last) {
        let why = format!("which is not inside {inside}");
        let (first, last) = (inside.address.to_bits(), inside.last().to_bits());
        let widest = if inside.len > 30 { (first, last) } else { (first + 1, last - 1) };
        let (first, last) = (Ipv4Addr::from_bits(widest.0), Ipv4Addr::from_bits(widest.1));
        reader.wrong_because(&pool.place, why, format!("a range within {first}-{last}"));
    }
    if let Some(router) = &router {
        if !inside.contains(router.value) {
            reader.wrong_because(&router.place, format!("which is not inside {inside}"), "an address of the prefix");
        } else if (pool.value.first..=pool.value.last).contains(&router.value) {
            let why = format!("which the pool of line {} would lease to a subscriber", reader.line(&pool.place));
            reader.wrong_because(&router.place, why, "an address outside the pool");
        }
    }
    let lease = lease.map_or(Duration::from_secs(3600), |at| at.value);
    let subnet = Subnet { prefix: inside, pool: pool.value, router: router.map(|at| at.value), dns, lease };
    Some((prefix, subnet))
}

fn key(reader: &Reader<'_>, section: &Section<'_, '_>, file: &Path) -> Option<ServerKey> {
    let key = super::secret::read(reader, section, file);
    let devices = section.list::<String>("devices").into_iter().map(|at| at.value.into_bytes());
    let in_hex = section.list::<Hex>("devices_hex").into_iter().map(|at| at.value.0);
    let devices = devices.chain(in_hex).collect();
    Some(ServerKey { key: key?, devices })
}
