//! What takes more than one key to judge: names, ports, addresses and code points that must not meet.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::net::Ipv4Addr;
use std::path::Path;

use gateway_common::fpc::MAX_FPCS;
use gateway_common::maps::MAX_PORTS;
use gateway_common::vlan::{VlanTag, VlanTags};
use gateway_core::line::{FpcId, PortId};
use gateway_core::relay::ConfigError;
use gateway_core::scope::{GroupId, ScopeKind};
use gateway_core::wire::bulk_release::{CodePoints, Encoding};

use super::reader::{At, Place, Reader, Section};
use super::tables::{self, RawBulkRelease, RawFpc, RawRelayAuth, RawServer, RawStatic};
use super::types::*;
use super::value::InterfaceName;
use super::{Parsed, cluster, dhcp_server, dhcpv6};

/// Reads the whole file. `None` only after a mistake was kept.
pub(super) fn read(reader: &Reader<'_>, root: &Section<'_, '_>, file: &Path) -> Option<Parsed> {
    let gateway = root.table("gateway");
    let (fpcs, servers, statics) = (root.tables("fpc"), root.tables("server"), root.tables("static"));
    let (upstream, relay_table, auth) = (root.table("upstream"), root.table("relay"), root.table("relay_auth"));
    let (bulk, limits, units) = (root.table("bulk_release"), root.table("limits"), root.table("units"));
    let (dhcp, cluster, six) = (root.table("dhcp_server"), root.table("cluster"), root.table("dhcpv6"));

    let RawRelayAuth { key, required, replay_window, allow_unauthenticated } = tables::relay_auth(reader, &auth, file);
    let raw = tables::bulk_release(&bulk);
    code_points(reader, &raw);
    let code_points = raw.bulk_release.code_points;
    let enterprise = match code_points.encoding {
        Encoding::Vsi { pen } => pen,
        Encoding::Raw { .. } => dhcpv6::ENTERPRISE,
    };
    let single_logout6 = six.or(dhcpv6::SINGLE_LOGOUT, false);
    let key_of_relay = key.as_ref();
    let relay =
        dhcp_server::RelaySide { key: key_of_relay, allow_unauthenticated, code_points, single_logout6, enterprise };
    let embedded = dhcp.exists().then(|| dhcp_server::read(reader, &dhcp, file, &relay)).flatten();
    let mut bulk_release = raw.bulk_release;
    // A single logout that anybody may forge is used only when the operator says so (H-BR-13).
    bulk_release.enabled &= key.is_some() || allow_unauthenticated;

    let any = gateway.exists()
        || cluster.exists()
        || six.exists()
        || !fpcs.is_empty()
        || upstream.exists()
        || !servers.is_empty();
    if !any {
        if !dhcp.exists() {
            let would_do = "[gateway], [[fpc]], [upstream] and [[server]], or [dhcp_server]; `gateway check --example` prints them";
            reader.wrong(&root.place().of_file(), would_do);
        }
        let (dhcp_server, server_control) = embedded.map(|raw| (raw.server, raw.control)).unzip();
        return Some(Parsed { gateway: None, dhcp_server, server_control });
    }

    let settings = tables::gateway(&gateway);
    let id = settings.as_ref().map(|gateway| &gateway.id);
    let six = six.exists().then(|| dhcpv6::read(reader, &six, file, id, enterprise)).flatten();
    let server_tables = servers.len();
    let mut servers: Vec<RawServer> = servers.iter().filter_map(tables::server).collect();
    // One that has its providers assign has nothing to lease.
    let leases = |server: &gateway_server::Config| server.delegated.is_some() || !server.subnets.is_empty();
    if let Some(embedded) = embedded.as_ref().filter(|embedded| leases(&embedded.server))
        && servers.iter().all(|server| server.server.address != embedded.server.listen)
    {
        let (address, release_rate) = (embedded.server.listen, tables::DEFAULT_RELEASE_RATE);
        let server = Server { address, release_rate, verify: Verify::Auto, release_replaced: true };
        servers.push(RawServer { server, place: embedded.listen.clone() });
    }
    if servers.is_empty() && server_tables == 0 {
        reader.wrong(&root.place().of_file(), "a [[server]] with its address, or [dhcp_server]");
    }
    let fpc_tables = fpcs.len();
    let fpcs: Vec<RawFpc> = fpcs.iter().filter_map(|fpc| tables::fpc(reader, fpc)).collect();
    if fpc_tables == 0 {
        reader.wrong(&root.place().of_file(), "an [[fpc]] with name, ports and giaddr");
    }
    let uplinks = upstream.list::<InterfaceName>("ports");
    upstream.require("ports", "a list of interfaces toward the servers, such as [\"eth0\"]");
    names(reader, &fpcs, &uplinks);
    addresses(reader, &fpcs, &servers);
    let mut embedded = embedded;
    if let Some(embedded) = &mut embedded {
        // The relay may ask the server beside it what it has leased.
        let requestors = &mut embedded.server.leasequery.requestors;
        for fpc in &fpcs {
            if !requestors.contains(&fpc.giaddr.value) {
                requestors.push(fpc.giaddr.value);
            }
        }
    }
    let listen6 = embedded.as_ref().and_then(|raw| Some(raw.server.v6.as_ref()?.listen));
    dhcpv6::check(reader, six.as_ref(), &fpcs, listen6, cluster.exists());
    let watched: Vec<_> = fpcs.iter().filter_map(|fpc| fpc.settings.liveness.as_ref()).collect();
    let six = six.map(|mut raw| {
        raw.dhcpv6.release.causes.unavailable |= raw.all_causes && !watched.is_empty();
        dhcpv6::with_embedded(raw.dhcpv6, &fpcs, embedded.as_mut().and_then(|raw| raw.server.v6.as_mut()))
    });
    let cluster = cluster.exists().then(|| {
        let ports: Vec<_> = fpcs.iter().flat_map(|fpc| &fpc.ports).collect();
        cluster::read(reader, &cluster, &ports, &uplinks, units.exists().then(|| units.place()), file)
    });
    if let (Some(at), Some(Some(cluster))) = (watched.first(), &cluster)
        && !cluster.has_one_owner()
    {
        let would_do = "quorum = \"majority\" with fencing: else a part of the cluster may go on that nobody hears of";
        reader.wrong_because(&at.place, "beside a cluster that may split", would_do);
    }
    let (fpcs, ports) = line_cards(reader, fpcs);
    let raw_statics: Vec<RawStatic> = statics.iter().filter_map(tables::static_subscriber).collect();
    if let Some(embedded) = &mut embedded {
        embedded.server.excluded.extend(raw_statics.iter().map(|raw| raw.address.value));
    }
    let (relay, templates) = tables::relay(&relay_table);
    let shared = cluster.iter().flatten().filter_map(|cluster| cluster.address);
    let own: Vec<_> = fpcs.iter().map(|fpc| fpc.giaddr).chain(shared).collect();
    let listen = embedded.iter().map(|raw| raw.server.listen);
    let of_servers: Vec<_> = servers.iter().map(|raw| raw.server.address).chain(listen).collect();
    static_addresses(reader, &raw_statics, &own, &of_servers);
    let statics = static_subscribers(reader, raw_statics, &ports);
    let config = Config {
        statics,
        limits: tables::limits(reader, &limits),
        dhcpv6: six,
        relay,
        units: tables::units(&units),
        cluster: cluster.flatten(),
        upstream: uplinks.into_iter().map(|at| at.value.0).collect(),
        servers: servers.into_iter().map(|raw| raw.server).collect(),
        bulk_release,
        fpcs,
        ports,
        relay_auth: key.map(|key| RelayAuth { key, required, replay_window }),
        dhcp_server: embedded.as_ref().map(|raw| raw.server.clone()),
        gateway: settings?,
    };
    option_82(reader, &config, templates.unwrap_or_else(|| gateway.place()));
    let (dhcp_server, server_control) = embedded.map(|raw| (raw.server, raw.control)).unzip();
    Some(Parsed { gateway: Some(config), dhcp_server, server_control })
}

/// What the relay adds must fit an option whatever line it is for (H-BR-22). `place` is what made it long, as a rule.
fn option_82(reader: &Reader<'_>, config: &Config, place: Place) {
    if let Err(error @ ConfigError::AgentInformation { .. }) = config.relay().check() {
        reader.wrong_because(&place, format!("({error})"), "shorter relay.circuit_id, relay.remote_id, id or group");
    }
}

/// Keeps a mistake at each entry that says what an earlier one said.
pub(super) fn unique<'p, T: Eq + Hash + Display>(
    reader: &Reader<'_>,
    entries: impl Iterator<Item = (T, &'p Place)>,
    would_do: &str,
) {
    let mut seen: HashMap<T, usize> = HashMap::new();
    for (value, place) in entries {
        match seen.get(&value) {
            Some(line) => reader.wrong_because(place, format!("which line {line} has already"), would_do),
            None => drop(seen.insert(value, reader.line(place))),
        }
    }
}

fn names(reader: &Reader<'_>, fpcs: &[RawFpc], uplinks: &[At<InterfaceName>]) {
    unique(reader, fpcs.iter().map(|fpc| (&fpc.name.value.0, &fpc.name.place)), "a name of its own for each FPC");
    let access = fpcs.iter().flat_map(|fpc| &fpc.ports);
    let all = access.chain(uplinks).map(|at| (&at.value.0, &at.place));
    unique(reader, all, "each interface once: it belongs to one FPC or is an upstream port");
}

fn addresses(reader: &Reader<'_>, fpcs: &[RawFpc], servers: &[RawServer]) {
    unique(reader, servers.iter().map(|raw| (raw.server.address, &raw.place)), "each server once");
    for RawServer { server, place } in servers {
        if server.address.is_unspecified() || server.address.is_broadcast() || server.address.is_multicast() {
            reader.wrong(place, "the unicast address of one server");
        }
    }
    for fpc in fpcs {
        let At { value, place } = &fpc.giaddr;
        if value.is_unspecified() || value.is_broadcast() || value.is_multicast() || value.is_loopback() {
            reader.wrong(place, "the gateway's own unicast address on the subscribers' side");
        }
        if let Some(server) = servers.iter().find(|raw| raw.server.address == *value) {
            let why = format!("which is the server of line {}", reader.line(&server.place));
            reader.wrong_because(place, why, "an address of the gateway that no server has");
        }
    }
}

/// Numbers the line cards and their ports, and decides what a single logout of each names (BR-13 to BR-18).
fn line_cards(reader: &Reader<'_>, raw: Vec<RawFpc>) -> (Vec<Fpc>, Vec<AccessPort>) {
    if raw.len() > usize::from(MAX_FPCS) {
        reader.wrong(&raw[usize::from(MAX_FPCS)].place, format!("at most {MAX_FPCS} FPCs"));
    }
    let users = |giaddr| raw.iter().filter(|fpc| fpc.giaddr.value == giaddr).count();
    let (mut fpcs, mut ports, mut groups) = (Vec::new(), Vec::new(), HashMap::new());
    for fpc in &raw {
        // An address on the interfaces of two or more cards is shared (BR-13), and then a group takes its place.
        let scope = if users(fpc.giaddr.value) > 1 {
            let group = fpc.group.as_ref().unwrap_or(&fpc.name);
            let before = groups.insert(group.value.0.clone(), reader.line(&group.place));
            if let Some(line) = before {
                let why = format!("which is the group of line {line} too: one logout would end both");
                reader.wrong_because(&group.place, why, "a group of its own for each FPC of a shared giaddr");
            }
            GroupId::new(group.value.0.as_bytes()).map(ScopeKind::Group)
        } else {
            Some(ScopeKind::Address(fpc.giaddr.value))
        };
        let first = ports.len();
        let id = FpcId(fpcs.len() as u16);
        ports.extend(fpc.ports.iter().map(|at| AccessPort { name: at.value.0.clone(), fpc: id }));
        let settings = &fpc.settings;
        fpcs.push(Fpc {
            name: fpc.name.value.0.clone(),
            ports: (first..ports.len()).map(|index| PortId(index as u16)).collect(),
            giaddr: fpc.giaddr.value,
            link_address6: fpc.link_address6.as_ref().map(|at| at.value),
            trust_relays6: settings.trust_relays6,
            scope: scope.expect("a name has 1 to 32 octets"),
            on_restart: settings.on_restart,
            hold_down: settings.hold_down,
            restart_when: settings.restart_when,
            schedule: settings.schedule,
            max_clients_per_port: settings.max_clients_per_port,
            trust_option_82: settings.trust_option_82,
            link_selection: settings.link_selection,
            server_id_override: settings.server_id_override,
            liveness: settings.liveness.as_ref().map(|at| at.value),
        });
    }
    if ports.len() >= MAX_PORTS as usize {
        let place = &raw.last().expect("ports come from an FPC").place;
        reader.wrong(place, format!("fewer than {MAX_PORTS} ports in all"));
    }
    (fpcs, ports)
}

/// What is sent to a static subscriber's address goes to its line, whoever else has it: so nobody else may.
fn static_addresses(reader: &Reader<'_>, raw: &[RawStatic], own: &[Ipv4Addr], servers: &[Ipv4Addr]) {
    unique(reader, raw.iter().map(|raw| (raw.address.value, &raw.address.place)), "each address once");
    let would_do = "an address that the subscriber alone has";
    for At { value, place } in raw.iter().map(|raw| &raw.address) {
        if value.is_unspecified() || value.is_broadcast() || value.is_multicast() || value.is_loopback() {
            reader.wrong(place, "the subscriber's unicast address");
        } else if own.contains(value) {
            reader.wrong_because(place, "which is the gateway's own", would_do);
        } else if servers.contains(value) {
            reader.wrong_because(place, "which is a server's", would_do);
        }
    }
}

fn static_subscribers(reader: &Reader<'_>, raw: Vec<RawStatic>, ports: &[AccessPort]) -> Vec<StaticSubscriber> {
    let resolve = |raw: RawStatic| {
        if let (Some(inner), None) = (&raw.inner, &raw.outer) {
            reader.wrong_because(&inner.place, "without an outer tag", "outer = the tag, or outer and inner");
        }
        let port = ports.iter().position(|port| port.name == raw.port.value.0);
        if port.is_none() {
            let known: Vec<_> = ports.iter().map(|port| port.name.as_str()).collect();
            reader.wrong_because(&raw.port.place, "which no FPC has", format!("one of {}", known.join(", ")));
        }
        let tag = |tag: Option<At<super::value::Tag>>| tag.map_or(VlanTag::default(), |at| at.value.0);
        let tags = VlanTags { outer: tag(raw.outer), inner: tag(raw.inner) };
        Some(StaticSubscriber { address: raw.address.value, mac: raw.mac, port: PortId(port? as u16), tags })
    };
    raw.into_iter().filter_map(resolve).collect()
}

/// Refuses numbers that mean something else already (wire reference, table 7.1).
fn code_points(reader: &Reader<'_>, raw: &RawBulkRelease) {
    let CodePoints { request_type, reply_type, .. } = raw.bulk_release.code_points;
    // RELEASE is reused for the request on purpose; 1 to 18 are assigned (RFC 2131, 3203, 4388, 6926, 7724).
    if let Some(place) = &raw.request_type
        && (request_type == 0 || request_type == 255 || (request_type <= 18 && request_type != 7))
    {
        reader.wrong_because(place, "which is another DHCP message type", "7 (RELEASE) or a number from 19 to 254");
    }
    if let Some(place) = &raw.reply_type
        && (reply_type <= 18 || reply_type == 255)
    {
        reader.wrong_because(place, "which is another DHCP message type", "a number from 19 to 254, such as 250");
    }
    if request_type == reply_type
        && let Some(place) = raw.reply_type.as_ref().or(raw.request_type.as_ref())
    {
        reader.wrong_because(place, "for both request_type and reply_type", "two different message types");
    }
    if let Some(At { value: codes, place }) = &raw.codes {
        // 1 to 19, 151 and 152 are registered (RFC 3046 and later).
        let taken = codes.iter().find(|code| **code <= 19 || [151, 152, 255].contains(*code));
        if let Some(code) = taken {
            let why = format!("where {code} is another sub-option");
            reader.wrong_because(place, why, "four codes from 20 to 254 without 151 and 152");
        }
        let twice = (1..4).find(|index| codes[..*index].contains(&codes[*index]));
        if let Some(index) = twice {
            let why = format!("where {} stands twice", codes[index]);
            reader.wrong_because(place, why, "four different codes: capability, scope, transaction, result");
        }
    }
}
