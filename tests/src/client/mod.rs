//! Real DHCP clients, each on one interface.

mod dhclient;
mod dhcpcd;
mod udhcpc;

use crate::lab::unconfined;
use crate::namespace::Namespace;
use crate::process::Process;
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ISC dhclient.
    Dhclient,
    /// busybox udhcpc.
    Udhcpc,
    /// dhcpcd.
    Dhcpcd,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Dhclient, Kind::Udhcpc, Kind::Dhcpcd];
}

/// A client that runs; dropped, it is killed without a RELEASE, as a CPE that loses power.
#[derive(Debug)]
pub struct Client {
    /// Which it is.
    pub kind: Kind,
    /// The program.
    pub process: Process,
    space: Arc<Namespace>,
    interface: String,
    directory: PathBuf,
}

impl Client {
    /// Start it on `interface` in `space`, with its files in `directory`. It then logs in by itself.
    pub fn start(kind: Kind, space: &Arc<Namespace>, interface: &str, directory: &Path) -> Result<Self> {
        Self::launch(kind, space, interface, directory, &[])
    }

    /// Start a udhcpc as it is heard behind an access node that writes option 82 into what it passes on: with this value of it.
    pub fn behind_access_node(space: &Arc<Namespace>, interface: &str, directory: &Path, agent: &[u8]) -> Result<Self> {
        Self::launch(Kind::Udhcpc, space, interface, directory, agent)
    }

    fn launch(kind: Kind, space: &Arc<Namespace>, interface: &str, directory: &Path, agent: &[u8]) -> Result<Self> {
        // One directory for each client: two of a kind must not share lease files.
        let directory = directory.join(format!("{}-{interface}-{kind:?}", space.name()));
        std::fs::create_dir_all(&directory)?;
        // An address that a client before it has left would look like this one's.
        space.ip(&format!("-4 address flush dev {interface} scope global"))?;
        let mut command = match kind {
            Kind::Dhclient => dhclient::command(space, interface, &directory)?,
            Kind::Udhcpc => udhcpc::command(space, interface, &directory, agent)?,
            Kind::Dhcpcd => dhcpcd::command(space, interface, &directory)?,
        };
        let process = Process::spawn(&format!("{kind:?}").to_lowercase(), &mut command, &directory)?;
        Ok(Client { kind, process, space: Arc::clone(space), interface: interface.to_owned(), directory })
    }

    /// Wait until it has logged in and its interface carries the address.
    pub fn wait_bound(&mut self, limit: Duration) -> Result<Ipv4Addr> {
        let (space, interface) = (Arc::clone(&self.space), self.interface.clone());
        let found = self.process.wait_until("an address", limit, |_| address(&space, &interface).ok().flatten());
        found.with_context(|| format!("{:?} does not log in", self.kind))
    }

    /// The address its interface carries now.
    pub fn address(&self) -> Result<Option<Ipv4Addr>> {
        address(&self.space, &self.interface)
    }

    /// Have it renew its lease now, by unicast to the server. dhclient can't be asked: it renews at T1 only.
    pub fn renew(&self) -> Result<()> {
        match self.kind {
            Kind::Dhclient => anyhow::bail!("dhclient renews at T1 only"),
            Kind::Udhcpc => self.process.signal(Signal::SIGUSR1),
            Kind::Dhcpcd => dhcpcd::renew(&self.space, &self.interface, &self.directory),
        }
    }

    /// Log out: it sends RELEASE and ends, or gives its address back.
    pub fn release(&mut self) -> Result<()> {
        match self.kind {
            Kind::Dhclient => dhclient::release(&self.space, &self.interface, &self.directory)?,
            Kind::Udhcpc => self.process.signal(Signal::SIGUSR2)?,
            Kind::Dhcpcd => self.process.signal(Signal::SIGALRM)?,
        }
        let (space, interface) = (Arc::clone(&self.space), self.interface.clone());
        crate::wait::until_true("an interface without address", Duration::from_secs(10), || {
            matches!(address(&space, &interface), Ok(None))
        })
    }
}

/// Write the script that `busybox udhcpc -s` needs, for use by hand, into `directory`.
pub fn udhcpc_script(directory: &Path) -> Result<PathBuf> {
    udhcpc::write_script(directory)
}

fn address(space: &Namespace, interface: &str) -> Result<Option<Ipv4Addr>> {
    let text = space.ip(&format!("-4 -o address show dev {interface} scope global"))?;
    let words: Vec<_> = text.split_whitespace().collect();
    let found = words.iter().position(|word| *word == "inet").and_then(|at| words.get(at + 1));
    Ok(found.and_then(|word| word.split('/').next()).and_then(|word| word.parse().ok()))
}

/// Write an executable shell script.
pub(crate) fn script(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn program(name: &str, directory: &Path) -> Result<PathBuf> {
    unconfined(name, directory)
}
