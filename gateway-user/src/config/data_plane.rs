//! What the configuration means for the BPF maps.

use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gateway_common::Ip4;
use gateway_common::settings::Settings;
use gateway_common::unit::{UNITS, Unit, UnitKey, UnitState};
use gateway_core::line::PortId;
use gateway_core::wire::router;

use super::types::{Config, Units};
use crate::dataplane::routes6::{local_filter, main_filter};

impl Config {
    /// The cell of the `SETTINGS` array. `locals` and `locals6` are the gateway's own addresses, those of the maps
    /// `LOCALS` and `LOCALS6`; `main6`: whether the kernel's main table
    /// routes all else.
    pub fn settings(&self, locals: &[Ipv4Addr], locals6: &[Ipv6Addr], main6: bool) -> Settings {
        let owns_all = self.cluster.is_none() && self.units.own.len() == UNITS as usize;
        let shared = self.cluster.as_ref().and_then(|cluster| cluster.address);
        Settings {
            subscriber: self.limits.subscriber,
            line: self.limits.line,
            port: self.limits.port,
            event: self.limits.event,
            drop_sample: self.limits.drop_sample,
            cluster_address: shared.map_or(Ip4::UNSPECIFIED, Into::into),
            flags: self.flags(),
            local_filter: match owns_all {
                true => 0,
                false => {
                    let own = locals.iter().filter(|local| shared != Some(**local));
                    own.fold(0, |filter, local| filter | Settings::local_bit((*local).into()))
                }
            },
            abi: gateway_common::layout::ABI,
            local_filter6: match owns_all {
                true => 0,
                false => local_filter(locals6.iter().copied().filter(|local| !self.is_shared6(*local))),
            },
            main6: if main6 { main_filter(locals6) } else { 0 },
            unit_key: self.cluster.as_ref().map_or(UnitKey::NONE, |cluster| cluster.unit_key),
        }
    }
}

impl Config {
    fn flags(&self) -> u32 {
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        let six = self.dhcpv6.as_ref();
        flag(self.gateway.proxy_arp, Settings::PROXY_ARP)
            | flag(six.is_some(), Settings::IPV6)
            | flag(six.is_some_and(|six| six.proxy_nd), Settings::PROXY_ND)
    }

    /// Whether all members of the cluster have this address, and its master answers for it.
    pub fn is_shared(&self, address: Ipv4Addr) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| {
            cluster.address == Some(address) || self.fpcs.iter().any(|fpc| fpc.giaddr == address)
        })
    }

    /// The same of an IPv6 address.
    pub fn is_shared6(&self, address: Ipv6Addr) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| {
            cluster.address6 == Some(address)
                || cluster.link_local == address
                || self.fpcs.iter().any(|fpc| fpc.link_address6 == Some(address))
        })
    }

    /// The addresses that subscribers behind a port know the gateway by, where all members have them.
    pub fn shared_on(&self, port: PortId) -> Vec<IpAddr> {
        let Some(cluster) = &self.cluster else { return Vec::new() };
        let fpc = &self.fpcs[usize::from(self.ports[usize::from(port.0)].fpc.0)];
        let six = fpc.link_address6.into_iter().flat_map(|link| [cluster.link_local, link]);
        iter::once(IpAddr::V4(fpc.giaddr)).chain(six.map(IpAddr::V6)).collect()
    }

    /// The link-local address that subscribers know the gateway by on a port with this MAC: that of all members, or the
    /// port's own.
    pub fn link_local(&self, mac: [u8; 6]) -> Ipv6Addr {
        self.cluster.as_ref().map_or_else(|| router::link_local(mac), |cluster| cluster.link_local)
    }
}

impl Units {
    /// The `UNITS` array: what is not ours is foreign.
    pub fn table(&self) -> Vec<(Unit, UnitState)> {
        let state = |unit: &Unit| match self.own.binary_search(&(unit.index() as u16)) {
            Ok(_) => UnitState::all(UnitState::OWN, self.member),
            Err(_) => UnitState::default(),
        };
        (0..UNITS as u16).filter_map(Unit::new).map(|unit| (unit, state(&unit))).collect()
    }
}
