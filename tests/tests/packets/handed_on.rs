//! Frames on their whole way, through programs attached to veths.
//!
//! ```text
//!  sub ─veth─ a0 │ A, the master │ la ─veth─ lb │ B, the owner │ core0 ─veth─ core0p: the router
//!                                        b0p ─veth─ b0 │
//! ```

use std::ffi::CString;
use std::io::ErrorKind;
use std::process::Command;
use std::time::{Duration, Instant};

use aya::programs::XdpMode;
use gateway_common::cluster::Role;
use gateway_common::port::Port;
use gateway_common::route::AccessRoute;
use gateway_common::unit::UnitState;
use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::frame::{ARP, Ether, IPV4, Ip, arp, udp};
use gateway_tests::packets::{Lent, Plane, namespace};
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

use crate::world::{self, *};

const A0: u32 = 21;
const LA: u32 = 22;
const B0: u32 = 23;
const A0_MAC: [u8; 6] = [0x02, 0xaa, 0, 0, 0, 1];
const LA_MAC: [u8; 6] = [0x02, 0xaa, 0, 0, 0, 2];
const B0_MAC: [u8; 6] = [0x02, 0xbb, 0, 0, 0, 1];
const LB_MAC: [u8; 6] = [0x02, 0xbb, 0, 0, 0, 2];
const PLACE: u16 = 5;

/// A pair of veths with this index, and MACs; the ends take redirected frames and compute whole checksums.
fn veth(name: &str, peer: &str, index: u32, macs: [[u8; 6]; 2]) {
    let text = |mac: [u8; 6]| mac.map(|octet| format!("{octet:02x}")).join(":");
    let [near, far] = macs.map(text);
    namespace::ip(&format!("link add {name} index {index} mtu 1600 address {near} type veth peer name {peer}"))
        .unwrap();
    namespace::ip(&format!("link set {peer} address {far} mtu 1600")).unwrap();
    for end in [name, peer] {
        namespace::ip(&format!("link set {end} up")).unwrap();
        takes_redirected(end);
    }
}

fn takes_redirected(interface: &str) {
    let done = Command::new("ethtool").args(["-K", interface, "tx", "off", "gro", "on"]).output().expect("ethtool");
    assert!(done.status.success(), "ethtool: {}", String::from_utf8_lossy(&done.stderr));
}

fn index(name: &str) -> u32 {
    let text = CString::new(name).unwrap();
    // SAFETY: the name is a C string.
    let index = unsafe { libc::if_nametoindex(text.as_ptr()) };
    assert_ne!(index, 0, "{name}: {}", std::io::Error::last_os_error());
    index
}

/// A packet socket on one interface.
fn socket(interface: &str) -> Socket {
    // Protocol 0: nothing arrives before bind has chosen the interface.
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0))).unwrap();
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is one of the address forms that the storage is made for.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index(interface) as i32;
    // SAFETY: a sockaddr_ll was written.
    let address = unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) };
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    socket.bind(&address).unwrap();
    socket
}

/// The frames of `wanted`'s length and content that arrive within a while; every other frame is none of ours.
fn arrivals(socket: &Socket, wanted: &[u8]) -> usize {
    let mut count = 0;
    let end = Instant::now() + Duration::from_millis(700);
    while Instant::now() < end {
        let mut buffer = [std::mem::MaybeUninit::new(0u8); 2048];
        match socket.recv(&mut buffer) {
            Ok(length) => {
                // SAFETY: the kernel wrote this many octets, and the rest was initialised before.
                let frame = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), length) };
                count += usize::from(frame == wanted);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }
    count
}

fn attach(plane: &mut Lent, program: Program, interface: &str) {
    plane.attach(program, index(interface), XdpMode::Driver).unwrap();
}

/// The subscriber as B knows it: behind its own access port.
fn at_b(cpe: Cpe) -> AccessRoute {
    AccessRoute { ifindex: B0, ..cpe.route() }
}

/// B, with its access port, the link and the way up.
fn owner() -> Lent {
    let mut b = world::new();
    takes_redirected("core0");
    takes_redirected("core0p");
    veth("a0", "sub", A0, [A0_MAC, PLAIN.mac()]);
    veth("la", "lb", LA, [LA_MAC, LB_MAC]);
    veth("b0", "b0p", B0, [B0_MAC, [0x02, 0xbb, 0, 0, 0, 3]]);
    let lb = index("lb");
    b.role(Role { member: 2, master: 1, link: lb, ..Role::default() }).unwrap();
    b.port(lb, Port { mtu: 1600, ..upstream_port(LB_MAC) }, true).unwrap();
    b.port(B0, Port { place: PLACE, ..access_port(B0_MAC) }, true).unwrap();
    b.place(PLACE, B0).unwrap();
    b.member(lb, 1, LA_MAC).unwrap();
    for cpe in [PLAIN, TAGGED] {
        b.route(cpe.address, at_b(cpe), u64::MAX).unwrap();
    }
    attach(&mut b, Program::Upstream, "lb");
    attach(&mut b, Program::Access, "b0");
    b
}

/// The master sends a subscriber's frame to the owner, and that sends it up, once: from the subscriber's veth to the
/// router's, full size. CL-48, CL-63
#[test]
fn carried_to_the_owner() {
    let mut b = owner();
    let mut a = Plane::lend().unwrap();
    a.role(Role { member: 1, master: 1, link: LA, ..Role::default() }).unwrap();
    a.port(A0, Port { place: PLACE, ..access_port(A0_MAC) }, true).unwrap();
    a.port(LA, Port { mtu: 1600, ..upstream_port(LA_MAC) }, true).unwrap();
    a.member(LA, 2, LB_MAC).unwrap();
    a.units(UnitState::all(UnitState::FORWARD, 2)).unwrap();
    attach(&mut a, Program::Access, "a0");
    attach(&mut a, Program::Upstream, "la");

    let (subscriber, router) = (socket("sub"), socket("core0p"));
    for octets in [18, 1472] {
        let payload = udp(4000, 53, &vec![7; octets]);
        let frame = Ether::new(PLAIN.mac(), A0_MAC).frame(IPV4, &Ip::new(PLAIN.address, HOST).packet(&payload));
        subscriber.send(&frame).unwrap();
        let ip = Ip::new(PLAIN.address, HOST).ttl(63);
        let wanted = Ether::new(CORE_MAC, ROUTER_MAC).frame(IPV4, &ip.packet(&payload));
        assert_eq!(arrivals(&router, &wanted), 1, "{octets} octets");
    }
    assert_eq!(a.counters(Program::Access).unwrap()[Verdict::ForwardedOwner as usize].packets, 2);
    assert_eq!(b.counters(Program::Access).unwrap()[Verdict::ForwardedUp as usize].packets, 2);
    assert_eq!(b.subscriber(PLAIN.slot).unwrap().up_packets, 2, "the owner counts");
}

/// A frame that user space injects is sent on as if it had come in: redirected, or back out of its port. While its unit
/// is another's it is not. CL-64
#[test]
fn injected() {
    let mut b = owner();
    let (router, line) = (socket("core0p"), socket("b0p"));
    let payload = udp(4000, 53, b"held for a while");
    let frame = Ether::new(TAGGED.mac(), B0_MAC).tagged(TAGGED.tags);
    let frame = frame.frame(IPV4, &Ip::new(TAGGED.address, HOST).packet(&payload));
    let ip = Ip::new(TAGGED.address, HOST).ttl(63);
    let wanted = Ether::new(CORE_MAC, ROUTER_MAC).frame(IPV4, &ip.packet(&payload));
    b.inject(Program::Access, B0, &frame).unwrap();
    assert_eq!(arrivals(&router, &wanted), 1);

    b.own_all(UnitState::FOREIGN).unwrap();
    b.inject(Program::Access, B0, &frame).unwrap();
    assert_eq!(arrivals(&router, &wanted), 0);
    b.own_all(UnitState::OWN).unwrap();

    let ask =
        Ether::new(PLAIN.mac(), BROADCAST_MAC).frame(ARP, &arp(1, (PLAIN.mac(), PLAIN.address), ([0; 6], GIADDR)));
    b.shared(GIADDR).unwrap();
    b.role(Role { member: 2, master: 2, ..Role::default() }).unwrap();
    b.inject(Program::Access, B0, &ask).unwrap();
    let mut wanted =
        Ether::new(B0_MAC, PLAIN.mac()).frame(ARP, &arp(2, (B0_MAC, GIADDR), (PLAIN.mac(), PLAIN.address)));
    assert_eq!(arrivals(&line, &wanted), 1, "answered on the line");

    // Down, to the line.
    wanted = Ether::new(B0_MAC, PLAIN.mac()).frame(IPV4, &Ip::new(HOST, PLAIN.address).ttl(63).packet(&payload));
    let lb = index("lb");
    let from_core = Ether::new(ROUTER_MAC, LB_MAC).frame(IPV4, &Ip::new(HOST, PLAIN.address).packet(&payload));
    b.inject(Program::Upstream, lb, &from_core).unwrap();
    assert_eq!(arrivals(&line, &wanted), 1);
}
