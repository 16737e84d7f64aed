//! ISC dhclient, with a script that sets address and route and nothing else.

use super::{program, script};
use crate::namespace::Namespace;
use crate::process;
use anyhow::Result;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SCRIPT: &str = r#"#!/bin/sh
case "$reason" in
PREINIT) ip link set dev "$interface" up ;;
BOUND|RENEW|REBIND|REBOOT)
    ip -4 addr flush dev "$interface" scope global
    ip -4 addr add "$new_ip_address/$new_subnet_mask" dev "$interface"
    [ -z "$new_routers" ] || ip -4 route replace default via "${new_routers%% *}" ;;
EXPIRE|FAIL|RELEASE|STOP) ip -4 addr flush dev "$interface" scope global ;;
esac
exit 0
"#;

pub(super) fn command(space: &Namespace, interface: &str, directory: &Path) -> Result<Command> {
    script(&directory.join("dhclient-script"), SCRIPT)?;
    // Without `timeout` and `retry` it waits up to five minutes between two tries.
    std::fs::write(directory.join("dhclient.conf"), "timeout 30;\nretry 1;\nbackoff-cutoff 2;\ninitial-interval 1;\n")?;
    let mut command = base(space, directory)?;
    command.args(["-d", interface]);
    Ok(command)
}

pub(super) fn release(space: &Namespace, interface: &str, directory: &Path) -> Result<()> {
    let (status, _, errors) =
        process::finish(base(space, directory)?.args(["-r", interface]), Duration::from_secs(10))?;
    anyhow::ensure!(status.success(), "dhclient -r: {errors}");
    Ok(())
}

fn base(space: &Namespace, directory: &Path) -> Result<Command> {
    let mut command = space.command(program("dhclient", directory)?);
    command.args(["-4", "-v"]);
    for (option, file) in
        [("-sf", "dhclient-script"), ("-cf", "dhclient.conf"), ("-lf", "dhclient.leases"), ("-pf", "dhclient.pid")]
    {
        command.arg(option).arg(directory.join(file));
    }
    Ok(command)
}
