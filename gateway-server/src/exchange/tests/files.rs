//! Files of other servers, read.

use super::super::{Format, Lease, NEVER, State, read};

/// As dhcpd 4.4 writes it.
pub(super) const DHCPD: &str = r#"# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;
server-duid "\000\001\000\001,\204\345\337\002\000\000\000\000\001";

lease 100.64.0.10 {
  starts 0 2026/11/22 00:00:00;
  ends 0 2026/11/22 02:00:00;
  cltt 0 2026/11/22 00:30:00;
  binding state active;
  next binding state free;
  rewind binding state free;
  hardware ethernet 02:00:00:00:00:01;
  uid "\001\002\000\000\000\000\001";
  set vendor-class-identifier = "a}b;";
  option agent.circuit-id "port 7";
  option agent.remote-id 2:0:1f;
  client-hostname "box\"1";
  on expiry { log (info, "gone"); }
}
failover peer "dhcp" state {
  my state normal at 0 2026/11/22 00:00:00;
}
lease 100.64.0.11 {
  starts epoch 1795302000; # Sun Nov 22 00:00:00 2026
  ends never;
  binding state active;
  hardware ethernet 02:00:00:00:00:02;
}
lease 100.64.0.12 {
  ends 0 2026/11/22 12:00:00;
  binding state abandoned;
  uid "who declined it";
}
lease 100.64.0.13 {
  starts 0 2026/11/22 00:00:00;
  ends 0 2026/11/22 02:00:00;
  binding state backup;
}
lease 100.64.0.14 { starts 0 2026/11/21 00:00:00; ends 0 2026/11/21 02:00:00; binding state free; hardware ethernet 02:00:00:00:00:03; }
"#;

/// As dhcpd 4.4 writes it for DHCPv6: the IAID is 1 on a little-endian host.
pub(super) const DHCPD6: &str = r#"authoring-byte-order little-endian;
server-duid "\000\001\000\001,\204\345\337\002\000\000\000\000\001";
ia-na "\001\000\000\000\000\003\000\001\002\000\000\000\000\001" {
  cltt 0 2026/11/22 00:00:00;
  iaaddr 2001:db8::10 {
    binding state active;
    preferred-life 3600;
    max-life 7200;
    ends 0 2026/11/22 02:00:00;
    set iana = "x";
  }
}
ia-pd "\001\000\000\000\000\003\000\001\002\000\000\000\000\001" {
  cltt 0 2026/11/22 00:00:00;
  iaprefix 2001:db8:8000::/56 {
    binding state active;
    preferred-life 7200;
    max-life 7200;
    ends never;
  }
}
"#;

const MIDNIGHT: u64 = 1_795_305_600;

fn leases(format: Format, text: &str) -> Vec<Lease> {
    let read = read(format, text.as_bytes()).expect("of that format");
    assert!(read.is_whole(), "{:?} {:?}", read.problems, read.cut);
    read.leases.into_iter().map(|(_, lease)| lease).collect()
}

/// Every state that dhcpd has, its three ways to write a time, its strings, its blocks within blocks.
#[test]
fn dhcpd_leases() {
    let read = read(Format::Isc, DHCPD.as_bytes()).unwrap();
    assert_eq!(read.leases.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [5, 23, 29, 34, 39]);
    let found = leases(Format::Isc, DHCPD);
    let told: Vec<_> = found.iter().map(|l| (l.what.to_string(), l.state, l.last, l.expires)).collect();
    let expected = [
        ("100.64.0.10", State::Active, MIDNIGHT + 1800, MIDNIGHT + 7200),
        ("100.64.0.11", State::Active, 1_795_302_000, NEVER),
        ("100.64.0.12", State::Abandoned, 0, MIDNIGHT + 43_200),
        ("100.64.0.13", State::Released, MIDNIGHT, MIDNIGHT + 7200),
        ("100.64.0.14", State::Released, MIDNIGHT - 86_400, MIDNIGHT - 79_200),
    ];
    assert_eq!(told, expected.map(|(what, state, last, expires)| (what.to_owned(), state, last, expires)));
    assert_eq!(found[0].client, [1, 2, 0, 0, 0, 0, 1]);
    assert_eq!(found[0].hardware.to_string(), "02:00:00:00:00:01");
    assert_eq!(found[0].agent_information, [&[1, 6][..], b"port 7", &[2, 3, 2, 0, 0x1f]].concat());
    assert!(!found[2].has_client(), "who declined an address does not have it");
}

/// The IAID is in the order of octets of the host that wrote it, which the file tells.
#[test]
fn dhcpd6_leases() {
    let found = leases(Format::Isc, DHCPD6);
    let told: Vec<_> = found.iter().map(|l| (l.what.to_string(), l.iaid, l.last, l.preferred, l.expires)).collect();
    let expected = [
        ("2001:db8::10".to_owned(), 1, MIDNIGHT, MIDNIGHT + 3600, MIDNIGHT + 7200),
        ("2001:db8:8000::/56".to_owned(), 1, MIDNIGHT, NEVER, NEVER),
    ];
    assert_eq!(told, expected);
    assert_eq!(found[0].client, [0, 3, 0, 1, 2, 0, 0, 0, 0, 1]);
    let big = leases(Format::Isc, &DHCPD6.replace("little-endian", "big-endian"));
    assert_eq!(big[0].iaid, 1 << 24);
}

/// What is not a lease is told with its line, and the others are taken.
#[test]
fn mistakes_in_dhcpd_leases() {
    let good = "lease 10.0.0.9 { ends never; binding state active; hardware ethernet 02:00:00:00:00:09; }\n";
    let table = [
        ("lease 10.0.0.300 { ends never; binding state free; }\n", "`10.0.0.300` is no address"),
        ("lease 10.0.0.1 { ends 5 2026/13/20 11:00:00; binding state free; }\n", "`5 2026/13/20 11:00:00` is no time"),
        ("lease 10.0.0.1 { ends never; binding state lost; }\n", "there is no binding state `lost`"),
        ("lease 10.0.0.1 { ends never; binding state active; }\n", "it is active but names no client"),
        ("lease 10.0.0.1 { binding state active; uid \"x\"; }\n", "it has no end"),
        ("lease 10.0.0.1 { ends never; hardware ethernet 02:00:00:zz:00:01; }\n", "is no hardware address"),
        ("lease 10.0.0.1 {\n ends 5 2026/1\n", "another begins at line 3"),
        ("}\n", "a } that ends nothing"),
        ("ia-na \"\\001\" { }\n", "its name is no IAID with a DUID"),
        (
            "ia-pd \"\\001\\000\\000\\000\\001\" { iaprefix 10.0.0.0/8 { binding state free; } }\n",
            "is no address or prefix",
        ),
    ];
    for (wrong, told) in table {
        let text = format!("{wrong}{good}");
        let read = read(Format::Isc, text.as_bytes()).unwrap();
        assert_eq!(read.leases.len(), 1, "{wrong}");
        assert_eq!(read.problems.len(), 1, "{wrong}: {:?}", read.problems);
        assert!(read.problems[0].what.contains(told) && read.problems[0].line == 1, "{:?}", read.problems[0]);
    }
}

/// As Kea 2.2 writes it, and Kea 2.6 with its further columns: option 82, a declined address, one that was released.
pub(super) const KEA4: &str = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n\
    100.64.0.10,02:00:00:00:00:01,01:02:00:00:00:00:01,3600,1795309200,1,0,0,host&#x2cname,0,{ \"ISC\": { \"relay-agent-info\": \"0x0102AABB\" } },0\n\
    100.64.0.11,02:00:00:00:00:02,,4294967295,6090272895,1,0,0,,0,{ \"ISC\": { \"relay-agent-info\": { \"remote-id\": \"01\"&#x2c \"sub-options\": \"0x0201FF\" } } },0\n\
    100.64.0.12,,,86400,1795392000,1,0,0,,1,,0\n\
    100.64.0.13,02:00:00:00:00:03,,0,1795305600,1,0,0,,0,,0\n\
    100.64.0.14,02:00:00:00:00:04,,3600,1795300000,1,0,0,,2,,0\n";

pub(super) const KEA6: &str = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context\n\
    2001:db8::10,00:03:00:01:02:00:00:00:00:01,7200,1795312800,1,3600,0,1,128,0,0,,02:00:00:00:00:01,0,\n\
    2001:db8:8000::,00:03:00:01:02:00:00:00:00:01,7200,1795312800,1,3600,2,1,56,0,0,,,0,\n\
    2001:db8::11,00:00:00,86400,1795392000,1,0,0,0,128,0,0,,,1,\n";

#[test]
fn kea_leases() {
    let found = leases(Format::Kea, KEA4);
    let told: Vec<_> = found.iter().map(|l| (l.what.to_string(), l.state, l.last, l.expires)).collect();
    let expected = [
        ("100.64.0.10", State::Active, MIDNIGHT, MIDNIGHT + 3600),
        ("100.64.0.11", State::Active, MIDNIGHT, NEVER),
        ("100.64.0.12", State::Abandoned, MIDNIGHT, MIDNIGHT + 86_400),
        ("100.64.0.13", State::Released, MIDNIGHT, MIDNIGHT),
        ("100.64.0.14", State::Expired, 1_795_296_400, 1_795_300_000),
    ];
    assert_eq!(told, expected.map(|(what, state, last, expires)| (what.to_owned(), state, last, expires)));
    assert_eq!(found[0].client, [1, 2, 0, 0, 0, 0, 1]);
    assert_eq!(found[0].agent_information, [1, 2, 0xaa, 0xbb]);
    assert_eq!(found[1].agent_information, [2, 1, 0xff]);
    let found = leases(Format::Kea, KEA6);
    let told: Vec<_> = found.iter().map(|l| (l.what.to_string(), l.state, l.iaid, l.preferred)).collect();
    let expected = [
        ("2001:db8::10".to_owned(), State::Active, 1, MIDNIGHT + 3600),
        ("2001:db8:8000::/56".to_owned(), State::Active, 1, MIDNIGHT + 3600),
    ];
    assert_eq!(told[..2], expected);
    assert_eq!((found[2].state, found[2].has_client()), (State::Abandoned, false));
}

#[test]
fn mistakes_in_kea_leases() {
    let table = [
        ("100.64.0.300,,01:02,3600,1,1,0,0,,0,,0\n", "address is no number that fits"),
        ("100.64.0.1,,zz,3600,1,1,0,0,,0,,0\n", "client_id is no octets"),
        ("100.64.0.1,,01:02,-1,1,1,0,0,,0,,0\n", "valid_lifetime is no number"),
        ("100.64.0.1,,01:02,3600,1,1,0,0,,9,,0\n", "there is no state 9"),
        ("100.64.0.1,,,3600,1,1,0,0,,0,,0\n", "it is in force but names no client"),
        ("100.64.0.1,,01:02,36\n", "it has 4 fields where the heading has 12"),
    ];
    for (wrong, told) in table {
        let (heading, rest) = KEA4.split_once('\n').unwrap();
        let read = read(Format::Kea, format!("{heading}\n{wrong}{rest}").as_bytes()).unwrap();
        assert_eq!((read.leases.len(), read.problems.len()), (5, 1), "{wrong}");
        assert!(read.problems[0].what.contains(told) && read.problems[0].line == 2, "{:?}", read.problems[0]);
    }
    let other = read(Format::Kea, b"name,value\n1,2\n").unwrap_err();
    assert!(other.to_string().starts_with("line 1: it is no heading"), "{other}");
    assert!(read(Format::Isc, KEA4.as_bytes()).is_err() && read(Format::Json, KEA4.as_bytes()).is_err());
}

/// Cut at any octet, a file gives whole leases from its beginning, each as it is in the whole file, and says where it was cut.
#[test]
fn a_file_cut_anywhere() {
    for (format, text) in [(Format::Isc, DHCPD), (Format::Isc, DHCPD6), (Format::Kea, KEA4), (Format::Kea, KEA6)] {
        let whole = leases(format, text);
        for length in 0..text.len() {
            let Ok(read) = read(format, &text.as_bytes()[..length]) else { continue };
            let found: Vec<Lease> = read.leases.iter().map(|(_, lease)| lease.clone()).collect();
            assert_eq!(found, whole[..found.len()], "{format:?} cut at {length}");
            assert_eq!(read.problems, [], "{format:?} cut at {length}");
            let lines = text[..length].matches('\n').count() as u64;
            if let Some(cut) = &read.cut {
                assert!((lines..=lines + 1).contains(&cut.line), "{format:?} cut at {length}: {cut}");
            }
            // What was lost is told, unless the cut is where a lease ends.
            let ends = text[..length].trim_end();
            let in_comment = text[..length].lines().last().is_some_and(|line| line.contains('#'));
            let between = in_comment || ends.is_empty() || ends.ends_with(['}', ';']) || text[..length].ends_with('\n');
            assert!(read.cut.is_some() || between, "{format:?} cut at {length} says nothing");
        }
    }
}
