//! `[dhcp_server.delegation]`.

use gateway_core::delegation::{Lessees, Policy, ServerId};
use gateway_server::Tenure;

use super::parse;

const SERVER: &str = "[dhcp_server]\nlisten = \"192.0.2.2\"\n";
const POOL: &str = "[[dhcp_server.subnet]]\nprefix = \"10.0.0.0/24\"\npool = \"10.0.0.10-10.0.0.99\"\n";

fn server(text: &str) -> gateway_server::Config {
    parse(text).map_err(|problems| problems.to_string()).unwrap().dhcp_server.unwrap()
}

fn mistakes(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// SN-10, SN-53, H-SN-18, H-SN-20: a server at the top, and one that lives on what it is delegated.
#[test]
fn a_parent_and_a_child() {
    let top = server(&format!(
        "{SERVER}[dhcp_server.delegation]\nid = \"top\"\nlessees = [\"west\"]\nquota = 512\nsubnet_lease = \"1d\"\n\
         [[dhcp_server.delegation.subnet]]\nprefix = \"10.16.0.0/20\"\nmax_lease = \"30d\"\n"
    ));
    let delegation = top.delegation.unwrap();
    assert_eq!(delegation.delegation.me, ServerId::new(b"top").unwrap());
    assert_eq!(delegation.delegation.lessees, Lessees::Listed([ServerId::new(b"west").unwrap()].into()));
    let policy = &delegation.delegation.policy;
    assert_eq!((policy.quota, policy.lease.as_secs()), (Some(512), 86_400));
    assert_eq!(delegation.roots[0].subnet.to_string(), "10.16.0.0/20");
    assert_eq!(delegation.roots[0].maximum.unwrap().as_secs(), 30 * 86_400);
    assert!(!delegation.delegation.authenticate && delegation.key.is_none());

    let child = server(&format!(
        "{SERVER}[dhcp_server.delegation]\nid = \"west\"\nproviders = [\"192.0.2.9\"]\nrelays = [\"10.9.0.1\"]\n\
         router = \"first\"\nlease = \"30m\"\nkey_id = 9\nkey = \"00112233445566778899aabbccddeeff\"\n"
    ));
    let delegation = child.delegation.unwrap();
    assert_eq!(delegation.delegation.providers, ["192.0.2.9".parse::<std::net::Ipv4Addr>().unwrap()]);
    assert_eq!(delegation.delegation.policy, Policy::default());
    assert!(delegation.delegation.authenticate, "where there is a key");
    assert_eq!(delegation.key.unwrap().id, 9);
    let delegated = child.delegated.unwrap();
    assert!(delegated.first_is_router && delegated.terms.tenure == Tenure::Unconfirmed);
    assert_eq!((delegated.terms.lease.as_secs(), delegated.terms.relays.len()), (1800, 1));
}

/// SN-63, SN-64: a device that has its providers assign has no terms of its own, one giaddr, and nothing to give.
#[test]
fn a_device() {
    let text = |keys: &str| format!("{SERVER}[dhcp_server.delegation]\nid = \"east\"\nreserve = true\n{keys}\n");
    let right = "providers = [\"192.0.2.9\"]\nrelays = [\"10.9.0.1\"]\nwanted_lease = \"1d\"\nsuggested_lease = \"1h\"";
    let device = server(&text(right));
    assert!(device.delegated.is_none());
    let delegation = device.delegation.unwrap().delegation;
    assert_eq!(delegation.reserve, Some("10.9.0.1".parse().unwrap()));
    let times = [delegation.policy.wanted_lease, delegation.policy.suggested_lease];
    assert_eq!(times.map(|time| time.unwrap().as_secs()), [86_400, 3600]);
    let cases = [
        ("providers = [\"192.0.2.9\"]\nrelays = [\"10.9.0.1\", \"10.9.0.2\"]", "one giaddr in relays"),
        ("relays = [\"10.9.0.1\"]", "providers, which assign the addresses"),
        (&format!("{right}\nlessees = [\"a\"]"), "neither lessees nor subnets"),
        (
            &format!("{right}\n[[dhcp_server.delegation.subnet]]\nprefix = \"10.0.0.0/24\""),
            "neither lessees nor subnets",
        ),
        (&right.replace("1h", "0s"), "a duration of at least 1s"),
    ];
    for (keys, said) in cases {
        let found = mistakes(&text(keys));
        assert!(found.contains(said), "{keys}: {found}");
    }
}

/// SN-53: a longest lease that is shorter than any that is given would make a subnet of no use without a word.
#[test]
fn a_longest_lease_that_is_none() {
    let entry = "[[dhcp_server.delegation.subnet]]\nprefix = \"10.16.0.0/20\"\n";
    let text = |lease: &str| {
        format!("{SERVER}[dhcp_server.delegation]\nid = \"top\"\nany_lessee = true\n{entry}max_lease = \"{lease}\"\n")
    };
    assert!(mistakes(&text("179s")).contains("at least 3m"));
    assert_eq!(server(&text("3m")).delegation.unwrap().roots[0].maximum.unwrap().as_secs(), 180);
}

/// SN-6, SN-53: a subnet that is entered twice or overlaps is named with the line of the other one.
#[test]
fn subnets_apart() {
    let entry = |prefix: &str| format!("[[dhcp_server.delegation.subnet]]\nprefix = \"{prefix}\"\n");
    let text = |more: &[&str]| {
        let more: String = more.iter().map(|prefix| entry(prefix)).collect();
        format!("{SERVER}{POOL}[dhcp_server.delegation]\nid = \"top\"\nany_lessee = true\n{more}")
    };
    let twice = mistakes(&text(&["10.16.0.0/20", "10.16.0.0/20"]));
    assert!(twice.contains("which is in line 10 already"), "{twice}");
    let overlapping = mistakes(&text(&["10.16.0.0/20", "10.16.8.0/24"]));
    assert!(overlapping.contains("which overlaps 10.16.0.0/20 of line 10"), "{overlapping}");
    let pool = mistakes(&text(&["10.0.0.0/20"]));
    assert!(pool.contains("which overlaps 10.0.0.0/24, a [[dhcp_server.subnet]]"), "{pool}");
    let small = mistakes(&text(&["10.16.0.0/31"]));
    assert!(small.contains("a prefix of 1 to 30 bits"), "{small}");
}

/// What contradicts itself.
#[test]
fn mistakes_are_named() {
    let text = |keys: &str| format!("{SERVER}{POOL}[dhcp_server.delegation]\nid = \"top\"\n{keys}\n");
    let cases = [
        ("", "without relays and lessees"),
        ("lessees = [\"top\"]", "which is this server's own id"),
        ("lessees = [\"a\"]\nany_lessee = true", "beside any_lessee = true"),
        ("any_lessee = true\nproviders = [\"192.0.2.2\"]", "which is this server's own"),
        ("any_lessee = true\nproviders = [\"255.255.255.255\"]", "the address of a parent or peer"),
        ("any_lessee = true\nproviders = [\"192.0.2.3\", \"192.0.2.3\"]", "which is there twice"),
        ("any_lessee = true\nauthenticate = true", "without a key"),
        ("any_lessee = true\nkey_id = 1", "a file with the key in hexadecimal"),
        ("any_lessee = true\nsubnet_lease = \"1m\"", "at least 5m"),
        ("any_lessee = true\nown_largest = 29", "the shorter prefix of the two"),
        ("any_lessee = true\nrouter = \"last\"", "\"first\" for each subnet's first address"),
    ];
    for (keys, said) in cases {
        let found = mistakes(&text(keys));
        assert!(found.contains(said), "{keys}: {found}");
    }
}
