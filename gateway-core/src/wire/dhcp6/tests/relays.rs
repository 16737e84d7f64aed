//! RELAY-FORW and RELAY-REPL: around a message, out of it, and many of them.

use core::net::Ipv6Addr;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::wire::dhcp6::arbitrary::{message, nest, octets};
use crate::wire::dhcp6::*;

const LINK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const PEER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const SOLICIT: [u8; 8] = [1, 9, 9, 9, 0, 14, 0, 0];

/// The first relay's message, octet by octet, and everything that a relay says of its client.
#[test]
fn the_first_relay() {
    let relay = DuidBuf::link_layer([2, 0, 0, 0, 0xbb, 1]);
    let remote = RemoteId { enterprise: 32473, id: b"line 7" };
    let octets = relay_forward(
        &SOLICIT,
        LINK,
        PEER,
        &[
            (code::INTERFACE_ID, b"eth0"),
            (code::REMOTE_ID, &remote.encode()),
            (code::SUBSCRIBER_ID, b"Ms. X"),
            (code::RELAY_ID, relay.as_duid().octets()),
            (code::CLIENT_LINKLAYER_ADDR, &ClientLinkLayer::ethernet([2, 0, 0, 0, 0, 1])),
            (code::RSOO, &[0, 65, 0, 1, 0]),
        ],
    )
    .unwrap();
    assert_eq!(octets[..2], [12, 0]);
    assert_eq!(octets[2..18], LINK.octets());
    assert_eq!(octets[18..34], PEER.octets());
    assert_eq!(octets[34..42], *b"\0\x12\0\x04eth0");
    assert_eq!(octets[octets.len() - 12..], [&[0, 9, 0, 8][..], &SOLICIT].concat());

    let read = RelayMessage::parse(&octets).unwrap();
    assert_eq!((read.kind(), read.hop_count(), read.link_address(), read.peer_address()), (12, 0, LINK, PEER));
    assert_eq!(read.inner(), Ok(&SOLICIT[..]));
    assert_eq!(read.interface_id(), Ok(Some(&b"eth0"[..])));
    assert_eq!(read.relay_id().unwrap(), Some(relay.as_duid()));
    let options = read.options();
    assert_eq!(options.remote_id(), Ok(Some(remote)));
    assert_eq!(options.value(code::SUBSCRIBER_ID), Ok(Some(&b"Ms. X"[..])));
    assert_eq!(options.client_link_layer().unwrap().unwrap().mac(), Some([2, 0, 0, 0, 0, 1]));
    assert_eq!(options.relay_supplied().unwrap().unwrap().find(65).unwrap().value, [0]);
}

/// RFC 8415 section 19.1.2: one hop more around a relay's message, and no further than the limit. A RELAY-REPL does not go up.
#[test]
fn a_relay_of_relays() {
    let mut octets = SOLICIT.to_vec();
    for hops in 0..=HOP_COUNT_LIMIT {
        octets = relay_forward(&octets, LINK, PEER, &[]).unwrap();
        let read = RelayMessage::parse(&octets).unwrap();
        assert_eq!(read.hop_count(), hops);
        assert_eq!(Nest::walk(&octets).unwrap().depth(), usize::from(hops) + 1);
    }
    assert_eq!(relay_forward(&octets, LINK, PEER, &[]), Err(NotRelayed::HopCount(8)));
    octets[1] = 255;
    assert_eq!(relay_forward(&octets, LINK, PEER, &[]), Err(NotRelayed::HopCount(255)));
    octets[0] = kind::RELAY_REPL;
    assert_eq!(relay_forward(&octets, LINK, PEER, &[]), Err(NotRelayed::Downward));
}

/// What is too short for a header is no message; one whose options lie is the server's to judge.
#[test]
fn what_is_relayed() {
    let short = |length, least| Err(NotRelayed::Malformed(Malformed::Short { length, least }));
    assert_eq!(relay_forward(&[], LINK, PEER, &[]), short(0, 4));
    assert_eq!(relay_forward(&[1, 2, 3], LINK, PEER, &[]), short(3, 4));
    assert_eq!(relay_forward(&[12; 33], LINK, PEER, &[]), short(33, 34));
    assert_eq!(relay_forward(&[0; 65536], LINK, PEER, &[]), Err(NotRelayed::TooLong(TooLong(9))));
    assert!(relay_forward(&[1, 0, 0, 0, 0, 1, 255, 255], LINK, PEER, &[]).is_ok());
    assert!(relay_forward(&[240, 0, 0, 0], LINK, PEER, &[]).is_ok(), "types that nobody knows are relayed");
}

#[test]
fn no_relay_message() {
    let good = relay_forward(&SOLICIT, LINK, PEER, &[]).unwrap();
    for length in 0..RELAY_HEADER {
        assert_eq!(RelayMessage::parse(&good[..length]).unwrap_err(), Malformed::Short { length, least: 34 });
    }
    assert_eq!(RelayMessage::parse(&good[..35]).unwrap_err(), Malformed::Trailing { at: 34, length: 1 });
    assert_eq!(RelayMessage::parse(&good[..40]).unwrap_err(), Malformed::CutOption { code: 9, at: 34 });
    assert_eq!(RelayMessage::parse(&SOLICIT).unwrap_err(), Malformed::Kind(1));
    assert_eq!(RelayMessage::parse(&good[..34]).unwrap().inner(), Err(Malformed::Missing(9)));
    let twice = [&good[..], &good[34..]].concat();
    assert_eq!(RelayMessage::parse(&twice).unwrap().inner(), Err(Malformed::Repeated { code: 9, at: 46 }));
}

/// Down again: what a RELAY-REPL carries goes on as it is.
#[test]
fn unwrapping() {
    let reply = [7, 9, 9, 9, 0, 14, 0, 0];
    let octets = Builder::relay(kind::RELAY_REPL, 0, LINK, PEER)
        .option(code::INTERFACE_ID, b"eth0")
        .option(code::RELAY_MSG, &reply)
        .finish()
        .unwrap();
    let read = RelayMessage::parse(&octets).unwrap();
    assert_eq!((read.peer_address(), read.inner()), (PEER, Ok(&reply[..])));
    assert_eq!(read.interface_id(), Ok(Some(&b"eth0"[..])));
}

/// Deeper than hop counts allow, up to what a datagram holds: an error, and no recursion.
#[test]
fn nested_without_end() {
    let mut octets = SOLICIT.to_vec();
    for depth in 1.. {
        let mut out = Builder::relay(kind::RELAY_FORW, 0, LINK, PEER);
        let Ok(next) = out.option(code::RELAY_MSG, &octets).finish() else { break };
        octets = next;
        match Nest::walk(&octets) {
            Ok(nest) => assert_eq!((depth <= NEST_MAX, nest.depth(), nest.message()), (true, depth, &SOLICIT[..])),
            Err(error) => assert_eq!((depth > NEST_MAX, error), (true, Malformed::Depth)),
        }
    }
    assert!(octets.len() > 65_000);
}

/// The innermost header is the first relay's; what is not of one direction is no nest; offsets go through.
#[test]
fn walking_a_nest() {
    let first = relay_forward(&SOLICIT, LINK, PEER, &[(code::INTERFACE_ID, b"eth0")]).unwrap();
    let second = relay_forward(&first, Ipv6Addr::UNSPECIFIED, LINK, &[(code::INTERFACE_ID, b"ae1")]).unwrap();
    let nest = Nest::walk(&second).unwrap();
    assert_eq!((nest.depth(), nest.message()), (2, &SOLICIT[..]));
    assert_eq!((nest.innermost().link_address(), nest.innermost().peer_address()), (LINK, PEER));
    assert_eq!((nest.outermost().hop_count(), nest.outermost().peer_address()), (1, LINK));
    let names: Vec<_> = nest.relays().map(|relay| relay.interface_id().unwrap().unwrap()).collect();
    assert_eq!(names, [&b"ae1"[..], b"eth0"]);
    let interface = nest.innermost().options().find(code::INTERFACE_ID).unwrap();
    assert_eq!(second[interface.range()], *b"\0\x12\0\x04eth0");
    assert_eq!(second[nest.message_at()..], SOLICIT);
    assert_eq!(second[nest.innermost().base()..], first);
    let message = Message::parse_at(nest.message(), nest.message_at()).unwrap();
    assert_eq!(second[message.options().find(14).unwrap().range()], [0, 14, 0, 0]);

    let mut mixed = second.clone();
    mixed[nest.innermost().base()] = kind::RELAY_REPL;
    assert_eq!(Nest::walk(&mixed).unwrap_err(), Malformed::Kind(13));
    assert_eq!(Nest::walk(&SOLICIT).unwrap_err(), Malformed::Kind(1));
}

/// RFC 8415 section 19.3, RFC 8357 section 5.2: the answer goes back through the same relays, with what is theirs.
#[test]
fn the_way_back() {
    let first = relay_forward(&SOLICIT, LINK, PEER, &[(18, b"eth0"), (37, b"\0\0\0\x09id")]).unwrap();
    let second = relay_forward(&first, Ipv6Addr::UNSPECIFIED, LINK, &[(135, &[0, 0])]).unwrap();
    let reply = Nest::walk(&second).unwrap().reply(&[7, 9, 9, 9]).unwrap();
    let inner = Builder::relay(13, 0, LINK, PEER).option(18, b"eth0").option(9, &[7, 9, 9, 9]).finish().unwrap();
    let want =
        Builder::relay(13, 1, Ipv6Addr::UNSPECIFIED, LINK).option(135, &[0, 0]).option(9, &inner).finish().unwrap();
    assert_eq!(reply, want);
    assert_eq!(Nest::walk(&second).unwrap().reply(&[0; 65536]), Err(TooLong(9)));
}

proptest! {
    /// A message comes out of its wrapping as it went in, whatever it is.
    #[test]
    fn wrapped_and_unwrapped(received in prop_oneof![octets(), message(), nest(1..=3)], value in vec(any::<u8>(), 0..300)) {
        let Ok(octets) = relay_forward(&received, LINK, PEER, &[(18, &value)]) else { return Ok(()) };
        let read = RelayMessage::parse(&octets).unwrap();
        prop_assert_eq!(read.inner(), Ok(&received[..]));
        prop_assert_eq!(read.interface_id(), Ok(Some(&value[..])));
        prop_assert_eq!(octets.len(), RELAY_HEADER + 8 + value.len() + received.len());
    }

    /// As many relays as hop counts allow, and the way back through all of them.
    #[test]
    fn nests_round_trip(octets in nest(1..=NEST_MAX), reply in message()) {
        let nest = Nest::walk(&octets).unwrap();
        let relays: Vec<_> = nest.relays().collect();
        prop_assert_eq!(relays.len(), nest.depth());
        prop_assert_eq!(&octets[nest.message_at()..][..nest.message().len()], nest.message());
        let back = nest.reply(&reply).unwrap();
        let back = Nest::walk(&back).unwrap();
        prop_assert_eq!(back.message(), &reply[..]);
        for (there, here) in relays.iter().zip(back.relays()) {
            prop_assert_eq!(there.hop_count(), here.hop_count());
            prop_assert_eq!((there.link_address(), there.peer_address()), (here.link_address(), here.peer_address()));
            prop_assert_eq!(there.interface_id(), here.interface_id());
        }
    }

    /// One more than that is one too many.
    #[test]
    fn deeper_nests_are_refused(octets in nest(NEST_MAX + 1..=NEST_MAX + 8)) {
        prop_assert_eq!(Nest::walk(&octets), Err(Malformed::Depth));
    }
}
