//! `[dhcp_server.v6]`: what the embedded DHCP server leases by DHCPv6.

use std::net::Ipv6Addr;
use std::time::Duration;

use gateway_core::wire::dhcp6::DuidBuf;
use gateway_server::v6::{
    Config, LeasequeryPolicy, PrefixPool, Refuse, Registered, ReleasePolicy, SingleLogoutPolicy, Subnet,
};

use super::dhcpv6::{ENTERPRISE, SINGLE_LOGOUT, release_types};
use super::reader::{At, Reader, Section};
use super::value::{AddressRange6, Duid, Prefix6, Value};

/// What the file says elsewhere and holds here, too.
pub(super) struct Shared {
    /// How long an offer and a declined address are kept, as for DHCPv4.
    pub(super) hold: (Duration, Duration),
    /// Whether the gateway in the same process uses the single logout.
    pub(super) single_logout: bool,
    /// Its enterprise number.
    pub(super) enterprise: u32,
}

pub(super) fn read(reader: &Reader<'_>, section: &Section<'_, '_>, shared: &Shared) -> Option<Config> {
    let listen = section.required::<Ipv6Addr>("listen");
    let duid = section.optional::<Duid>("duid").map(|at| at.value.0);
    let authoritative = section.or("authoritative", true);
    let preference = section.or("preference", 0);
    let defaults = ReleasePolicy::default();
    let release = ReleasePolicy {
        enabled: section.or("release_requests", true),
        relays: relays(section),
        refuse: match section.or("refuse_silently", false) {
            true => Refuse::Silently,
            false => Refuse::WithStatus,
        },
        require_relay_match: section.or("require_relay_match", true),
        quarantine: section.or("release_quarantine", defaults.quarantine),
        types: release_types(reader, section),
        single_logout: SingleLogoutPolicy {
            enabled: section.or(SINGLE_LOGOUT, shared.single_logout),
            enterprise: shared.enterprise,
            rate: section.or("bulk_release_rate", defaults.single_logout.rate),
            burst: section.within("bulk_release_burst", defaults.single_logout.burst, 1..=1_000_000),
        },
    };
    // A relay that may release knows what it has relayed; it asks for that when it has lost it.
    let mut requestors: Vec<Ipv6Addr> = section.list("leasequery_from").into_iter().map(|at| at.value).collect();
    for relay in &release.relays {
        if !requestors.contains(&relay.address) {
            requestors.push(relay.address);
        }
    }
    let leasequery =
        LeasequeryPolicy { enabled: section.or("leasequery", true), requestors, ..LeasequeryPolicy::default() };
    let tables = section.tables("subnet");
    let subnets: Vec<Subnet> = tables.iter().filter_map(|table| subnet(reader, table)).collect();
    if tables.is_empty() {
        reader.wrong_because(&section.place(), "without subnets", "a [[dhcp_server.v6.subnet]] with prefix and pool");
    }
    let At { value: listen, place } = listen?;
    if listen.is_unspecified() || listen.is_multicast() || listen.is_unicast_link_local() {
        reader.wrong(&place, "the one global address that relays send to");
    }
    let server = Config {
        subnets,
        authoritative,
        preference,
        release,
        leasequery,
        offer_hold: shared.hold.0,
        decline_hold: shared.hold.1,
        ..Config::new(listen, duid.unwrap_or_else(|| server_id(listen)))
    };
    if let Err(error) = server.validate() {
        reader.wrong_because(&section.place(), format!("({error})"), "pools that fit their subnets and don't overlap");
    }
    Some(server)
}

/// A server that is given no DUID has one for as long as it keeps its address.
fn server_id(listen: Ipv6Addr) -> DuidBuf {
    let octets = [&[0, 2][..], &ENTERPRISE.to_be_bytes(), &listen.octets()].concat();
    DuidBuf::new(&octets).expect("22 octets")
}

/// `[[dhcp_server.v6.relay]]`: who may send a RELEASE-REQUEST (RR-59, RR-61).
fn relays(section: &Section<'_, '_>) -> Vec<Registered> {
    let relay = |table: &Section<'_, '_>| {
        let address = table.required::<Ipv6Addr>("address");
        let relay_id = table.optional::<Duid>("duid").map(|at| at.value.0);
        Some(Registered { address: address?.value, relay_id })
    };
    section.tables("relay").iter().filter_map(relay).collect()
}

fn subnet(reader: &Reader<'_>, section: &Section<'_, '_>) -> Option<Subnet> {
    let prefix = section.required::<Prefix6>("prefix");
    let pools = section.list::<AddressRange6>("pools");
    let addresses = |key| section.list::<Ipv6Addr>(key).into_iter().map(|at| at.value).collect::<Vec<_>>();
    let (links, reserved, dns) = (addresses("links"), addresses("reserved"), addresses("dns"));
    let delegate = section.optional::<Prefix6>("delegate");
    let length = section.read("delegate_length", "a prefix length from 1 to 127", |raw| {
        u8::read(raw).filter(|length| (1..=127).contains(length))
    });
    if let (Some(pool), None) = (&delegate, &length) {
        reader.wrong_because(
            &pool.place,
            "without delegate_length",
            "delegate_length = the length of each prefix, such as 56",
        );
    }
    let (preferred, valid) = (lifetime(section, "preferred"), lifetime(section, "valid"));
    let preferred = preferred.unwrap_or(Duration::from_secs(3600));
    let percent = |key, default| {
        let good = |percent: &u8| (1..=100).contains(percent);
        section.read(key, "a number from 1 to 100", |raw| u8::read(raw).filter(good)).map_or(default, |at| at.value)
    };
    let (renew_percent, rebind_percent) = (percent("renew_percent", 50), percent("rebind_percent", 80));
    let rapid_commit = section.or("rapid_commit", true);
    if pools.is_empty() && delegate.is_none() {
        reader.wrong_because(
            &section.place(),
            "with nothing to lease",
            "pools = [\"first-last\"] or delegate = \"prefix\"",
        );
    }
    let prefixes = delegate.zip(length);
    Some(Subnet {
        links,
        addresses: pools.iter().map(|at| (at.value.first, at.value.last)).collect(),
        prefixes: prefixes
            .map(|(pool, length)| PrefixPool { prefix: pool.value.0, delegated: length.value })
            .into_iter()
            .collect(),
        reserved,
        dns,
        preferred,
        valid: valid.unwrap_or(preferred.saturating_mul(2)),
        renew_percent,
        rebind_percent,
        rapid_commit,
        ..Subnet::new(prefix?.value.0)
    })
}

fn lifetime(section: &Section<'_, '_>, key: &'static str) -> Option<Duration> {
    let read = section.read(key, "a duration from 1s to 3650d, such as \"1h\", or \"infinite\"", |raw| {
        if raw.as_str() == Some("infinite") {
            return Some(Duration::MAX);
        }
        Duration::read(raw).filter(|time| (1..=3650 * 86_400).contains(&time.as_secs()))
    });
    read.map(|at| at.value)
}
