//! dhcpcd. The namespace's own `/run` and `/var/lib/dhcpcd` keep it away from the host's.

use crate::namespace::Namespace;
use crate::process;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// No hooks (they would write resolv.conf and the host's name), no ARP probing (it takes seconds), no link-local.
const CONFIGURATION: &str =
    "ipv4only\nnoarp\nnoipv4ll\nnohook *\noption routers, subnet_mask\nrequire dhcp_server_identifier\ntimeout 30\n";

pub(super) fn command(space: &Namespace, interface: &str, directory: &Path) -> Result<Command> {
    std::fs::write(directory.join("dhcpcd.conf"), CONFIGURATION)?;
    let mut command = base(space, directory);
    command.args(["--nobackground", interface]);
    Ok(command)
}

pub(super) fn renew(space: &Namespace, interface: &str, directory: &Path) -> Result<()> {
    process::output(base(space, directory).args(["--renew", interface])).map(drop)
}

fn base(space: &Namespace, directory: &Path) -> Command {
    let mut command = space.command("dhcpcd");
    command.args(["-4", "--script", "/bin/true", "--config"]).arg(directory.join("dhcpcd.conf"));
    command
}
