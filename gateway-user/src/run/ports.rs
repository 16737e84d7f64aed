//! Which interface is which port. A port is a name in the configuration; the interface behind it comes and goes, each
//! time with another index.

use std::collections::HashMap;

use gateway_common::port::Port;
use gateway_core::line::PortId;

use crate::config::Config;
use crate::io::netlink::Link;

/// A port of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The interface's name.
    pub(super) name: String,
    /// The access port; `None` for an upstream port.
    pub(super) access: Option<PortId>,
    /// What the data plane is told, apart from MAC and MTU.
    fpc: u16,
    /// The interface, when there is one.
    pub(super) link: Option<Link>,
    /// "native", "generic", …: how the program is attached.
    pub(super) mode: &'static str,
}

impl Entry {
    /// The port's entry in the `PORTS` map.
    pub(super) fn port(&self) -> Option<Port> {
        let link = self.link.as_ref()?;
        let side = if self.access.is_some() { Port::ACCESS } else { Port::UPSTREAM };
        let place = self.access.map_or(Port::NO_PLACE, |port| port.0);
        Some(Port { fpc: self.fpc, mac: link.mac, mtu: link.mtu, side, place })
    }
}

/// All ports: first the access ports in the order of their [`PortId`], then the upstream ports, then the link between the
/// members of a cluster.
pub(super) struct Ports {
    entries: Vec<Entry>,
    by_index: HashMap<u32, usize>,
}

impl Ports {
    pub(super) fn new(config: &Config) -> Self {
        let entry = |name: &String, access, fpc| Entry { name: name.clone(), access, fpc, link: None, mode: "" };
        let access = config.ports.iter().zip(0..).map(|(port, id)| entry(&port.name, Some(PortId(id)), port.fpc.0));
        let upstream = config.upstream.iter().map(|name| entry(name, None, Port::NO_FPC));
        let link = config.cluster.as_ref().map(|cluster| &cluster.interface);
        let link = link.filter(|link| !config.upstream.contains(link)).map(|name| entry(name, None, Port::NO_FPC));
        Self { entries: access.chain(upstream).chain(link).collect(), by_index: HashMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, place: usize) -> &Entry {
        &self.entries[place]
    }

    pub(super) fn set_mode(&mut self, place: usize, mode: &'static str) {
        self.entries[place].mode = mode;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Place of the port with this interface name.
    pub(super) fn place_of(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == name)
    }

    /// Place of the port whose interface has this index now.
    pub(super) fn place_at(&self, ifindex: u32) -> Option<usize> {
        self.by_index.get(&ifindex).copied()
    }

    /// The access port whose interface has this index now.
    pub(super) fn access_at(&self, ifindex: u32) -> Option<PortId> {
        self.entries[*self.by_index.get(&ifindex)?].access
    }

    /// The interface of the first upstream port that has one.
    pub(super) fn upstream(&self) -> Option<&Link> {
        self.entries.iter().filter(|entry| entry.access.is_none()).find_map(|entry| entry.link.as_ref())
    }

    /// The interface of an access port, when there is one.
    pub(super) fn link(&self, port: PortId) -> Option<&Link> {
        self.entries.get(usize::from(port.0))?.link.as_ref()
    }

    /// Sets the interface of a port; returns the one it had.
    pub(super) fn set(&mut self, place: usize, link: Option<Link>) -> Option<Link> {
        let before = std::mem::replace(&mut self.entries[place].link, link);
        if let Some(before) = &before {
            self.by_index.remove(&before.ifindex);
        }
        if let Some(link) = &self.entries[place].link {
            self.by_index.insert(link.ifindex, place);
        }
        before
    }
}
