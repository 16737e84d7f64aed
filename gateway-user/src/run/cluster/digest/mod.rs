//! What the members of a cluster must agree on, as one number (H-CL-11).
//!
//! It is FNV-1a, 64 bits, over a text of lines `key = value`, sorted: what the members of a cluster say must not depend on how
//! a compiler prints a structure. Left out is what is a member's own: names of interfaces (ports and line cards count by their
//! place), its own number, files, sockets, limits that protect its host, the key it signs with, and how it reaches etcd.

mod cluster;
mod six;
#[cfg(test)]
mod tests;

use std::fmt::{Display, Write as _};

use gateway_core::liveness::Watch;
use gateway_core::scope::{DeviceIdType, ScopeKind};
use gateway_core::time::Duration;
use gateway_core::wire::bulk_release::{CodePoints, Encoding};

use crate::config::{self, Config, OnRestart, RestartWhen, Schedule, Verify};
use crate::run::settings::fnv;

/// The number.
pub(super) fn digest(config: &Config) -> u64 {
    fnv(text(config).as_bytes())
}

/// The text that it is of.
fn text(config: &Config) -> String {
    // A new table or key is one or the other: this does not compile before it is decided.
    let Config {
        gateway,
        fpcs,
        ports,
        upstream,
        servers,
        dhcpv6,
        relay,
        relay_auth,
        bulk_release,
        limits: _,
        units: _,
        cluster,
        statics,
        dhcp_server: _, // the embedded server is one of `servers`
    } = config;
    let mut lines = Lines::default();
    of_gateway(gateway, &mut lines);
    lines.say("upstream.ports", upstream.len());
    for (place, fpc) in fpcs.iter().enumerate() {
        of_fpc(place, fpc, &mut lines);
    }
    for (place, config::AccessPort { name: _, fpc }) in ports.iter().enumerate() {
        lines.say(format_args!("port.{place:05}.fpc"), fpc.0);
    }
    for config::Server { address, release_rate, verify, release_replaced } in servers {
        let verify = match verify {
            Verify::Auto => "auto",
            Verify::Leasequery => "leasequery",
            Verify::None => "none",
        };
        lines.say(format_args!("server.{address}"), format_args!("{release_rate} {verify} {release_replaced}"));
    }
    let config::Relay { circuit_id, remote_id, max_message, max_hops } = relay;
    lines.say("relay.circuit_id", circuit_id);
    lines.say("relay.remote_id", remote_id);
    lines.say("relay.max_message", max_message);
    lines.say("relay.max_hops", max_hops);
    if let Some(config::RelayAuth { key: _, required, replay_window }) = relay_auth {
        lines.say("relay_auth.required", required);
        lines.say("relay_auth.replay_window", replay_window);
    }
    let config::BulkRelease { enabled, wanted: _, code_points, restart_hold } = bulk_release;
    lines.say("bulk_release.enabled", enabled);
    lines.say("bulk_release.restart_hold", nanos(*restart_hold));
    lines.say("bulk_release.code_points", code_points_of(code_points));
    for config::StaticSubscriber { address, mac, port, tags } in statics {
        let (outer, inner) = (tags.outer, tags.inner);
        let tags = format!("{:x}:{} {:x}:{}", outer.tpid, outer.vid, inner.tpid, inner.vid);
        lines.say(format_args!("static.{address}"), format_args!("{} {} {tags}", hex(mac), port.0));
    }
    if let Some(six) = dhcpv6 {
        six::of(six, &mut lines);
    }
    if let Some(cluster) = cluster {
        cluster::of(cluster, &mut lines);
    }
    lines.text()
}

fn of_gateway(gateway: &config::Gateway, lines: &mut Lines) {
    let config::Gateway {
        id,
        state_dir: _,
        bpffs: _,
        capacity,
        control: _,
        control_group: _,
        metrics: _,
        xdp_mode: _,
        store_sync: _,
        kernel_routes: _,
        announce_subnets: _,
        proxy_arp,
        recover: _, // a member gets what it lacks from the others
    } = gateway;
    let id_type = match id.id_type() {
        DeviceIdType::Opaque => "opaque",
        DeviceIdType::Duid => "duid",
        DeviceIdType::Uuid => "uuid",
    };
    lines.say("gateway.id", format_args!("{id_type} {}", hex(id.octets())));
    // Each holds the sessions of all (CL-69).
    lines.say("gateway.capacity", capacity);
    lines.say("gateway.proxy_arp", proxy_arp);
}

fn of_fpc(place: usize, fpc: &config::Fpc, lines: &mut Lines) {
    let config::Fpc {
        name,
        ports: _, // each port says which card it is of
        giaddr,
        link_address6,
        trust_relays6,
        scope,
        on_restart,
        hold_down,
        restart_when,
        schedule,
        max_clients_per_port,
        trust_option_82,
        link_selection,
        server_id_override,
        liveness,
    } = fpc;
    let mut say = |key: &str, value: &dyn Display| lines.say(format_args!("fpc.{place:05}.{key}"), value);
    say("name", name);
    say("giaddr", giaddr);
    say("link_address6", &option(*link_address6));
    say("trust_relays6", trust_relays6);
    let scope = match scope {
        ScopeKind::Address(address) => address.to_string(),
        ScopeKind::Group(group) => hex(group.octets()),
        ScopeKind::Device => "device".to_owned(),
    };
    say("scope", &scope);
    let on_restart = match on_restart {
        OnRestart::Logout => "logout",
        OnRestart::Maintain => "maintain",
    };
    say("on_restart", &on_restart);
    say("hold_down", &nanos(*hold_down));
    let restart_when = match restart_when {
        RestartWhen::AllPorts => "all-ports",
        RestartWhen::AnyPort => "any-port",
    };
    say("restart_when", &restart_when);
    match schedule {
        None => {}
        Some(Schedule::Daily(second)) => say("schedule", &format_args!("daily {second}")),
        Some(Schedule::Every(period)) => say("schedule", &format_args!("every {}", nanos(*period))),
    }
    if let Some(Watch { silent_after, probes, patience }) = liveness {
        say("liveness", &format_args!("{} {probes} {}", nanos(*silent_after), nanos(*patience)));
    }
    say("max_clients_per_port", &option(*max_clients_per_port));
    say("trust_option_82", trust_option_82);
    say("link_selection", &option(*link_selection));
    say("server_id_override", server_id_override);
}

fn code_points_of(points: &CodePoints) -> String {
    let CodePoints { encoding, request_type, reply_type } = points;
    let encoding = match encoding {
        Encoding::Vsi { pen } => format!("vsi {pen}"),
        Encoding::Raw { capability, scope, transaction, result, line } => {
            format!("raw {capability} {scope} {transaction} {result} {line}")
        }
    };
    format!("{encoding} {request_type} {reply_type}")
}

fn nanos(time: Duration) -> u128 {
    time.as_nanos()
}

fn option(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Lines of keys and values.
#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn say(&mut self, key: impl Display, value: impl Display) {
        // A value is one line, whatever is in it.
        let value = value.to_string().escape_default().to_string();
        self.0.push(format!("{key} = {value}"));
    }

    fn text(mut self) -> String {
        self.0.sort_unstable();
        self.0.join("\n")
    }
}
