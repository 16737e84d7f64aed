//! Which keys count, and which do not.

use std::path::Path;

use gateway_core::cluster::Constants;

use super::cluster::of_constants;
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
        let etcd = format!("name = \"access-1\"\ncoordination = \"etcd\"\netcd.endpoints = [\"http://{endpoint}\"]");
        digest(&with("name = \"access-1\"", &etcd))
    };
    assert_eq!(etcd("192.0.2.10:2379"), etcd("192.0.2.11:2379"));
}

/// The same on every member, whatever built it: a number that a change of this serialisation changes.
#[test]
fn it_is_defined() {
    let text = text(&read(FILE));
    assert!(text.lines().is_sorted() && text.contains("\ncluster.constants.watchdog = 200000000\n"), "{text}");
    assert!(text.contains("\nfpc.00001.giaddr = 100.65.0.1\n") && text.contains("\nport.00002.fpc = 1\n"), "{text}");
    assert!(text.contains("\ncluster.member.2 = gw-b 198.51.100.2\n"), "{text}");
    assert_eq!(fnv(b"a"), 0xaf63_dc4c_8601_ec8c, "FNV-1a of one octet, as published");
}
