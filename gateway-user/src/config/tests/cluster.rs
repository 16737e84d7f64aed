//! `[cluster]`: what it means and what is wrong with one.

use std::time::Duration;

use gateway_common::unit::UnitKey;
use gateway_core::association::Hysteresis;
use gateway_core::cluster::{Constants, Estimator, Quorum};
use gateway_core::member::Term;
use gateway_core::replication::{GateConfig, WhenShort};

use super::{BASE, gateway, parse};
use crate::config::*;

/// The lines of the example that are about the cluster.
pub(super) fn example() -> String {
    let start = EXAMPLE.find("# [cluster]").expect("the example has a cluster");
    let length = EXAMPLE[start..].find("\n\n").expect("and more after it");
    EXAMPLE[start..start + length + 1].to_owned()
}

/// Two members and what has no default. Lines 13 to 24 of the file.
const CLUSTER: &str = r#"
[cluster]
name = "access-1"
me = "gw-a"
interface = "eth2"
[[cluster.member]]
id = 1
name = "gw-a"
address = "198.51.100.1"
[[cluster.member]]
id = 2
name = "gw-b"
address = "198.51.100.2"
"#;

fn cluster(text: &str) -> Cluster {
    gateway(&format!("{BASE}{text}")).cluster.expect("a cluster")
}

fn message(line: &str, by: &str) -> String {
    let (line, by) = (format!("\n{line}\n"), format!("\n{by}\n"));
    assert_eq!(CLUSTER.matches(&line).count(), 1, "{line:?} is one line of the base");
    match parse(&format!("{BASE}{}", CLUSTER.replace(&line, &by))) {
        Ok(_) => "no mistake".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

/// Every default that the example shows is the default, and every key of it is known.
#[test]
fn the_example_shows_the_defaults() {
    let plain = cluster(CLUSTER);
    let special = ["address = \"192.0.2.1\"", "address6", "mac"];
    // It needs a file.
    let lines = example().replace("# unit_key_file = \"units.key\"", "#").replace("\n# ", "\n");
    let lines = lines.strip_prefix("# ").unwrap();
    let (head, rest) = lines.split_once("[cluster.etcd]").expect("it shows etcd");
    let (etcd, constants) = rest.split_once("[cluster.constants]").expect("and constants");
    assert_eq!(etcd.lines().count(), 6);
    let plainly = format!("{head}[cluster.constants]{constants}");
    let shown: Vec<_> = plainly.lines().filter(|line| !special.iter().any(|key| line.starts_with(key))).collect();
    assert!(shown.len() > 25);
    assert_eq!(format!("{:?}", cluster(&shown.join("\n"))), format!("{plain:?}"));
    let all = lines.replace("delivery = \"forward\"", "delivery = \"unicast\"");
    let all = cluster(&all.replace("coordination = \"built-in\"", "coordination = \"etcd\""));
    assert_eq!(all.address, Some([192, 0, 2, 1].into()));
    assert_eq!((all.address6, all.link_local), ("2001:db8:0:1::1".parse().ok(), "fe80::1".parse().unwrap()));
    assert_eq!(all.delivery, Delivery::Unicast([2, 0, 0, 0, 0x43, 1]));
    let identity = ("/etc/gateway/etcd/certificate.pem".into(), "/etc/gateway/etcd/key.pem".into());
    let etcd = Etcd {
        endpoints: vec!["http://192.0.2.10:2379".to_owned()],
        lease: Duration::from_secs(2),
        ca: Some("/etc/gateway/etcd/ca.pem".into()),
        identity: Some(identity),
    };
    assert_eq!(all.coordination, Coordination::Etcd(etcd));
}

/// H-CL-13: a cluster that nobody told otherwise forwards, and asks no router to believe in a multicast MAC.
///
/// CL-6: cluster's name, own address, cluster address, certificates: a member's personality.
#[test]
fn a_member_knows_itself() {
    let config = cluster(CLUSTER);
    assert_eq!((config.member.get(), &*config.name, &*config.interface), (1, "access-1", "eth2"));
    assert_eq!(config.get(config.member).unwrap().address, std::net::Ipv4Addr::new(198, 51, 100, 1));
    assert_eq!(config.names()[1].1, "gw-b");
    assert_eq!((config.port, config.group, config.quorum), (16067, [239, 255, 67, 67].into(), Quorum::Majority));
    let sync = GateConfig { sync: 1, timeout: Duration::from_millis(50), when_short: WhenShort::Degrade };
    assert_eq!((config.sync, config.delivery, config.profile), (sync, Delivery::Forward, Profile::Production));
    assert!(gateway(BASE).cluster.is_none());
    let core = cluster(&CLUSTER.replace("[cluster]\n", "[cluster]\nversion = 9\nquorum = \"none\"\n")).core(7, Term(5));
    assert_eq!((core.me.get(), core.config_version, core.config_digest, core.first_term), (1, 9, 7, Term(5)));
    assert_eq!((&*core.members[1].name, core.members[1].ip), ("gw-b", [198, 51, 100, 2].into()));
    assert_eq!((core.quorum, core.constants), (Quorum::None, Constants::production()));
    assert!(core.objectors, "the packet loop has a say");
    let alone = CLUSTER.rsplit_once("[[cluster.member]]").unwrap().0;
    assert_eq!(cluster(alone).sync.sync, 0, "a cluster of one waits for nobody");
}

/// The clusters in the guide have no mistake, with etcd and without.
#[test]
fn the_guide_is_right() {
    let guide = include_str!("../../../../docs/cluster.md");
    let mut blocks = guide.split("```toml\n[cluster]\n").skip(1).filter_map(|rest| rest.split("```").next());
    let (plain, etcd) = (blocks.next().expect("a cluster"), blocks.next().expect("one with etcd"));
    let built_in = cluster(&format!("[cluster]\n{plain}"));
    assert_eq!((built_in.members.len(), built_in.coordination), (3, Coordination::BuiltIn));
    let Coordination::Etcd(etcd) = cluster(&format!("[cluster]\n{etcd}{plain}")).coordination else { panic!("etcd") };
    assert_eq!(etcd.endpoints.len(), 3);
}

/// What the streams run over is each member's own matter, and so is when their addresses change (H-SC-8).
#[test]
fn streams() {
    let plain = cluster(CLUSTER);
    assert_eq!((plain.transport, &plain.links[..]), (Transport::Auto, &[][..]));
    assert_eq!(plain.paths, Hysteresis::default());
    let keys = "[cluster]\ntransport = \"sctp\"\nlinks = [\"eth5\", \"eth0\"]\n\
                paths = { margin = 50, better_for = \"1s\", fading_for = \"2s\", hold_down = \"1m\" }\n";
    let config = cluster(&CLUSTER.replace("[cluster]\n", keys));
    assert_eq!((config.transport, config.links.join(" ")), (Transport::Sctp, "eth5 eth0".to_owned()));
    let [t_up, t_down, hold_down] = [1, 2, 60].map(Duration::from_secs);
    assert_eq!(config.paths, Hysteresis { margin: 50, t_up, t_down, hold_down, ..Hysteresis::default() });
}

#[test]
fn mistakes() {
    let (me, interface, second) = ("me = \"gw-a\"", "interface = \"eth2\"", "name = \"gw-b\"");
    let with = |keys: &str| format!("{interface}\n{keys}");
    let table: &[(&str, &str, &str)] = &[
        (
            "name = \"access-1\"",
            "name = \"Access 1\"",
            "g.toml:14: cluster.name: found \"Access 1\"; would do: 1 to 63 lower-case letters, digits and `-`, a letter first and no `-` last",
        ),
        (
            me,
            "me = \"gw-c\"",
            "g.toml:15: cluster.me: found \"gw-c\" which is no [[cluster.member]]; would do: one of \"gw-a\", \"gw-b\"",
        ),
        (
            me,
            "",
            "g.toml:13: cluster.me: found nothing; would do: 1 to 63 lower-case letters, digits and `-`, a letter first and no `-` last",
        ),
        (
            interface,
            "interface = \"eth1\"",
            "g.toml:16: cluster.interface: found \"eth1\" which is a port of an FPC; would do: an interface toward the members alone",
        ),
        (
            interface,
            "interface = \"eth0\"",
            "g.toml:16: cluster.interface: found \"eth0\" which is an upstream port; would do: an interface toward the members alone",
        ),
        (
            interface,
            &with("transport = \"quic\""),
            "g.toml:17: cluster.transport: found \"quic\"; would do: \"auto\", \"sctp\" or \"tcp\"",
        ),
        (
            interface,
            &with("links = [\"eth5\", \"eth1\"]"),
            "g.toml:17: cluster.links: found \"eth1\" which is a port of an FPC; would do: further interfaces toward the members",
        ),
        (
            interface,
            &with("links = [\"eth2\"]"),
            "g.toml:17: cluster.links: found \"eth2\" which is the first already; would do: further interfaces toward the members",
        ),
        (
            interface,
            &with("paths.fading_for = \"10ms\""),
            "g.toml:17: cluster.paths.fading_for: found \"10ms\"; would do: a duration from 100ms to 1h, such as \"3s\"",
        ),
        (
            second,
            "name = \"gw-a\"",
            "g.toml:23: cluster.member.name: found \"gw-a\" which line 19 has already; would do: a name of its own for each member",
        ),
        (
            "id = 2",
            "id = 1",
            "g.toml:22: cluster.member.id: found 1 which line 18 has already; would do: a number of its own for each member",
        ),
        ("id = 2", "id = 255", "g.toml:22: cluster.member.id: found 255; would do: a number from 1 to 254"),
        (
            "address = \"198.51.100.2\"",
            "address = \"198.51.100.1\"",
            "g.toml:24: cluster.member.address: found \"198.51.100.1\" which line 20 has already; would do: an address of its own for each member",
        ),
        (
            interface,
            &with("address = \"198.51.100.2\""),
            "g.toml:25: cluster.member.address: found \"198.51.100.2\"; would do: the member's own address on the cluster's link",
        ),
        (
            interface,
            &with("group = \"10.0.0.1\""),
            "g.toml:17: cluster.group: found \"10.0.0.1\"; would do: an IPv4 multicast address, such as \"239.255.67.67\"",
        ),
        (interface, &with("port = 0"), "g.toml:17: cluster.port: found 0; would do: a number from 1 to 65535"),
        (
            interface,
            &with("delivery = \"broadcast\""),
            "g.toml:17: cluster.delivery: found \"broadcast\"; would do: \"forward\", \"unicast\" or \"multicast\"",
        ),
        (
            interface,
            &with("delivery = \"unicast\""),
            "g.toml:13: cluster.mac: found nothing; would do: a unicast MAC address that the members share, such as \"02:00:00:00:43:01\"",
        ),
        (
            interface,
            &with("delivery = \"multicast\"\nmac = \"02:00:00:00:43:01\""),
            "g.toml:18: cluster.mac: found \"02:00:00:00:43:01\"; would do: a multicast MAC address, such as \"03:00:00:00:43:01\"",
        ),
        (
            interface,
            &with("mac = \"02:00:00:00:43:01\""),
            "g.toml:17: cluster.mac: found \"02:00:00:00:43:01\" with delivery = \"forward\"; would do: no mac: each member has its own",
        ),
        (
            interface,
            &with("sync = 2"),
            "g.toml:17: cluster.sync: found 2 of 1 other members; would do: 0 (replies wait for nobody) or fewer than there are members",
        ),
        (
            interface,
            &with("sync_timeout = \"1m\""),
            "g.toml:17: cluster.sync_timeout: found \"1m\"; would do: a duration from 1ms to 10s, such as \"50ms\"",
        ),
        (
            interface,
            &with("coordination = \"etcd\""),
            "g.toml:13: cluster.etcd.endpoints: found nothing; would do: a list of etcd's endpoints, such as [\"http://192.0.2.10:2379\"]",
        ),
        (
            interface,
            &with("coordination = \"etcd\"\netcd.endpoints = [\"192.0.2.10:2379\"]"),
            "g.toml:18: cluster.etcd.endpoints: found \"192.0.2.10:2379\"; would do: a URL of host and port, such as \"http://192.0.2.10:2379\"",
        ),
        (
            interface,
            &with("coordination = \"etcd\"\netcd.endpoints = []"),
            "g.toml:18: cluster.etcd.endpoints: found []; would do: a list of etcd's endpoints, such as [\"http://192.0.2.10:2379\"]",
        ),
        (
            interface,
            &with("etcd.endpoints = [\"http://192.0.2.10:2379\"]"),
            "g.toml:17: cluster.etcd: found this table without coordination = \"etcd\"; would do: both or neither",
        ),
        (
            interface,
            &with("coordination = \"etcd\"\netcd.endpoints = [\"https://192.0.2.10:2379\"]"),
            "g.toml:18: cluster.etcd.ca: found nothing; would do: the certificate of the authority that etcd's are of, a PEM file",
        ),
        (
            interface,
            &with("coordination = \"etcd\"\netcd = { endpoints = [\"http://192.0.2.10:2379\"], key = \"/k\" }"),
            "g.toml:18: cluster.etcd.key: found \"/k\" alone; would do: certificate and key, both or neither",
        ),
        (
            interface,
            &with("coordination = \"etcd\"\netcd = { endpoints = [\"http://192.0.2.10:2379\"], lease = \"1500ms\" }"),
            "g.toml:18: cluster.etcd.lease: found \"1500ms\"; would do: whole seconds from 2s to 60s, such as \"2s\"",
        ),
        (
            interface,
            &with("quorum = \"degraded\"\ncoordination = \"etcd\"\netcd.endpoints = [\"http://192.0.2.10:2379\"]"),
            "g.toml:17: cluster.quorum: found \"degraded\" with coordination = \"etcd\"; would do: \"majority\" or \"none\": etcd is the witness that two members lack",
        ),
        (
            interface,
            &with("quorom = \"none\""),
            "g.toml:17: cluster.quorom: found an unknown key; would do: did you mean `quorum`?",
        ),
    ];
    for (line, by, expected) in table {
        assert_eq!(message(line, by), *expected);
    }
}

/// Every constant of a profile can be set. CL-14, CL-32, CL-76, H-CL-1, H-CL-3, H-CL-12, H-CL-22
#[test]
fn every_constant_can_be_set() {
    let constants = |keys: &str| cluster(&format!("{CLUSTER}[cluster.constants]\n{keys}\n")).constants;
    assert_eq!(cluster(CLUSTER).constants, Constants::production());
    let document = CLUSTER.replace("[cluster]\n", "[cluster]\nprofile = \"document\"\n");
    assert_eq!(cluster(&document).constants, Constants::document());
    // The example has each with its default; with another profile they are values like others.
    let lines = example().replace("\n# ", "\n");
    let (_, shown) = lines.split_once("[cluster.constants]").unwrap();
    let shown = shown.split_once('\n').unwrap().1;
    assert_eq!(constants(shown), Constants::production());
    assert_eq!(cluster(&format!("{document}[cluster.constants]\n{shown}")).constants, Constants::production());
    let debug = format!("{:#?}", Constants::production());
    let field = |line: &&str| line.starts_with("    ") && !line.starts_with("     ") && line.contains(": ");
    assert_eq!(shown.lines().count(), debug.lines().filter(field).count());
    let set = constants(
        "watchdog = \"100ms\"\nfencing = \"off\"\nestimator = \"document\"\nintervals_per_failure = 7200.5\nannounce = [\"0s\", \"1s\", \"2s\", \"3s\", \"4s\"]",
    );
    assert_eq!((set.watchdog, set.fencing, set.estimator), (Duration::from_millis(100), None, Estimator::Document));
    assert_eq!((set.intervals_per_failure, set.announce[4]), (7200.5, Duration::from_secs(4)));
    assert_eq!(set.balance_every, Duration::from_secs(2));
}

/// H-CL-17: the key of the units is in a file of its own that nobody else may read.
#[test]
fn the_key_of_the_units() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let (file, key) = (directory.path().join("g.toml"), directory.path().join("units.key"));
    let text = CLUSTER.replace("[cluster]\n", "[cluster]\nunit_key_file = \"units.key\"\n");
    let read = |octets: &str, mode| {
        std::fs::write(&key, octets).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        match crate::config::parse(&file, &format!("{BASE}{text}")) {
            Ok(parsed) => Ok(parsed.gateway.unwrap().cluster.unwrap().unit_key),
            Err(problems) => Err(problems.to_string()),
        }
    };
    let good = "00112233445566778899aabbccddeeff\n";
    let octets = std::array::from_fn(|place| 0x11 * place as u8);
    assert_eq!(read(good, 0o600), Ok(UnitKey::new(octets)));
    let error = |octets, mode| read(octets, mode).unwrap_err();
    assert!(error(good, 0o644).contains("which others may read (mode 644); would do: chmod 600 "));
    for bad in ["0011", "00000000000000000000000000000000"] {
        assert!(error(bad, 0o600).ends_with("of 16 octets; would do: 16 octets, as `openssl rand -hex 16` prints"));
    }
    assert!(error("no key", 0o600).contains("whose text is not a key"));
    std::fs::remove_file(&key).unwrap();
    let missing = crate::config::parse(&file, &format!("{BASE}{text}")).unwrap_err().to_string();
    assert!(missing.contains("`openssl rand -hex 16 > ") && missing.contains("No such file"), "{missing}");
    assert_eq!(cluster(CLUSTER).unit_key, UnitKey::NONE);
}

#[test]
fn constants_that_can_not_be() {
    let error = |keys: &str| {
        let text = format!("{BASE}{CLUSTER}[cluster.constants]\n{keys}\n");
        parse(&text).map(|_| ()).unwrap_err().to_string()
    };
    let table = [
        (
            "watchdog = \"0s\"",
            "g.toml:26: cluster.constants.watchdog: found \"0s\"; would do: a duration from 10ms to 60s, such as \"200ms\"",
        ),
        (
            "fencing = 500",
            "g.toml:26: cluster.constants.fencing: found 500; would do: a duration from 1ms to 1h, such as \"500ms\", or \"off\"",
        ),
        (
            "intervals_per_failure = 0.5",
            "g.toml:26: cluster.constants.intervals_per_failure: found 0.5; would do: a number from 2 to 1e12",
        ),
        ("n_max = 21", "g.toml:26: cluster.constants.n_max: found 21; would do: a number from 2 to 20"),
        (
            "n_min = 9\nn_max = 8",
            "g.toml:26: cluster.constants.n_min: found 9 where n_min is 9 and n_max 8; would do: n_min up to n_max",
        ),
        ("smoothing = 0", "g.toml:26: cluster.constants.smoothing: found 0; would do: a number from 1 to 65536"),
        (
            "announce = [\"0s\"]",
            "g.toml:26: cluster.constants.announce: found [\"0s\"]; would do: 5 durations up to 1h, each longer than the one before",
        ),
        (
            "support = \"100ms\"",
            "g.toml:26: cluster.constants.support: found \"100ms\" where watchdog is 200 ms and support 100 ms; would do: support = \"200ms\" or longer",
        ),
        (
            "watchdog = \"400ms\"",
            "g.toml:26: cluster.constants.watchdog: found \"400ms\" where watchdog is 400 ms and support 300 ms; would do: support = \"400ms\" or longer",
        ),
        (
            "watchdogs = \"1s\"",
            "g.toml:26: cluster.constants.watchdogs: found an unknown key; would do: did you mean `watchdog`?",
        ),
    ];
    for (keys, expected) in table {
        assert_eq!(error(keys), expected);
    }
}

/// RR-8, H-CL-6: members tell each other whom they saw; where two parts of a cluster may go on, each by itself, nobody knows.
#[test]
fn liveness_needs_a_cluster_that_stays_whole() {
    let giaddr = "giaddr = \"100.64.0.1\"";
    let watched = BASE.replacen(giaddr, &format!("{giaddr}\nliveness = {{ idle = \"90s\" }}"), 1);
    let with =
        |quorum: &str| parse(&format!("{watched}{}", CLUSTER.replacen("\nme =", &format!("\n{quorum}\nme ="), 1)));
    assert!(with("").is_ok() && with("quorum = \"majority\"").is_ok());
    for quorum in ["quorum = \"degraded\"", "profile = \"document\""] {
        let problems = with(quorum).unwrap_err().to_string();
        assert!(problems.contains("fpc.liveness: found this table beside a cluster that may split"), "{problems}");
    }
}

/// What the master assigns is not configured, and a cluster has members.
#[test]
fn tables_that_do_not_go_together() {
    let error = |text: &str| parse(&format!("{BASE}{text}")).unwrap_err().to_string();
    let units = error(&format!("\n[units]\nown = \"0-99\"\n{CLUSTER}"));
    assert_eq!(
        units,
        "g.toml:13: units: found this table beside [cluster]; would do: one of them: the master of a cluster assigns the units"
    );
    let none = error(CLUSTER.split_once("[[").unwrap().0);
    assert_eq!(
        none,
        "g.toml:13: cluster: found this table; would do: [[cluster.member]] with id, name and address, one for each member"
    );
    let members: String = (3..=33)
        .map(|id| format!("[[cluster.member]]\nid = {id}\nname = \"m{id}\"\naddress = \"198.51.100.{id}\"\n"))
        .collect();
    assert_eq!(
        error(&format!("{CLUSTER}{members}")),
        "g.toml:145: cluster.member: found this table; would do: at most 32 members"
    );
}
