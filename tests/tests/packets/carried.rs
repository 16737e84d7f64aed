//! The owner's side: a frame that the master carried here is treated as one of its access port.

use gateway_common::cluster::{CARRIED, Role};
use gateway_common::unit::UnitState;
use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::frame::{ARP, Ether, IPV4, Ip, arp, bootp, udp};
use gateway_tests::packets::{Action, INGRESS, Lent};

use crate::world::{self, *};

/// The master, on the link.
const MASTER: [u8; 6] = [0x02, 0xbb, 0, 0, 0, 3];
/// Place of the port `fpc1`.
const PLACE: u16 = 7;

/// An owner for whom frames come in on the link.
fn owner() -> Lent {
    let mut plane = world::new();
    plane.role(Role { member: 2, master: 1, link: INGRESS, ..Role::default() }).unwrap();
    plane.port(INGRESS, upstream_port(GATEWAY_MAC), true).unwrap();
    plane.member(INGRESS, 1, MASTER).unwrap();
    plane.place(PLACE, FPC1).unwrap();
    plane
}

/// What carries `frame`, from the master to us, for the port at `place`.
fn carried(place: u16, frame: &[u8]) -> Vec<u8> {
    [&GATEWAY_MAC[..], &MASTER, &CARRIED.to_be_bytes(), &[0, 1], &place.to_be_bytes(), frame].concat()
}

/// A frame from a subscriber on `fpc1`, to the master's MAC there.
fn data(to: std::net::Ipv4Addr) -> Vec<u8> {
    let ether = Ether { to: [0x02, 0xbb, 0, 0, 0, 4], ..FAR_TAGGED.ether() };
    ether.frame(IPV4, &Ip::new(FAR_TAGGED.address, to).packet(&udp(4000, 53, b"question")))
}

/// It is bound to its port, MAC and tags, and sent up; what is for the kernel has a MAC that it takes. CL-63
#[test]
fn served() {
    let mut plane = owner();
    let mut run = |frame: &[u8]| {
        plane.run_counted(Program::Upstream, &carried(PLACE, frame), Program::Access, frame.len()).unwrap()
    };
    let ran = run(&data(HOST));
    assert_eq!((ran.action, ran.verdict), (Action::Redirect, Verdict::ForwardedUp));
    let ip = Ip::new(FAR_TAGGED.address, HOST).ttl(63);
    assert_eq!(ran.frame, Ether::new(CORE_MAC, ROUTER_MAC).frame(IPV4, &ip.packet(&udp(4000, 53, b"question"))));

    let ran = run(&data(GIADDR));
    assert_eq!((ran.action, ran.verdict), (Action::Pass, Verdict::PassedLocal));
    assert_eq!(ran.frame[..6], GATEWAY_MAC, "the link's own MAC");
    let ran = run(&data(NOBODY));
    assert_eq!((ran.action, ran.verdict), (Action::Pass, Verdict::PassedSlow));
    assert_eq!(ran.frame[..6], GATEWAY_MAC);

    let thief = Ether::new(PLAIN.mac(), GATEWAY_MAC).tagged(FAR_TAGGED.tags);
    let thief = thief.frame(IPV4, &Ip::new(FAR_TAGGED.address, HOST).packet(&udp(1, 2, b"")));
    assert_eq!(run(&thief).verdict, Verdict::WrongMac);
    let elsewhere = PLAIN.ether().frame(IPV4, &Ip::new(PLAIN.address, HOST).packet(&udp(1, 2, b"")));
    assert_eq!(run(&elsewhere).verdict, Verdict::WrongPort);

    let renewal = udp(68, 67, &bootp(1, 6, FAR_TAGGED.mac(), FAR_TAGGED.address));
    let renewal = FAR_TAGGED.ether().frame(IPV4, &Ip::new(FAR_TAGGED.address, GIADDR).packet(&renewal));
    assert_eq!(run(&renewal).verdict, Verdict::DhcpClient);
    let records = plane.punted().unwrap();
    assert_eq!((records[0].header.ifindex, &records[0].frame), (FPC1, &renewal), "as from its access port");
}

/// Nobody but a member carries, only over the link, and only for a port that is here. H-CL-10
#[test]
fn refused() {
    let mut plane = owner();
    let inner = data(HOST);
    let good = carried(PLACE, &inner);
    let mut stranger = good.clone();
    stranger[6..12].copy_from_slice(&ROUTER_MAC);
    let mut other_host = good.clone();
    other_host[..6].copy_from_slice(&CORE_MAC);
    let mut version = good.clone();
    version[15] = 9;
    let ask = FAR_TAGGED.ether().frame(ARP, &arp(1, (FAR_TAGGED.mac(), FAR_TAGGED.address), ([0; 6], GIADDR)));
    for (name, frame) in [
        ("a stranger's", stranger),
        ("to another", other_host),
        ("of another version", version),
        ("for no port here", carried(PLACE + 1, &inner)),
        ("for a place past the last", carried(u16::MAX, &inner)),
        ("cut short", good[..17].to_vec()),
        ("ARP", carried(PLACE, &ask)),
        ("carried twice", carried(PLACE, &good)),
        ("nothing inside", carried(PLACE, &[])),
    ] {
        let ran = plane.run(Program::Upstream, &frame).unwrap();
        assert_eq!(ran.action, Action::Drop, "{name}");
        let wanted = if name == "nothing inside" { Verdict::Malformed } else { Verdict::NotCarried };
        assert_eq!(ran.verdict, wanted, "{name}");
    }
    plane.role(Role { member: 2, master: 1, link: CORE, ..Role::default() }).unwrap();
    assert_eq!(plane.run(Program::Upstream, &good).unwrap().verdict, Verdict::NotCarried, "not the link");
    plane.role(Role::default()).unwrap();
    assert_eq!(plane.run(Program::Upstream, &good).unwrap().verdict, Verdict::NotCarried, "no cluster");
    assert_eq!(plane.run(Program::Access, &good).unwrap().verdict, Verdict::NotServed, "from a subscriber");
}

/// A frame for a unit that is not ours here is dropped, not sent round in circles. CL-60
#[test]
fn not_ours_here() {
    let mut plane = owner();
    for disposition in [UnitState::FOREIGN, UnitState::FORWARD, UnitState::HELD] {
        plane.units(UnitState::all(disposition, 1)).unwrap();
        let ran = plane.run(Program::Upstream, &carried(PLACE, &data(HOST))).unwrap();
        assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::Foreign));
    }
    assert!(plane.punted().unwrap().is_empty());
}
