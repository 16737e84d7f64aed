//! What IPv6 adds to the bench of forwarding: the same traffic by IPv6, and what more than one prefix length costs.

use std::net::Ipv6Addr;

use anyhow::Result;
use gateway_common::route::{AccessRoute, Subscriber};

use super::Samples;
use super::forward::{ACCESS, CPE, ROUTER, Row, UPSTREAM, Way, colons};
use super::generator::{index, mac};
use crate::packets::Plane;
use crate::packets::frame::{Ether, IPV6, ipv6, udp};
use crate::packets::namespace::ip;

const POOL: u16 = 0xdb8;

/// An address of the subscribers' pool.
const fn subscriber(net: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, POOL, net, 0x0a, 0, 0, 0, host)
}

/// The subscriber's own address, and one in its delegated prefix.
const ADDRESS: Ipv6Addr = subscriber(0x100, 9);
const DELEGATED: Ipv6Addr = subscriber(0x200, 1);
/// A host in the internet.
const HOST: Ipv6Addr = Ipv6Addr::new(0x2001, 0x4860, 0, 0, 0, 0, 0, 0x53);
/// The bits of a few addresses of the gateway's own, none of which is asked for.
pub(super) const OWN: u64 = 0b1001_0010_0100;
/// Where a subscriber could be, and none is: every length has to be looked for.
const NOBODY: Ipv6Addr = subscriber(0x300, 1);

/// Forwarding up and down by an address; up from a delegated prefix while there is one length, and while there are three
/// of which its own is the last, to a host in the internet and to an address in the middle of all pools.
pub(super) fn rows(from_subscriber: Ether, from_router: Ether) -> Vec<Row> {
    let packet = |from, to| ipv6(17, 64, from, to, &udp(4000, 53, &[0; 2]));
    let up = |from, to| from_subscriber.frame(IPV6, &packet(from, to));
    let down = |to| from_router.frame(IPV6, &packet(HOST, to));
    let row = |way, frame, name: &str, against, prepare: fn(&mut Plane) -> Result<()>| Row {
        way,
        frame,
        samples: Samples::new(name, "Mpps", against),
        gateway: true,
        prepare: Some(prepare),
    };
    // The kernel's own forwarding is no row here: at this rate less than half of it arrives.
    vec![
        row(Way::Up, up(ADDRESS, HOST), "forward/ipv6", Some("forward/ipv4"), address),
        row(Way::Down, down(ADDRESS), "forward/ipv6-down", Some("forward/down"), address),
        row(Way::Up, up(DELEGATED, HOST), "forward/pd1", None, one_length),
        row(Way::Up, up(DELEGATED, HOST), "forward/pd3", Some("forward/pd1"), three_lengths),
        row(Way::Up, up(DELEGATED, NOBODY), "forward/pd1-pool", None, one_length),
        row(Way::Up, up(DELEGATED, NOBODY), "forward/pd3-pool", Some("forward/pd1-pool"), three_lengths),
    ]
}

/// A route of the subscriber's.
fn install(plane: &mut Plane, prefix: Ipv6Addr, length: u8, slot: u32) -> Result<()> {
    let route = AccessRoute { slot, ifindex: index(ACCESS)?, mac: CPE, ..AccessRoute::default() };
    plane.route6(prefix, length, route, Subscriber::NEVER)
}

/// A length whose prefixes lie all over the pool.
fn spread(plane: &mut Plane, length: u8, slot: u32) -> Result<()> {
    install(plane, subscriber(0, 2), length, slot)?;
    install(plane, subscriber(0xffff, 2), length, slot + 1)
}

fn address(plane: &mut Plane) -> Result<()> {
    plane.forget_lengths()?;
    install(plane, ADDRESS, 128, 0)
}

fn one_length(plane: &mut Plane) -> Result<()> {
    plane.forget_lengths()?;
    spread(plane, 56, 10)?;
    install(plane, DELEGATED, 56, 1)
}

fn three_lengths(plane: &mut Plane) -> Result<()> {
    plane.forget_lengths()?;
    spread(plane, 128, 20)?;
    spread(plane, 60, 30)?;
    spread(plane, 56, 10)?;
    install(plane, DELEGATED, 56, 1)
}

/// Addresses, a route and a neighbour, so that the kernel could forward as well.
pub(super) fn lay_out() -> Result<()> {
    for (interface, key, value) in [
        (ACCESS, "accept_dad", 0),
        (UPSTREAM, "accept_dad", 0),
        (ACCESS, "disable_ipv6", 0),
        (UPSTREAM, "disable_ipv6", 0),
        ("all", "forwarding", 1),
    ] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/{key}"), value.to_string())?;
    }
    ip(&format!("addr add 2001:db8:c0de::1/64 dev {UPSTREAM} nodad"))?;
    ip(&format!("neigh add 2001:db8:c0de::fe lladdr {} dev {UPSTREAM} nud permanent", colons(mac(ROUTER)?)))?;
    ip("route add default via 2001:db8:c0de::fe")
}
