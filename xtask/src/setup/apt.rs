//! Installing Debian packages without letting any of their services start.

use super::packages::Package;
use anyhow::{Context, Result, bail};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use xtask::cargo::{check, line, target};

const POLICY: &str = "/usr/sbin/policy-rc.d";
const POLICY_KEPT: &str = "/usr/sbin/policy-rc.d.kept-by-gateway-xtask";

/// Whether this process may install packages and make network namespaces.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether packages can be installed with the names of Debian 12.
pub(crate) fn is_debian() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    release.lines().any(|line| line == "ID=debian") && Path::new("/usr/bin/apt-get").exists()
}

/// Install `packages`. What apt prints goes to `target/setup.log`; on failure its end is part of the error.
pub(crate) fn install(packages: &[&Package]) -> Result<()> {
    let _policy = NoServices::forbid()?;
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages.iter().map(|package| package.name));
    apt(&arguments)?;
    for service in packages.iter().flat_map(|package| package.services) {
        // Not at the next boot either: these servers are for the lab's namespaces only.
        check(Command::new("update-rc.d").args([service, "disable"]).stderr(log()?).stdout(log()?))?;
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(["-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold"]);
    // Not a sync for each of thousands of files: what a power cut spoils is installed again.
    command.args(["-o", "Dpkg::Options::=--force-unsafe-io"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(std::process::Stdio::null());
    let status = command.stdout(log()?).stderr(log()?).status().context("could not start apt-get")?;
    if status.success() {
        return Ok(());
    }
    let text = fs::read_to_string(target().join("setup.log")).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    bail!("failed: {}\n{}", line(&command), lines[lines.len().saturating_sub(15)..].join("\n"))
}

fn log() -> Result<File> {
    let path = target().join("setup.log");
    fs::create_dir_all(target())?;
    File::options().create(true).append(true).open(&path).with_context(|| format!("cannot write {}", path.display()))
}

/// While it lives, no package may start a service (exit code 101 of policy-rc.d, see invoke-rc.d(8)).
/// What was there before comes back when it is dropped.
struct NoServices;

impl NoServices {
    fn forbid() -> Result<Self> {
        let ours = "#!/bin/sh\n# Temporary: cargo xtask setup of the gateway installs packages.\nexit 101\n";
        // A run that was killed has left ours behind, and the host's own beside it.
        if Path::new(POLICY).exists() && fs::read_to_string(POLICY)? != ours {
            fs::rename(POLICY, POLICY_KEPT).context("cannot set policy-rc.d aside")?;
        }
        fs::write(POLICY, ours).context("cannot write policy-rc.d")?;
        fs::set_permissions(POLICY, Permissions::from_mode(0o755))?;
        Ok(NoServices)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        let restored =
            if Path::new(POLICY_KEPT).exists() { fs::rename(POLICY_KEPT, POLICY) } else { fs::remove_file(POLICY) };
        if let Err(error) = restored {
            eprintln!("setup: could not restore {POLICY}: {error}");
        }
    }
}
