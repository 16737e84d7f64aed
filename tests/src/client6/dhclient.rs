//! ISC dhclient, with a script that sets addresses and nothing else. Routers are the kernel's business.

use crate::client::script;
use crate::lab::unconfined;
use crate::namespace::Namespace;
use crate::process;
use anyhow::Result;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SCRIPT: &str = r#"#!/bin/sh
case "$reason" in
PREINIT6) ip link set dev "$interface" up ;;
BOUND6|RENEW6|REBIND6)
    [ -z "$new_ip6_address" ] || ip -6 addr replace "$new_ip6_address/128" dev "$interface"
    [ -z "$new_ip6_prefix" ] || ip -6 addr replace "${new_ip6_prefix%%::/*}::1/64" dev lan0 ;;
EXPIRE6|FAIL6|RELEASE6|STOP6)
    ip -6 addr flush dev "$interface" scope global
    [ ! -e /sys/class/net/lan0 ] || ip -6 addr flush dev lan0 scope global ;;
esac
exit 0
"#;

pub(super) fn command(space: &Namespace, interface: &str, delegated: bool, directory: &Path) -> Result<Command> {
    script(&directory.join("dhclient-script"), SCRIPT)?;
    std::fs::write(directory.join("dhclient.conf"), "timeout 30;\n")?;
    let mut command = base(space, delegated, directory)?;
    command.args(["-d", interface]);
    Ok(command)
}

pub(super) fn release(space: &Namespace, interface: &str, delegated: bool, directory: &Path) -> Result<()> {
    let (status, _, errors) =
        process::finish(base(space, delegated, directory)?.args(["-r", interface]), Duration::from_secs(10))?;
    anyhow::ensure!(status.success(), "dhclient -r: {errors}");
    Ok(())
}

/// It releases no more than what it is told to want.
fn base(space: &Namespace, delegated: bool, directory: &Path) -> Result<Command> {
    let mut command = space.command(unconfined("dhclient", directory)?);
    command.args(["-6", "-v", "-N"]).args(delegated.then_some("-P"));
    for (option, file) in
        [("-sf", "dhclient-script"), ("-cf", "dhclient.conf"), ("-lf", "dhclient.leases"), ("-pf", "dhclient.pid")]
    {
        command.arg(option).arg(directory.join(file));
    }
    Ok(command)
}
