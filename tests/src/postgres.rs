//! A real PostgreSQL, for DHCP servers that share their leases.

use crate::process::{self, Process};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::unistd::User;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use std::fs::{self, Permissions};
use std::net::{IpAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where Debian 12 has its programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
const LIMIT: Duration = Duration::from_secs(30);
const READY: &str = "database system is ready to accept connections";

/// One database, reached by a socket in its own directory and by nothing else; dropped, it is killed, and the directory goes.
/// It runs as the user `postgres`, since it refuses to run as root.
#[derive(Debug)]
pub struct Postgres {
    /// The program.
    pub process: Process,
    user: User,
    settings: Vec<String>,
    directory: tempfile::TempDir,
}

impl Postgres {
    /// Make a database, start it, and wait until it answers. It keeps what it says it keeps: `fsync` is on.
    pub fn start() -> Result<Self> {
        let user = User::from_name("postgres")?.context("no user postgres: run `cargo xtask setup`")?;
        let directory = tempfile::Builder::new().prefix("gwlab-pg-").tempdir()?;
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
        chown(directory.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        let mut command = program("initdb", &user);
        command.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"]);
        process::output(command.arg(data(directory.path())))?;
        let settings = vec!["listen_addresses=".to_owned()];
        let process = spawn(directory.path(), &user, &settings)?;
        Ok(Self { process, user, settings, directory })
    }

    /// Its URL, for the user `postgres`.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Its URL for a user, who may be followed by `:` and a password.
    pub fn url_of(&self, user: &str) -> String {
        format!("postgres://{user}@/postgres?host={}", self.directory.path().display())
    }

    /// Users but `postgres` have to say their password from now on.
    pub fn ask_passwords(&mut self) -> Result<()> {
        let rules = "local all postgres trust\nlocal all all scram-sha-256\n";
        fs::write(data(self.directory.path()).join("pg_hba.conf"), rules)?;
        self.sql("SELECT pg_reload_conf()").map(|_| ())
    }

    /// It listens on 127.0.0.1 too from its next start on, for TLS alone, with a certificate for `name`: the port, and the file
    /// of the authority that issued it.
    pub fn speak_tls(&mut self, name: IpAddr) -> Result<(u16, PathBuf)> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = self.directory.path().join("ca.pem");
        fs::write(&ca, authority.self_signed(&authority_key)?.pem())?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.subject_alt_names.push(SanType::IpAddress(name));
        let certificate = params.signed_by(&key, &Issuer::new(authority, authority_key))?;
        let data = data(self.directory.path());
        fs::write(data.join("server.crt"), certificate.pem())?;
        let path = data.join("server.key");
        fs::write(&path, key.serialize_pem())?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        chown(&path, Some(self.user.uid.as_raw()), Some(self.user.gid.as_raw()))?;
        fs::write(data.join("pg_hba.conf"), "local all all trust\nhostssl all all 127.0.0.1/32 trust\n")?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let settings = ["ssl=on".to_owned(), "listen_addresses=127.0.0.1".to_owned(), format!("port={port}")];
        self.settings = settings.into();
        Ok((port, ca))
    }

    /// Kill it, as its host's crash would.
    pub fn kill(&mut self) -> Result<()> {
        // Its processes end with it: they notice that it is gone.
        self.process.signal(Signal::SIGQUIT)?;
        self.process.wait_end(LIMIT).map(|_| ())
    }

    /// Start it again with what it has on disk.
    pub fn restart(&mut self) -> Result<()> {
        self.process = spawn(self.directory.path(), &self.user, &self.settings)?;
        Ok(())
    }

    /// What a statement returns, unaligned.
    pub fn sql(&self, statement: &str) -> Result<String> {
        let mut command = program("psql", &self.user);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"]);
        command.arg(self.directory.path()).args(["-c", statement]);
        Ok(process::output(&mut command)?.trim().to_owned())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.is_running() {
            // Before the directory goes; its shared memory goes with it.
            let _ = self.kill();
        }
    }
}

fn data(directory: &Path) -> PathBuf {
    directory.join("data")
}

fn program(name: &str, user: &User) -> Command {
    let mut command = Command::new(Path::new(PROGRAMS).join(name));
    command.uid(user.uid.as_raw()).gid(user.gid.as_raw()).current_dir("/").env_clear();
    command
}

fn spawn(directory: &Path, user: &User, settings: &[String]) -> Result<Process> {
    let mut command = program("postgres", user);
    command.arg("-D").arg(data(directory)).arg("-k").arg(directory);
    command.args(["-c", "fsync=on", "-c", "synchronous_commit=on"]);
    for setting in settings {
        command.args(["-c", setting]);
    }
    let mut process = Process::spawn("postgres", &mut command, directory)?;
    let served = process.log().matches(READY).count();
    process
        .wait_until("it is ready", LIMIT, |process| (process.log().matches(READY).count() > served).then_some(()))
        .context("PostgreSQL does not start")?;
    Ok(process)
}
