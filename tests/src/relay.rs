//! Other relays: what the gateway is measured against, and what proves the lab without it.

use crate::lab::{Lab, unconfined};
use crate::process::Process;
use anyhow::Result;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Which relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ISC dhcrelay 4.
    Dhcrelay,
    /// dnsmasq with `--dhcp-relay`.
    Dnsmasq,
}

/// Start a relay in the lab's gateway namespace, from the access ports of all FPCs to `server`.
pub fn start(kind: Kind, lab: &Lab, server: Ipv4Addr) -> Result<Process> {
    let limit = Duration::from_secs(10);
    let ports: Vec<_> = (0..lab.plan.fpcs).map(Lab::port).collect();
    match kind {
        Kind::Dhcrelay => {
            let mut command = lab.gateway.command(unconfined("dhcrelay", lab.directory())?);
            command.args(["-4", "-d", "--no-pid", "-a", "-iu", "core0"]);
            command.args(ports.iter().flat_map(|port| ["-id", port])).arg(server.to_string());
            let mut process = Process::spawn("dhcrelay", &mut command, lab.directory())?;
            process.wait_for_log("Sending on   Socket/fallback", limit)?;
            Ok(process)
        }
        Kind::Dnsmasq => {
            let mut command = lab.gateway.command(unconfined("dnsmasq", lab.directory())?);
            command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--group=root"]);
            command.args(["--bind-interfaces", "--log-facility=-", "--pid-file=", "--interface=core0"]);
            command.args(ports.iter().map(|port| format!("--interface={port}")));
            command.args((0..lab.plan.fpcs).map(|fpc| format!("--dhcp-relay={},{server}", lab.plan.giaddr(fpc))));
            let mut process = Process::spawn("dnsmasq-relay", &mut command, lab.directory())?;
            process.wait_for_log("DHCP relay from", limit)?;
            Ok(process)
        }
    }
}

/// Start ISC dhcrelay for DHCPv6 in the lab's gateway namespace, from the access ports of all FPCs to the first server.
pub fn start6(lab: &Lab) -> Result<Process> {
    let mut command = lab.gateway.command(unconfined("dhcrelay", lab.directory())?);
    command.args(["-6", "-d", "--no-pid"]);
    for fpc in 0..lab.plan.fpcs {
        command.arg("-l").arg(format!("{}%{}", lab.plan.link_address6(fpc), Lab::port(fpc)));
    }
    command.arg("-u").arg(format!("{}%core0", lab.plan.server6(0)));
    let mut process = Process::spawn("dhcrelay6", &mut command, lab.directory())?;
    process.wait_for_log("Sending on   Socket", Duration::from_secs(10))?;
    Ok(process)
}
