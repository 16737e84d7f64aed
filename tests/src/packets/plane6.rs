//! The IPv6 tables of a test's data plane.

use std::net::Ipv6Addr;

use anyhow::{Result, ensure};
use gateway_common::Ip6;
use gateway_common::maps;
use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::route6::{Prefixes, Route6Key};

use super::Plane;

impl Plane {
    /// Adds an address (of 128 bits) or a delegated prefix: its route, and its cell with `expires_ns` since boot. Its
    /// length becomes known behind those that are.
    pub fn route6(&mut self, prefix: Ipv6Addr, length: u8, route: AccessRoute, expires_ns: u64) -> Result<()> {
        let mut cell = self.array::<Prefixes>(maps::PREFIXES)?;
        let mut prefixes = cell.get(&0, 0)?;
        ensure!(prefixes.cover(prefix.into(), length).is_some(), "no room for /{length}");
        cell.set(0, prefixes, 0)?;
        self.hash(maps::ROUTES6)?.insert(Route6Key::new(prefix.into(), length), route, 0)?;
        let subscriber = Subscriber { expires_ns, ..Subscriber::default() };
        Ok(self.array::<Subscriber>(maps::SUBSCRIBERS6)?.set(route.slot, subscriber, 0)?)
    }

    /// Forgets all prefix lengths, and so all routes.
    pub fn forget_lengths(&mut self) -> Result<()> {
        Ok(self.array::<Prefixes>(maps::PREFIXES)?.set(0, Prefixes::default(), 0)?)
    }

    /// The cell of an address or prefix.
    pub fn subscriber6(&mut self, slot: u32) -> Result<Subscriber> {
        Ok(self.array::<Subscriber>(maps::SUBSCRIBERS6)?.get(&slot, 0)?)
    }

    /// Adds an own address, link-local or not.
    pub fn local6(&mut self, address: Ipv6Addr) -> Result<()> {
        Ok(self.hash(maps::LOCALS6)?.insert(Ip6::from(address), maps::LOCAL_OWN, 0)?)
    }

    /// Adds an address that all members of a cluster have.
    pub fn shared6(&mut self, address: Ipv6Addr) -> Result<()> {
        Ok(self.hash(maps::LOCALS6)?.insert(Ip6::from(address), maps::LOCAL_SHARED, 0)?)
    }
}
