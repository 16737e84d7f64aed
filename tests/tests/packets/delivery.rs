//! Units that are not ours, on the master: sent on to their owner, or held.

use gateway_common::cluster::{CARRIED, Role};
use gateway_common::punt::{HELD_OCTETS, LARGE_RECORD, PuntReason, SMALL_RECORD};
use gateway_common::settings::Settings;
use gateway_common::unit::{UnitKey, UnitState};
use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::frame::{ARP, Ether, IPV4, Ip, arp, bootp, udp};
use gateway_tests::packets::{Action, Case, INGRESS, Plane, check};

use crate::world::{self, *};

/// The owner, on the link between the members and on the upstream segment.
const OWNER: u16 = 2;
const OWNER_LINK: [u8; 6] = [0x02, 0xbb, 0, 0, 0, 1];
const OWNER_CORE: [u8; 6] = [0x02, 0xbb, 0, 0, 0, 2];

/// A master whose link is `core0`, with the owner on that and on the segment where frames come in.
fn master(plane: &mut Plane) -> anyhow::Result<()> {
    reset(plane)?;
    plane.role(Role { member: 1, master: 1, link: CORE, ..Role::default() })?;
    plane.port(CORE, gateway_common::port::Port { mtu: 1600, ..upstream_port(CORE_MAC) }, true)?;
    plane.port(INGRESS, gateway_common::port::Port { place: 0x0102, ..access_port(GATEWAY_MAC) }, true)?;
    plane.member(CORE, OWNER.into(), OWNER_LINK)?;
    plane.member(INGRESS, OWNER.into(), OWNER_CORE)?;
    plane.units(UnitState::all(UnitState::FORWARD, OWNER))
}

fn data(cpe: Cpe, octets: usize) -> Vec<u8> {
    cpe.ether().frame(IPV4, &Ip::new(cpe.address, HOST).packet(&udp(4000, 53, &vec![7; octets])))
}

fn down(octets: usize) -> Vec<u8> {
    let ip = Ip::new(HOST, FAR.address);
    Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV4, &ip.packet(&udp(53, 4000, &vec![7; octets])))
}

fn dhcp(mac: [u8; 6]) -> Vec<u8> {
    let payload = udp(68, 67, &bootp(1, 6, PLAIN.mac(), [0, 0, 0, 0].into()));
    Ether { to: mac, ..PLAIN.ether() }.frame(IPV4, &Ip::new([0, 0, 0, 0], [255; 4]).packet(&payload))
}

fn reply() -> Vec<u8> {
    let payload = udp(67, 67, &bootp(2, 6, PLAIN.mac(), [0, 0, 0, 0].into()));
    Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV4, &Ip::new(SERVER, GIADDR).packet(&payload))
}

/// The frame behind what carries it to the owner.
fn carried(frame: &[u8]) -> Option<Vec<u8>> {
    Some([&OWNER_LINK[..], &CORE_MAC, &CARRIED.to_be_bytes(), &[0, 1, 0x01, 0x02], frame].concat())
}

/// The frame as the owner gets it on the upstream segment: from our own MAC, and nothing else changed.
fn readdressed(frame: &[u8]) -> Option<Vec<u8>> {
    Some([&OWNER_CORE[..], &GATEWAY_MAC, &frame[12..]].concat())
}

fn access(name: &'static str, packet: Vec<u8>, action: Action, out: Option<Vec<u8>>, verdict: Verdict) -> Case {
    Case { name, program: Program::Access, set_up: |_| Ok(()), packet, action, out, verdict }
}

fn upstream(name: &'static str, packet: Vec<u8>, action: Action, out: Option<Vec<u8>>, verdict: Verdict) -> Case {
    Case { program: Program::Upstream, ..access(name, packet, action, out, verdict) }
}

/// The master sends a frame for another member's unit on to its owner: whole, over the link, from a subscriber; by its
/// MAC from the network. Nobody sees a source that is not the master's own. CL-48, CL-63, H-CL-14
#[test]
fn forwarded() {
    use Action::{Drop, Pass, Redirect};
    use Verdict::{Foreign, ForwardedOwner};
    let large = data(DOUBLE, 1472);
    let other =
        Ether { to: [2; 6], ..PLAIN.ether() }.frame(IPV4, &Ip::new(PLAIN.address, HOST).packet(&udp(1, 2, b"")));
    let request =
        Ether { to: BROADCAST_MAC, ..PLAIN.ether() }.frame(ARP, &arp(1, (PLAIN.mac(), PLAIN.address), ([0; 6], HOST)));
    let from_stranger = Ether::new(ROUTER_MAC, [2; 6]);
    let from_stranger = from_stranger.frame(IPV4, &Ip::new(HOST, FAR.address).packet(&udp(1, 2, b"")));
    let local = Ether::new(ROUTER_MAC, GATEWAY_MAC).frame(IPV4, &Ip::new(HOST, GIADDR).packet(&udp(1, 2, b"")));
    let group = Ether::new(ROUTER_MAC, [1, 0, 0x5e, 0, 0, 5])
        .frame(IPV4, &Ip::new(HOST, [224, 0, 0, 5]).protocol(89).packet(b""));
    check(
        &mut world::new(),
        master,
        &[
            access("untagged", data(PLAIN, 9), Redirect, carried(&data(PLAIN, 9)), ForwardedOwner),
            access("one tag", data(TAGGED, 9), Redirect, carried(&data(TAGGED, 9)), ForwardedOwner),
            access("two tags, 1500 octets", large.clone(), Redirect, carried(&large), ForwardedOwner),
            access("DHCP by unicast", dhcp(GATEWAY_MAC), Redirect, carried(&dhcp(GATEWAY_MAC)), ForwardedOwner),
            access("the owner has its own broadcast", dhcp(BROADCAST_MAC), Drop, None, Foreign),
            access("another host's", other, Drop, None, Verdict::OtherHost),
            access("ARP is of no unit", request, Pass, None, Verdict::PassedArp),
            upstream("down", down(9), Redirect, readdressed(&down(9)), ForwardedOwner),
            upstream("a server's reply", reply(), Redirect, readdressed(&reply()), ForwardedOwner),
            upstream("another host's, upstream", from_stranger, Pass, None, Verdict::PassedOtherHost),
            upstream("multicast", group, Pass, None, Verdict::PassedOther),
            Case {
                set_up: |plane| plane.settings(Settings { local_filter: u32::MAX, ..Settings::default() }),
                ..upstream(
                    "where an own address has to be looked for",
                    down(9),
                    Redirect,
                    readdressed(&down(9)),
                    ForwardedOwner,
                )
            },
            Case {
                set_up: |plane| plane.settings(Settings { local_filter: u32::MAX, ..Settings::default() }),
                ..upstream("for an address of its own", local.clone(), Pass, None, Verdict::PassedLocal)
            },
            Case {
                set_up: |plane| {
                    plane.settings(Settings { local_filter: u32::MAX, ..Settings::default() })?;
                    plane.shared(GIADDR)
                },
                ..upstream("for a shared one", local.clone(), Redirect, readdressed(&local), ForwardedOwner)
            },
        ],
    );
}

/// What can't be sent on goes to user space, with its unit: no link, an owner that is not on it, a frame too large for
/// it. CL-63
#[test]
fn no_way_to_the_owner() {
    use Action::Drop;
    use Verdict::Held;
    let mut plane = world::new();
    let mut row = |name, set_up: fn(&mut Plane) -> anyhow::Result<()>, program, packet: Vec<u8>, reason| {
        check(&mut plane, master, &[Case { program, set_up, ..access(name, packet.clone(), Drop, None, Held) }]);
        let records = plane.punted().unwrap();
        assert_eq!(records.len(), 1, "{name}");
        assert_eq!((records[0].reason, &records[0].frame), (reason, &packet), "{name}");
    };
    let (from_subscriber, from_network) = (PuntReason::HeldAccess, PuntReason::HeldUpstream);
    let no_link = |plane: &mut Plane| plane.role(Role { member: 1, master: 1, ..Role::default() });
    row("no link", no_link, Program::Access, data(PLAIN, 9), from_subscriber);
    let narrow = |plane: &mut Plane| plane.port(CORE, upstream_port(CORE_MAC), true);
    row("too large for the link", narrow, Program::Access, data(PLAIN, 1472), from_subscriber);
    let unknown = |plane: &mut Plane| plane.units(UnitState::all(UnitState::FORWARD, 3));
    row("an unknown owner", unknown, Program::Access, data(PLAIN, 9), from_subscriber);
    row("an unknown owner, upstream", unknown, Program::Upstream, down(9), from_network);
    let nobody = |plane: &mut Plane| plane.units(UnitState::all(UnitState::FORWARD, 0));
    row("no owner", nobody, Program::Access, data(PLAIN, 9), from_subscriber);
}

/// A unit's packets are held whole, its broadcasts too, with the unit's number. CL-61, CL-64
#[test]
fn held() {
    let mut plane = world::new();
    master(&mut plane).unwrap();
    plane.units(UnitState::all(UnitState::HELD, 0)).unwrap();
    let unit = |a: [u8; 4], b: [u8; 4]| {
        gateway_common::unit::forwarded_v4(&UnitKey::NONE, u32::from_be_bytes(a), u32::from_be_bytes(b)).index() as u16
    };
    for (program, frame, reason) in [
        (Program::Access, data(DOUBLE, 9), PuntReason::HeldAccess),
        (Program::Access, data(PLAIN, 1400), PuntReason::HeldAccess),
        (Program::Access, dhcp(BROADCAST_MAC), PuntReason::HeldAccess),
        (Program::Upstream, down(9), PuntReason::HeldUpstream),
        (Program::Upstream, reply(), PuntReason::HeldUpstream),
    ] {
        let ran = plane.run(program, &frame).unwrap();
        assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::Held));
        let records = plane.punted().unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].reason, &records[0].frame), (reason, &frame));
        assert_eq!(records[0].header.ifindex, INGRESS);
        assert_eq!(records[0].size, if frame.len() > 672 { LARGE_RECORD } else { SMALL_RECORD });
    }
    plane.run(Program::Upstream, &down(9)).unwrap();
    let records = plane.punted().unwrap();
    assert_eq!(records[0].header.unit, unit(HOST.octets(), FAR.address.octets()));
    let jumbo = data(PLAIN, 2000);
    assert_eq!(plane.run(Program::Access, &jumbo).unwrap().verdict, Verdict::PuntFull, "no record holds it");
}

/// Held data leaves half of the ring to DHCP that is ours. H-CL-19
#[test]
fn held_data_leaves_room() {
    let mut plane = world::new();
    plane.units(UnitState { data: UnitState::HELD, dhcp: UnitState::OWN, owner: 0 }).unwrap();
    let frame = data(PLAIN, 9);
    let mut held = 0;
    // Before a record the ring keeps a word of its own.
    let most = HELD_OCTETS as usize / SMALL_RECORD + 2;
    for _ in 0..most {
        held += usize::from(plane.run(Program::Access, &frame).unwrap().verdict == Verdict::Held);
    }
    assert!((most - 100..most).contains(&held), "{held} of {most}");
    assert_eq!(plane.run(Program::Access, &frame).unwrap().verdict, Verdict::PuntFull);
    assert_eq!(plane.run(Program::Access, &dhcp(BROADCAST_MAC)).unwrap().verdict, Verdict::DhcpClient);
}

/// DHCP and data of a unit are judged each by its own: in a planned move data stays with the old owner while logins
/// wait. CL-64, H-CL-19
#[test]
fn each_by_its_own() {
    let mut plane = world::new();
    for (state, data_is, dhcp_is) in [
        (UnitState { data: UnitState::OWN, dhcp: UnitState::HELD, owner: 1 }, Verdict::ForwardedUp, Verdict::Held),
        (
            UnitState { data: UnitState::OWN, dhcp: UnitState::FOREIGN, owner: 1 },
            Verdict::ForwardedUp,
            Verdict::Foreign,
        ),
        (UnitState { data: UnitState::FOREIGN, dhcp: UnitState::OWN, owner: 1 }, Verdict::Foreign, Verdict::DhcpClient),
        (UnitState { data: UnitState::HELD, dhcp: UnitState::OWN, owner: 1 }, Verdict::Held, Verdict::DhcpClient),
        (UnitState::default(), Verdict::Foreign, Verdict::Foreign),
    ] {
        plane.units(state).unwrap();
        assert_eq!(plane.run(Program::Access, &data(PLAIN, 9)).unwrap().verdict, data_is, "{state:?}");
        assert_eq!(plane.run(Program::Access, &dhcp(BROADCAST_MAC)).unwrap().verdict, dhcp_is, "{state:?}");
    }
}

/// The master owns everything until `until_ns`.
fn until(plane: &mut Plane, until_ns: u64) -> anyhow::Result<()> {
    reset(plane)?;
    plane.units(UnitState::all(UnitState::OWN, 1))?;
    plane.role(Role { member: 1, master: 1, until_ns, ..Role::default() })
}

/// A member that was not told for too long that what it had is still its own serves nothing of it, whatever the unit table
/// says. H-CL-20, H-CL-27
#[test]
fn nobody_is_served_after_the_end() {
    let mut plane = world::new();
    let frames =
        || [(Program::Access, data(PLAIN, 40)), (Program::Upstream, down(40)), (Program::Access, dhcp([0xff; 6]))];
    until(&mut plane, u64::MAX).unwrap();
    for (program, frame) in frames() {
        let ran = plane.run(program, &frame).unwrap();
        assert_ne!(ran.verdict, Verdict::Fenced, "before the end");
        assert_ne!(ran.verdict, Verdict::Foreign, "before the end");
    }
    until(&mut plane, 1).unwrap();
    for (program, frame) in frames() {
        let ran = plane.run(program, &frame).unwrap();
        assert_eq!((ran.action, ran.verdict), (Action::Drop, Verdict::Fenced), "after the end");
    }
}
