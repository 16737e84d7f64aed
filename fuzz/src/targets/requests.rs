//! RELEASE-REQUESTs of whoever may not send them: from a subscriber's port, from a relay that nobody knows, for another server,
//! without a relay-id.

use std::net::Ipv6Addr;

use gateway_core::wire::dhcp6::release::ReleaseTypes;
use gateway_core::wire::dhcp6::{Builder, CLIENT_PORT, DuidBuf, IaKind, SERVER_PORT, code, relay_forward};

use crate::Target;
use crate::home::{Home, RELAYS, SUBSCRIBERS, duid, link_local, relay_id, server_id};
use crate::input::Input;
use crate::service::{LINK, OTHER_RELAY, RELAY, Service, XID};

pub(crate) const TARGET: Target =
    Target { name: "requests", what: "RELEASE-REQUESTs of whoever may not send them", run, seeds };

/// A request, and whether it is complete, for this server, and of the relay it says.
fn request(input: &mut Input<'_>) -> (Vec<u8>, bool) {
    let mut out = Builder::message(ReleaseTypes::default().request(), XID);
    let (relay, server) = (input.below(4), input.below(4));
    match relay {
        0 => _ = out.duid(code::RELAY_ID, relay_id().as_duid()),
        1 => _ = out.duid(code::RELAY_ID, DuidBuf::link_layer([7; 6]).as_duid()),
        2 => _ = out.duid(code::RELAY_ID, duid(1).as_duid()),
        _ => {}
    }
    match server {
        0 => _ = out.duid(code::SERVER_ID, server_id().as_duid()),
        1 => _ = out.duid(code::SERVER_ID, DuidBuf::link_layer([8; 6]).as_duid()),
        2 => _ = out.duid(code::SERVER_ID, relay_id().as_duid()),
        _ => {}
    }
    for _ in 0..input.below(4) {
        let client = input.below(4);
        out.nest(code::CLIENT_DATA, &[], |out| {
            if client > 0 {
                out.duid(code::CLIENT_ID, duid(client).as_duid());
            }
            for kind in [IaKind::Na, IaKind::Pd] {
                if input.chance() {
                    out.ia(kind, input.below(3).into(), [0, 0], |out| {
                        if input.chance() {
                            out.lease(Service::binding(kind, input.below(4)), [0, 0], |_| {});
                        }
                    });
                }
            }
        });
    }
    (out.finish().expect("short"), relay == 0 && server == 0)
}

fn run(octets: &[u8]) {
    let mut input = Input::new(octets);
    let (mut request, complete) = request(&mut input);
    let damaged = input.damage(&mut request);
    // Whose header is around it.
    let peers: [Option<Ipv6Addr>; 4] = [None, Some(RELAY), Some(OTHER_RELAY), Some(link_local(1))];
    let (inner, outer) = (peers[usize::from(input.below(4))], peers[usize::from(input.below(4))]);
    let wrap = |message: Vec<u8>, peer: Option<Ipv6Addr>| match peer {
        Some(peer) => relay_forward(&message, LINK, peer, &[]).unwrap_or(message),
        None => message,
    };
    let message = wrap(wrap(request, inner), outer);
    let source = [RELAY, OTHER_RELAY, link_local(1), Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1)];
    let source = source[usize::from(input.below(4))];

    // The gateway passes none on, from whichever port, unless the operator wants it to.
    let mut home = Home::with(2);
    let before = home.held();
    for (port, from) in
        [(SUBSCRIBERS, CLIENT_PORT), (SUBSCRIBERS, SERVER_PORT), (RELAYS, CLIENT_PORT), (RELAYS, SERVER_PORT)]
    {
        let up = home.says(port, 1, from, &message);
        assert!(damaged || up.is_empty(), "that is for relays to say");
    }
    assert_eq!(home.held(), before);

    // The server heeds those of the one relay that it knows, by itself.
    let mut service = Service::with(2);
    let before = service.active();
    service.hears(source, &message);
    let may = complete && source == RELAY && [inner, outer].iter().all(|peer| peer.is_none_or(|peer| peer == RELAY));
    assert!(may || damaged || service.active() == before, "nothing is released for whoever may not");
    // Whatever is wrong with it: who is not known is not heeded.
    assert!(source == RELAY || service.active() == before);
}

fn seeds() -> Vec<Vec<u8>> {
    // Relay-id, server-id, clients, whose header, from where.
    let one = |relay: u8, server: u8, inner: u8, source: u8| vec![relay, server, 1, 1, 0, 0, 0, 0, inner, 0, source];
    let mut seeds = vec![one(0, 0, 0, 0), one(0, 0, 1, 0), one(0, 0, 3, 0), one(0, 0, 2, 0)];
    seeds.extend((1..4).flat_map(|other| [one(other, 0, 1, 0), one(0, other, 1, 0), one(0, 0, 1, other)]));
    seeds
}
