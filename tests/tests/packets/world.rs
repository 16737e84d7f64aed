//! The world of the tables: one gateway, a few subscribers, a router upstream.
//!
//! Frames come in on loopback (the only interface `BPF_PROG_TEST_RUN` knows without more), which is an access port
//! here, and an upstream port where the upstream program runs. `core0` leads to the router, `fpc1` is another card.

use std::net::Ipv4Addr;

use anyhow::Result;
use gateway_common::cluster::Role;
use gateway_common::port::Port;
use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::settings::Settings;
use gateway_common::unit::UnitState;
use gateway_common::vlan::VlanTags;
use gateway_tests::packets::frame::{Ether, qinq, tag};
use gateway_tests::packets::{INGRESS, Lent, Plane, namespace};

/// The gateway's access port.
pub(crate) const GATEWAY_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
/// The gateway's port on the other card.
pub(crate) const FPC1_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
/// The gateway's upstream port.
pub(crate) const CORE_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x03];
/// The router upstream.
pub(crate) const ROUTER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x04];
/// Broadcast.
pub(crate) const BROADCAST_MAC: [u8; 6] = [0xff; 6];

/// The giaddr, one of the gateway's own addresses.
pub(crate) const GIADDR: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
/// The DHCP server, upstream.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 67);
/// A host in the internet, reached by the router.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// A network to which there is a route but no neighbour.
pub(crate) const NOBODY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);

/// A subscriber of the tables.
#[derive(Clone, Copy)]
pub(crate) struct Cpe {
    /// Its cell, and what its MAC ends in.
    pub(crate) slot: u32,
    /// Its address.
    pub(crate) address: Ipv4Addr,
    /// The port it is behind.
    pub(crate) ifindex: u32,
    /// Its tags.
    pub(crate) tags: VlanTags,
}

impl Cpe {
    /// Its MAC.
    pub(crate) fn mac(&self) -> [u8; 6] {
        [0x02, 0xcc, 0, 0, 0, self.slot as u8]
    }

    /// The header of a frame it sends to the gateway.
    pub(crate) fn ether(&self) -> Ether {
        Ether::new(self.mac(), GATEWAY_MAC).tagged(self.tags)
    }

    /// The route that its login made.
    pub(crate) fn route(&self) -> AccessRoute {
        AccessRoute {
            slot: self.slot,
            epoch: 5,
            ifindex: self.ifindex,
            cohort: 3,
            mac: self.mac(),
            tags: self.tags,
            ..AccessRoute::default()
        }
    }
}

const fn cpe(slot: u32, ifindex: u32, tags: VlanTags) -> Cpe {
    Cpe { slot, address: Ipv4Addr::new(100, 64, 0, 100 + slot as u8), ifindex, tags }
}

/// Untagged, on the access port.
pub(crate) const PLAIN: Cpe = cpe(1, INGRESS, VlanTags::NONE);
/// Behind one tag.
pub(crate) const TAGGED: Cpe = cpe(2, INGRESS, tag(100));
/// Behind two tags.
pub(crate) const DOUBLE: Cpe = cpe(3, INGRESS, qinq(200, 7));
/// On the other card, untagged.
pub(crate) const FAR: Cpe = cpe(4, FPC1, VlanTags::NONE);
/// On the other card behind one tag.
pub(crate) const FAR_TAGGED: Cpe = cpe(5, FPC1, tag(300));
/// On the other card behind two tags.
pub(crate) const FAR_DOUBLE: Cpe = cpe(6, FPC1, qinq(400, 9));
/// On a port that nothing can be redirected to.
pub(crate) const UNREACHABLE: Cpe = cpe(7, 99, VlanTags::NONE);

/// All of them.
pub(crate) const CPES: [Cpe; 7] = [PLAIN, TAGGED, DOUBLE, FAR, FAR_TAGGED, FAR_DOUBLE, UNREACHABLE];

/// Index of `core0`, the first link made after loopback.
pub(crate) const CORE: u32 = 11;
/// Index of `fpc1`.
pub(crate) const FPC1: u32 = 12;

/// The programs, in a namespace with the links.
pub(crate) fn new() -> Lent {
    let enter = || {
        let mut plane = Plane::lend()?;
        enter(&mut plane)?;
        Ok(plane)
    };
    enter().unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"))
}

/// Into a namespace with the links, and into the maps what every case finds there.
fn enter(plane: &mut Plane) -> Result<()> {
    namespace::enter()?;
    namespace::veth("core0", CORE, &mac(CORE_MAC))?;
    namespace::veth("fpc1", FPC1, &mac(FPC1_MAC))?;
    let router = mac(ROUTER_MAC);
    namespace::ip(&format!(
        "addr add 192.0.2.1/24 dev core0\naddr add {GIADDR}/32 dev lo\n\
         neigh add 192.0.2.254 lladdr {router} dev core0 nud permanent\nroute add default via 192.0.2.254"
    ))?;
    reset(plane)
}

/// A MAC as `ip` wants it.
pub(crate) fn mac(octets: [u8; 6]) -> String {
    octets.map(|octet| format!("{octet:02x}")).join(":")
}

/// The maps as every case finds them.
pub(crate) fn reset(plane: &mut Plane) -> Result<()> {
    plane.own_all(UnitState::OWN)?;
    plane.settings(Settings::default())?;
    plane.cohort(3, 5)?;
    plane.local(GIADDR)?;
    plane.port(INGRESS, access_port(GATEWAY_MAC), false)?;
    plane.port(FPC1, access_port(FPC1_MAC), true)?;
    plane.port(CORE, upstream_port(CORE_MAC), true)?;
    plane.role(Role::default())?;
    for cpe in CPES {
        plane.route(cpe.address, cpe.route(), Subscriber::NEVER)?;
    }
    Ok(())
}

/// An access port with this MAC.
pub(crate) fn access_port(mac: [u8; 6]) -> Port {
    Port { fpc: 0, mac, mtu: 1500, side: Port::ACCESS, place: 0 }
}

/// An upstream port with this MAC.
pub(crate) fn upstream_port(mac: [u8; 6]) -> Port {
    Port { fpc: Port::NO_FPC, mac, mtu: 1500, side: Port::UPSTREAM, place: Port::NO_PLACE }
}

/// Nanoseconds since boot, by the clock the programs read.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is valid for the call.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) }, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
