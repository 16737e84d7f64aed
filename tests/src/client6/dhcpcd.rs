//! dhcpcd. It does router discovery itself. The namespace's own `/run` and `/var/lib/dhcpcd` keep it away from the host's.

use crate::namespace::Namespace;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// No hooks: they would write resolv.conf and the host's name.
const CONFIGURATION: &str = "ipv6only\nnohook *\nduid ll\nslaac hwaddr\nnodelay\ntimeout 30\n";

pub(super) fn command(space: &Namespace, interface: &str, delegated: bool, directory: &Path) -> Result<Command> {
    let pd = if delegated { "  ia_pd 2 lan0/0/64\n" } else { "" };
    let configuration = format!("{CONFIGURATION}interface {interface}\n  ia_na 1\n{pd}");
    std::fs::write(directory.join("dhcpcd.conf"), configuration)?;
    let mut command = space.command("dhcpcd");
    command.args(["-6", "--script", "/bin/true", "--config"]).arg(directory.join("dhcpcd.conf"));
    command.args(["--nobackground", interface]);
    Ok(command)
}
