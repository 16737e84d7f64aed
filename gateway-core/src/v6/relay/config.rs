//! What the relay is told, checked as a whole before it is believed.

use core::net::Ipv6Addr;

use thiserror::Error;

use crate::line::{FpcId, PortId};
use crate::relay::{PortConfig, Template};
use crate::wire::dhcp6::DuidBuf;
use crate::wire::dhcp6::release::ReleaseTypes;

/// The relay's configuration.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Our identity: the Relay-Id (RFC 5460 section 5.4.1, RR-22).
    pub duid: DuidBuf,
    /// The servers; every message of a client goes to each. A multicast address (ff05::1:3) stands for servers whose
    /// addresses are not known: then replies are believed whoever they come from, by their Interface-Id.
    pub servers: Vec<Ipv6Addr>,
    /// The line cards; the index is the [`FpcId`].
    pub fpcs: Vec<FpcConfig>,
    /// The access ports; the index is the [`PortId`].
    pub ports: Vec<PortConfig>,
    /// What a server may read in the Interface-Id; what brings the reply home is put behind it. `{giaddr}` stands for the
    /// link-address here.
    pub interface_id: Template,
    /// Option 37 (RFC 4649).
    pub remote_id: Option<RemoteId>,
    /// Mixed into the check of the Interface-Id: who does not know it can't make one. The same on all members of a
    /// cluster and after a restart, or replies that are under way get lost. Empty: the check tells our own from
    /// another gateway's, and from a mistake.
    pub secret: Vec<u8>,
    /// When the secret was made, in seconds of Unix time: what servers stored before that was checked by one that is lost. 0:
    /// it was always there.
    pub secret_made: u64,
    /// Message types of RELEASE-REQUEST and its reply.
    pub release_types: ReleaseTypes,
    /// Whether a RELEASE-REQUEST that comes from below is relayed, where relays are trusted (RR-6, RR-33, RR-42, RR-43).
    pub forward_release_requests: bool,
    /// Whether servers are told by which scope they can release a card's leases at once, under this enterprise number: our own
    /// extension. Whoever sends such a release is believed as far as its address is, like every RELEASE-REQUEST; where the
    /// path is not secure (RFC 8213) leave it off.
    pub single_logout: Option<u32>,
    /// How many RELEASEs and DECLINEs are remembered until their REPLY.
    pub remembered: usize,
}

/// Option 37.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteId {
    /// Enterprise number.
    pub enterprise: u32,
    /// What the enterprise calls the subscriber.
    pub id: Template,
}

impl RelayConfig {
    /// The defaults: Interface-Id `{port}:{outer}.{inner}`, no Remote-Id, no secret, RELEASE-REQUESTs of others dropped,
    /// 8192 RELEASEs remembered. Servers, FPCs and ports are still missing.
    pub fn new(duid: DuidBuf) -> Self {
        let template = |text| Template::new(text).unwrap_or_else(|error| unreachable!("{error}"));
        Self {
            duid,
            servers: Vec::new(),
            fpcs: Vec::new(),
            ports: Vec::new(),
            interface_id: template("{port}:{outer}.{inner}"),
            remote_id: None,
            secret: Vec::new(),
            secret_made: 0,
            release_types: ReleaseTypes::default(),
            forward_release_requests: false,
            single_logout: None,
            remembered: 1 << 13,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
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
        for FpcConfig { name, link_address, .. } in &self.fpcs {
            let unfit = link_address.is_unspecified() || link_address.is_loopback() || link_address.is_multicast();
            if unfit || link_address.is_unicast_link_local() {
                return Err(ConfigError::LinkAddress { fpc: name.clone(), link_address: *link_address });
            }
        }
        Ok(())
    }

    pub(super) fn fpc(&self, fpc: FpcId) -> Option<&FpcConfig> {
        self.fpcs.get(usize::from(fpc.0))
    }

    pub(super) fn port(&self, port: PortId) -> Option<&PortConfig> {
        self.ports.get(usize::from(port.0))
    }
}

/// A line card as the relay sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FpcConfig {
    /// Its name.
    pub name: String,
    /// Our address towards its clients: the link-address, by which servers choose the pool, and the source of what goes up.
    pub link_address: Ipv6Addr,
    /// Whether relays and LDRAs (RFC 6221) behind it are believed.
    pub trust_relays: bool,
}

impl FpcConfig {
    /// An FPC that trusts nobody.
    pub fn new(name: &str, link_address: Ipv6Addr) -> Self {
        Self { name: name.to_owned(), link_address, trust_relays: false }
    }
}

/// Why a configuration can't be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ConfigError {
    /// Nobody to relay to.
    #[error("no DHCPv6 server")]
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
    /// A link-address that is not of global scope: a server could neither choose a pool by it nor answer to it.
    #[error("link-address {link_address} of {fpc} is not of global scope")]
    LinkAddress {
        /// The FPC.
        fpc: String,
        /// Its link-address.
        link_address: Ipv6Addr,
    },
}
