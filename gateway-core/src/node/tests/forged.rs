//! Who tries to log out somebody else: every field of a message is the sender's to invent, its line is not.

use core::net::SocketAddrV4;

use gateway_common::vlan::VlanTags;

use super::world::{address, config, mac};
use super::*;
use crate::line::PortId;
use crate::relay::Reason;
use crate::wire::dhcp4::{Builder, code, kind};
use crate::wire::frame::Datagram;

const VICTIM: u8 = 1;
/// On the victim's line.
const NEIGHBOUR: u8 = 2;
const STRANGER: u8 = 3;

/// The victim and its neighbour are on one line, the stranger on another port of the same card, which may have relays below.
fn world() -> World {
    let mut config = config();
    config.relay.fpcs[0].trust_option_82 = true;
    let mut world = World::new(config, [Server::new(SERVER, false)]);
    world.log_in(VICTIM, 0);
    world.log_in(NEIGHBOUR, 0);
    world.log_in(STRANGER, 1);
    world
}

fn release(chaddr: u8, ciaddr: u8) -> Builder {
    World::ask(chaddr, kind::RELEASE).ciaddr(address(ciaddr)).address(code::SERVER_ID, SERVER)
}

fn decline(chaddr: u8, of: u8) -> Builder {
    World::ask(chaddr, kind::DECLINE).address(code::REQUESTED_IP, address(of)).address(code::SERVER_ID, SERVER)
}

fn nobody_is_logged_out(world: &mut World, dropped: u64, what: &str) {
    world.settle();
    world.wait(5);
    world.assert_logged_in([VICTIM, NEIGHBOUR, STRANGER]);
    assert_eq!(world.server().releases, 0, "{what}: the server was told");
    assert_eq!(world.server().active().len(), 3, "{what}");
    assert_eq!(world.node.relay_counters().get(Reason::NotTheirs), dropped, "{what}");
}

/// H-BR-13: through the relay, by broadcast or to the gateway itself. The server would believe it, so it is not told.
#[test]
fn a_release_in_somebody_elses_name_is_not_relayed() {
    let below = std::net::Ipv4Addr::new(10, 9, 8, 7);
    // who sends it, the port it sends from, what it sends
    let forged: [(&str, u8, u16, Builder); 9] = [
        ("another address", STRANGER, 1, release(STRANGER, VICTIM)),
        ("another address on the line", NEIGHBOUR, 0, release(NEIGHBOUR, VICTIM)),
        ("another chaddr", STRANGER, 1, release(VICTIM, VICTIM)),
        ("another chaddr on the line", NEIGHBOUR, 0, release(VICTIM, VICTIM)),
        ("another MAC, elsewhere", VICTIM, 1, release(VICTIM, VICTIM)),
        ("as a relay below", STRANGER, 1, release(VICTIM, VICTIM).giaddr(below)),
        ("as a relay below on the line", NEIGHBOUR, 0, release(VICTIM, VICTIM).giaddr(below)),
        ("a DECLINE", STRANGER, 1, decline(STRANGER, VICTIM)),
        ("a DECLINE on the line", NEIGHBOUR, 0, decline(VICTIM, VICTIM)),
    ];
    let mut world = world();
    for ((what, sender, port, message), dropped) in forged.into_iter().zip(1..) {
        world.send(sender, port, &message.finish());
        nobody_is_logged_out(&mut world, dropped, what);
    }
}

/// H-BR-13: a REQUEST in the name of a neighbour on the same line would have its session ended by the NAK, or moved to
/// another address by the ACK.
#[test]
fn a_request_in_a_neighbours_name_is_not_relayed() {
    let mut world = world();
    let ask = |of: u8| World::ask(VICTIM, kind::REQUEST).address(code::REQUESTED_IP, address(of)).finish();
    world.send(NEIGHBOUR, 0, &ask(STRANGER));
    nobody_is_logged_out(&mut world, 1, "a NAK");
    world.send(NEIGHBOUR, 0, &ask(9));
    nobody_is_logged_out(&mut world, 2, "another address");
    // Its own it may have, and so may a client behind a bridge that sends with a MAC of its own, as long as nobody else does.
    world.log_in(VICTIM, 0);
    let payload = World::ask(7, kind::REQUEST).address(code::REQUESTED_IP, address(7)).finish();
    world.send(NEIGHBOUR, 0, &payload);
    world.settle();
    world.assert_logged_in([VICTIM, NEIGHBOUR, STRANGER, 7]);
}

/// H-BR-13: past the relay. The data plane has checked whose the source address is; what the copy says of another
/// address or another client is not believed.
#[test]
fn a_release_past_the_relay_counts_for_its_sender_only() {
    let mut world = world();
    let snoop = |world: &mut World, sender: u8, port: u16, message: Builder| {
        let payload = message.finish();
        let frame = Datagram {
            source_mac: mac(sender),
            destination_mac: [2, 9, 9, 9, 9, 9],
            tags: VlanTags::NONE,
            source: SocketAddrV4::new(address(sender), 68),
            destination: SocketAddrV4::new(SERVER, 67),
            payload: &payload,
        };
        world.node.handle_client_frame(PortId(port), &frame.build().expect("short"), true, world.now);
        world.settle();
    };
    for (sender, port) in [(STRANGER, 1), (NEIGHBOUR, 0)] {
        for (chaddr, ciaddr) in [(sender, VICTIM), (VICTIM, VICTIM), (VICTIM, sender)] {
            snoop(&mut world, sender, port, release(chaddr, ciaddr));
            world.assert_logged_in([VICTIM, NEIGHBOUR, STRANGER]);
        }
    }
    snoop(&mut world, STRANGER, 1, release(STRANGER, STRANGER));
    world.assert_logged_in([VICTIM, NEIGHBOUR]);
    world.send(NEIGHBOUR, 0, &release(NEIGHBOUR, NEIGHBOUR).finish());
    world.settle();
    world.assert_logged_in([VICTIM]);
    assert_eq!(world.node.relay_counters().get(Reason::NotTheirs), 0);
}
