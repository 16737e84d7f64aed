//! Replies for transactions that nobody began, and on no way of ours.

use std::net::Ipv6Addr;

use gateway_core::wire::dhcp6::{Builder, DuidBuf, code, kind};

use crate::Target;
use crate::home::{Home, address, delegated, duid, link, link_local, list, server_id};
use crate::input::Input;

pub(crate) const TARGET: Target =
    Target { name: "transactions", what: "replies for transactions that nobody began", run, seeds };

/// What servers say, and what only some do.
const KINDS: [u8; 8] = [kind::REPLY, kind::ADVERTISE, kind::RECONFIGURE, 241, 15, 16, 17, 240];

fn message(input: &mut Input<'_>) -> Vec<u8> {
    let kind = KINDS[usize::from(input.below(8))];
    let mut out = Builder::message(kind, input.number() & 0xff_ffff);
    let client = input.below(4);
    if client > 0 {
        out.duid(code::CLIENT_ID, duid(client).as_duid());
    }
    match input.below(3) {
        0 => _ = out.duid(code::SERVER_ID, server_id().as_duid()),
        1 => _ = out.duid(code::SERVER_ID, DuidBuf::link_layer([9; 6]).as_duid()),
        _ => {}
    }
    if input.chance() {
        out.status(input.octet().into(), "");
    }
    let named = input.below(4);
    if named > 0 {
        // Over, or NoBinding.
        list(&mut out, &[address(named), delegated(named)], 0);
    }
    if input.chance() {
        out.nest(code::CLIENT_DATA, &[], |out| {
            out.duid(code::CLIENT_ID, duid(1).as_duid()).status(input.octet().into(), "");
        });
    }
    out.finish().expect("short")
}

fn run(octets: &[u8]) {
    let mut input = Input::new(octets);
    let mut home = Home::with(3);
    let before = home.held();
    for _ in 0..8 {
        let mut message = message(&mut input);
        input.damage(&mut message);
        let whole = |peer: Ipv6Addr, interface: Option<&[u8]>| {
            let mut out = Builder::relay(kind::RELAY_REPL, 0, link(0), peer);
            if let Some(interface) = interface {
                out.option(code::INTERFACE_ID, interface);
            }
            out.option(code::RELAY_MSG, &message);
            out.finish().expect("short")
        };
        let payload = match input.below(4) {
            0 => message,
            1 => whole(link(0), None),
            2 => whole(link_local(1), None),
            _ => whole(link_local(1), Some(input.chunk())),
        };
        assert!(home.hears(&payload).is_empty(), "nobody has asked for that");
        home.waits(input.octet().into());
        if input.is_over() {
            break;
        }
    }
    assert_eq!(home.held(), before, "nothing ends by what nobody has asked for");
}

fn seeds() -> Vec<Vec<u8>> {
    let one = |kind: u8, way: u8| vec![kind, 0, 0, 0, 7, 1, 0, 1, 0, 1, 1, 0, 0, 0, way, 2, 7, 7, 9];
    (0..8).flat_map(|kind| (0..4).map(move |way| one(kind, way))).collect()
}
