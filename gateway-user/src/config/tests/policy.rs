//! Who gets which address on which terms, as `[dhcp_server]` says it.

use std::time::Duration;

use gateway_core::wire::agent::sub;
use gateway_server::{Admits, Pattern};

use super::parse;

const SERVER: &str = "[dhcp_server]\nlisten = \"192.0.2.2\"\n";
const SUBNET: &str = "[[dhcp_server.subnet]]\nprefix = \"10.0.0.0/24\"\npool = \"10.0.0.10-10.0.0.99\"\n";

fn server(text: &str) -> gateway_server::Config {
    parse(text).map_err(|problems| problems.to_string()).unwrap().dhcp_server.unwrap()
}

/// All that classes, reservations and subnets can say.
#[test]
fn classes_reservations_and_subnets() {
    let text = format!(
        "{SERVER}ping_check = true\nping_timeout = \"250ms\"\nping_recent = \"10s\"\nping_at_once = 7\nsubnet_selection = true\n\
         [[dhcp_server.class]]\nname = \"stb\"\nvendor_class = [\"stb-*\", \"hex:0102*\"]\nuser_class = [\"gold\"]\n\
         mac = [\"00:04:f2\"]\ncircuit_id = [\"*\"]\nremote_id = [\"hex:00ff\"]\nsubscriber_id = [\"7\"]\nrelay_id = [\"BNG\"]\n\
         router = \"10.0.0.2\"\ndns = []\nlease = \"1d\"\nmin_lease = \"1m\"\nmax_lease = \"infinite\"\nrenew_percent = 40\n\
         rebind_percent = 80\noption = [{{ code = 42, addresses = [\"192.0.2.1\", \"192.0.2.2\"] }}, {{ code = 43, hex = \"0104\", always = true }}]\n\
         [[dhcp_server.class]]\nname = \"all\"\n\
         {SUBNET}pools = [\"10.0.0.100-10.0.0.109\"]\nclass_pool = [{{ range = \"10.0.0.110-10.0.0.119\", class = [\"all\", \"stb\"] }}]\n\
         reserved = [\"10.0.0.50\"]\nmin_lease = \"10m\"\nmax_lease = \"2h\"\nrapid_commit = true\noption = [{{ code = 66, text = \"tftp\" }}]\n\
         [[dhcp_server.reservation]]\naddress = \"10.0.0.5\"\nmac = \"02:00:00:00:00:05\"\nclient_id = \"hex:0102\"\n\
         circuit_id = \"eth1:7\"\nremote_id = \"house 7\"\nlease = \"7d\"\n"
    );
    let server = server(&text);
    let check = server.ping_check.unwrap();
    assert_eq!((check.timeout.as_millis(), check.recent.as_secs(), check.most), (250, 10, 7));
    assert!(server.subnet_selection);

    let [stb, all] = &server.classes[..] else { panic!("{:?}", server.classes) };
    assert_eq!((stb.name.as_str(), all.name.as_str()), ("stb", "all"));
    assert_eq!(stb.vendor_class, [Pattern::beginning("stb-"), Pattern::beginning([1, 2])]);
    assert_eq!(
        (&stb.user_class[..], &stb.mac[..]),
        (&[Pattern::exactly("gold")][..], &[Pattern::beginning([0, 4, 0xf2])][..])
    );
    let agent = [
        (sub::CIRCUIT_ID, vec![Pattern::beginning("")]),
        (sub::REMOTE_ID, vec![Pattern::exactly([0, 255])]),
        (sub::SUBSCRIBER_ID, vec![Pattern::exactly("7")]),
        (sub::RELAY_ID, vec![Pattern::exactly("BNG")]),
    ];
    assert_eq!(stb.agent, agent);
    let terms = &stb.terms;
    assert_eq!((&terms.routers, &terms.dns), (&Some(vec![[10, 0, 0, 2].into()]), &Some(vec![])));
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
    assert_eq!([terms.lease, terms.min_lease].map(seconds), [Some(86_400), Some(60)]);
    assert_eq!((terms.max_lease, terms.renew_percent, terms.rebind_percent), (Some(Duration::MAX), Some(40), Some(80)));
    assert_eq!(terms.options, [(42, vec![192, 0, 2, 1, 192, 0, 2, 2]), (43, vec![1, 4])]);
    assert_eq!(terms.always, [43]);

    let [common, part] = &server.subnets[..] else { panic!("{:?}", server.subnets) };
    let ends: Vec<_> = common.pools.iter().map(|(first, last)| (first.octets()[3], last.octets()[3])).collect();
    assert_eq!((ends, &common.admits), (vec![(10, 99), (100, 109)], &Admits::Anyone));
    assert_eq!((part.pools[0].0.octets()[3], &part.admits), (110, &Admits::Classes(vec![1, 0])));
    assert_eq!(part.options, [(66, b"tftp".to_vec())]);
    assert_eq!((common.min_lease.as_secs(), seconds(common.max_lease), common.rapid_commit), (600, Some(7200), true));
    assert_eq!(server.excluded, [std::net::Ipv4Addr::new(10, 0, 0, 50)]);

    let one = &server.reservations[0];
    assert_eq!((one.mac, one.client_id.as_deref()), (Some([2, 0, 0, 0, 0, 5]), Some(&[1, 2][..])));
    assert_eq!((one.circuit_id.as_deref(), one.remote_id.as_deref()), (Some(&b"eth1:7"[..]), Some(&b"house 7"[..])));
    assert_eq!(seconds(one.terms.lease), Some(7 * 86_400));
    server.validate().unwrap();
}

/// The gateway's static subscribers keep their addresses, wherever they are.
#[test]
fn static_addresses_are_not_leased() {
    let text = format!(
        "{}{SERVER}{SUBNET}[[static]]\naddress = \"10.0.0.20\"\nmac = \"02:00:00:00:00:20\"\nport = \"eth1\"\n",
        super::BASE
    );
    let parsed = parse(&text).map_err(|problems| problems.to_string()).unwrap();
    let excluded = [std::net::Ipv4Addr::new(10, 0, 0, 20)];
    assert_eq!(parsed.dhcp_server.unwrap().excluded, excluded);
    assert_eq!(parsed.gateway.unwrap().dhcp_server.unwrap().excluded, excluded);
}

/// Each mistake: its key, what was found, what would do.
#[test]
fn mistakes() {
    let reservation = "[[dhcp_server.reservation]]\nmac = \"02:00:00:00:00:05\"\n";
    let class = "[[dhcp_server.class]]\nname = \"stb\"\n";
    let table: [(String, &str); 18] = [
        (
            format!("{SUBNET}max_lease = \"10m\""),
            "max_lease: found \"10m\" which is less than lease; would do: at least what lease is",
        ),
        (
            format!("{SUBNET}min_lease = \"2h\""),
            "min_lease: found \"2h\" which is more than lease; would do: at most what lease is",
        ),
        (
            format!("{SUBNET}lease = \"0s\""),
            "lease: found \"0s\"; would do: a duration from 1s to 3650d, such as \"1h\", or \"infinite\"",
        ),
        (
            format!("{SUBNET}pools = [\"10.0.0.90-10.0.0.120\"]"),
            "pools: found \"10.0.0.90-10.0.0.120\" which shares addresses with the pool of line 5; would do: pools apart from each other",
        ),
        (
            format!("{SUBNET}reserved = [\"10.0.1.9\"]"),
            "reserved: found \"10.0.1.9\" which is not inside 10.0.0.0/24; would do: an address of the prefix",
        ),
        (
            format!("{SUBNET}class_pool = [{{ range = \"10.0.0.100-10.0.0.109\", class = [\"stb\"] }}]"),
            "class_pool.class: found \"stb\" which is no class; would do: a [[dhcp_server.class]] of this name",
        ),
        (
            format!("{SUBNET}class_pool = [{{ range = \"10.0.0.100-10.0.0.109\" }}]"),
            "class_pool.class: found nothing; would do: the classes that it is for, such as [\"stb\"]",
        ),
        (
            format!("{SUBNET}option = [{{ code = 54, hex = \"01\" }}]"),
            "option.code: found 54 which the server sets itself, or only clients send; would do: another option",
        ),
        (
            format!("{SUBNET}option = [{{ code = 6, hex = \"01\" }}]"),
            "option.code: found 6 which has a key of its own; would do: dns = …",
        ),
        (
            format!("{SUBNET}option = [{{ code = 66 }}]"),
            "option.text: found nothing; would do: text = …, hex = \"0104\" or addresses = [\"192.0.2.1\"]",
        ),
        (
            format!("{SUBNET}option = [{{ code = 66, text = \"a\", hex = \"01\" }}]"),
            "option: found this table with more than one value; would do: one of text, hex and addresses",
        ),
        (
            format!("{SUBNET}option = [{{ code = 66, text = \"a\" }}, {{ code = 66, text = \"b\" }}]"),
            "option.code: found 66 which is there twice; would do: each option once, with its whole value",
        ),
        (
            format!("{class}{class}{SUBNET}"),
            "class.name: found \"stb\" which line 4 has already; would do: a name of its own for each class",
        ),
        (
            format!("{class}mac = [\"00:04:f2:\", \"0\"]\n{SUBNET}"),
            "class.mac: found \"0\"; would do: 1 to 6 octets of a MAC address, such as \"00:04:f2\"",
        ),
        (
            format!("{SUBNET}{reservation}address = \"10.0.1.5\""),
            "reservation.address: found \"10.0.1.5\" which is in no subnet; would do: an address of a [[dhcp_server.subnet]]",
        ),
        (
            format!("{SUBNET}{reservation}address = \"10.0.0.255\""),
            "reservation.address: found \"10.0.0.255\" which no host of 10.0.0.0/24 can have; would do: another address of it",
        ),
        (
            format!("{SUBNET}{reservation}address = \"10.0.0.5\"\n{reservation}address = \"10.0.0.5\""),
            "reservation.address: found \"10.0.0.5\" which line 8 has already; would do: each address once",
        ),
        (
            format!("{SUBNET}[[dhcp_server.reservation]]\naddress = \"10.0.0.5\""),
            "reservation.mac: found nothing; would do: whom it is for: mac, client_id, circuit_id or remote_id",
        ),
    ];
    for (lines, expected) in table {
        let message = parse(&format!("{SERVER}{lines}\n")).expect_err(expected).to_string();
        let (_, told) = message.split_once("dhcp_server.").expect("names the key");
        let told = told.strip_prefix("subnet.").unwrap_or(told);
        assert_eq!(told.lines().next(), Some(expected), "{lines}");
    }
    let slow =
        parse(&format!("{SERVER}ping_timeout = \"10s\"\n{SUBNET}")).expect_err("longer than an offer").to_string();
    assert!(slow.contains("ping_timeout: found \"10s\" where an offer is kept for 10 s"), "{slow}");
}
