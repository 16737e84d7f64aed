//! What a file means; `mistakes` has what is wrong with one.

mod cluster;
mod delegation;
mod example;
mod mistakes;
mod policy;
mod six;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use gateway_common::unit::UnitState;
use gateway_core::line::{FpcId, PortId};
use gateway_core::scope::{DeviceIdType, ScopeKind};
use gateway_core::wire::relay_auth::Algorithm;
use gateway_server::{Place, Postgres};

/// A gateway without mistakes. `{more}` stands at the start, so that line numbers of what a test adds are plain.
const BASE: &str = r#"
[gateway]
id = "BNG-0042"
[[fpc]]
name = "fpc0"
ports = ["eth1"]
giaddr = "100.64.0.1"
[upstream]
ports = ["eth0"]
[[server]]
address = "192.0.2.2"
"#;

fn parse(text: &str) -> Result<Parsed, Problems> {
    super::parse(Path::new("g.toml"), text)
}

fn gateway(text: &str) -> Config {
    parse(text).map_err(|problems| problems.to_string()).unwrap().gateway.unwrap()
}

#[test]
fn the_base_has_no_mistake() {
    let config = gateway(BASE);
    assert_eq!(config.fpcs.len(), 1);
    assert_eq!(config.gateway.metrics, Some("127.0.0.1:9467".parse().unwrap()));
    assert_eq!(config.limits.subscriber, gateway_common::bucket::Rate::new(5, 10));
    assert!(!config.bulk_release.enabled, "unsigned single logouts are off by default");
}

/// Servers are asked for what was lost unless the file says otherwise; who may ask the embedded one is each there once.
#[test]
fn recovery() {
    assert_eq!(gateway(BASE).gateway.recover, Recover::Auto);
    let with = |value: &str| BASE.replace("[gateway]\n", &format!("[gateway]\nrecover = {value:?}\n"));
    assert_eq!(gateway(&with("off")).gateway.recover, Recover::Off);
    assert!(parse(&with("always")).is_err());
    let server = "[dhcp_server]\nlisten = \"192.0.2.1\"\nleasequery_from = [\"100.64.0.1\", \"100.64.0.9\"]\n\
                  [[dhcp_server.subnet]]\nprefix = \"100.64.0.0/24\"\npool = \"100.64.0.10-100.64.0.20\"\n";
    let requestors = |text: &str| gateway(text).dhcp_server.unwrap().leasequery.requestors;
    assert_eq!(requestors(&format!("{BASE}{server}")), [1, 9].map(|last| std::net::Ipv4Addr::new(100, 64, 0, last)));
}

/// Secrets: what a key may be, where it may stand and who may read it. H-BR-13
#[test]
fn secrets() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("g.toml");
    let write = |name: &str, text: &str, mode: u32| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    write("good.key", "00112233445566778899aabbccddeeff\n", 0o600);
    write("open.key", "00112233445566778899aabbccddeeff\n", 0o644);
    write("short.key", "0011\n", 0o600);
    write("words.key", "secret\n", 0o600);
    let path = dir.path().display();
    let load = |keys: &str, mode: u32| {
        let text = format!("{BASE}[relay_auth]\n{keys}\n");
        write("g.toml", &text, mode);
        super::parse(&file, &text).map(|parsed| parsed.gateway.unwrap()).map_err(|problems| problems.to_string())
    };
    let error = |keys: &str, mode| load(keys, mode).unwrap_err().replace(&format!("{path}/"), "");

    let config = load("key_id = 3\nkey_file = \"good.key\"\nalgorithm = \"hmac-sha256\"", 0o644).unwrap();
    let key = &config.relay_auth.unwrap().key;
    assert_eq!((key.id, key.secret.octets().len(), key.algorithm), (3, 16, Algorithm::HmacSha256));
    assert!(config.bulk_release.enabled);
    assert!(load("key_id = 3\nkey = \"00112233445566778899aabbccddeeff\"", 0o600).is_ok());
    assert!(load("allow_unauthenticated = true", 0o644).unwrap().bulk_release.enabled);

    let table = [
        (
            "key_id = 3\nkey_file = \"open.key\"",
            "g.toml:14: relay_auth.key_file: found \"open.key\" which others may read (mode 644); would do: chmod 600 open.key",
        ),
        (
            "key_id = 3\nkey_file = \"short.key\"",
            "g.toml:14: relay_auth.key_file: found \"short.key\" with a key of only 2 octets; would do: at least 16 octets, such as `openssl rand -hex 32` prints",
        ),
        (
            "key_id = 3\nkey_file = \"words.key\"",
            "g.toml:14: relay_auth.key_file: found \"words.key\" whose text is not a key; would do: hexadecimal octets, such as `openssl rand -hex 32` prints",
        ),
        (
            "key_id = 3\nkey_file = \"no.key\"",
            "g.toml:14: relay_auth.key_file: found \"no.key\" (No such file or directory (os error 2)); would do: a file with the key: `openssl rand -hex 32 > no.key; chmod 600 no.key` makes one",
        ),
        (
            "key_id = 3",
            "g.toml:12: relay_auth.key_file: found nothing; would do: a file with the key in hexadecimal (`openssl rand -hex 32`)",
        ),
        (
            "key_id = 3\nkey = \"00\"\nkey_file = \"good.key\"",
            "g.toml:14: relay_auth.key: found a key beside key_file; would do: one of key and key_file",
        ),
        (
            "key_file = \"good.key\"",
            "g.toml:12: relay_auth.key_id: found nothing; would do: a number from 0 to 4294967295",
        ),
        (
            "allow_unauthenticated = true\nrequired = true",
            "g.toml:14: relay_auth.required: found true beside allow_unauthenticated; would do: one of them",
        ),
    ];
    for (keys, expected) in table {
        assert_eq!(error(keys, 0o644), expected);
    }
    let open = error("key_id = 3\nkey = \"00112233445566778899aabbccddeeff\"", 0o644);
    let expected = "g.toml:14: relay_auth.key: found a key in a file that others may read (mode 644); would do: chmod 600 g.toml, or key_file = a file of its own";
    assert_eq!(open, expected);
}

/// The identity that every scope and relay-id carries: a serial number or code as text, a DUID, a UUID. BR-11, BR-12
#[test]
fn identity() {
    let id = |keys: &str| gateway(&BASE.replace("id = \"BNG-0042\"", keys)).gateway.id;
    let opaque = id("id = \"BNG-0042\"");
    assert_eq!((opaque.id_type(), opaque.octets()), (DeviceIdType::Opaque, &b"BNG-0042"[..]));
    let duid = id("id = \"00:03:00:01:02:00:00:00:00:01\"\nid_type = \"duid\"");
    assert_eq!((duid.id_type(), duid.octets()), (DeviceIdType::Duid, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 1][..]));
    let uuid = id("id = \"8c5e1f0e-5d2b-4a0c-9a58-0c2f5a1b7d10\"\nid_type = \"uuid\"");
    assert_eq!((uuid.id_type(), uuid.octets().len()), (DeviceIdType::Uuid, 16));
}

/// Whether the giaddr is used on the interfaces of two or more cards decides what a scope names: the address when it
/// is not, a group when it is, never both. BR-13, BR-14, BR-15, BR-16, BR-17, BR-18, H-BR-10
#[test]
fn scope_by_sharing() {
    let more = |fpc: &str| gateway(&format!("{BASE}{fpc}")).fpcs.into_iter().map(|fpc| fpc.scope).collect::<Vec<_>>();
    let group = |name: &str| ScopeKind::Group(gateway_core::scope::GroupId::new(name.as_bytes()).unwrap());
    let address = |last| ScopeKind::Address([100, 64, 0, last].into());

    let apart = more("[[fpc]]\nname = \"fpc1\"\nports = [\"eth2\"]\ngiaddr = \"100.64.0.2\"\ngroup = \"sgrp-7\"\n");
    assert_eq!(apart, [address(1), address(2)], "a group is not used while the address is not shared");
    let shared = more("[[fpc]]\nname = \"fpc1\"\nports = [\"eth2\"]\ngiaddr = \"100.64.0.1\"\ngroup = \"sgrp-7\"\n");
    assert_eq!(shared, [group("fpc0"), group("sgrp-7")], "the name stands in for a group");
    let two_ports = gateway(&BASE.replace("[\"eth1\"]", "[\"eth1\", \"eth2\"]")).fpcs.remove(0);
    assert_eq!(two_ports.scope, address(1), "two ports of one card end together: its address names nobody else");
    assert_eq!(two_ports.ports, [PortId(0), PortId(1)]);
}

/// Without comments' help: the example as it stands, and with every default taken out of its comment.
#[test]
fn the_example_is_complete_and_right() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let key = dir.path().join("bng-0043.key");
    let read = |text: &str| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        super::parse(&file, text).map_err(|problems| problems.to_string()).unwrap()
    };
    let plain = read(EXAMPLE);
    // Only now: as it stands the example needs no other file.
    fs::write(&key, "00112233445566778899aabbccddeeff").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let config = plain.gateway.as_ref().unwrap();
    assert_eq!(config.servers.len(), 2, "the embedded server is a server too");
    assert_eq!(config.ports[0].fpc, FpcId(0));
    assert_eq!(config.units.table()[1023].1, UnitState::all(UnitState::OWN, 1));
    assert_eq!(config.statics[0].tags.count(), 2);

    // Every default that is shown is the default.
    let optional = ["control_group", "group", "schedule", "max_clients_per_port", "link_selection", "key", "key_file"];
    let more = ["liveness", "router", "dns", "devices", "relays", "link_address6", "cycles", "within", "for"];
    let more = [&more[..], &["pools", "class_pool", "reserved", "max_lease", "option"]].concat();
    let shown = |line: &str| {
        let key = line.strip_prefix("# ")?.split_once(" = ")?.0;
        (!optional.contains(&key) && !more.contains(&key)).then(|| line[2..].to_owned())
    };
    let uncomment = |line: &str| match line.strip_prefix("# [") {
        Some(table) if !table.starts_with("limits.lockout") => format!("[{table}"),
        _ => shown(line).unwrap_or(line.to_owned()),
    };
    // A gateway is a member of a cluster or owns units: `[cluster]` has a test of its own, as the tables of IPv6 have.
    let without =
        six::TABLES.map(six::block).into_iter().fold(EXAMPLE.to_owned(), |text, block| text.replace(block, ""));
    let without_cluster = without.replace(&cluster::example(), "");
    // Tables of which there may be several come last; they have no defaults as a whole.
    let (defaults, several) = without_cluster.split_at(without_cluster.find("# [[").expect("tables to repeat"));
    let all: Vec<String> = defaults.lines().map(uncomment).collect();
    assert!(all.len() > 100 && all.iter().filter(|line| line.starts_with('#')).count() < 25);
    assert_eq!(format!("{:?}", read(&all.join("\n"))), format!("{plain:?}"));
    let several: Vec<&str> = several.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
    let server = read(&format!("{EXAMPLE}\n{}", several.join("\n"))).dhcp_server.unwrap().bulk_release;
    assert_eq!((server.keys[0].key.id, server.keys[0].devices.len(), server.registered.len()), (7, 1, 2));
    for key in ["control_group", "group", "schedule", "max_clients_per_port", "link_selection", "lockout", "router"] {
        assert!(EXAMPLE.contains(&format!("# {key} = ")) || EXAMPLE.contains(&format!(".{key}]")), "{key}");
    }
}

/// The configurations in the README and beside it have no mistake once their keys are made as is said there.
#[test]
fn the_documents_are_right() {
    let readme = include_str!("../../../../README.md");
    assert!(readme.contains("umask 077; openssl rand -hex 32 > relay.key"));
    let dir = tempfile::tempdir().unwrap();
    for name in ["relay.key", "subnets.key"] {
        let key = dir.path().join(name);
        fs::write(&key, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let read = |document: &str| -> Vec<Parsed> {
        let blocks = document.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let parse =
            |text| super::parse(&dir.path().join("gateway.toml"), text).map_err(|problems| problems.to_string());
        blocks.map(|text| parse(text).unwrap()).collect()
    };
    let config = read(readme).remove(0).gateway.unwrap();
    assert!(config.bulk_release.enabled);
    assert_eq!(config.fpcs.len(), 2);
    let guide = read(include_str!("../../../../docs/dhcp-server.md"));
    let servers: Vec<_> = guide.into_iter().map(|file| file.dhcp_server.unwrap()).collect();
    let [plain, alone, top, child] = &servers[..] else { panic!("four servers") };
    assert_eq!((plain.classes.len(), plain.subnets.len(), plain.reservations.len()), (1, 2, 1));
    let (keys, auth) = (&alone.bulk_release.keys, config.relay_auth.unwrap());
    assert_eq!((keys.len(), &keys[0].key), (1, &auth.key), "server and gateway have the same key");
    assert_eq!(config.servers[0].address, alone.listen);
    let delegation = |server: &gateway_server::Config| server.delegation.clone().unwrap();
    assert_eq!((delegation(top).roots.len(), delegation(child).roots.len()), (1, 0));
    assert_eq!(delegation(child).delegation.providers, [top.listen]);
}

/// A file with nothing but `[dhcp_server]` is the configuration of `gateway server`.
#[test]
fn a_server_alone() {
    let text = "[dhcp_server]\nlisten = \"192.0.2.2\"\n[[dhcp_server.subnet]]\nprefix = \"10.0.0.0/8\"\n\
                pool = \"10.0.0.10-10.255.255.250\"\nlease = \"10m\"\n";
    let parsed = parse(text).unwrap();
    assert!(parsed.gateway.is_none());
    let server = parsed.dhcp_server.unwrap();
    assert_eq!(server.subnets[0].lease.as_secs(), 600);
    assert!(!server.bulk_release.allow_unauthenticated && server.bulk_release.keys.is_empty());
}

/// Leases in a database that servers share. What can be printed of it has no password.
#[test]
fn a_database_for_leases() {
    let text = "[dhcp_server]\nlisten = \"192.0.2.2\"\nstore = \"postgres://gateway@db.example.net,10.0.0.9/dhcp\"\n\
                store_password_file = \"/etc/gateway/db.password\"\n\
                [[dhcp_server.subnet]]\nprefix = \"10.0.0.0/8\"\npool = \"10.0.0.10-10.255.255.250\"\n";
    let Place::Postgres(database) = parse(text).unwrap().dhcp_server.unwrap().store else { panic!("a directory") };
    assert_eq!(database.to_string(), "database dhcp at db.example.net,10.0.0.9");
    assert_eq!(database.password_file.as_deref(), Some(Path::new("/etc/gateway/db.password")));
    let database = Postgres::new("postgresql://gateway:hunter2@/dhcp?host=/run/postgresql").unwrap();
    assert!(database.has_password());
    let printed = format!("{database} {database:?}");
    assert_eq!(printed, "database dhcp at /run/postgresql Postgres(database dhcp at /run/postgresql)");
}

/// Everything that the server can be told can be said in the file: how long it holds addresses, what its clients' timers
/// are, and how far single logouts may go (H-BR-13: for which addresses a gateway may speak, and how often).
#[test]
fn what_a_server_can_be_told() {
    let text = "[dhcp_server]\nlisten = \"192.0.2.2\"\noffer_hold = \"3s\"\ndecline_hold = \"10m\"\nmax_scopes = 2\n\
                bulk_release_rate = 1\nbulk_release_burst = 4\nrelease_quarantine = \"60s\"\n\
                [[dhcp_server.subnet]]\nprefix = \"10.0.0.0/8\"\npool = \"10.0.0.10-10.255.255.250\"\n\
                renew_percent = 40\nrebind_percent = 80\n\
                [[dhcp_server.device]]\nid = \"BNG-0043\"\naddresses = [\"100.66.0.1\", \"100.67.0.1\"]\n";
    let server = parse(text).unwrap().dhcp_server.unwrap();
    assert_eq!((server.offer_hold.as_secs(), server.decline_hold.as_secs()), (3, 600));
    assert_eq!((server.subnets[0].renew_percent, server.subnets[0].rebind_percent), (40, 80));
    let policy = &server.bulk_release;
    assert_eq!((policy.max_scopes, policy.rate, policy.burst, policy.quarantine.as_secs()), (2, 1, 4, 60));
    let registered: Vec<_> = policy.registered.iter().map(|(id, address)| (id.octets(), *address)).collect();
    let device = &b"BNG-0043"[..];
    assert_eq!(registered, [(device, [100, 66, 0, 1].into()), (device, [100, 67, 0, 1].into())]);
}
