//! The world of the tables with IPv6: every subscriber has an address and a delegated prefix of its own, in leases apart.

use std::net::Ipv6Addr;

use anyhow::Result;
use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::settings::Settings;
use gateway_tests::packets::{Lent, Plane, namespace};

use crate::world::{self, *};

/// The gateway's link-local address on the access port.
pub(crate) const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// The relay's address, one of the gateway's own.
pub(crate) const RELAY: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0x67, 0, 0, 0, 1);
/// The DHCPv6 server, upstream.
pub(crate) const SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x547);
/// A host in the internet, reached by the router.
pub(crate) const HOST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);
/// On the segment of the router, but no neighbour.
pub(crate) const NOBODY6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc0de, 0, 0, 0, 0, 0x77);

impl Cpe {
    /// Its address.
    pub(crate) fn address6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, self.slot as u16)
    }

    /// An address in its delegated prefix, and the prefix's length: every third is longer, every third shorter.
    pub(crate) fn delegated(&self) -> (Ipv6Addr, u8) {
        let length = [56, 60, 48][self.slot as usize % 3];
        (Ipv6Addr::new(0x2001, 0xdb8, 0x1000 + self.slot as u16, 0x0a, 0, 0, 0xbeef, 1), length)
    }

    /// An address in its delegated prefix.
    pub(crate) fn inside(&self) -> Ipv6Addr {
        self.delegated().0
    }

    /// Its link-local address.
    pub(crate) fn link_local(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0xcc, 0, 0, self.slot as u16)
    }

    /// The route of its address.
    pub(crate) fn route6(&self) -> AccessRoute {
        AccessRoute { slot: 2 * self.slot, ..self.route() }
    }

    /// The route of its prefix.
    pub(crate) fn prefix_route(&self) -> AccessRoute {
        AccessRoute { slot: 2 * self.slot + 1, ..self.route() }
    }
}

/// A namespace with the links, where the kernel forwards IPv6 to a router, and the programs loaded.
pub(crate) fn new() -> Lent {
    let mut plane = world::new();
    let enter = |plane: &mut Plane| -> Result<()> {
        for (interface, key, value) in [
            ("lo", "disable_ipv6", 0),
            ("core0", "accept_dad", 0),
            ("core0", "disable_ipv6", 0),
            ("all", "forwarding", 1),
        ] {
            std::fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/{key}"), value.to_string())?;
        }
        let router = mac(ROUTER_MAC);
        namespace::ip(&format!(
            "addr add 2001:db8:c0de::1/64 dev core0 nodad\naddr add {RELAY}/128 dev lo\n\
             neigh add 2001:db8:c0de::fe lladdr {router} dev core0 nud permanent\nroute add default via 2001:db8:c0de::fe"
        ))?;
        reset6(plane)
    };
    enter(&mut plane).unwrap_or_else(|error| panic!("{error:#}"));
    plane
}

/// The settings of a gateway that serves IPv6.
pub(crate) fn served() -> Settings {
    Settings { flags: Settings::IPV6, ..Settings::default() }
}

/// The maps as every case finds them.
pub(crate) fn reset6(plane: &mut Plane) -> Result<()> {
    reset(plane)?;
    plane.settings(served())?;
    plane.local6(LINK_LOCAL)?;
    plane.local6(RELAY)?;
    plane.forget_lengths()?;
    for cpe in CPES {
        plane.route6(cpe.address6(), 128, cpe.route6(), Subscriber::NEVER)?;
        let (prefix, length) = cpe.delegated();
        plane.route6(prefix, length, cpe.prefix_route(), Subscriber::NEVER)?;
    }
    Ok(())
}
