//! Our own rows and tables.

use core::net::Ipv6Addr;

use gateway_core::scope::{DeviceId, DeviceIdType, Epoch, GroupId, Scope, ScopeKind};

use super::super::*;

/// A lease with all that one can have.
fn full() -> Lease {
    Lease {
        hardware: gateway_core::line::HardwareAddress::ethernet([2, 0, 0, 0, 0, 1]),
        client: vec![1, 2, 3],
        last: 1_795_305_600,
        expires: 1_795_309_200,
        agent_information: vec![1, 1, 7],
        relay: "100.64.0.1".parse().unwrap(),
        scope: Some(Scope {
            device: DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").unwrap(),
            kind: ScopeKind::Address("100.64.0.1".parse().unwrap()),
            epoch: Epoch(7),
        }),
        ..Lease::new("100.64.0.10".parse().unwrap())
    }
}

/// A RELAY-FORW with an Interface-Id and no message.
fn relay_message() -> Vec<u8> {
    let mut octets = vec![12, 0];
    octets.resize(34, 1);
    octets.extend([0, 18, 0, 2, 7, 7]);
    octets
}

fn full6() -> Lease {
    Lease {
        client: vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 1],
        iaid: 7,
        last: 1_795_305_600,
        preferred: 1_795_307_400,
        expires: NEVER,
        relay: "2001:db8:100::1".parse().unwrap(),
        relay_id: vec![0, 2, 9],
        peer: "2001:db8::9".parse().unwrap(),
        path: relay_message(),
        scope: Some(Scope {
            device: DeviceId::new(DeviceIdType::Duid, &[0, 2, 9]).unwrap(),
            kind: ScopeKind::Group(GroupId::new(b"card/1").unwrap()),
            epoch: Epoch(1),
        }),
        ..Lease::new("2001:db8:8000::/56".parse().unwrap())
    }
}

fn table(leases: &[Lease]) -> String {
    leases.iter().fold(csv::heading(), |text, lease| text + &csv::line(&lease.into()))
}

fn array(leases: &[Lease]) -> String {
    let rows = leases.iter().enumerate().map(|(index, lease)| json::line(&lease.into(), index == 0));
    format!("{}{}{}", json::BEGIN, rows.collect::<String>(), json::END)
}

/// Everything that a lease has comes back, in every state.
#[test]
fn out_and_in_again() {
    let mut leases = vec![full(), full6()];
    for state in State::ALL {
        leases.push(Lease { state, ..full() });
    }
    for (format, text) in [(Format::Csv, table(&leases)), (Format::Json, array(&leases))] {
        let read = read(format, text.as_bytes()).unwrap();
        assert!(read.is_whole(), "{:?} {:?}\n{text}", read.problems, read.cut);
        let back: Vec<Lease> = read.leases.into_iter().map(|(_, lease)| lease).collect();
        assert_eq!(back, leases, "{text}");
    }
}

/// What Kea's columns hold comes back by them.
#[test]
fn through_kea_and_back() {
    let four = Lease { relay: std::net::Ipv4Addr::UNSPECIFIED.into(), scope: None, ..full() };
    let infinite = Lease { expires: NEVER, ..four.clone() };
    let gone = Lease { state: State::Released, ..four.clone() };
    let text =
        [four.clone(), infinite.clone(), gone].iter().filter_map(|lease| kea::line(lease, 3)).collect::<String>();
    let back = read(Format::Kea, format!("{}{text}", kea::HEADING4).as_bytes()).unwrap();
    assert_eq!(back.leases.into_iter().map(|(_, lease)| lease).collect::<Vec<_>>(), [four, infinite]);
    let nowhere = std::net::Ipv6Addr::UNSPECIFIED.into();
    let six = Lease { relay: nowhere, relay_id: Vec::new(), scope: None, expires: 1_795_312_800, ..full6() };
    let six = Lease { peer: Ipv6Addr::UNSPECIFIED, path: Vec::new(), ..six };
    let address = Lease { what: "2001:db8::10".parse().unwrap(), ..six.clone() };
    let text = [&six, &address].into_iter().filter_map(|lease| kea::line(lease, 3)).collect::<String>();
    let back = read(Format::Kea, format!("{}{text}", kea::HEADING6).as_bytes()).unwrap();
    assert_eq!(back.leases.into_iter().map(|(_, lease)| lease).collect::<Vec<_>>(), [six, address]);
}

/// What ISC dhcpd's files hold comes back by them: all octets of a string, hardware of any kind, what is over, and IAs of several
/// leases.
#[test]
fn through_dhcpd_and_back() {
    let all: Vec<u8> = (0..=254).collect();
    let agent = vec![1, 2, b'"', 0, 5, 4, 100, 64, 0, 1, 2, 1, 7, 12, 2, 0, 9];
    let four = Lease {
        relay: std::net::Ipv4Addr::UNSPECIFIED.into(),
        scope: None,
        client: all,
        agent_information: agent,
        ..full()
    };
    let none = gateway_core::line::HardwareAddress::NONE;
    let leases = [
        four.clone(),
        Lease { expires: NEVER, agent_information: Vec::new(), ..four.clone() },
        Lease { hardware: text::hardware_of(7, &[1, 2]).unwrap(), client: Vec::new(), ..four.clone() },
        Lease { hardware: none, ..four.clone() },
        Lease { state: State::Abandoned, hardware: none, client: Vec::new(), ..four.clone() },
        Lease { state: State::Released, ..four.clone() },
    ];
    let written = leases.iter().filter_map(isc::lease).collect::<String>();
    let back = read(Format::Isc, format!("{}{written}", isc::HEADING).as_bytes()).unwrap();
    assert!(back.is_whole(), "{:?} {:?}", back.problems, back.cut);
    assert_eq!(back.leases.into_iter().map(|(_, lease)| lease).collect::<Vec<_>>(), leases);

    let nowhere = std::net::Ipv6Addr::UNSPECIFIED.into();
    let six = Lease { relay: nowhere, relay_id: Vec::new(), scope: None, expires: 1_795_312_800, ..full6() };
    let six = Lease { peer: Ipv6Addr::UNSPECIFIED, path: Vec::new(), client: (0..130).collect(), ..six };
    let declined =
        Lease { state: State::Abandoned, client: Vec::new(), iaid: 0, preferred: six.expires, ..six.clone() };
    let leases = [
        Lease { what: "2001:db8::9".parse().unwrap(), ..declined.clone() },
        Lease { what: "2001:db8::10".parse().unwrap(), ..declined },
        Lease { what: "2001:db8::11".parse().unwrap(), ..six.clone() },
        Lease { what: "2001:db8::12".parse().unwrap(), state: State::Expired, ..six.clone() },
        Lease {
            what: "2001:db8::13".parse().unwrap(),
            iaid: 0x0102_0308,
            preferred: NEVER,
            expires: NEVER,
            ..six.clone()
        },
        six,
    ];
    let mut associations = isc::Associations::default();
    assert!(leases.iter().rev().all(|lease| associations.add(lease)) && !associations.add(&four));
    let written = associations.text();
    assert_eq!(written.matches("ia-").count(), 4, "each association is there once:\n{written}");
    let back = read(Format::Isc, format!("{}{written}", isc::heading6(full6_server().as_duid())).as_bytes()).unwrap();
    assert!(back.is_whole(), "{:?} {:?}", back.problems, back.cut);
    let mut back: Vec<Lease> = back.leases.into_iter().map(|(_, lease)| lease).collect();
    back.sort_by_key(|lease| lease.what);
    assert_eq!(back, leases);
}

fn full6_server() -> gateway_core::wire::dhcp6::DuidBuf {
    gateway_core::wire::dhcp6::DuidBuf::link_layer([2, 0, 0, 0, 0, 9])
}

/// The rows as people and programs read them.
#[test]
fn rows_as_they_are_written() {
    let expected = "100.64.0.10,active,02:00:00:00:00:01,010203,,,2026-11-22T00:00:00Z,,2026-11-22T01:00:00Z,100.64.0.1,,\
        010107,BNG-0042/address:100.64.0.1/7,,\n";
    assert_eq!(csv::line(&(&full()).into()), expected);
    let expected = "2001:db8:8000::/56,active,,,00030001020000000001,7,2026-11-22T00:00:00Z,2026-11-22T00:30:00Z,never,\
        2001:db8:100::1,000209,,duid:000209/group:hex:636172642f31/1,2001:db8::9,";
    let path = gateway_core::hex(&relay_message());
    assert_eq!(csv::line(&(&full6()).into()), format!("{expected}{path}\n"));
    assert_eq!(Row::from(&full6()).scope_for_people().as_deref(), Some("hex:636172642f31"));
}

/// A row that is none is told with its line, and the others are taken.
#[test]
fn mistakes_in_rows() {
    let good = csv::line(&(&full()).into());
    let table = [
        ("100.64.0.300,active,02:00:00:00:00:01,,,,,,never,,,,,,\n", "is no address or prefix"),
        ("2001:db8:8000::1/56,active,,,0003,1,,,never,,,,,,\n", "is no address or prefix"),
        ("100.64.0.1,leased,02:00:00:00:00:01,,,,,,never,,,,,,\n", "a state is one of active, "),
        ("100.64.0.1,active,02:00:00:00:00:01,,,,,,,,,,,,\n", "has no end"),
        ("100.64.0.1,active,,,,,,,never,,,,,,\n", "names no client"),
        ("100.64.0.1,active,02:00:00:00:00:01,,,,,,tomorrow,,,,,,\n", "is no time"),
        ("100.64.0.1,active,02:00:00:00:00:01,,,,,,never,2001:db8::1,,,,,\n", "is no relay"),
        ("100.64.0.1,active,02:00:00:00:00:01,,,,,,never,,,,x,,\n", "is no scope"),
        ("2001:db8::1,active,,,000301,1,,,never,,,,,here,\n", "is no IPv6 address"),
        ("2001:db8::1,active,,,000301,1,,,never,,,,,,0c00\n", "is no RELAY-FORW"),
        ("100.64.0.1,active,02:00\n", "3 fields"),
    ];
    for (wrong, told) in table {
        let text = format!("{}{wrong}{good}", csv::heading());
        let read = read(Format::Csv, text.as_bytes()).unwrap();
        assert_eq!((read.leases.len(), read.problems.len()), (1, 1), "{wrong}: {:?}", read.problems);
        assert!(read.problems[0].what.contains(told) && read.problems[0].line == 2, "{:?}", read.problems[0]);
    }
}

/// Cut at any octet, what is before is there; and JSON in which a row is none goes on behind it.
#[test]
fn rows_cut_anywhere() {
    let leases = [full(), full6(), full()];
    for (format, text) in [(Format::Csv, table(&leases)), (Format::Json, array(&leases))] {
        for length in 0..text.len() {
            let Ok(read) = read(format, &text.as_bytes()[..length]) else { continue };
            let found: Vec<Lease> = read.leases.iter().map(|(_, lease)| lease.clone()).collect();
            assert_eq!(found, leases[..found.len()], "{format:?} cut at {length}");
            assert!(read.problems.is_empty(), "{format:?} cut at {length}: {:?}", read.problems);
            assert!(read.cut.is_some() || found.len() == 3 || text[..length].ends_with('\n') || length == 0);
        }
    }
    let text = array(&leases).replacen("\"active\"", "\"lost\"", 1);
    let read = read(Format::Json, text.as_bytes()).unwrap();
    assert_eq!((read.leases.len(), read.problems.len(), read.problems[0].line), (2, 1, 2));
    let broken = super::super::read(Format::Json, b"[{\"address\":\"10.0.0.1\"} xx, {}]").unwrap();
    assert_eq!((broken.leases.len(), broken.problems.len()), (0, 2), "{:?}", broken.problems);
}

/// Each filter by itself: what it admits, and what not.
#[test]
fn filters() {
    let four = full();
    let six = full6();
    let within = |text: &str| Filter { within: Some(text.parse().unwrap()), ..Filter::default() };
    let mac = |text: &str| Filter { mac: Some(text.to_owned()), ..Filter::default() };
    let client = |text: &str| Filter { client: Some(text.to_owned()), ..Filter::default() };
    let scope = |text: &str| Filter { scope: Some(text.to_owned()), ..Filter::default() };
    let states = |states: &[State]| Filter { states: states.to_vec(), ..Filter::default() };
    let table = [
        (Filter::default(), true, true),
        (within("100.64.0.10"), true, false),
        (within("100.64.0.0/24"), true, false),
        (within("100.64.1.0/24"), false, false),
        (within("0.0.0.0/0"), true, false),
        (within("2001:db8::/32"), false, true),
        (within("2001:db8:8000:7::1"), false, true), // is inside of it
        (within("2001:db8:8001::"), false, false),
        (mac("02:00:00:00:00:01"), true, false),
        (mac("020000000001"), true, false),
        (mac("02:00:00:00:00:02"), false, false),
        (client("010203"), true, false),
        (client("1:2:3"), true, false),
        (client("00030001020000000001"), false, true),
        (scope("BNG-0042"), true, false),
        (scope("100.64.0.1"), true, false),
        (scope("duid:000209"), false, true),
        (scope("BNG-00"), false, false),
        (states(&[State::Active]), true, true),
        (states(&[State::Expired, State::Reset]), false, false),
    ];
    for (filter, is_four, is_six) in table {
        assert_eq!((filter.admits(&four), filter.admits(&six)), (is_four, is_six), "{filter:?}");
        assert_eq!(filter.mistake(), None);
    }
    assert_eq!(mac("02:zz").mistake().as_deref(), Some("`02:zz` is not hexadecimal digits"));
    for wrong in ["10.0.0.0/33", "2001:db8::/129", "here", "10.0.0.1/"] {
        assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
    }
}
