//! ARP for what the members of a cluster share: the master alone answers.

use std::net::Ipv4Addr;

use gateway_common::cluster::Role;
use gateway_common::settings::Settings;
use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::frame::{ARP, Ether, arp};
use gateway_tests::packets::{Action, Case, INGRESS, Plane, check};

use crate::world::{self, *};

const SHARED_MAC: [u8; 6] = [0x02, 0, 0x5e, 0, 0, 1];
const GROUP_MAC: [u8; 6] = [0x03, 0, 0x5e, 0, 0, 1];
/// This host's alone.
const OWN: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 2);
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);

fn request(cpe: Cpe, target: Ipv4Addr) -> Vec<u8> {
    Ether { to: BROADCAST_MAC, ..cpe.ether() }.frame(ARP, &arp(1, (cpe.mac(), cpe.address), ([0; 6], target)))
}

/// The answer: from the port's own MAC, telling `mac`.
fn answer(cpe: Cpe, target: Ipv4Addr, mac: [u8; 6]) -> Option<Vec<u8>> {
    let ether = Ether::new(GATEWAY_MAC, cpe.mac()).tagged(cpe.tags);
    Some(ether.frame(ARP, &arp(2, (mac, target), (cpe.mac(), cpe.address))))
}

fn from_router(sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    Ether::new(ROUTER_MAC, BROADCAST_MAC).frame(ARP, &arp(1, (ROUTER_MAC, sender), ([0; 6], target)))
}

fn to_router(mac: [u8; 6]) -> Option<Vec<u8>> {
    Some(Ether::new(GATEWAY_MAC, ROUTER_MAC).frame(ARP, &arp(2, (mac, GIADDR), (ROUTER_MAC, ROUTER))))
}

fn member(plane: &mut Plane, master: u16, shared_mac: [u8; 6]) -> anyhow::Result<()> {
    plane.shared(GIADDR)?;
    plane.local(OWN)?;
    plane.role(Role { member: 1, master, shared_mac, ..Role::default() })
}

fn access(name: &'static str, packet: Vec<u8>, action: Action, out: Option<Vec<u8>>, verdict: Verdict) -> Case {
    let set_up = |plane: &mut Plane| member(plane, 1, [0; 6]);
    Case { name, program: Program::Access, set_up, packet, action, out, verdict }
}

fn upstream(name: &'static str, packet: Vec<u8>, action: Action, out: Option<Vec<u8>>, verdict: Verdict) -> Case {
    Case { program: Program::Upstream, ..access(name, packet, action, out, verdict) }
}

/// The master answers on every line and port, with its own MAC in delivery mode forward, else with the shared one, which
/// is never a source. CL-48, CL-49, CL-50, H-CL-14
#[test]
fn master() {
    check(&mut world::new(), reset, &answered());
}

pub(crate) fn answered() -> Vec<Case> {
    use Action::{Drop, Pass, Tx};
    use Verdict::{ArpAnswered, ArpNotMaster, ArpSpoofed, PassedArp};
    let unicast = |case: Case| Case { set_up: |plane| member(plane, 1, SHARED_MAC), ..case };
    let group = |case: Case| Case { set_up: |plane| member(plane, 1, GROUP_MAC), ..case };
    vec![
        access("untagged", request(PLAIN, GIADDR), Tx, answer(PLAIN, GIADDR, GATEWAY_MAC), ArpAnswered),
        access("tagged", request(TAGGED, GIADDR), Tx, answer(TAGGED, GIADDR, GATEWAY_MAC), ArpAnswered),
        unicast(access("shared MAC", request(PLAIN, GIADDR), Tx, answer(PLAIN, GIADDR, SHARED_MAC), ArpAnswered)),
        unicast(access("two tags", request(DOUBLE, GIADDR), Tx, answer(DOUBLE, GIADDR, SHARED_MAC), ArpAnswered)),
        group(access("multicast MAC", request(PLAIN, GIADDR), Tx, answer(PLAIN, GIADDR, GROUP_MAC), ArpAnswered)),
        unicast(access("an address of its own", request(PLAIN, OWN), Pass, None, PassedArp)),
        unicast(access("its own, tagged", request(TAGGED, OWN), Tx, answer(TAGGED, OWN, GATEWAY_MAC), ArpAnswered)),
        access("a free address", request(PLAIN, Ipv4Addr::new(100, 64, 0, 200)), Pass, None, PassedArp),
        access("a claim to it", request(Cpe { address: GIADDR, ..PLAIN }, GIADDR), Drop, None, ArpSpoofed),
        Case {
            set_up: |plane| {
                member(plane, 1, SHARED_MAC)?;
                plane.settings(Settings { flags: Settings::PROXY_ARP, ..Settings::default() })
            },
            ..access(
                "a neighbour",
                request(PLAIN, FAR.address),
                Tx,
                answer(PLAIN, FAR.address, SHARED_MAC),
                ArpAnswered,
            )
        },
        upstream("the router", from_router(ROUTER, GIADDR), Tx, to_router(GATEWAY_MAC), ArpAnswered),
        unicast(upstream("the router, shared", from_router(ROUTER, GIADDR), Tx, to_router(SHARED_MAC), ArpAnswered)),
        upstream("for another address", from_router(ROUTER, OWN), Pass, None, PassedArp),
        upstream("an announcement", from_router(GIADDR, GIADDR), Drop, None, ArpNotMaster),
    ]
}

/// Any other member is silent: about what is shared, and about what only the master may answer for another.
/// CL-48, CL-60
#[test]
fn member_is_silent() {
    check(&mut world::new(), reset, &unanswered());
}

pub(crate) fn unanswered() -> Vec<Case> {
    use Action::{Drop, Pass};
    use Verdict::{ArpNotMaster, PassedArp};
    let other = |case: Case| Case { set_up: |plane| member(plane, 2, SHARED_MAC), ..case };
    let leaderless = |case: Case| Case { set_up: |plane| member(plane, 0, [0; 6]), ..case };
    vec![
        other(access("untagged", request(PLAIN, GIADDR), Drop, None, ArpNotMaster)),
        other(access("tagged", request(TAGGED, GIADDR), Drop, None, ArpNotMaster)),
        other(access("a neighbour", request(TAGGED, FAR.address), Drop, None, ArpNotMaster)),
        other(access("an address of its own", request(PLAIN, OWN), Pass, None, PassedArp)),
        other(upstream("the router", from_router(ROUTER, GIADDR), Drop, None, ArpNotMaster)),
        other(upstream("for another address", from_router(ROUTER, OWN), Pass, None, PassedArp)),
        leaderless(access("no master", request(PLAIN, GIADDR), Drop, None, ArpNotMaster)),
        leaderless(upstream("no master, upstream", from_router(ROUTER, GIADDR), Drop, None, ArpNotMaster)),
    ]
}

/// What the other members send on an access segment is no subscriber's: neither spoofed ARP nor a rogue server.
#[test]
fn peers_are_no_subscribers() {
    let mut plane = world::new();
    let peer = [0x02, 0xbb, 0, 0, 0, 1];
    let ask = Ether::new(peer, BROADCAST_MAC).frame(ARP, &arp(1, (peer, GIADDR), ([0; 6], PLAIN.address)));
    assert_eq!(plane.run(Program::Access, &ask).unwrap().verdict, Verdict::ArpSpoofed);
    assert_eq!(plane.events().unwrap().len(), 1);
    plane.member(INGRESS, 2, peer).unwrap();
    assert_eq!(plane.run(Program::Access, &ask).unwrap().verdict, Verdict::Foreign);
    assert_eq!(plane.events().unwrap().len(), 0);
}
