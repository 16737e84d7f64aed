//! Whom a frame is addressed to at the link layer: what a switch floods is not all for us.

use gateway_common::cluster::Role;
use gateway_common::unit::UnitState;
use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::frame::{ARP, Ether, IPV4, Ip, arp, udp};
use gateway_tests::packets::{Action, Case, INGRESS, Plane, check};

use crate::world::{self, *};

const STRANGER: [u8; 6] = [0x02, 0xee, 0, 0, 0, 9];
const SHARED: [u8; 6] = [0x02, 0, 0x5e, 0, 0, 1];
const SHARED_GROUP: [u8; 6] = [0x03, 0, 0x5e, 0, 0, 1];

fn role(shared_mac: [u8; 6]) -> Role {
    Role { shared_mac, member: 2, master: 1, ..Role::default() }
}

fn to(mac: [u8; 6]) -> Vec<u8> {
    Ether { to: mac, ..PLAIN.ether() }.frame(IPV4, &Ip::new(PLAIN.address, HOST).packet(&udp(1, 2, b"")))
}

fn from_core(mac: [u8; 6]) -> Vec<u8> {
    Ether::new(ROUTER_MAC, mac).frame(IPV4, &Ip::new(HOST, FAR.address).packet(&udp(1, 2, b"")))
}

fn verdict(plane: &mut Plane, program: Program, frame: &[u8]) -> Verdict {
    plane.run(program, frame).unwrap().verdict
}

/// The port's own MAC, broadcast and multicast are for us; another host's is dropped on an access port and the kernel's
/// on an upstream port; the shared MAC is for all members, unicast or multicast. CL-49, CL-50
#[test]
fn accepted() {
    let mut plane = world::new();
    for (mac, name) in [(GATEWAY_MAC, "own"), (BROADCAST_MAC, "broadcast"), ([0x01, 0, 0x5e, 0, 0, 1], "multicast")] {
        assert_eq!(verdict(&mut plane, Program::Access, &to(mac)), Verdict::ForwardedUp, "{name}");
        assert_eq!(verdict(&mut plane, Program::Upstream, &from_core(mac)), Verdict::ForwardedDown, "{name}");
    }
    for (mac, name) in [(STRANGER, "a stranger"), (CORE_MAC, "another of our ports"), (SHARED, "no cluster's")] {
        let ran = plane.run(Program::Access, &to(mac)).unwrap();
        assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::OtherHost), "{name}");
        let ran = plane.run(Program::Upstream, &from_core(mac)).unwrap();
        assert_eq!((ran.action, ran.verdict), (Action::Pass, Verdict::PassedOtherHost), "{name}");
    }
    let ask =
        Ether { to: STRANGER, ..TAGGED.ether() }.frame(ARP, &arp(1, (TAGGED.mac(), TAGGED.address), ([0; 6], GIADDR)));
    assert_eq!(verdict(&mut plane, Program::Access, &ask), Verdict::OtherHost);

    for shared in [SHARED, SHARED_GROUP] {
        plane.role(role(shared)).unwrap();
        assert_eq!(verdict(&mut plane, Program::Access, &to(shared)), Verdict::ForwardedUp, "{shared:?}");
        assert_eq!(verdict(&mut plane, Program::Upstream, &from_core(shared)), Verdict::ForwardedDown, "{shared:?}");
        assert_eq!(verdict(&mut plane, Program::Access, &to(STRANGER)), Verdict::OtherHost);
        assert_eq!(verdict(&mut plane, Program::Access, &to(GATEWAY_MAC)), Verdict::ForwardedUp);
    }
    plane.own_all(UnitState::FOREIGN).unwrap();
    assert_eq!(verdict(&mut plane, Program::Access, &to(SHARED_GROUP)), Verdict::Foreign, "every member filters");
}

/// A port whose MAC changes takes the new one, and no longer the old.
#[test]
fn changed_mac() {
    let mut plane = world::new();
    assert_eq!(verdict(&mut plane, Program::Access, &to(GATEWAY_MAC)), Verdict::ForwardedUp);
    plane.port(INGRESS, access_port(STRANGER), false).unwrap();
    // What was known of the port is forgotten after a tick.
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(verdict(&mut plane, Program::Access, &to(GATEWAY_MAC)), Verdict::OtherHost);
    assert_eq!(verdict(&mut plane, Program::Access, &to(STRANGER)), Verdict::ForwardedUp);
}

/// What came to the shared MAC and is for the kernel's own stack gets the port's own MAC, or the kernel would take it for
/// another host's. CL-49, CL-50, CL-59
#[test]
fn for_the_kernel() {
    check(&mut world::new(), reset, &passed());
}

pub(crate) fn passed() -> Vec<Case> {
    let local =
        |mac| Ether { to: mac, ..PLAIN.ether() }.frame(IPV4, &Ip::new(PLAIN.address, GIADDR).packet(&udp(1, 2, b"")));
    let slow = |mac| {
        let ether = Ether { to: mac, ..TAGGED.ether() };
        ether.frame(IPV4, &Ip::new(TAGGED.address, NOBODY).packet(&udp(1, 2, b"")))
    };
    let untagged = Ether::new(TAGGED.mac(), GATEWAY_MAC);
    let untagged = untagged.frame(IPV4, &Ip::new(TAGGED.address, NOBODY).packet(&udp(1, 2, b"")));
    let case = |name, packet, out, verdict| Case {
        name,
        program: Program::Access,
        set_up: |plane| plane.role(role(SHARED)),
        packet,
        action: Action::Pass,
        out: Some(out),
        verdict,
    };
    vec![
        case("to the gateway", local(SHARED), local(GATEWAY_MAC), Verdict::PassedLocal),
        case("what the fast path can't do", slow(SHARED), untagged, Verdict::PassedSlow),
        case("its own MAC", local(GATEWAY_MAC), local(GATEWAY_MAC), Verdict::PassedLocal),
        case("broadcast", local(BROADCAST_MAC), local(BROADCAST_MAC), Verdict::PassedLocal),
        Case {
            set_up: |plane| plane.role(role(SHARED_GROUP)),
            ..case("by multicast", local(SHARED_GROUP), local(GATEWAY_MAC), Verdict::PassedLocal)
        },
    ]
}
