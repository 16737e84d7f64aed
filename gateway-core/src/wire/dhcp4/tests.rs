//! Reading, building, passing on; with dhcproto as the oracle where it is sound.

use core::net::Ipv4Addr;

use dhcproto::v4::{self, DhcpOption, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::line::HardwareAddress;
use crate::wire::Malformed;
use crate::wire::arbitrary::{damaged, message, octets};

const GIADDR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn bare() -> Builder {
    Builder::new(REQUEST).hardware(HardwareAddress::ethernet([2, 0, 0, 0, 0, 1])).kind(kind::DISCOVER)
}

/// Each thing that makes a message malformed, by its name. An hlen of 255 is hazard D-1.
#[test]
fn malformed_messages() {
    let good = bare().option(61, b"abc").finish();
    assert!(Message::parse(&good).is_ok());
    for length in 0..HEADER {
        assert_eq!(Message::parse(&good[..length]).unwrap_err(), Malformed::Short { length, least: HEADER });
    }
    let changed = |at: usize, octet: u8| {
        let mut octets = good.clone();
        octets[at] = octet;
        Message::parse(&octets).unwrap_err()
    };
    assert_eq!(changed(field::MAGIC, 98), Malformed::Cookie);
    assert_eq!(changed(field::OP, 3), Malformed::Op(3));
    assert_eq!(changed(field::HLEN, 17), Malformed::HardwareLength(17));
    assert_eq!(changed(field::HLEN, 255), Malformed::HardwareLength(255));
    assert_eq!(changed(HEADER + 4, 5), Malformed::CutOption { code: 61, at: 3 }, "one octet more than there is");
    assert_eq!(Message::parse(&good[..HEADER + 4]).unwrap_err(), Malformed::CutOption { code: 61, at: 3 });
    let mut overloaded = bare().option(code::OVERLOAD, &[1]).finish();
    overloaded[field::FILE + 126] = 61;
    overloaded[field::FILE + 127] = 1;
    assert_eq!(Message::parse(&overloaded).unwrap_err(), Malformed::CutOption { code: 61, at: 126 });
}

/// RFC 3396: repeated codes are one value, in the order options, file, sname, whether or not they are adjacent.
#[test]
fn repeated_options_and_overload() {
    let mut octets = bare().option(61, b"a").option(12, b"x").option(code::OVERLOAD, &[3]).option(61, b"b").finish();
    octets[field::FILE..field::FILE + 7].copy_from_slice(b"\x3d\x01c\x0c\x01y\xff");
    octets[field::SNAME..field::SNAME + 4].copy_from_slice(b"\x3d\x01d\xff");
    let message = Message::parse(&octets).unwrap();
    assert_eq!(message.option(61).as_deref(), Some(&b"abcd"[..]));
    assert_eq!(message.option(12).as_deref(), Some(&b"xy"[..]));
    assert_eq!(message.option(15), None);
    let codes: Vec<u8> = message.options().map(|(code, _)| code).collect();
    assert_eq!(codes, [53, 61, 12, 52, 61]);

    let long: Vec<u8> = (0..=255).chain(0..=100).collect();
    let octets = bare().option(43, &long).option(80, &[]).finish();
    let message = Message::parse(&octets).unwrap();
    assert_eq!(message.option(43).as_deref(), Some(&long[..]));
    assert_eq!(message.option(80).as_deref(), Some(&[][..]));
}

/// Option 82 counts wherever it hides, and has a value only where RFC 3046 puts it.
#[test]
fn where_option_82_is() {
    let agent = |octets: &[u8]| {
        let message = Message::parse(octets).unwrap();
        (message.agent_count(), message.agent_information().map(<[u8]>::to_vec))
    };
    assert_eq!(agent(&bare().finish()), (0, None));
    assert_eq!(agent(&bare().option(82, b"\x01\x00").finish()), (1, Some(b"\x01\x00".to_vec())));
    assert_eq!(agent(&bare().option(82, b"\x01\x00").option(82, b"\x02\x00").finish()), (2, None));
    let mut hidden = bare().option(82, b"\x01\x00").option(code::OVERLOAD, &[2]).finish();
    hidden[field::SNAME..field::SNAME + 3].copy_from_slice(b"\x52\x00\xff");
    assert_eq!(agent(&hidden), (2, None));
}

/// One message type or none.
#[test]
fn the_message_type() {
    let kind = |octets: &[u8]| Message::parse(octets).unwrap().kind();
    assert_eq!(kind(&bare().finish()), Some(1));
    assert_eq!(kind(&Builder::new(REQUEST).finish()), None);
    assert_eq!(kind(&bare().kind(1).finish()), None);
    assert_eq!(kind(&Builder::new(REQUEST).option(53, &[1, 1]).finish()), None);
    assert_eq!(kind(&Builder::new(REQUEST).option(53, &[]).finish()), None);
    let mut overloaded = Builder::new(REQUEST).option(code::OVERLOAD, &[1]).finish();
    overloaded[field::FILE..field::FILE + 4].copy_from_slice(&[53, 1, 5, 255]);
    assert_eq!(kind(&overloaded), Some(5));
}

/// Option 82 goes right before the end option: where there is none, where padding follows, where the options field
/// is full of pads, and where sname and file carry options.
#[test]
fn where_option_82_goes() {
    let added = |octets: &[u8]| relay_up(&Message::parse(octets).unwrap(), GIADDR, 1, Some(b"\x01\x01x"));
    let plain = bare().finish();
    let before = &plain[..plain.len() - 1];
    let option = b"\x52\x03\x01\x01x";
    let options = |out: &[u8]| out[HEADER..].to_vec();
    let head = &before[HEADER..];
    assert_eq!(options(&added(&plain)), [head, option, b"\xff"].concat());
    assert_eq!(options(&added(before)), [head, option, b"\xff"].concat(), "no end");
    assert_eq!(options(&added(&[before, &[0; 9]].concat())), [head, &[0; 9], option, b"\xff"].concat(), "pads, no end");
    assert_eq!(options(&added(&[&plain[..], &[0; 9]].concat())), [head, option, b"\xff", &[0; 9]].concat(), "padded");
    let mut overloaded = bare().option(code::OVERLOAD, &[3]).finish();
    overloaded[field::FILE] = code::END;
    overloaded[field::SNAME] = code::END;
    let out = added(&overloaded);
    assert_eq!(out[field::CHADDR..HEADER], overloaded[field::CHADDR..HEADER], "sname and file untouched");
    assert_eq!(options(&out), [head, b"\x34\x01\x03", option, b"\xff"].concat());
    assert_eq!(relay_up(&Message::parse(&plain).unwrap(), GIADDR, 1, Some(&[0; 256])).len(), plain.len(), "too long");
}

/// What falls below 300 octets by losing option 82 is padded back, and nothing is padded that was short before.
#[test]
fn padding_of_a_reply() {
    let reply = |value: usize| Builder::new(REPLY).kind(kind::ACK).option(82, &vec![1; value]).finish();
    let down = |octets: &[u8]| relay_down(&Message::parse(octets).unwrap());
    let long = reply(100);
    assert_eq!((long.len(), down(&long).len()), (346, 300));
    let short = reply(20);
    assert_eq!((short.len(), down(&short).len()), (266, 266));
    let without = Builder::new(REPLY).kind(kind::ACK).finish();
    assert_eq!(down(&without), without);
    let mut endless = long.clone();
    endless.pop();
    assert_eq!(down(&endless).len(), 243, "padding without an end would be options");
}

#[test]
fn a_padded_message() {
    assert_eq!(bare().padded().finish().len(), LEAST);
    let long = bare().option(43, &[0; 100]).padded().finish();
    assert_eq!(long.len(), HEADER + 3 + 102 + 1);
}

/// What both codecs can say, they say alike.
fn oracle(octets: &[u8]) -> v4::Message {
    v4::Message::decode(&mut Decoder::new(octets)).unwrap()
}

proptest! {
    /// No octets make the reader panic, and every accessor works on what it accepts.
    #[test]
    fn reading_never_panics(octets in prop_oneof![octets(), damaged(), message()]) {
        let Ok(message) = Message::parse(&octets) else { return Ok(()) };
        let _ = (message.xid(), message.secs(), message.hardware(), message.kind(), message.broadcast());
        let _ = (message.agent_information(), message.agent_count(), message.agent_range());
        let total: usize = message.options().map(|(_, value)| value.len() + 2).sum();
        prop_assert!(HEADER + total <= message.end() && message.end() <= octets.len());
        for code in 0..=255 {
            let _ = (message.option(code), message.address_option(code));
        }
        let _ = crate::wire::leasequery::LeaseAnswer::read(&message);
        let _ = relay_down(&message);
    }

    /// Upward: nothing differs but hops, giaddr and the one option 82 in front of the end.
    #[test]
    fn upward_nothing_else_differs(octets in message(), value in vec(any::<u8>(), 0..=255), hops: u8) {
        let message = Message::parse(&octets).unwrap();
        let out = relay_up(&message, GIADDR, hops, Some(&value));
        prop_assert_eq!(out[field::HOPS], hops);
        prop_assert_eq!(&out[field::GIADDR..field::CHADDR], &GIADDR.octets());
        let mut restored = out.clone();
        restored[field::HOPS] = octets[field::HOPS];
        restored[field::GIADDR..field::CHADDR].copy_from_slice(&octets[field::GIADDR..field::CHADDR]);
        let option = [&[82, value.len() as u8], &value[..]].concat();
        let removed: Vec<u8> = restored.splice(message.end()..message.end() + option.len(), []).collect();
        prop_assert_eq!(removed, option);
        if message.end() == octets.len() {
            prop_assert_eq!(restored.pop(), Some(code::END));
        }
        prop_assert_eq!(&restored, &octets);

        let parsed = Message::parse(&out).unwrap();
        let mut want: Vec<_> = message.options().collect();
        want.push((82, &value));
        prop_assert_eq!(parsed.options().collect::<Vec<_>>(), want);
        prop_assert_eq!(out[parsed.end()], code::END);

        let unchanged = relay_up(&message, message.giaddr(), message.hops(), None);
        prop_assert_eq!(unchanged, octets);
    }

    /// Downward: nothing differs but the options 82 that are gone, and padding up to the former size.
    #[test]
    fn downward_nothing_else_differs(octets in message()) {
        let message = Message::parse(&octets).unwrap();
        let out = relay_down(&message);
        let parsed = Message::parse(&out).unwrap();
        prop_assert_eq!(&out[..HEADER], &octets[..HEADER]);
        let want: Vec<_> = message.options().filter(|(code, _)| *code != 82).collect();
        prop_assert_eq!(parsed.options().collect::<Vec<_>>(), want);
        let removed: usize = message.options().filter(|(code, _)| *code == 82).map(|(_, value)| value.len() + 2).sum();
        let (kept, padding) = out.split_at(octets.len() - removed);
        prop_assert!(padding.iter().all(|octet| *octet == 0) && out.len() <= octets.len());
        prop_assert_eq!(kept[parsed.end()..].to_vec(), octets[message.end()..].to_vec());
        if removed == 0 {
            prop_assert_eq!(&out, &octets);
        }
    }

    /// What goes up and comes back without option 82 is what it was.
    #[test]
    fn up_and_down_again(octets in message(), value in vec(any::<u8>(), 0..=255)) {
        let mut octets = relay_down(&Message::parse(&octets).unwrap());
        if Message::parse(&octets).unwrap().end() == octets.len() {
            octets.push(code::END);
        }
        let message = Message::parse(&octets).unwrap();
        let up = relay_up(&message, message.giaddr(), message.hops(), Some(&value));
        let down = relay_down(&Message::parse(&up).unwrap());
        prop_assert_eq!(&down[..octets.len()], &octets[..]);
        prop_assert!(down[octets.len()..].iter().all(|octet| *octet == 0));
    }

    /// dhcproto reads what we build.
    #[test]
    fn dhcproto_reads_us(
        (xid, secs, flags) in any::<(u32, u16, u16)>(),
        addresses: [[u8; 4]; 4],
        mac: [u8; 6],
        opaque in btree_map(prop_oneof![Just(43u8), Just(60), Just(61), 224u8..=254], vec(any::<u8>(), 1..400), 0..6),
    ) {
        let [ciaddr, yiaddr, siaddr, giaddr] = addresses.map(Ipv4Addr::from);
        let builder = Builder::new(REPLY).hardware(HardwareAddress::ethernet(mac)).xid(xid).secs(secs).flags(flags)
            .hops(3).ciaddr(ciaddr).yiaddr(yiaddr).siaddr(siaddr).giaddr(giaddr).kind(kind::ACK);
        let octets = opaque.iter().fold(builder, |builder, (code, value)| builder.option(*code, value)).finish();
        let theirs = oracle(&octets);
        let ours = Message::parse(&octets).unwrap();
        prop_assert_eq!((theirs.xid(), theirs.secs(), u16::from(theirs.flags()), theirs.hops()), (xid, secs, flags, 3));
        prop_assert_eq!((theirs.ciaddr(), theirs.yiaddr(), theirs.siaddr(), theirs.giaddr()),
            (ours.ciaddr(), ours.yiaddr(), ours.siaddr(), ours.giaddr()));
        prop_assert_eq!(theirs.chaddr(), &mac);
        prop_assert_eq!(ours.hardware().mac(), Some(mac));
        prop_assert_eq!(theirs.opts().msg_type(), Some(v4::MessageType::Ack));
        for (code, value) in &opaque {
            let read = match theirs.opts().get(OptionCode::from(*code)) {
                Some(DhcpOption::Unknown(unknown)) => unknown.data().to_vec(),
                Some(DhcpOption::VendorExtensions(value) | DhcpOption::ClassIdentifier(value)
                    | DhcpOption::ClientIdentifier(value)) => value.clone(),
                other => return Err(TestCaseError::fail(format!("{code}: {other:?}"))),
            };
            prop_assert_eq!(&read, value);
            prop_assert_eq!(ours.option(*code).map(Vec::from), Some(value.clone()));
        }
    }

    /// We read what dhcproto builds, option 82 included.
    #[test]
    fn we_read_dhcproto(
        xid: u32, mac: [u8; 6], server: [u8; 4], lease: u32,
        circuit in vec(any::<u8>(), 0..60), client_id in vec(any::<u8>(), 1..300),
    ) {
        let any = Ipv4Addr::UNSPECIFIED;
        let mut theirs = v4::Message::new_with_id(xid, any, server.into(), any, GIADDR, &mac);
        let mut agent = v4::relay::RelayAgentInformation::default();
        agent.insert(v4::relay::RelayInfo::AgentCircuitId(circuit.clone()));
        for option in [
            DhcpOption::MessageType(v4::MessageType::Offer),
            DhcpOption::ServerIdentifier(server.into()),
            DhcpOption::AddressLeaseTime(lease),
            DhcpOption::ClientIdentifier(client_id.clone()),
            DhcpOption::RelayAgentInformation(agent),
        ] {
            theirs.opts_mut().insert(option);
        }
        let octets = theirs.to_vec().unwrap();
        let ours = Message::parse(&octets).unwrap();
        prop_assert_eq!((ours.xid(), ours.yiaddr(), ours.giaddr()), (xid, server.into(), GIADDR));
        prop_assert_eq!((ours.kind(), ours.hardware().mac()), (Some(kind::OFFER), Some(mac)));
        prop_assert_eq!(ours.address_option(code::SERVER_ID), Some(server.into()));
        prop_assert_eq!(ours.u32_option(code::LEASE_TIME), Some(lease));
        prop_assert_eq!(ours.option(code::CLIENT_ID).map(Vec::from), Some(client_id));
        let agent = crate::wire::agent::AgentInformation::parse(ours.agent_information().unwrap()).unwrap();
        prop_assert_eq!(agent.get(1), Some(&circuit[..]));
    }
}
