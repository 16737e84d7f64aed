//! The lab as one object: namespaces, links and addresses of the picture in the crate's documentation.

mod wiring;

use crate::namespace::Namespace;
use crate::plan::Plan;
use crate::stale::{self, PREFIX};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A running lab. Dropped, it is gone.
#[derive(Debug)]
pub struct Lab {
    /// What it looks like.
    pub plan: Plan,
    /// The gateway's namespace: `fpc0`, `fpc1`, … and `core0`. Of a cluster the first member's.
    pub gateway: Arc<Namespace>,
    /// The members' namespaces; without a cluster just the gateway's. Those of a cluster also have `clu0`.
    pub members: Vec<Arc<Namespace>>,
    /// The namespace of the bridges: the core's and, for a cluster, its link's and the access segments'.
    pub core: Arc<Namespace>,
    /// One for each DHCP server, with interface `srv0`.
    pub servers: Vec<Arc<Namespace>>,
    /// One for each FPC, with interface `sub0`, without an address.
    pub subscribers: Vec<Arc<Namespace>>,
    name: String,
    directory: PathBuf,
    /// What removes the directory on drop; nothing does for a lab that was kept.
    temporary: Option<TempDir>,
}

/// What is written down about a lab that outlives its maker.
#[derive(Serialize, Deserialize)]
struct Record {
    plan: Plan,
    name: String,
    directory: PathBuf,
}

impl Lab {
    /// Build it. What a killed run left behind is removed first.
    pub fn up(plan: Plan) -> Result<Self> {
        Self::named(plan, &unique())
    }

    /// Build it under a name that [`unique`] did not make, for a lab that stays.
    pub fn named(plan: Plan, name: &str) -> Result<Self> {
        stale::clean();
        let temporary = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir()?;
        let directory = temporary.path().to_owned();
        let lab = Self::assemble(plan, name, directory, Some(temporary), Namespace::create)?;
        wiring::link(&lab)?;
        wiring::address(&lab)?;
        Ok(lab)
    }

    /// Let it outlive this process: write down at `record` how to find it. [`Lab::remove`] ends it.
    pub fn keep(mut self, record: &Path) -> Result<()> {
        let text = Record { plan: self.plan.clone(), name: self.name.clone(), directory: self.directory.clone() };
        std::fs::write(record, serde_json::to_vec_pretty(&text)?).with_context(|| record.display().to_string())?;
        let directory = self.directory.clone();
        for space in self.namespaces() {
            space.keep(&mounts(&directory, space.name()))?;
        }
        if let Some(temporary) = self.temporary.take() {
            let _ = temporary.keep();
        }
        Ok(())
    }

    /// The lab that [`Lab::keep`] wrote down at `record`. Dropping it changes nothing.
    pub fn open(record: &Path) -> Result<Self> {
        let text = std::fs::read(record).with_context(|| format!("no lab at {}", record.display()))?;
        let Record { plan, name, directory } = serde_json::from_slice(&text)?;
        Self::assemble(plan, &name, directory.clone(), None, |name| Namespace::open(name, &mounts(&directory, name)))
    }

    /// End the lab written down at `record`: its namespaces with all that runs in them, its directory, the record.
    /// What is already gone is no error.
    pub fn remove(record: &Path) -> Result<()> {
        let text = std::fs::read(record).with_context(|| format!("no lab at {}", record.display()))?;
        let Record { name, directory, .. } = serde_json::from_slice(&text)?;
        stale::remove(&format!("{name}-"), &directory)?;
        Ok(std::fs::remove_file(record)?)
    }

    fn assemble(
        plan: Plan,
        name: &str,
        directory: PathBuf,
        temporary: Option<TempDir>,
        make: impl Fn(&str) -> Result<Namespace>,
    ) -> Result<Self> {
        let space = |role: String| make(&format!("{name}-{role}")).map(Arc::new);
        let members: Vec<_> = match plan.members {
            1 => vec![space("gw".into())?],
            several => (0..several).map(|member| space(Plan::member_name(member))).collect::<Result<_>>()?,
        };
        Ok(Lab {
            gateway: Arc::clone(members.first().context("a lab without a gateway")?),
            members,
            core: space("core".into())?,
            servers: (0..plan.servers).map(|index| space(format!("srv{index}"))).collect::<Result<_>>()?,
            subscribers: (0..plan.fpcs).map(|index| space(format!("sub{index}"))).collect::<Result<_>>()?,
            plan,
            name: name.to_owned(),
            directory,
            temporary,
        })
    }

    /// A directory of this lab for configurations, leases and logs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The namespace with a role: `gw` (of a cluster `gw-a`, `gw-b`, …), `core`, `srv0`, `sub1`.
    pub fn namespace(&self, role: &str) -> Option<&Arc<Namespace>> {
        let name = format!("{}-{role}", self.name);
        self.namespaces().find(|space| space.name() == name)
    }

    /// The role of one of its namespaces.
    pub fn role<'s>(&self, space: &'s Namespace) -> &'s str {
        let role = space.name().strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('-'));
        role.unwrap_or(space.name())
    }

    /// All its namespaces.
    pub fn namespaces(&self) -> impl Iterator<Item = &Arc<Namespace>> {
        self.members.iter().chain([&self.core]).chain(&self.servers).chain(&self.subscribers)
    }

    /// The access port of an FPC in the gateway's namespace.
    pub fn port(fpc: u8) -> String {
        format!("fpc{fpc}")
    }

    /// Take the carrier of an FPC's access port away, or give it back; in a cluster from every member's.
    pub fn carrier(&self, fpc: u8, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        if self.members.len() == 1 {
            return self.subscribers[usize::from(fpc)].ip(&format!("link set sub0 {state}")).map(drop);
        }
        (0..self.plan.members).try_for_each(|member| {
            self.core.ip(&format!("link set {} {state}", wiring::far_port(member, fpc))).map(drop)
        })
    }

    /// Cut a member off the link between the members, or connect it again. Its own interface stays up.
    pub fn cluster_link(&self, member: u8, up: bool) -> Result<()> {
        let master = if up { "master br-clu" } else { "nomaster" };
        self.core.ip(&format!("link set {} {master}", wiring::cluster_port(member))).map(drop)
    }

    /// A member's interface toward the others vanishes, and comes again: it has its old name and another index.
    pub fn remake_cluster_link(&self, member: u8) -> Result<()> {
        wiring::remake_cluster_link(self, member)
    }

    /// Tear the last FPC's subscriber namespace down: once its clients are dropped too, its veth pair vanishes and with
    /// it the access port.
    pub fn tear_down_last(&mut self) {
        self.subscribers.pop();
    }

    /// What [`Lab::tear_down_last`] took away, anew: the access port has its old name and another index. Not in a cluster.
    pub fn bring_back_last(&mut self) -> Result<()> {
        let fpc = u8::try_from(self.subscribers.len())?;
        let subscriber = Namespace::create(&format!("{}-sub{fpc}", self.name))?;
        self.subscribers.push(Arc::new(subscriber));
        wiring::plug(self, fpc)
    }
}

/// Where a kept namespace's mounts are bound.
fn mounts(directory: &Path, namespace: &str) -> PathBuf {
    directory.join(format!("{namespace}.mnt"))
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
