//! What the members of a cluster must agree on, as one number (H-CL-11).
//!
//! It is FNV-1a, 64 bits, over a text of lines `key = value`, sorted: what the members of a cluster say must not depend on how
//! a compiler prints a structure. Left out is what is a member's own: names of interfaces (ports and line cards count by their
//! place), its own number, files, sockets, limits that protect its host, the key it signs with, and how it reaches etcd.

use std::fmt::{Display, Write as _};

use gateway_core::cluster::{Constants, Estimator, Quorum};
use gateway_core::liveness::Watch;
use gateway_core::replication::{GateConfig, WhenShort};
use gateway_core::scope::{DeviceIdType, ScopeKind};
use gateway_core::time::Duration;
use gateway_core::wire::bulk_release::{CodePoints, Encoding};

use super::digest6;
use super::settings::fnv;
use crate::config::{self, Cluster, Config, Coordination, Delivery, OnRestart, RestartWhen, Schedule, Verify};

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
    let config::BulkRelease { enabled, code_points, restart_hold } = bulk_release;
    lines.say("bulk_release.enabled", enabled);
    lines.say("bulk_release.restart_hold", nanos(*restart_hold));
    lines.say("bulk_release.code_points", code_points_of(code_points));
    for config::StaticSubscriber { address, mac, port, tags } in statics {
        let (outer, inner) = (tags.outer, tags.inner);
        let tags = format!("{:x}:{} {:x}:{}", outer.tpid, outer.vid, inner.tpid, inner.vid);
        lines.say(format_args!("static.{address}"), format_args!("{} {} {tags}", hex(mac), port.0));
    }
    if let Some(six) = dhcpv6 {
        digest6::of(six, &mut lines);
    }
    if let Some(cluster) = cluster {
        of_cluster(cluster, &mut lines);
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

fn of_cluster(cluster: &Cluster, lines: &mut Lines) {
    let Cluster {
        name,
        member: _,
        members,
        address,
        address6,
        link_local,
        interface: _,
        links: _,
        transport: _, // each pair of members agrees by itself
        paths: _,
        port,
        group,
        delivery,
        unit_key,
        profile: _, // what counts are the constants
        version: _, // compared by itself
        quorum,
        sync: GateConfig { sync, timeout, when_short },
        backlog: _,
        constants,
        files: _,
        coordination,
    } = cluster;
    lines.say("cluster.name", name);
    for config::ClusterMember { id, name, address } in members {
        lines.say(format_args!("cluster.member.{id}"), format_args!("{name} {address}"));
    }
    lines.say("cluster.address", option(*address));
    lines.say("cluster.address6", option(*address6));
    lines.say("cluster.link_local", link_local);
    lines.say("cluster.port", port);
    // Not the key itself: the number travels where others may listen.
    lines.say("cluster.unit_key", unit_key.fingerprint());
    lines.say("cluster.group", group);
    let delivery = match delivery {
        Delivery::Forward => "forward".to_owned(),
        Delivery::Unicast(mac) => format!("unicast {}", hex(mac)),
        Delivery::Multicast(mac) => format!("multicast {}", hex(mac)),
    };
    lines.say("cluster.delivery", delivery);
    let quorum = match quorum {
        Quorum::Majority => "majority",
        Quorum::Degraded => "degraded",
        Quorum::None => "none",
    };
    lines.say("cluster.quorum", quorum);
    let when_short = match when_short {
        WhenShort::Wait => "wait",
        WhenShort::Degrade => "degrade",
    };
    lines.say("cluster.sync", format_args!("{sync} {} {when_short}", nanos(*timeout)));
    let coordination = match coordination {
        Coordination::BuiltIn => "built-in".to_owned(),
        // Each member may reach it in its own way.
        Coordination::Etcd(config::Etcd { endpoints: _, lease, ca: _, identity: _ }) => {
            format!("etcd {}", nanos(*lease))
        }
    };
    lines.say("cluster.coordination", coordination);
    of_constants(constants, lines);
}

fn of_constants(constants: &Constants, lines: &mut Lines) {
    let mut say = |key: &str, value: &dyn Display| lines.say(format_args!("cluster.constants.{key}"), value);
    macro_rules! each {
        ($($key:ident: $text:expr),* $(,)?) => {{
            let Constants { $($key),* } = constants;
            $(say(stringify!($key), &$text($key));)*
        }};
    }
    let time = |time: &Duration| nanos(*time);
    let perhaps = |time: &Option<Duration>| option(time.map(nanos));
    let which = |estimator: &Estimator| match estimator {
        Estimator::Document => "document",
        Estimator::Corrected => "corrected",
    };
    let times = |times: &[Duration]| times.iter().map(|time| nanos(*time).to_string()).collect::<Vec<_>>().join(" ");
    each! {
        watchdog: time,
        patience: u32::to_string,
        support: time,
        fencing: perhaps,
        margin: time,
        pause_limit: perhaps,
        join_wait: time,
        join_retry: time,
        join_limit: time,
        refused_retry: time,
        offer_jitter: time,
        offer_wait: time,
        offer_repeat: time,
        term_first: bool::to_string,
        estimator: which,
        smoothing: u32::to_string,
        gap_max: u32::to_string,
        n_min: u8::to_string,
        n_max: u8::to_string,
        intervals_per_failure: |number: &f64| number.to_bits(),
        master_keepalives: u32::to_string,
        table_every: u32::to_string,
        tick: time,
        resend: time,
        pool_per_tick: usize::to_string,
        apply_limit: time,
        balance_every: time,
        moves_per_balance: usize::to_string,
        drain_moves: usize::to_string,
        hysteresis_percent: u32::to_string,
        weigh_load: bool::to_string,
        freeze: time,
        hold_per_unit: usize::to_string,
        hold_total: usize::to_string,
        hold_time: time,
        announce: times,
        announce_every: time,
    }
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

pub(super) fn nanos(time: Duration) -> u128 {
    time.as_nanos()
}

pub(super) fn option(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Lines of keys and values.
#[derive(Default)]
pub(super) struct Lines(Vec<String>);

impl Lines {
    pub(super) fn say(&mut self, key: impl Display, value: impl Display) {
        // A value is one line, whatever is in it.
        let value = value.to_string().escape_default().to_string();
        self.0.push(format!("{key} = {value}"));
    }

    fn text(mut self) -> String {
        self.0.sort_unstable();
        self.0.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FILE: &str = r#"
[gateway]
id = "BNG-0042"
[[fpc]]
name = "fpc0"
ports = ["eth1", "eth2"]
giaddr = "100.64.0.1"
[[fpc]]
name = "fpc1"
ports = ["eth3"]
giaddr = "100.65.0.1"
[upstream]
ports = ["eth0"]
[[server]]
address = "192.0.2.2"
[relay]
max_hops = 16
[relay_auth]
key_id = 1
key = "00112233445566778899aabbccddeeff"
[bulk_release]
restart_hold = "5s"
[limits]
line_rate = 200
[cluster]
name = "access-1"
me = "gw-a"
interface = "eth4"
[cluster.constants]
resend = "20ms"
[[cluster.member]]
id = 1
name = "gw-a"
address = "198.51.100.1"
[[cluster.member]]
id = 2
name = "gw-b"
address = "198.51.100.2"
[[static]]
address = "100.64.0.2"
mac = "02:00:00:00:00:02"
port = "eth1"
"#;

    fn read(file: &str) -> Config {
        config::parse(Path::new("no-such-file.toml"), file).unwrap_or_else(|error| panic!("{error}")).gateway.unwrap()
    }

    /// With another line in place of this one.
    fn with(line: &str, by: &str) -> Config {
        let (line, by) = (format!("\n{line}\n"), format!("\n{by}\n"));
        assert_eq!(FILE.matches(&line).count(), 1, "{line:?} is one line of the file");
        read(&FILE.replace(&line, &by))
    }

    /// H-CL-11: whatever members must agree on makes another number, each key by itself.
    #[test]
    fn what_must_be_the_same() {
        let (cluster, fpc, gateway) = ("name = \"access-1\"", "giaddr = \"100.64.0.1\"", "id = \"BNG-0042\"");
        let and = |line: &str, key: &str| (line.to_owned(), format!("{line}\n{key}"));
        let instead = |line: &str, by: &str| (line.to_owned(), by.to_owned());
        let unicast = "delivery = \"unicast\"\nmac = \"02:00:00:00:43:01\"";
        let etcd = "coordination = \"etcd\"\netcd = { endpoints = [\"http://192.0.2.10:2379\"], lease = \"3s\" }";
        let mut changes = vec![
            instead(gateway, "id = \"BNG-0043\""),
            instead(gateway, "id = \"42\"\nid_type = \"duid\""),
            and(gateway, "capacity = 4096"),
            and(gateway, "proxy_arp = false"),
            instead("name = \"fpc0\"", "name = \"fpc7\""),
            instead(fpc, "giaddr = \"100.66.0.1\""),
            and(fpc, "on_restart = \"maintain\""),
            and(fpc, "hold_down = \"3s\""),
            and(fpc, "liveness = { idle = \"90s\" }"),
            and(fpc, "liveness = { idle = \"5m\", probes = 5 }"),
            and(fpc, "liveness = { idle = \"5m\", interval = \"3s\" }"),
            and(fpc, "restart_when = \"any-port\""),
            and(fpc, "schedule = \"daily 03:00\""),
            and(fpc, "schedule = \"every 24h\""),
            and(fpc, "max_clients_per_port = 8"),
            and(fpc, "trust_option_82 = true"),
            and(fpc, "link_selection = \"100.64.0.0\""),
            and(fpc, "server_id_override = true"),
            instead("ports = [\"eth1\", \"eth2\"]", "ports = [\"eth1\"]"),
            instead("ports = [\"eth0\"]", "ports = [\"eth0\", \"eth5\"]"),
            instead("address = \"192.0.2.2\"", "address = \"192.0.2.3\""),
            and("address = \"192.0.2.2\"", "release_rate = 7"),
            and("address = \"192.0.2.2\"", "verify = \"none\""),
            instead("max_hops = 16", "max_hops = 4"),
            and("max_hops = 16", "circuit_id = \"{port}\""),
            and("max_hops = 16", "remote_id = \"\""),
            and("max_hops = 16", "max_message = 1000"),
            and("key_id = 1", "required = true"),
            and("key_id = 1", "replay_window = true"),
            and("restart_hold = \"5s\"", "enabled = false"),
            and("restart_hold = \"5s\"", "pen = 7"),
            and("restart_hold = \"5s\"", "encoding = \"raw\""),
            instead("restart_hold = \"5s\"", "restart_hold = \"6s\""),
            instead(cluster, "name = \"access-2\""),
            and(cluster, "address = \"192.0.2.1\""),
            and(cluster, "address = \"192.0.2.9\""),
            and(cluster, "port = 16068"),
            and(cluster, "group = \"239.255.67.68\""),
            and(cluster, unicast),
            and(cluster, "quorum = \"degraded\""),
            and(cluster, "sync = 0"),
            and(cluster, "sync_timeout = \"70ms\""),
            and(cluster, "sync_policy = \"wait\""),
            and(cluster, "profile = \"document\""),
            and(cluster, etcd),
            and(cluster, &etcd.replace("3s", "4s")),
            instead("resend = \"20ms\"", "resend = \"21ms\""),
            and("resend = \"20ms\"", "fencing = \"off\""),
            and("resend = \"20ms\"", "intervals_per_failure = 3600"),
            instead("name = \"gw-b\"", "name = \"gw-c\""),
            instead("address = \"198.51.100.2\"", "address = \"198.51.100.3\""),
            instead("id = 2", "id = 3"),
            instead("address = \"100.64.0.2\"", "address = \"100.64.0.3\""),
            instead("mac = \"02:00:00:00:00:02\"", "mac = \"02:00:00:00:00:03\""),
            instead("port = \"eth1\"", "port = \"eth2\""),
            and("port = \"eth1\"", "outer = 5"),
        ];
        changes.push(instead(cluster, cluster));
        let mut seen = std::collections::HashMap::new();
        for (line, by) in &changes {
            let former = seen.insert(digest(&with(line, by)), by);
            assert_eq!(former, None, "{by:?} makes the number of {former:?}");
        }
        // The key of the units, which is not in the text itself.
        let keys = ["00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeefe"].map(|key| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("units.key");
            std::fs::write(&path, key).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            let config = with(cluster, &format!("{cluster}\nunit_key_file = \"{}\"", path.display()));
            assert!(!text(&config).contains(key));
            digest(&config)
        });
        assert!(keys[0] != keys[1] && keys.iter().all(|key| !seen.contains_key(key)));
        // Each constant by itself.
        let production = Constants::production();
        let mut lines = Lines::default();
        of_constants(&production, &mut lines);
        let debug = format!("{production:#?}");
        let field = |line: &&str| line.starts_with("    ") && !line.starts_with("     ") && line.contains(": ");
        assert_eq!(lines.0.len(), debug.lines().filter(field).count());
    }

    /// And what is a member's own does not: two members of one cluster say the same.
    #[test]
    fn what_is_a_members_own() {
        let plain = digest(&read(FILE));
        let own = FILE.replace("eth1", "ens1").replace("eth2", "ens2").replace("eth3", "ens3").replace("eth0", "ens0");
        let own = own
            .replace("eth4", "ens4")
            .replace(
                "\nme = \"gw-a\"",
                "\nme = \"gw-b\"\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\nca = \"/ca.pem\"\ncrl = \"/l.pem\"",
            )
            .replace("name = \"access-1\"", "name = \"access-1\"\nversion = 9\nbacklog = 20000")
            .replace("line_rate = 200", "line_rate = 300\n[limits.lockout]\ncycles = 3\nwithin = \"1m\"\nfor = \"1m\"")
            .replace("key_id = 1\nkey = \"00", "key_id = 2\nkey = \"ff")
            .replace(
                "id = \"BNG-0042\"",
                "id = \"BNG-0042\"\nstate_dir = \"/s\"\nbpffs = \"/b\"\ncontrol = \"/c\"\ncontrol_group = \"netops\"\n\
                 metrics = \"off\"\nstore_sync = \"disk\"\nxdp_mode = \"generic\"\nkernel_routes = false",
            );
        assert_eq!(digest(&read(&own)), plain);
        // Neither does the order in which a file lists what has no order.
        let (head, rest) = FILE.split_once("[[cluster.member]]\nid = 1").unwrap();
        let (first, rest) = rest.split_once("[[cluster.member]]\n").unwrap();
        let (second, rest) = rest.split_once("[[static]]").unwrap();
        let turned = format!("{head}[[cluster.member]]\n{second}[[cluster.member]]\nid = 1{first}[[static]]{rest}");
        assert_eq!(digest(&read(&turned)), plain);
        // How etcd is reached.
        let etcd = |endpoint: &str| {
            let etcd =
                format!("name = \"access-1\"\ncoordination = \"etcd\"\netcd.endpoints = [\"http://{endpoint}\"]");
            digest(&with("name = \"access-1\"", &etcd))
        };
        assert_eq!(etcd("192.0.2.10:2379"), etcd("192.0.2.11:2379"));
    }

    /// The same on every member, whatever built it: a number that a change of this serialisation changes.
    #[test]
    fn it_is_defined() {
        let text = text(&read(FILE));
        assert!(text.lines().is_sorted() && text.contains("\ncluster.constants.watchdog = 200000000\n"), "{text}");
        assert!(
            text.contains("\nfpc.00001.giaddr = 100.65.0.1\n") && text.contains("\nport.00002.fpc = 1\n"),
            "{text}"
        );
        assert!(text.contains("\ncluster.member.2 = gw-b 198.51.100.2\n"), "{text}");
        assert_eq!(fnv(b"a"), 0xaf63_dc4c_8601_ec8c, "FNV-1a of one octet, as published");
    }
}
