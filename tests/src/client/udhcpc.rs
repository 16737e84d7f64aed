//! busybox udhcpc.

use super::script;
use crate::namespace::Namespace;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

const SCRIPT: &str = r#"#!/bin/sh
case "$1" in
deconfig) ip link set dev "$interface" up; ip -4 addr flush dev "$interface" scope global ;;
bound|renew)
    ip -4 addr flush dev "$interface" scope global
    ip -4 addr add "$ip/$mask" dev "$interface"
    [ -z "$router" ] || ip -4 route replace default via "${router%% *}" ;;
esac
exit 0
"#;

/// `agent`: what it says in option 82, if anything.
pub(super) fn command(space: &Namespace, interface: &str, directory: &Path, agent: &[u8]) -> Result<Command> {
    let path = write_script(directory)?;
    let mut command = space.command("busybox");
    // Foreground, many tries a second apart, RELEASE on exit only by signal.
    command.args(["udhcpc", "-i", interface, "-f", "-t", "20", "-T", "1", "-A", "1", "-s"]).arg(path);
    if !agent.is_empty() {
        let hexadecimal: String = agent.iter().map(|octet| format!("{octet:02x}")).collect();
        command.arg("-x").arg(format!("0x52:{hexadecimal}"));
    }
    Ok(command)
}

pub(super) fn write_script(directory: &Path) -> Result<PathBuf> {
    let path = directory.join("udhcpc-script");
    script(&path, SCRIPT)?;
    Ok(path)
}
