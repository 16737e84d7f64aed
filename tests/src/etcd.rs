//! A real etcd, for members that let it elect.

use crate::lab::Lab;
use crate::namespace::Namespace;
use crate::process::{self, Process};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
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
    files: Option<Files>,
}

/// What speaks TLS needs, in PEM files: an authority, and what it has issued for etcd and for who asks etcd.
#[derive(Clone, Debug)]
pub struct Files {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// etcd's certificate and key.
    pub server: (PathBuf, PathBuf),
    /// That of its clients, without which etcd answers nobody.
    pub client: (PathBuf, PathBuf),
}

impl Files {
    fn issue(lab: &Lab) -> Result<Self> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = write(lab, "etcd-ca", &authority.self_signed(&authority_key)?.pem())?;
        let issuer = Issuer::new(authority, authority_key);
        let issue = |name: &str, address: Option<Ipv4Addr>| -> Result<(PathBuf, PathBuf)> {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::default();
            params.subject_alt_names.extend(address.map(|address| SanType::IpAddress(address.into())));
            params.distinguished_name.push(DnType::CommonName, name);
            // etcd is its own client as well.
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            let certificate = write(lab, name, &params.signed_by(&key, &issuer)?.pem())?;
            Ok((certificate, write(lab, &format!("{name}-key"), &key.serialize_pem())?))
        };
        Ok(Self { ca, server: issue("etcd-server", Some(lab.plan.server(0)))?, client: issue("etcd-client", None)? })
    }

    /// The lines of `[cluster]` by which a member speaks with etcd.
    pub fn lines(&self) -> String {
        let Self { ca, client: (certificate, key), .. } = self;
        let (ca, certificate, key) = (ca.display(), certificate.display(), key.display());
        format!("etcd.ca = \"{ca}\"\netcd.certificate = \"{certificate}\"\netcd.key = \"{key}\"\n")
    }
}

/// Writes a file that nobody else reads.
fn write(lab: &Lab, name: &str, text: &str) -> Result<PathBuf> {
    let path = lab.directory().join(format!("{name}.pem"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(path)
}

impl Etcd {
    /// Start it, with its files in the lab's directory, and wait until it serves.
    pub fn start(lab: &Lab) -> Result<Self> {
        Self::begin(lab, None)
    }

    /// The same, by TLS, for who has a certificate.
    pub fn start_tls(lab: &Lab) -> Result<Self> {
        Self::begin(lab, Some(Files::issue(lab)?))
    }

    fn begin(lab: &Lab, files: Option<Files>) -> Result<Self> {
        let space = Arc::clone(lab.servers.first().context("a lab without servers")?);
        let url = format!("{}://{}:2379", if files.is_some() { "https" } else { "http" }, lab.plan.server(0));
        let (data, directory) = (lab.directory().join("etcd"), lab.directory().to_owned());
        let process = spawn(&space, &url, &data, &directory, files.as_ref())?;
        Ok(Self { process, space, url, data, directory, files })
    }

    /// Its endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it speaks TLS by.
    pub fn files(&self) -> Option<&Files> {
        self.files.as_ref()
    }

    /// Start it again with what it has on disk, after [`Process::kill`].
    pub fn restart(&mut self) -> Result<()> {
        self.process = spawn(&self.space, &self.url, &self.data, &self.directory, self.files.as_ref())?;
        Ok(())
    }

    /// It stands still, or goes on.
    pub fn pause(&self, pause: bool) -> Result<()> {
        self.process.signal(if pause { Signal::SIGSTOP } else { Signal::SIGCONT })
    }

    /// What the members keep under a name: as JSON, if there is any.
    pub fn get(&self, cluster: &str, name: &str) -> Result<Option<Value>> {
        let key = format!("/gateway/{cluster}/{name}");
        let mut command = self.command();
        if let Some(Files { client: (certificate, key), .. }) = &self.files {
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        let text = process::output(command.args(["get", "--print-value-only", &key]))?;
        Ok(Some(text.trim()).filter(|text| !text.is_empty()).map(serde_json::from_str).transpose()?)
    }

    /// Whether it answers who has no certificate.
    pub fn answers_anybody(&self) -> bool {
        process::output(self.command().args(["get", "anything"])).is_ok()
    }

    fn command(&self) -> Command {
        let mut command = self.space.command("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.url, "--command-timeout", "3s"]);
        if let Some(Files { ca, .. }) = &self.files {
            command.arg("--cacert").arg(ca);
        }
        command
    }
}

fn spawn(space: &Namespace, url: &str, data: &Path, directory: &Path, files: Option<&Files>) -> Result<Process> {
    let mut command = space.command("etcd");
    command.arg("--data-dir").arg(data).args(["--name", "lab", "--logger", "zap"]);
    command.args(["--listen-client-urls", url, "--advertise-client-urls", url]);
    if let Some(Files { ca, server: (certificate, key), .. }) = files {
        command.arg("--client-cert-auth").arg("--trusted-ca-file").arg(ca);
        command.arg("--cert-file").arg(certificate).arg("--key-file").arg(key);
    }
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
