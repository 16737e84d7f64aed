//! Real DHCPv6 clients: each on one interface, for an address there and a prefix for what is behind it.

mod dhclient;
mod dhcpcd;
mod networkd;

use crate::link::veth;
use crate::namespace::Namespace;
use crate::process::Process;
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The interface toward what is behind a CPE.
const LAN: &str = "lan0";

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ISC dhclient.
    Dhclient,
    /// dhcpcd.
    Dhcpcd,
    /// systemd-networkd.
    Networkd,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Dhclient, Kind::Dhcpcd, Kind::Networkd];
}

/// A host behind a CPE: a namespace whose `eth0` is plugged into the CPE's `lan0`.
#[derive(Debug)]
pub struct Home {
    /// The host.
    pub space: Namespace,
}

impl Home {
    /// Plug a new one into the CPE in `cpe`, which then routes between its interfaces.
    pub fn behind(cpe: &Namespace) -> Result<Self> {
        let space = Namespace::create(&format!("{}-home", cpe.name()))?;
        veth((&space, "eth0"), (cpe, LAN))?;
        cpe.sysctl("net.ipv6.conf.all.forwarding", "1")?;
        Ok(Home { space })
    }

    /// Give the host an address of the prefix whose first address the CPE has on `lan0`.
    pub fn settle(&self, cpe: Ipv6Addr) -> Result<Ipv6Addr> {
        let own = Ipv6Addr::from_bits(cpe.to_bits() + 1);
        self.space.ip_batch(&format!("addr flush dev eth0 scope global\naddr add {own}/64 dev eth0\n"))?;
        self.space.ip(&format!("-6 route replace default via {cpe}"))?;
        Ok(own)
    }
}

/// A client that runs; dropped, it is killed without a RELEASE.
#[derive(Debug)]
pub struct Client {
    /// Which it is.
    pub kind: Kind,
    /// The program.
    pub process: Process,
    space: Arc<Namespace>,
    interface: String,
    delegated: bool,
    directory: PathBuf,
}

impl Client {
    /// Start it on `interface` in `space`, with its files in `directory`. It asks for an address, and for a prefix when
    /// there is a [`Home`] behind it.
    pub fn start(
        kind: Kind,
        space: &Arc<Namespace>,
        interface: &str,
        delegated: bool,
        directory: &Path,
    ) -> Result<Self> {
        let directory = directory.join(format!("{}-{interface}-{kind:?}6", space.name()));
        std::fs::create_dir_all(&directory)?;
        flush(space, interface)?;
        if delegated {
            flush(space, LAN)?;
        }
        let mut command = match kind {
            Kind::Dhclient => dhclient::command(space, interface, delegated, &directory)?,
            Kind::Dhcpcd => dhcpcd::command(space, interface, delegated, &directory)?,
            Kind::Networkd => networkd::command(space, interface, delegated)?,
        };
        let process = Process::spawn(&format!("{kind:?}6").to_lowercase(), &mut command, &directory)?;
        Ok(Client { kind, process, space: Arc::clone(space), interface: interface.to_owned(), delegated, directory })
    }

    /// Wait until its interface carries the address.
    pub fn wait_address(&mut self, limit: Duration) -> Result<Ipv6Addr> {
        let interface = self.interface.clone();
        self.wait_for("an address", &interface, limit)
    }

    /// Wait until `lan0` carries the first address of the prefix.
    pub fn wait_prefix(&mut self, limit: Duration) -> Result<Ipv6Addr> {
        self.wait_for("a prefix", LAN, limit)
    }

    fn wait_for(&mut self, what: &str, interface: &str, limit: Duration) -> Result<Ipv6Addr> {
        let space = Arc::clone(&self.space);
        let found = self.process.wait_until(what, limit, |_| address(&space, interface).ok().flatten());
        found.with_context(|| format!("{:?} does not log in", self.kind))
    }

    /// Log out: it sends RELEASE. Not networkd, which leaves everything to whoever comes after it.
    pub fn release(&mut self) -> Result<()> {
        match self.kind {
            Kind::Dhclient => dhclient::release(&self.space, &self.interface, self.delegated, &self.directory)?,
            Kind::Dhcpcd => self.process.signal(Signal::SIGALRM)?,
            Kind::Networkd => anyhow::bail!("networkd says nothing when it ends"),
        }
        crate::wait::until_true("an interface without address", Duration::from_secs(10), || {
            matches!(address(&self.space, &self.interface), Ok(None))
        })
    }
}

fn flush(space: &Namespace, interface: &str) -> Result<()> {
    space.ip(&format!("-6 address flush dev {interface} scope global")).map(drop)
}

fn address(space: &Namespace, interface: &str) -> Result<Option<Ipv6Addr>> {
    let text = space.ip(&format!("-6 -o address show dev {interface} scope global -tentative"))?;
    let words: Vec<_> = text.split_whitespace().collect();
    let found = words.iter().position(|word| *word == "inet6").and_then(|at| words.get(at + 1));
    Ok(found.and_then(|word| word.split('/').next()).and_then(|word| word.parse().ok()))
}
