//! Messages of clients and servers, and who they name.

use core::net::Ipv6Addr;

use proptest::prelude::*;

use crate::wire::dhcp6::arbitrary::{binding, duid, ia_kind};
use crate::wire::dhcp6::*;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn address(text: &str) -> Binding {
    Binding::Address(text.parse().unwrap())
}

fn prefix(text: &str, length: u8) -> Binding {
    Binding::Prefix(Prefix::new(text.parse().unwrap(), length).unwrap())
}

/// Everything that a REQUEST says, by the name of the one who asks for it.
#[test]
fn a_request() {
    let client = DuidBuf::link_layer(MAC);
    let server = DuidBuf::link_layer([2, 0, 0, 0, 0xaa, 1]);
    let octets = Builder::message(kind::REQUEST, 0xff0a_0b0c)
        .duid(code::CLIENT_ID, client.as_duid())
        .duid(code::SERVER_ID, server.as_duid())
        .ia(IaKind::Na, 1, [0, 0], |out| {
            out.lease(address("2001:db8::5"), [300, 600], |_| {});
        })
        .ia(IaKind::Ta, 1, [7, 7], |out| {
            out.lease(address("2001:db8::6"), [1, 2], |_| {});
        })
        .ia(IaKind::Pd, 1, [50, 80], |out| {
            out.lease(prefix("2001:db8:1::", 56), [100, u32::MAX], |_| {});
            out.status(status::NO_PREFIX_AVAIL, "none");
        })
        .requested(&[code::DNS_SERVERS, code::SOL_MAX_RT])
        .u16(code::ELAPSED_TIME, 1234)
        .option(code::RAPID_COMMIT, &[])
        .option(code::RECONF_ACCEPT, &[])
        .option(code::AUTH, b"opaque")
        .finish()
        .unwrap();
    let message = Message::parse(&octets).unwrap();
    assert_eq!((message.kind(), message.xid()), (kind::REQUEST, 0x0a_0b0c));
    assert_eq!(message.octets(), octets);
    assert_eq!(message.client_id().unwrap(), Some(client.as_duid()));
    assert_eq!(message.server_id().unwrap(), Some(server.as_duid()));
    assert_eq!(message.elapsed(), Ok(Some(1234)));
    assert_eq!((message.rapid_commit(), message.reconfigure_accept()), (Ok(true), Ok(true)));
    assert_eq!(message.authentication(), Ok(Some(&b"opaque"[..])));
    let requested = message.requested().unwrap();
    assert_eq!(requested.iter().collect::<Vec<_>>(), [23, 82]);
    assert!(requested.contains(82) && !requested.contains(83));
    assert_eq!(message.status(), Ok(None));

    let ias = message.ias().unwrap();
    let named: Vec<_> = ias.iter().map(|ia| (ia.kind, ia.iaid, ia.t1, ia.t2)).collect();
    assert_eq!(named, [(IaKind::Na, 1, 0, 0), (IaKind::Ta, 1, 0, 0), (IaKind::Pd, 1, 50, 80)]);
    let leases: Vec<_> = ias.iter().flat_map(Ia::leases).map(|one| (one.binding, one.preferred, one.valid)).collect();
    let want = [
        (address("2001:db8::5"), 300, 600),
        (address("2001:db8::6"), 1, 2),
        (prefix("2001:db8:1::", 56), 100, u32::MAX),
    ];
    assert_eq!(leases, want);
    assert_eq!(ias[2].status.map(|status| (status.code, status.text().into_owned())), Some((6, "none".to_owned())));
}

/// What may be absent is absent, not an error.
#[test]
fn a_message_without_options() {
    let message = Message::parse(&[kind::SOLICIT, 0, 0, 1]).unwrap();
    assert_eq!((message.client_id(), message.server_id(), message.elapsed()), (Ok(None), Ok(None), Ok(None)));
    assert_eq!((message.rapid_commit(), message.reconfigure_message()), (Ok(false), Ok(None)));
    assert_eq!(message.requested().unwrap().iter().count(), 0);
    assert!(message.ias().unwrap().is_empty());
}

/// Too short, of a relay, or with options that don't fill it.
#[test]
fn no_message() {
    for length in 0..HEADER {
        assert_eq!(Message::parse(&vec![1; length]).unwrap_err(), Malformed::Short { length, least: 4 });
    }
    assert_eq!(Message::parse(&[12, 0, 0, 0]).unwrap_err(), Malformed::Kind(12));
    assert_eq!(Message::parse(&[13, 0, 0, 0]).unwrap_err(), Malformed::Kind(13));
    assert_eq!(Message::parse(&[1, 0, 0, 0, 0]).unwrap_err(), Malformed::Trailing { at: 4, length: 1 });
    assert!(Message::parse(&[240, 0, 0, 0]).is_ok(), "a type that nobody knows");
}

/// Two IAs of one kind with one IAID are told as such, wherever they stand; of two kinds they are two IAs.
#[test]
fn one_iaid_twice() {
    let build = |kinds: &[(IaKind, u32)]| {
        let mut out = Builder::message(kind::REQUEST, 1);
        for (kind, iaid) in kinds {
            out.ia(*kind, *iaid, [0, 0], |_| {});
        }
        let octets = out.finish().unwrap();
        Message::parse(&octets).unwrap().ias().map(|ias| ias.len())
    };
    use IaKind::{Na, Pd, Ta};
    assert_eq!(build(&[(Na, 1), (Pd, 1), (Ta, 1), (Na, 2)]), Ok(4));
    let twice = Malformed::DuplicateIaid { kind: Na, iaid: 1, at: 36 };
    assert_eq!(build(&[(Na, 1), (Pd, 1), (Na, 1)]), Err(twice));
    let twice = Malformed::DuplicateIaid { kind: Pd, iaid: 9, at: 20 };
    assert_eq!(build(&[(Pd, 9), (Pd, 9), (Na, 1)]), Err(twice));
}

/// Each option whose value can't be what its code says.
#[test]
fn values_of_the_wrong_form() {
    let read = |code: u16, value: &[u8]| {
        let octets = Builder::message(kind::REPLY, 1).option(code, value).finish().unwrap();
        let message = Message::parse(&octets).unwrap();
        let options = message.options();
        let results = [
            options.duid(code::CLIENT_ID).err(),
            options.duid(code::RELAY_ID).err(),
            options.status().err(),
            message.elapsed().err(),
            message.rapid_commit().err(),
            message.requested().err(),
            message.reconfigure_message().err(),
            message.ias().err(),
            options.bare_leases().err(),
            options.u32(code::CLT_TIME).err(),
            options.address(code::LINK_ADDRESS).err(),
            options.remote_id().err(),
            options.client_link_layer().err(),
            options.relay_supplied().err(),
        ];
        results.into_iter().flatten().next()
    };
    let wrong = [
        (1, 0),
        (1, 131),
        (53, 0),
        (13, 1),
        (8, 1),
        (8, 3),
        (14, 1),
        (6, 3),
        (19, 0),
        (19, 2),
        (3, 11),
        (4, 3),
        (25, 11),
        (5, 23),
        (26, 24),
        (46, 3),
        (80, 15),
        (37, 3),
        (79, 1),
    ];
    for (code, length) in wrong {
        assert_eq!(read(code, &vec![0; length]), Some(Malformed::Value { code, at: 4 }), "{code}, {length} octets");
    }
    for (code, length) in [
        (1, 1),
        (1, 130),
        (53, 130),
        (13, 2),
        (8, 2),
        (14, 0),
        (6, 0),
        (6, 4),
        (3, 12),
        (4, 4),
        (5, 24),
        (26, 25),
        (37, 4),
        (79, 2),
    ] {
        assert_eq!(read(code, &vec![0; length]), None, "{code}, {length} octets");
    }
    let mut long = [0; 25];
    long[8] = 129;
    assert_eq!(read(26, &long), Some(Malformed::Value { code: 26, at: 4 }), "a prefix of 129 bits");
    assert_eq!(read(66, &[0, 1, 0, 1]), Some(Malformed::CutOption { code: 1, at: 8 }));
}

/// The bits behind a prefix's length mean nothing (RFC 8415 section 21.22).
#[test]
fn prefixes_are_masked() {
    let all = Ipv6Addr::from_bits(u128::MAX);
    assert_eq!(Prefix::new(all, 56).unwrap().to_string(), "ffff:ffff:ffff:ff00::/56");
    assert_eq!(Prefix::new(all, 0).unwrap().to_string(), "::/0");
    assert_eq!(Prefix::new(all, 128).unwrap().address(), all);
    assert_eq!(Prefix::new(all, 129), None);
}

/// RFC 8415 section 11: four sorts, 1 to 130 octets, and whatever else somebody calls himself.
#[test]
fn duids() {
    assert!(Duid::new(&[]).is_none() && Duid::new(&[0; 131]).is_none());
    let kind = |octets: &'static [u8]| Duid::new(octets).unwrap().kind();
    assert_eq!(
        kind(b"\0\x01\0\x01\0\0\0\x09\x02\0\0\0\0\x01"),
        DuidKind::LinkLayerTime { hardware: 1, time: 9, address: &MAC }
    );
    assert_eq!(kind(b"\0\x02\0\0\0\x09abc"), DuidKind::Enterprise { enterprise: 9, id: b"abc" });
    assert_eq!(kind(b"\0\x03\0\x06abc"), DuidKind::LinkLayer { hardware: 6, address: b"abc" });
    assert_eq!(kind(b"\0\x040123456789abcdef"), DuidKind::Uuid(*b"0123456789abcdef"));
    for other in [&b"\0"[..], b"\0\x01\0\x01\0\0\0", b"\0\x02\0\0\0", b"\0\x03\0", b"\0\x04123", b"\0\x05abc"] {
        assert_eq!(Duid::new(other).unwrap().kind(), DuidKind::Other, "{other:?}");
    }
    let link_layer = DuidBuf::link_layer(MAC);
    assert_eq!(link_layer.to_string(), "00030001020000000001");
    assert_eq!(link_layer.as_duid().mac(), Some(MAC));
    let mac = |octets: &'static [u8]| Duid::new(octets).unwrap().mac();
    assert_eq!(mac(b"\0\x01\0\x01\0\0\0\x09\x02\0\0\0\0\x01"), Some(MAC));
    assert_eq!(mac(b"\0\x03\0\x06\x02\0\0\0\0\x01"), None, "not Ethernet");
    assert_eq!(mac(b"\0\x03\0\x01\x02\0\0\0\0\x01\0\x02"), None, "EUI-64");
}

/// What servers alone send has no business on a subscriber's port.
#[test]
fn who_sends_what() {
    let from_servers: Vec<u8> = (0..=255).filter(|kind| kind::only_from_servers(*kind)).collect();
    assert_eq!(from_servers, [2, 7, 10, 13, 15, 16, 17, 19, 21]);
    assert_eq!((0..=255).filter(|kind| kind::is_relayed(*kind)).collect::<Vec<u8>>(), [12, 13]);
    assert_eq!((status::name(3), status::name(99)), (Some("NoBinding"), None));
    let told = status::Status { code: 1, text: b"no\x1b[2J\nleases \xc3\xa4\xff" };
    assert_eq!(told.text(), "no\u{fffd}[2J\u{fffd}leases \u{e4}\u{fffd}", "for a terminal nothing but text");
}

proptest! {
    /// What is built is read again, whatever its values.
    #[test]
    fn ias_round_trip(kind in ia_kind(), iaid: u32, times: [u32; 2], lifetimes: [u32; 2], duid in duid(), addresses in proptest::collection::vec((binding(false), binding(true)), 0..4)) {
        let bindings: Vec<_> =
            addresses.into_iter().map(|(address, prefix)| if kind == IaKind::Pd { prefix } else { address }).collect();
        let octets = Builder::message(kind::REPLY, 1).duid(code::CLIENT_ID, duid.as_duid()).ia(kind, iaid, times, |out| {
            for binding in &bindings {
                out.lease(*binding, lifetimes, |out| {
                    out.status(status::SUCCESS, "ok");
                });
            }
        }).finish().unwrap();
        let message = Message::parse(&octets).unwrap();
        prop_assert_eq!(message.client_id().unwrap().map(|read| read.to_owned()), Some(duid));
        let ias = message.ias().unwrap();
        let [ia] = &ias[..] else { return Err(TestCaseError::fail("one IA")) };
        let times = if kind == IaKind::Ta { [0, 0] } else { times };
        prop_assert_eq!((ia.kind, ia.iaid, [ia.t1, ia.t2]), (kind, iaid, times));
        let leases: Vec<_> = ia.leases().collect();
        prop_assert_eq!(leases.iter().map(|lease| lease.binding).collect::<Vec<_>>(), bindings);
        for lease in leases {
            prop_assert_eq!([lease.preferred, lease.valid], lifetimes);
            prop_assert_eq!(lease.status.map(|status| status.text), Some(&b"ok"[..]));
        }
    }
}
