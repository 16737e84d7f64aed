//! Real DHCP servers, started in a namespace.

mod dhcpd;
mod dhcpd6;
mod dnsmasq;
mod embedded;
mod kea;
mod kea6;
mod query;

use crate::namespace::Namespace;
use crate::plan::Subnet;
use crate::plan6::Subnet6;
use crate::process::Process;
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a server may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ISC Kea 2.
    Kea,
    /// ISC dhcpd 4.
    Dhcpd,
    /// dnsmasq.
    Dnsmasq,
    /// The gateway's own, `gateway server`.
    Embedded,
}

impl Kind {
    /// Those that are not ours, and know no single logout.
    pub const FOREIGN: [Kind; 3] = [Kind::Kea, Kind::Dhcpd, Kind::Dnsmasq];
}

/// What a server is to serve.
#[derive(Clone, Debug)]
pub struct Service {
    /// The interface it listens on.
    pub interface: String,
    /// Its own address there.
    pub address: Ipv4Addr,
    /// The prefix length of that address.
    pub length: u8,
    /// The subnets it has addresses for; the one of `address` itself, or those behind relays.
    pub subnets: Vec<Subnet>,
    /// How long a lease lasts. (dnsmasq raises less than two minutes to two minutes.)
    pub lease: Duration,
    /// When clients are to renew (T1); half the lease when `None`.
    pub renew: Option<Duration>,
    /// Clients are on the same link, not behind a relay.
    pub direct: bool,
    /// What it serves by DHCPv6, with the same times.
    pub six: Option<Service6>,
    /// How Kea works, where it is Kea.
    pub kea: Kea,
    /// Lines for `[dhcp_server]` of the embedded one, and further tables.
    pub embedded: String,
}

/// How Kea works.
#[derive(Clone, Copy, Debug)]
pub struct Kea {
    /// Leases are written to a file. (They are not synced to the disk: Kea leaves that to the operating system.)
    pub persist: bool,
    /// As many threads as there are processors.
    pub threads: bool,
    /// A line is logged for each lease.
    pub log_leases: bool,
}

impl Default for Kea {
    fn default() -> Self {
        Self { persist: true, threads: false, log_leases: true }
    }
}

/// What a server is to serve by DHCPv6.
#[derive(Clone, Debug)]
pub struct Service6 {
    /// Its own address on the same interface, of a /64.
    pub address: Ipv6Addr,
    /// The subnets behind relays.
    pub subnets: Vec<Subnet6>,
    /// The relays that may release.
    pub relays: Vec<Ipv6Addr>,
    /// Lines for `[dhcp_server.v6]` of the embedded one.
    pub embedded: String,
}

impl Service {
    /// For clients behind relays: server `index` of a lab on `srv0`, with leases of an hour.
    pub fn relayed(plan: &crate::plan::Plan, index: u8) -> Self {
        Service {
            interface: "srv0".into(),
            address: plan.server(index),
            length: 24,
            subnets: plan.subnets(),
            lease: Duration::from_secs(3600),
            renew: None,
            direct: false,
            six: plan.ipv6.then(|| Service6 {
                address: plan.server6(index),
                subnets: plan.subnets6(),
                relays: (0..plan.fpcs).map(|fpc| plan.link_address6(fpc)).collect(),
                embedded: String::new(),
            }),
            kea: Kea::default(),
            embedded: String::new(),
        }
    }

    /// Writes the configuration that the embedded server would be started with in this directory, for commands that look at
    /// its store while it does not run.
    pub fn write_embedded(&self, directory: &Path) -> Result<PathBuf> {
        embedded::write(self, directory)
    }

    /// The network of its own interface.
    fn network(&self) -> Subnet {
        let own = Subnet {
            network: self.address,
            length: self.length,
            pool: (self.address, self.address),
            router: self.address,
        };
        Subnet { network: Ipv4Addr::from_bits(self.address.to_bits() & own.mask().to_bits()), ..own }
    }

    fn renew_seconds(&self) -> u64 {
        self.renew.unwrap_or(self.lease / 2).as_secs()
    }
}

/// dhcpd wants its lease file to be there. One of an earlier life is what it has leased.
fn keep_or_make(leases: &Path) -> Result<()> {
    std::fs::OpenOptions::new().create(true).append(true).open(leases)?;
    Ok(())
}

/// A lease as the server has it on disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    /// The address given out.
    pub address: Ipv4Addr,
    /// The client's Ethernet address, lower case with colons.
    pub mac: String,
}

/// A server that runs; dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    /// Which it is.
    pub kind: Kind,
    /// The program.
    pub process: Process,
    /// The program for DHCPv6, where that is another one.
    pub process6: Option<Process>,
    leases: PathBuf,
    space: Arc<Namespace>,
    address: Ipv4Addr,
}

impl Server {
    /// Start it in `space`, with its files in `directory`, and wait until it serves.
    pub fn start(kind: Kind, space: &Arc<Namespace>, service: &Service, directory: &Path) -> Result<Self> {
        let (process, leases) = match kind {
            Kind::Kea => kea::start(space, service, directory)?,
            Kind::Dhcpd => dhcpd::start(space, service, directory)?,
            Kind::Dnsmasq => dnsmasq::start(space, service, directory)?,
            Kind::Embedded => embedded::start(space, service, directory)?,
        };
        let process6 = match (kind, &service.six) {
            (Kind::Kea, Some(six)) => Some(kea6::start(space, service, six, directory)?),
            (Kind::Dhcpd, Some(six)) => Some(dhcpd6::start(space, service, six, directory)?),
            _ => None,
        };
        Ok(Server { kind, process, process6, leases, space: Arc::clone(space), address: service.address })
    }

    /// Whether it holds an active lease of `address`: by its lease file, or by leasequery where it is the embedded one.
    pub fn holds(&self, address: Ipv4Addr) -> Result<bool> {
        match self.kind {
            Kind::Embedded => query::is_active(&self.space, self.address, address),
            _ => Ok(self.leases()?.iter().any(|lease| lease.address == address)),
        }
    }

    /// Wait until [`Server::holds`] gives `held`.
    pub fn wait_held(&self, address: Ipv4Addr, held: bool, limit: Duration) -> Result<()> {
        let what = format!("{:?} to {} the lease of {address}", self.kind, if held { "hold" } else { "free" });
        crate::wait::until_true(&what, limit, || self.holds(address).is_ok_and(|holds| holds == held))
            .with_context(|| self.process.log_end())
    }

    /// The leases in its file that are active, by address. Released and expired ones are not among them. The embedded
    /// server's store is its own while it runs.
    pub fn leases(&self) -> Result<Vec<Lease>> {
        anyhow::ensure!(self.kind != Kind::Embedded, "the embedded server's store can't be read while it runs");
        let text = std::fs::read_to_string(&self.leases)?;
        let mut leases = match self.kind {
            Kind::Kea => kea::leases(&text),
            Kind::Dhcpd => dhcpd::leases(&text),
            Kind::Dnsmasq => dnsmasq::leases(&text),
            Kind::Embedded => Vec::new(),
        };
        leases.sort();
        Ok(leases)
    }
}
