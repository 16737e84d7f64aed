//! `[dhcpv6]` and `[dhcp_server.v6]`.

use super::*;
use gateway_core::v6::release::Causes;
use std::net::Ipv6Addr;
use std::time::Duration;

/// How the blocks of the example begin that are about IPv6.
pub(super) const TABLES: [&str; 2] = ["# [dhcpv6]", "# [dhcp_server.v6]"];

/// The example from what starts so to the next blank line.
pub(super) fn block(start: &str) -> &'static str {
    let start = EXAMPLE.find(start).expect("the example has it");
    EXAMPLE[start..].split("\n\n").next().unwrap()
}

/// The same, no longer commented out.
fn example(start: &str) -> String {
    let lines = block(start).lines().filter(|line| !line.starts_with("  ") && !line.contains("secret"));
    lines.map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or(line))).collect()
}

fn with(link_address: &str, more: &str) -> String {
    let address = format!("giaddr = \"100.64.0.1\"\nlink_address6 = \"{link_address}\"");
    BASE.replace("giaddr = \"100.64.0.1\"", &address) + more
}

const LINK: &str = "2001:db8:100::1";
const SIX: &str = "[dhcpv6]\nservers = [\"2001:db8:0:1::2\"]\n";

/// Every key of the example is known, and the defaults that it shows are the defaults.
#[test]
fn the_example_shows_the_defaults() {
    let (bare, shown) = (gateway(&with(LINK, SIX)), gateway(&with(LINK, &example(TABLES[0]))));
    let (bare, mut shown) = (bare.dhcpv6.unwrap(), shown.dhcpv6.unwrap());
    assert_eq!(shown.duid.as_duid().octets(), [0, 3, 0, 1, 2, 0, 0, 0, 0, 1]);
    assert_eq!(bare.duid.as_duid().octets(), [&[0, 2, 0, 0, 0x7e, 0xd9][..], b"BNG-0042"].concat());
    shown.duid = bare.duid.clone();
    assert_eq!(format!("{shown:?}"), format!("{bare:?}"));
    assert_eq!(bare.advertise_every, Some(Duration::from_secs(600)));

    let server = example("[dhcp_server] ")
        .replace("\nlisten", "\n#listen")
        .replace("[dhcp_server]", "[dhcp_server]\nlisten = \"192.0.2.1\"");
    let text = format!(
        "{}{SIX}{server}\n{}[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/16\"\npool = \"100.64.0.10-100.64.0.20\"\n",
        with(LINK, ""),
        example(TABLES[1])
    );
    let config = gateway(&text);
    let six = config.dhcp_server.unwrap().v6.unwrap();
    let defaults = gateway_server::v6::Config::new(six.listen, six.server_id.clone());
    assert_eq!((six.release.enabled, six.release.require_relay_match), (true, true));
    assert_eq!((six.preference, six.authoritative), (defaults.preference, defaults.authoritative));
    assert_eq!((six.subnets.len(), six.subnets[0].prefixes[0].delegated), (1, 56));
    assert_eq!(six.subnets[0].valid, Duration::from_secs(7200));
    // The relay in the same process is a server's client, and believed.
    let servers: [Ipv6Addr; 2] = ["2001:db8:0:1::2".parse().unwrap(), six.listen];
    assert_eq!(config.dhcpv6.unwrap().servers, servers);
    assert!(six.release.relays.iter().any(|relay| relay.address == LINK.parse::<Ipv6Addr>().unwrap()));
    assert_eq!(six.leasequery.requestors, [LINK.parse::<Ipv6Addr>().unwrap()], "once");
}

/// RFC 5460 (security considerations), RR-59: nobody may ask an embedded server what is leased, or tell it to release, but
/// who is named and the gateway in the same process.
#[test]
fn whom_the_embedded_server_knows() {
    let four = "[dhcp_server]\nlisten = \"192.0.2.1\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/16\"\npool = \"100.64.0.10-100.64.0.20\"\n";
    let server = &format!("{four}[dhcp_server.v6]\nlisten = \"2001:db8::1\"\n");
    let subnet = "[[dhcp_server.v6.subnet]]\nprefix = \"2001:db8:1::/64\"\npools = [\"2001:db8:1::1-2001:db8:1::9\"]\n";
    let known = |server: Option<gateway_server::Config>| {
        let six = server.unwrap().v6.unwrap();
        let relays: Vec<_> = six.release.relays.iter().map(|relay| relay.address).collect();
        (six.leasequery.requestors, relays)
    };
    let of = |text: &[&str]| -> Vec<Ipv6Addr> { text.iter().map(|text| text.parse().unwrap()).collect() };
    let alone = parse(&format!("{server}{subnet}")).unwrap();
    assert_eq!(known(alone.dhcp_server), (of(&[]), of(&[])));
    let beside = gateway(&format!("{}{server}{subnet}", with(LINK, SIX)));
    assert_eq!(known(beside.dhcp_server), (of(&[LINK]), of(&[LINK])));
    let other = "leasequery_from = [\"2001:db8::77\"]\n";
    let beside = gateway(&format!("{}{server}{other}{subnet}", with(LINK, SIX)));
    assert_eq!(known(beside.dhcp_server), (of(&["2001:db8::77", LINK]), of(&[LINK])));
    // The gateway's own DUID is known, also where only its address is written down.
    let listed = format!("[[dhcp_server.v6.relay]]\naddress = \"{LINK}\"\n");
    let beside = gateway(&format!("{}{server}{subnet}{listed}", with(LINK, SIX)));
    let (relay, own) = (&beside.dhcp_server.unwrap().v6.unwrap().release.relays[..], beside.dhcpv6.unwrap().duid);
    assert_eq!(relay.iter().map(|relay| relay.relay_id.clone()).collect::<Vec<_>>(), [Some(own)]);
}

/// BR-35, H-BR-13: nobody uses the single logout until it is switched on; then relay and embedded server do, under one number,
/// unless the server is told otherwise.
#[test]
fn the_single_logout() {
    let four = "[dhcp_server]\nlisten = \"192.0.2.1\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/16\"\npool = \"100.64.0.10-100.64.0.20\"\n";
    let subnet = "[[dhcp_server.v6.subnet]]\nprefix = \"2001:db8:1::/64\"\npools = [\"2001:db8:1::1-2001:db8:1::9\"]\n";
    let read = |relay: &str, server: &str| {
        let text = format!(
            "{}{relay}[bulk_release]\npen = 4711\n{four}[dhcp_server.v6]\nlisten = \"2001:db8::1\"\n{server}{subnet}",
            with(LINK, SIX)
        );
        let config = gateway(&text);
        let policy = config.dhcp_server.unwrap().v6.unwrap().release.single_logout;
        assert_eq!(policy.enterprise, 4711);
        (config.dhcpv6.unwrap().single_logout, policy.enabled)
    };
    assert_eq!(read("", ""), (None, false));
    assert_eq!(read("bulk_release = true\n", ""), (Some(4711), true));
    assert_eq!(read("bulk_release = true\n", "bulk_release = false\n"), (Some(4711), false));
    assert_eq!(read("", "bulk_release = true\n"), (None, true));
}

/// RR-5, RR-8: nobody is watched by default. Where somebody is, who is gone is released as well, unless the causes are chosen
/// without that.
#[test]
fn liveness_brings_its_cause() {
    let watched = "giaddr = \"100.64.0.1\"\nliveness = { idle = \"90s\", probes = 5 }\n";
    let with_liveness = |more: &str| with(LINK, &format!("{SIX}{more}")).replace("giaddr = \"100.64.0.1\"\n", watched);
    let read = |text: &str| {
        let config = gateway(text);
        (config.fpcs[0].liveness, config.dhcpv6.unwrap().release.causes.unavailable)
    };
    assert_eq!(read(&with(LINK, SIX)), (None, false));
    let (watch, released) = read(&with_liveness(""));
    let watch = watch.map(|watch| (watch.silent_after.as_secs(), watch.probes, watch.patience.as_secs()));
    assert_eq!((watch, released), (Some((90, 5, 2)), true));
    assert!(!read(&with_liveness("[dhcpv6.release]\ncauses = [\"admin\"]\n")).1);
}

/// RR-4, RR-5: each cause by itself, and none at all.
#[test]
fn causes_are_chosen() {
    let causes = |list: &str| {
        let text = with(LINK, &format!("{SIX}[dhcpv6.release]\ncauses = {list}\n"));
        gateway(&text).dhcpv6.unwrap().release.causes
    };
    assert_eq!(causes("[]"), Causes::NONE);
    assert_eq!(causes("[\"unavailable\"]"), Causes { unavailable: true, ..Causes::NONE });
    assert_eq!(causes("[\"admin\", \"moved\"]"), Causes { admin: true, moved: true, ..Causes::NONE });
}

/// What can't work, each with its line.
#[test]
fn mistakes() {
    let relay = with(LINK, SIX);
    let table = [
        (with(LINK, ""), "fpc.link_address6: found \"2001:db8:100::1\" without [dhcpv6]"),
        (format!("{BASE}{SIX}"), "without link_address6"),
        (with("fe80::1", SIX), "a global unicast address of the gateway"),
        (with("2001:db8:0:1::2", SIX), "which is a server's"),
        (with(LINK, "[dhcpv6]\n"), "without servers"),
        (with(LINK, "[dhcpv6]\nservers = [\"ff02::1:2\"]\n"), "the global address of a server"),
        (with(LINK, "[dhcpv6]\nservers = [\"2001:db8::2\", \"2001:db8::2\"]\n"), "which line"),
        (format!("{relay}request_type = 7\n"), "message type 7 is taken"),
        (format!("{relay}router_lifetime = \"10s\"\n"), "a duration from 30s to 18h"),
        (format!("{relay}advertise_every = \"30m\"\n"), "less than router_lifetime"),
        (format!("{relay}duid = \"00\"\n"), "a DUID of 3 to 130"),
        (format!("{relay}[dhcpv6.release]\ncauses = [\"weather\"]\n"), "a list of any of \"admin\""),
        (format!("{relay}secret = \"0011\"\n"), "with a key of only 2 octets"),
        (format!("{relay}[cluster]\n"), "beside [cluster] without secret_file"),
        (format!("{relay}[cluster]\nlink_local = \"2001:db8::1\"\n"), "a link-local address that all members share"),
        (format!("{relay}[cluster]\naddress6 = \"fe80::1\"\n"), "a global unicast address that all members share"),
    ];
    for (text, expected) in table {
        let problems = parse(&text).map(drop).unwrap_err().to_string();
        assert!(problems.contains(expected), "{expected}: {problems}");
    }
    let server = |lines: &str| {
        let v4 = "[dhcp_server]\nlisten = \"192.0.2.1\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/16\"\npool = \"100.64.0.10-100.64.0.20\"\n";
        parse(&format!("{v4}[dhcp_server.v6]\nlisten = \"2001:db8::1\"\n{lines}"))
            .map(drop)
            .map_err(|problems| problems.to_string())
    };
    let subnet = "[[dhcp_server.v6.subnet]]\nprefix = \"2001:db8:1::/64\"\n";
    assert_eq!(server(&format!("{subnet}pools = [\"2001:db8:1::1-2001:db8:1::9\"]\n")), Ok(()));
    for (lines, expected) in [
        (String::new(), "without subnets"),
        (subnet.to_owned(), "with nothing to lease"),
        (format!("{subnet}delegate = \"2001:db8:8000::/40\"\n"), "without delegate_length"),
        (format!("{subnet}pools = [\"2001:db8:2::1-2001:db8:2::9\"]\n"), "is not a range within"),
        (format!("{subnet}delegate = \"2001:db8:8000::/40\"\ndelegate_length = 39\n"), "can't be cut from"),
    ] {
        let problems = server(&lines).unwrap_err();
        assert!(problems.contains(expected), "{expected}: {problems}");
    }
}
