//! Relay messages within one another, to any depth.

use std::net::Ipv6Addr;

use gateway_core::wire::dhcp6::{Builder, CLIENT_PORT, NEST_MAX, Nest, SERVER_PORT, code, kind};

use crate::Target;
use crate::home::{Home, RELAYS, SUBSCRIBERS, ask, link};
use crate::input::Input;
use crate::service::{self, Service};

pub(crate) const TARGET: Target =
    Target { name: "nested", what: "relay messages within one another, to any depth", run, seeds };

/// Deeper than anybody walks, and short enough for one datagram.
const DEEPEST: u8 = 48;

/// Relays around what is left of the input, from the innermost outwards.
fn nest(input: &mut Input<'_>, inner: Vec<u8>) -> Option<Vec<u8>> {
    let (depth, other) = (input.below(DEEPEST), input.octet());
    (0..depth).try_fold(inner, |inner, level| {
        let how = input.octet();
        // Nearly always of one type, with hop counts as they should be.
        let kind = if (other == level) ^ (how & 0x80 != 0) { kind::RELAY_REPL } else { kind::RELAY_FORW };
        let hops = if how & 1 == 0 { level } else { input.octet() };
        let link = if how & 2 == 0 { Ipv6Addr::UNSPECIFIED } else { link(u16::from(how >> 2 & 1)) };
        let mut out = Builder::relay(kind, hops, link, Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, how.into()));
        if how & 8 != 0 {
            out.option(code::INTERFACE_ID, input.chunk());
        }
        if how & 0x30 != 0x30 {
            out.option(code::RELAY_MSG, &inner);
        }
        if how & 0x40 != 0 {
            out.option(code::RELAY_MSG, &inner);
        }
        out.finish().ok()
    })
}

fn run(octets: &[u8]) {
    let mut input = Input::new(octets);
    let way = input.below(4);
    let inner = if input.chance() { ask(1, kind::SOLICIT, &[]) } else { input.chunk().to_vec() };
    let Some(mut message) = nest(&mut input, inner) else { return };
    if input.chance() {
        input.damage(&mut message);
    }
    if let Ok(nest) = Nest::walk(&message) {
        assert!((1..=NEST_MAX).contains(&nest.depth()));
        assert!(nest.message().first().is_none_or(|kind| !kind::is_relayed(*kind)), "walked to the end");
        let inner = ask(1, kind::REPLY, &[]);
        let reply = nest.reply(&inner).expect("it was shorter than a datagram");
        let back = Nest::walk(&reply).expect("what is made is well formed");
        assert_eq!((back.depth(), back.message()), (nest.depth(), &inner[..]));
    }
    let mut home = Home::with(1);
    let before = home.held();
    let is_forward = message.first() == Some(&kind::RELAY_FORW);
    match way {
        0 => {
            let up = home.says(SUBSCRIBERS, 2, CLIENT_PORT, &message);
            assert!(!is_forward || up.is_empty(), "a subscriber is no relay");
        }
        1 => _ = home.says(RELAYS, 2, SERVER_PORT, &message),
        2 => assert!(home.hears(&message).is_empty(), "nobody can make an Interface-Id of ours"),
        _ => _ = Service::with(1).hears(service::RELAY, &message),
    }
    assert_eq!(home.held(), before);
}

fn seeds() -> Vec<Vec<u8>> {
    let depth = |way: u8, depth: u8| [&[way, 1, depth, 255][..], &[0; 60]].concat();
    [0, 1, 2, 3].into_iter().flat_map(|way| [1, 2, 7, 8, 9, 10, 47].map(|of| depth(way, of))).collect()
}
