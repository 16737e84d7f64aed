//! The example has every key: whatever is looked for in a file can be found there, with its meaning.

use std::collections::BTreeSet;

use super::parse;
use crate::config::EXAMPLE;
use crate::config::reader::ASKED;

/// Every table there is, so that every key is looked for. That most of them lack something does not matter.
const ALL: &str = r#"
[gateway]
id = "BNG-0042"
[[fpc]]
name = "fpc0"
ports = ["eth1"]
giaddr = "100.64.0.1"
liveness = {}
[upstream]
ports = ["eth0"]
[[server]]
address = "192.0.2.2"
[dhcpv6.release]
[limits.lockout]
[relay]
[relay_auth]
[bulk_release]
[units]
[cluster]
name = "access-1"
me = "gw-a"
interface = "eth2"
coordination = "etcd"
delivery = "unicast"
paths = {}
member = [{}]
[cluster.etcd]
[cluster.constants]
[[static]]
[dhcp_server]
listen = "192.0.2.1"
key = [{}]
device = [{}]
class = [{ name = "stb", option = [{}] }]
reservation = [{ option = [{}] }]
[[dhcp_server.subnet]]
prefix = "100.64.0.0/16"
class_pool = [{}]
option = [{}]
[dhcp_server.delegation]
subnet = [{}]
option = [{}]
[dhcp_server.v6]
listen = "2001:db8::1"
relay = [{}]
subnet = [{}]
"#;

/// Tables that say the same things as another one, which alone has them all in the example.
const ALIKE: [(&str, &str); 5] = [
    ("dhcp_server.reservation.", "dhcp_server.class."),
    ("dhcp_server.class.", "dhcp_server.subnet."),
    ("dhcp_server.delegation.", "dhcp_server.subnet."),
    ("dhcp_server.delegation.", "dhcp_server.key."),
    ("dhcp_server.subnet.option.", "dhcp_server.class.option."),
];

/// The paths of all keys and tables in the example, those included that are commented out, or that the comment on another one
/// names.
fn shown() -> BTreeSet<String> {
    let is_key = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c));
    let (mut paths, mut table) = (BTreeSet::new(), String::new());
    for line in EXAMPLE.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)) {
        if line.starts_with('[') {
            let path = line.trim_start_matches('[').split(']').next().expect("a table");
            paths.extend(path.match_indices('.').map(|(end, _)| path[..end].to_owned()));
            paths.insert(path.to_owned());
            table = format!("{path}.");
        } else if let Some((key, value)) = line.split_once(" = ").filter(|(key, _)| is_key(key)) {
            let inner = value.split(['{', ',']).filter_map(|part| Some(part.split_once(" = ")?.0.trim()));
            paths.extend(inner.filter(|inner| is_key(inner)).map(|inner| format!("{table}{key}.{inner}")));
            paths.insert(format!("{table}{key}"));
            let comment = value.split_once("# ").map_or("", |(_, comment)| comment);
            let words: Vec<&str> = comment.split([' ', ',', ';']).collect();
            let names = (0..words.len()).filter(|at| words[*at].contains('_') || words.get(at + 1) == Some(&"="));
            paths.extend(names.map(|at| format!("{table}{}", words[at])));
        }
    }
    paths
}

#[test]
fn every_key_is_shown() {
    ASKED.take();
    let _ = parse(ALL);
    let (asked, shown) = (ASKED.take(), shown());
    assert!(asked.len() > 250 && shown.len() > 250, "{} asked for, {} shown", asked.len(), shown.len());
    let is_shown = |key: &String| {
        let mut names = vec![key.clone()];
        for (table, alike) in ALIKE {
            let more: Vec<_> =
                names.iter().filter_map(|name| Some(alike.to_owned() + name.strip_prefix(table)?)).collect();
            names.extend(more);
        }
        names.iter().any(|name| shown.contains(name))
    };
    let missing: Vec<_> = asked.iter().filter(|key| !is_shown(key)).collect();
    assert!(missing.is_empty(), "not in the example: {missing:#?}");
}
