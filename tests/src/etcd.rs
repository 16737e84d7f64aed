//! A real etcd, for members that let it elect.

use crate::lab::Lab;
use crate::namespace::Namespace;
use crate::plan::Plan;
use crate::process::{self, Process};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// One etcd, in the namespace of the first server, beyond the core; dropped, it is killed.
#[derive(Debug)]
pub struct Etcd {
    /// The program.
    pub process: Process,
    space: Arc<Namespace>,
    url: String,
    data: PathBuf,
    directory: PathBuf,
}

impl Etcd {
    /// Start it, with its files in the lab's directory, and wait until it serves.
    pub fn start(lab: &Lab) -> Result<Self> {
        let space = Arc::clone(lab.servers.first().context("a lab without servers")?);
        let url = Self::url(&lab.plan);
        let (data, directory) = (lab.directory().join("etcd"), lab.directory().to_owned());
        let process = spawn(&space, &url, &data, &directory)?;
        Ok(Self { process, space, url, data, directory })
    }

    /// Its endpoint.
    pub fn url(plan: &Plan) -> String {
        format!("http://{}:2379", plan.server(0))
    }

    /// Start it again with what it has on disk, after [`Process::kill`].
    pub fn restart(&mut self) -> Result<()> {
        self.process = spawn(&self.space, &self.url, &self.data, &self.directory)?;
        Ok(())
    }

    /// It stands still, or goes on.
    pub fn pause(&self, pause: bool) -> Result<()> {
        self.process.signal(if pause { Signal::SIGSTOP } else { Signal::SIGCONT })
    }

    /// What the members keep under a name: as JSON, if there is any.
    pub fn get(&self, cluster: &str, name: &str) -> Result<Option<Value>> {
        let mut command = self.space.command("etcdctl");
        let key = format!("/gateway/{cluster}/{name}");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.url, "get", "--print-value-only", &key]);
        let text = process::output(&mut command)?;
        Ok(Some(text.trim()).filter(|text| !text.is_empty()).map(serde_json::from_str).transpose()?)
    }
}

fn spawn(space: &Namespace, url: &str, data: &std::path::Path, directory: &std::path::Path) -> Result<Process> {
    let mut command = space.command("etcd");
    command.arg("--data-dir").arg(data).args(["--name", "lab", "--logger", "zap"]);
    command.args(["--listen-client-urls", url, "--advertise-client-urls", url]);
    // Its peers: none. The defaults would be of the loopback interface too, but not in the same words.
    let peer = "http://127.0.0.1:2380";
    command.args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]);
    command.arg(format!("--initial-cluster=lab={peer}"));
    let mut process = Process::spawn("etcd", &mut command, directory)?;
    let served = process.log().matches(READY).count();
    process
        .wait_until("it serves", LIMIT, |process| (process.log().matches(READY).count() > served).then_some(()))
        .context("etcd does not start")?;
    Ok(process)
}

const READY: &str = "serving client traffic";
