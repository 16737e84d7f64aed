//! What the relay is told, checked as a whole before it is believed.

use core::net::Ipv4Addr;

use hashbrown::HashMap;
use thiserror::Error;

use super::template::Template;
use crate::line::{FpcId, PortId};
use crate::scope::{DeviceId, GroupId, ScopeKind};
use crate::wire::bulk_release::{CodePoints, Collision};
use crate::wire::relay_auth::Key;

/// The relay's configuration.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Our identity: relay-id and first half of every scope (BR-11).
    pub device: DeviceId,
    /// Where the bulk release elements go.
    pub points: CodePoints,
    /// Whether to say that we can do bulk release and to name the scope. Without it no login is tagged.
    pub bulk_release: bool,
    /// The servers; every message of a client goes to each.
    pub servers: Vec<Ipv4Addr>,
    /// The line cards; the index is the [`FpcId`].
    pub fpcs: Vec<FpcConfig>,
    /// The access ports; the index is the [`PortId`].
    pub ports: Vec<PortConfig>,
    /// Sub-option 1.
    pub circuit_id: Template,
    /// Sub-option 2.
    pub remote_id: Option<Template>,
    /// Largest message we send to a server, in octets of UDP payload. One that option 82 would make larger goes
    /// without it (RFC 3046 2.1).
    pub max_message: usize,
    /// A message that has passed more relays than this is discarded (RFC 1542 4.1.1).
    pub max_hops: u8,
    /// RFC 4030.
    pub authentication: Option<Authentication>,
    /// How many REQUESTs are remembered until their ACK.
    pub remembered: usize,
}

impl RelayConfig {
    /// The defaults: bulk release offered, no authentication, circuit-id `{port}:{outer}.{inner}`, remote-id `{mac}`,
    /// messages up to 1400 octets, 16 hops, 65 536 REQUESTs remembered. Servers, FPCs and ports are still missing.
    pub fn new(device: DeviceId) -> Self {
        let template = |text| Template::new(text).unwrap_or_else(|error| unreachable!("{error}"));
        Self {
            device,
            points: CodePoints::default(),
            bulk_release: true,
            servers: Vec::new(),
            fpcs: Vec::new(),
            ports: Vec::new(),
            circuit_id: template("{port}:{outer}.{inner}"),
            remote_id: Some(template("{mac}")),
            max_message: 1400,
            max_hops: 16,
            authentication: None,
            remembered: 1 << 16,
        }
    }
}

/// A line card as the relay sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FpcConfig {
    /// Its name.
    pub name: String,
    /// Our address towards its clients.
    pub giaddr: Ipv4Addr,
    /// Its group identifier, used when other FPCs have the same giaddr; its name when absent (BR-16, BR-17).
    pub group: Option<GroupId>,
    /// Whether access nodes behind it may add option 82 themselves.
    pub trust_option_82: bool,
    /// Sub-option 5 (RFC 3527): the subnet to allocate from.
    pub link_selection: Option<Ipv4Addr>,
    /// Sub-option 11 (RFC 5107) with our giaddr: renewals come through the relay.
    pub server_id_override: bool,
}

impl FpcConfig {
    /// An FPC that trusts nobody and has neither link selection nor server-id override.
    pub fn new(name: &str, giaddr: Ipv4Addr) -> Self {
        let name = name.to_owned();
        Self { name, giaddr, group: None, trust_option_82: false, link_selection: None, server_id_override: false }
    }
}

/// An access port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortConfig {
    /// Its name.
    pub name: String,
    /// The line card it belongs to.
    pub fpc: FpcId,
}

/// RFC 4030 between us and the servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authentication {
    /// Signs what we send and verifies what we get.
    pub key: Key,
    /// Drop replies that carry no authentication.
    pub require_replies: bool,
    /// Accept the last 64 reply counters out of order, each once (H-BR-16).
    pub sliding_window: bool,
}

/// Why a configuration can't be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ConfigError {
    /// Nobody to relay to.
    #[error("no server")]
    NoServer,
    /// A port of an FPC that is not configured.
    #[error("port {port} belongs to FPC number {fpc}, which does not exist")]
    UnknownFpc {
        /// The port.
        port: String,
        /// The index it names.
        fpc: u16,
    },
    /// More ports or FPCs than numbers for them.
    #[error("more than 65535 ports or FPCs")]
    TooMany,
    /// giaddr 0.0.0.0, broadcast or multicast.
    #[error("giaddr {giaddr} of {fpc} is no address of a host")]
    Giaddr {
        /// The FPC.
        fpc: String,
        /// Its giaddr.
        giaddr: Ipv4Addr,
    },
    /// A shared giaddr needs a group identifier, and the FPC's name is not fit for one.
    #[error("giaddr {giaddr} is shared, so {fpc} needs a group of 1 to 32 octets")]
    NoGroup {
        /// The FPC.
        fpc: String,
        /// Its giaddr.
        giaddr: Ipv4Addr,
    },
    /// Two FPCs would be released together.
    #[error("{first} and {second} share giaddr {giaddr} and have the same group")]
    SameGroup {
        /// One FPC.
        first: String,
        /// The other.
        second: String,
        /// Their giaddr.
        giaddr: Ipv4Addr,
    },
    /// Option 82 would not fit its 255 octets (H-BR-22).
    #[error("option 82 on port {port} can reach {length} octets, 255 at most: shorten templates, id or group")]
    AgentInformation {
        /// The port.
        port: String,
        /// Its longest option 82.
        length: usize,
    },
    /// Two uses of one code point.
    #[error(transparent)]
    CodePoint(#[from] Collision),
    /// The relay for DHCPv6 can't work with its part.
    #[error(transparent)]
    V6(#[from] crate::v6::relay::ConfigError),
}

impl RelayConfig {
    /// Whether a [`Relay`](super::Relay) can work with it.
    ///
    /// # Errors
    ///
    /// What [`Relay::new`](super::Relay::new) would say.
    pub fn check(&self) -> Result<(), ConfigError> {
        super::cards(self).map(drop)
    }

    /// Checks everything but the length of option 82, and decides the scope of each FPC: its giaddr, or its group
    /// where several FPCs share the giaddr (BR-13 to BR-18).
    ///
    /// BR-13 speaks of interfaces and leaves open what one is. Here it is the interface of a component that restarts on its
    /// own, which is what the scope is for (H-BR-10, BR-21): the FPC with all of its ports, because every trigger restarts
    /// all of them together. Two ports of one FPC therefore don't share its giaddr: the address names exactly the logins
    /// of that FPC, as a group would. A port that moves to another FPC, or an FPC that takes over a giaddr, is a changed
    /// configuration, with which the scopes are decided anew; logins keep the scope that their server stored (H-BR-11).
    pub(super) fn scopes(&self) -> Result<Vec<ScopeKind>, ConfigError> {
        self.points.check()?;
        if self.servers.is_empty() {
            return Err(ConfigError::NoServer);
        }
        if self.ports.len() > usize::from(u16::MAX) || self.fpcs.len() > usize::from(u16::MAX) {
            return Err(ConfigError::TooMany);
        }
        for port in &self.ports {
            if self.fpc(port.fpc).is_none() {
                return Err(ConfigError::UnknownFpc { port: port.name.clone(), fpc: port.fpc.0 });
            }
        }
        let mut users: HashMap<Ipv4Addr, usize> = HashMap::new();
        for FpcConfig { name, giaddr, .. } in &self.fpcs {
            if giaddr.is_unspecified() || giaddr.is_broadcast() || giaddr.is_multicast() {
                return Err(ConfigError::Giaddr { fpc: name.clone(), giaddr: *giaddr });
            }
            *users.entry(*giaddr).or_default() += 1;
        }
        let mut groups: HashMap<(Ipv4Addr, GroupId), &str> = HashMap::new();
        let mut scopes = Vec::with_capacity(self.fpcs.len());
        for FpcConfig { name, giaddr, group, .. } in &self.fpcs {
            if users[giaddr] == 1 {
                scopes.push(ScopeKind::Address(*giaddr));
                continue;
            }
            let group = group.clone().or_else(|| GroupId::new(name.as_bytes()));
            let group = group.ok_or_else(|| ConfigError::NoGroup { fpc: name.clone(), giaddr: *giaddr })?;
            if let Some(first) = groups.insert((*giaddr, group.clone()), name) {
                return Err(ConfigError::SameGroup { first: first.to_owned(), second: name.clone(), giaddr: *giaddr });
            }
            scopes.push(ScopeKind::Group(group));
        }
        Ok(scopes)
    }

    pub(super) fn fpc(&self, fpc: FpcId) -> Option<&FpcConfig> {
        self.fpcs.get(usize::from(fpc.0))
    }

    pub(super) fn port(&self, port: PortId) -> Option<&PortConfig> {
        self.ports.get(usize::from(port.0))
    }
}
