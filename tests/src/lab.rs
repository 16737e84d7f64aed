//! The lab as one object: namespaces, links and addresses of the picture in the crate's documentation.

use crate::link::{bridge, veth};
use crate::namespace::Namespace;
use crate::plan::{CORE, INTERNET, Plan};
use crate::stale::{self, PREFIX};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A running lab. Dropped, it is gone.
#[derive(Debug)]
pub struct Lab {
    /// What it looks like.
    pub plan: Plan,
    /// The gateway's namespace: `fpc0`, `fpc1`, … and `core0`.
    pub gateway: Namespace,
    /// The bridge's namespace.
    pub core: Namespace,
    /// One for each DHCP server, with interface `srv0`.
    pub servers: Vec<Namespace>,
    /// One for each FPC, with interface `sub0`, without an address.
    pub subscribers: Vec<Namespace>,
    directory: TempDir,
}

impl Lab {
    /// Build it. What a killed run left behind is removed first.
    pub fn up(plan: Plan) -> Result<Self> {
        Self::named(plan, &unique())
    }

    /// Build it under a name that [`unique`] did not make, for a lab that stays.
    pub fn named(plan: Plan, name: &str) -> Result<Self> {
        stale::clean();
        let directory = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir()?;
        let space = |role: String| Namespace::create(&format!("{name}-{role}"));
        let lab = Lab {
            gateway: space("gw".into())?,
            core: space("core".into())?,
            servers: (0..plan.servers).map(|index| space(format!("srv{index}"))).collect::<Result<_>>()?,
            subscribers: (0..plan.fpcs).map(|index| space(format!("sub{index}"))).collect::<Result<_>>()?,
            plan,
            directory,
        };
        lab.link()?;
        lab.address()?;
        Ok(lab)
    }

    /// A directory of this lab for configurations, leases and logs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// All its namespaces.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        [&self.gateway, &self.core].into_iter().chain(&self.servers).chain(&self.subscribers)
    }

    /// The access port of an FPC in the gateway's namespace.
    pub fn port(fpc: u8) -> String {
        format!("fpc{fpc}")
    }

    /// Take the carrier of an FPC's access port away, or give it back.
    pub fn carrier(&self, fpc: u8, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        self.subscribers[usize::from(fpc)].ip(&format!("link set sub0 {state}")).map(drop)
    }

    /// Tear an FPC's subscriber namespace down: its veth pair and with it the access port vanish.
    pub fn remove_subscribers(&mut self, fpc: u8) {
        // Its index must stay that of the FPC; an empty namespace takes the place in the last position only.
        assert_eq!(usize::from(fpc) + 1, self.subscribers.len(), "only the last FPC can be torn down");
        self.subscribers.pop();
    }

    fn link(&self) -> Result<()> {
        for space in self.namespaces() {
            // No router solicitations and the like between the frames that tests count.
            space.sysctl("net.ipv6.conf.default.disable_ipv6", "1")?;
            space.sysctl("net.ipv4.conf.all.rp_filter", "0")?;
            space.sysctl("net.ipv4.conf.default.rp_filter", "0")?;
        }
        for (index, subscriber) in (0..).zip(&self.subscribers) {
            veth((subscriber, "sub0"), (&self.gateway, &Self::port(index)))?;
        }
        veth((&self.gateway, "core0"), (&self.core, "gw0"))?;
        let mut ports = vec!["gw0".to_owned()];
        for (index, server) in self.servers.iter().enumerate() {
            let port = format!("srv{index}");
            veth((server, "srv0"), (&self.core, &port))?;
            ports.push(port);
        }
        bridge(&self.core, "br-core", &ports.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn address(&self) -> Result<()> {
        self.gateway.sysctl("net.ipv4.ip_forward", "1")?;
        let mut lines = format!("addr add {CORE}/24 dev core0\n");
        if self.plan.shared_giaddr {
            lines += &format!("addr add {}/32 dev lo\n", self.plan.giaddr(0));
        } else {
            for fpc in 0..self.plan.fpcs {
                lines += &format!("addr add {}/16 dev {}\n", self.plan.giaddr(fpc), Self::port(fpc));
            }
        }
        lines += &format!("route add {INTERNET}/32 via {}\n", self.plan.server(0));
        self.gateway.ip_batch(&lines)?;
        for (index, server) in (0..).zip(&self.servers) {
            let mut lines = format!("addr add {}/24 dev srv0\n", self.plan.server(index));
            lines += &format!("route add 100.64.0.0/10 via {CORE}\n");
            if index == 0 {
                lines += &format!("addr add {INTERNET}/32 dev lo\n");
            }
            server.ip_batch(&lines)?;
        }
        Ok(())
    }
}

/// `gwlab-<pid>-<n>`: names of this process's labs, never the same twice.
pub fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A copy of a system program in `directory`. Debian's AppArmor profiles confine DHCP programs by their path to files
/// in `/var/lib` and `/etc`; the copy may use the lab's directory.
pub fn unconfined(program: &str, directory: &Path) -> Result<PathBuf> {
    let copy = directory.join(program);
    if !copy.exists() {
        let found = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(|place| Path::new(place).join(program));
        let original = found.into_iter().find(|path| path.is_file());
        let original = original.ok_or_else(|| anyhow::anyhow!("{program} is not installed: run cargo xtask setup"))?;
        // Under another name first: two threads may want it, and a program that runs can't be written to.
        let draft = tempfile::Builder::new().tempfile_in(directory)?;
        std::fs::copy(&original, draft.path())?;
        draft.persist(&copy)?;
    }
    Ok(copy)
}
