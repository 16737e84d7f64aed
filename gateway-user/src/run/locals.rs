//! The gateway's own addresses, as the programs know them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Context;
use gateway_common::Ip4;
use gateway_common::maps::{LOCAL_OWN, LOCAL_SERVER, LOCAL_SHARED};
use gateway_core::wire::router::link_local;

use super::Gateway;
use crate::io::netlink::Change;

impl Gateway {
    /// Takes what is listed about addresses and IPv6 tables; `LOCALS` and the settings are yet to be written. Anything else
    /// is returned.
    pub(super) fn note(&mut self, change: Change) -> Option<Change> {
        match change {
            Change::Address(address) => drop(self.locals.insert(address)),
            Change::Rule(rule) => drop(self.tables6.rules.insert(rule)),
            Change::LocalPrefix(prefix, length) => drop(self.tables6.local.insert((prefix, length))),
            other => return Some(other),
        }
        None
    }

    /// The same as [`Self::write_locals`], where nobody waits for it.
    pub(super) fn rewrite_locals(&self) {
        if let Err(error) = self.write_locals() {
            tracing::error!(error = format!("{error:#}"), "the gateway's own addresses can't be written");
        }
    }

    /// Makes the `LOCALS` maps hold the host's addresses and those of the relay, and the settings agree with them.
    pub(super) fn write_locals(&self) -> anyhow::Result<()> {
        let (four, six) = (self.locals4(), self.locals6());
        let mut stale = Vec::new();
        self.dataplane.locals.for_each(|address: Ip4, _| {
            if !four.contains(&address.into()) {
                stale.push(address);
            }
        })?;
        self.dataplane.locals.remove_all(&stale)?;
        for &address in &four {
            let whose = if self.config.is_shared(address) { LOCAL_SHARED } else { LOCAL_OWN };
            let has_server = self.config.dhcp_server.as_ref().is_some_and(|server| server.listen == address);
            let kind = if has_server { whose | LOCAL_SERVER } else { whose };
            self.dataplane.locals.put(&address.into(), &kind).context("write the LOCALS map")?;
        }
        if let Some(routes) = self.outbox.six.as_ref().map(|six| &six.routes) {
            let all: Vec<_> = six.iter().map(|address| (*address, self.config.is_shared6(*address))).collect();
            routes.set_locals(&all).context("write the LOCALS6 map")?;
        }
        let main6 = self.outbox.six.is_some() && self.tables6.is_main_enough(&six);
        let (four, six): (Vec<_>, Vec<_>) = (four.into_iter().collect(), six.into_iter().collect());
        self.dataplane.set_settings(self.config.settings(&four, &six, main6)).context("write the SETTINGS map")
    }

    fn locals4(&self) -> BTreeSet<Ipv4Addr> {
        let own = self.locals.iter().filter_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        });
        let giaddrs = self.config.fpcs.iter().map(|fpc| fpc.giaddr);
        own.chain(giaddrs).chain(self.config.cluster.iter().filter_map(|cluster| cluster.address)).collect()
    }

    /// The link-local addresses of all ports are among them, whether the kernel has them or not: the programs answer for
    /// them. So is the one that the members of a cluster share.
    fn locals6(&self) -> BTreeSet<Ipv6Addr> {
        let own = self.locals.iter().filter_map(|address| match address {
            IpAddr::V6(address) => Some(*address),
            IpAddr::V4(_) => None,
        });
        let links = self.config.fpcs.iter().filter_map(|fpc| fpc.link_address6);
        let ports = self.ports.iter().filter_map(|entry| Some(link_local(entry.link.as_ref()?.mac)));
        let shared =
            self.config.cluster.iter().flat_map(|cluster| [Some(cluster.link_local), cluster.address6]).flatten();
        own.chain(links).chain(ports).chain(shared).collect()
    }
}
