//! `[dhcp_server.delegation]`: subnets from and for other servers (RFC 6656).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use gateway_core::delegation::{CLASS, Constants, DelegationConfig, Lessees, Policy, ServerId};
use gateway_core::subnet::Subnet as Block;
use gateway_core::wire::server_auth::ServerKey;
use gateway_server::subnets::{Root, SubnetsConfig};
use gateway_server::{Config, Delegated, Place as Store, Subnet, Tenure};
use toml::de::DeValue;

use super::reader::{At, Reader, Section};
use super::value::{Prefix, Value};
use super::{dhcp_terms, secret};

/// What it needs to know of the rest of `[dhcp_server]`.
pub(super) struct Around<'s> {
    pub(super) listen: Ipv4Addr,
    pub(super) store: &'s Store,
    pub(super) prefixes: &'s [Prefix],
}

/// Who a server is to others: option 61.
struct Id(ServerId);

impl Value for Id {
    const WOULD_DO: &'static str = "a name of 1 to 255 characters that no other server has, such as \"west\"";
    fn read(raw: &DeValue<'_>) -> Option<Self> {
        ServerId::new(raw.as_str()?.as_bytes()).map(Self)
    }
}

/// The first address of each subnet, or one for all.
#[derive(Clone, Copy)]
enum Router {
    First,
    At(Ipv4Addr),
}

impl Value for Router {
    const WOULD_DO: &'static str = "\"first\" for each subnet's first address, or an IPv4 address";
    fn read(raw: &DeValue<'_>) -> Option<Self> {
        match raw.as_str()? {
            "first" => Some(Self::First),
            address => address.parse().ok().map(Self::At),
        }
    }
}

/// Fills both halves of it in; the second is absent where providers assign the addresses.
pub(super) fn read(
    reader: &Reader<'_>,
    section: &Section<'_, '_>,
    file: &Path,
    around: &Around<'_>,
) -> Option<(SubnetsConfig, Option<Delegated>)> {
    let id = section.required::<Id>("id");
    let providers = providers(reader, section, around.listen);
    let delegated = hosts(reader, section);
    let lessees = lessees(reader, section, id.as_ref().map(|at| &at.value.0));
    let reserve = section.or("reserve", false);
    let key = key(reader, section, file);
    let authenticate = section.optional::<bool>("authenticate");
    if let Some(at) = authenticate.as_ref().filter(|at| at.value && key.is_none()) {
        reader.wrong_because(&at.place, "without a key", "key_id and key_file, which all servers share");
    }
    let class = section.optional::<String>("class").map_or_else(|| CLASS.to_vec(), |at| at.value.into_bytes());
    let policy = policy(reader, section);
    let roots = roots(reader, section, around.prefixes);
    if matches!(around.store, Store::Postgres(_)) {
        let why = "beside store = a database, whose servers share their leases";
        reader.wrong_because(&section.place(), why, "a directory as the store");
    }
    if delegated.terms.relays.is_empty() && lessees == Lessees::Nobody {
        let why = "without relays and lessees";
        reader.wrong_because(
            &section.place(),
            why,
            "relays to serve subscribers of, lessees to hand subnets to, or both",
        );
    }
    if reserve {
        reserves(reader, section, &delegated.terms.relays, &lessees, &providers, &roots);
    }
    let delegation = DelegationConfig {
        me: id?.value.0,
        address: around.listen,
        providers,
        lessees,
        class: Some(class),
        reserve: delegated.terms.relays.first().copied().filter(|_| reserve),
        authenticate: authenticate.map_or(key.is_some(), |at| at.value),
        policy,
        constants: constants(section),
    };
    let port = Config::new(around.listen, "/").ports.server;
    Some((SubnetsConfig { delegation, roots, key, port }, (!reserve).then_some(delegated)))
}

/// SN-63: a device that does not assign addresses has subnets for the subscribers of one giaddr, which its id stands for, and has
/// nothing to give.
fn reserves(
    reader: &Reader<'_>,
    section: &Section<'_, '_>,
    relays: &[Ipv4Addr],
    lessees: &Lessees,
    providers: &[Ipv4Addr],
    roots: &[Root],
) {
    let wrong = |why: &str, would_do: &str| reader.wrong_because(&section.place(), why, would_do);
    if relays.len() != 1 {
        wrong("with reserve = true", "one giaddr in relays: that of the subscribers whose addresses providers assign");
    }
    if providers.is_empty() {
        wrong("with reserve = true", "providers, which assign the addresses");
    }
    if *lessees != Lessees::Nobody || !roots.is_empty() {
        wrong("with reserve = true", "neither lessees nor subnets: a server that assigns nothing has nothing to give");
    }
}

/// SN-10. Each is reached by its address: a broadcast would reach who listens at all addresses of a host only.
fn providers(reader: &Reader<'_>, section: &Section<'_, '_>, listen: Ipv4Addr) -> Vec<Ipv4Addr> {
    let providers = section.list::<Ipv4Addr>("providers");
    for (index, at) in providers.iter().enumerate() {
        let would_do = "the address of a parent or peer";
        if at.value == listen {
            reader.wrong_because(&at.place, "which is this server's own", would_do);
        } else if at.value.is_unspecified() || at.value.is_multicast() || at.value.is_broadcast() {
            reader.wrong(&at.place, would_do);
        } else if providers[..index].iter().any(|other| other.value == at.value) {
            reader.wrong_because(&at.place, "which is there twice", would_do);
        }
    }
    providers.into_iter().map(|at| at.value).collect()
}

/// H-SN-20: nobody, those that are listed, or anyone.
fn lessees(reader: &Reader<'_>, section: &Section<'_, '_>, me: Option<&ServerId>) -> Lessees {
    let anyone = section.or("any_lessee", false);
    let listed = section.list::<Id>("lessees");
    if anyone && let Some(first) = listed.first() {
        reader.wrong_because(&first.place, "beside any_lessee = true", "either of the two");
    }
    if let Some(own) = listed.iter().find(|at| Some(&at.value.0) == me) {
        reader.wrong_because(&own.place, "which is this server's own id", "the id of another server");
    }
    let listed: BTreeSet<ServerId> = listed.into_iter().map(|at| at.value.0).collect();
    match (anyone, listed.is_empty()) {
        (true, _) => Lessees::Anyone,
        (false, true) => Lessees::Nobody,
        (false, false) => Lessees::Listed(listed),
    }
}

/// What subscribers are told who get their addresses out of these subnets.
fn hosts(reader: &Reader<'_>, section: &Section<'_, '_>) -> Delegated {
    let router = section.optional::<Router>("router").map(|at| at.value);
    let routers = if let Some(Router::At(router)) = router { vec![router] } else { Vec::new() };
    let terms = Subnet { routers, tenure: Tenure::Unconfirmed, ..dhcp_terms::subnet(reader, section) };
    Delegated { terms, first_is_router: matches!(router, Some(Router::First)), held: Vec::new() }
}

fn key(reader: &Reader<'_>, section: &Section<'_, '_>, file: &Path) -> Option<ServerKey> {
    if !section.has(&["key_id", "key", "key_file"]) {
        return None;
    }
    let id = section.required::<u32>("key_id");
    section.require_either(
        "key_file",
        &["key", "key_file"],
        "a file with the key in hexadecimal (`openssl rand -hex 32`)",
    );
    let secret = secret::octets(reader, section, file, "key", "key_file")?;
    Some(ServerKey { id: id?.value, secret: secret.into() })
}

/// The numbers of the rules; what they are for is said at [`Policy`].
fn policy(reader: &Reader<'_>, section: &Section<'_, '_>) -> Policy {
    let usual = Policy::default();
    let least = Duration::from_secs(300);
    let lease = section.read("subnet_lease", "a duration of at least 5m, such as \"7d\"", |raw| {
        Duration::read(raw).filter(|lease| (least..=Duration::from_secs(3650 * 86_400)).contains(lease))
    });
    let prefix = |key, default| section.within::<u8>(key, default, 8..=30);
    let (largest, smallest) = (section.optional::<u8>("own_largest"), usual.own_prefixes.1);
    let own = (prefix("own_largest", usual.own_prefixes.0), prefix("own_smallest", smallest));
    if own.0 > own.1
        && let Some(at) = largest
    {
        reader.wrong_because(&at.place, format!("with own_smallest = {}", own.1), "the shorter prefix of the two");
    }
    let percent = |key, default| section.within::<u8>(key, default, 0..=100);
    Policy {
        lease: lease.map_or(usual.lease, |at| at.value),
        renew_after_permille: u16::from(section.within::<u8>("renew_after_percent", 50, 5..=80)) * 10,
        allow_smaller: section.or("allow_smaller", usual.allow_smaller),
        push_above_percent: section.within::<u8>("push_above_percent", usual.push_above_percent, 0..=101),
        unused_most: u64::from(section.or("unused_most", 256u32)),
        quota: section.optional::<u32>("quota").map(|at| u64::from(at.value)),
        own_prefixes: own,
        low_use_percent: percent("low_use_percent", usual.low_use_percent),
        keep_above_percent: percent("keep_above_percent", usual.keep_above_percent),
        refuse_silent: section.or("refuse_silent", usual.refuse_silent),
        patience: section.within::<u8>("patience", usual.patience, 1..=100),
        scarce_for: section.or("scarce_for", usual.scarce_for),
        idle_for: section.or("idle_for", usual.idle_for),
        spare_for: section.or("spare_for", usual.spare_for),
        headroom_percent: percent("headroom_percent", usual.headroom_percent),
        initial_group: section.or("initial_group", usual.initial_group),
        wanted_lease: time(section, "wanted_lease"),
        suggested_lease: time(section, "suggested_lease"),
    }
}

/// A duration on the wire: whole seconds, one at least.
fn time(section: &Section<'_, '_>, key: &'static str) -> Option<Duration> {
    let read = section.read(key, "a duration of at least 1s, such as \"1d\"", |raw| {
        Duration::read(raw).filter(|time| time.as_secs() > 0)
    });
    read.map(|at| at.value)
}

/// H-SN-4: how long a subnet rests before another has it.
fn constants(section: &Section<'_, '_>) -> Constants {
    let usual = Constants::default();
    let grace = section.read("expiry_grace", "a duration from 1s to 1d, such as \"5m\"", |raw| {
        Duration::read(raw).filter(|grace| (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(grace))
    });
    Constants { expiry_grace: grace.map_or(usual.expiry_grace, |at| at.value), ..usual }
}

/// SN-53: what is entered here, apart from each other and from what the configuration leases from.
fn roots(reader: &Reader<'_>, section: &Section<'_, '_>, prefixes: &[Prefix]) -> Vec<Root> {
    let mut read: Vec<At<Prefix>> = Vec::new();
    let mut roots = Vec::new();
    for table in section.tables("subnet") {
        let prefix = table.required::<Prefix>("prefix");
        let least = Constants::default().least_lease;
        let maximum = table.read("max_lease", "a duration of at least 3m: no shorter lease is given", |raw| {
            Duration::read(raw).filter(|maximum| *maximum >= least)
        });
        let maximum = maximum.map(|at| at.value);
        let fresh = table.or("fresh", false);
        let Some(prefix) = prefix else { continue };
        let would_do = "a prefix apart from the others";
        let Some(subnet) = Block::new(prefix.value.address, prefix.value.len).ok().filter(|_| prefix.value.len <= 30)
        else {
            reader.wrong(&prefix.place, "a prefix of 1 to 30 bits");
            continue;
        };
        if let Some(other) = read.iter().find(|other| other.value == prefix.value) {
            let why = format!("which is in line {} already", reader.line(&other.place));
            reader.wrong_because(&prefix.place, why, would_do);
        } else if let Some(other) = read.iter().find(|other| other.value.overlaps(&prefix.value)) {
            let why = format!("which overlaps {} of line {}", other.value, reader.line(&other.place));
            reader.wrong_because(&prefix.place, why, would_do);
        } else if let Some(other) = prefixes.iter().find(|other| other.overlaps(&prefix.value)) {
            let why = format!("which overlaps {other}, a [[dhcp_server.subnet]]");
            reader.wrong_because(&prefix.place, why, would_do);
        }
        read.push(prefix);
        roots.push(Root { subnet, maximum, fresh });
    }
    roots
}
