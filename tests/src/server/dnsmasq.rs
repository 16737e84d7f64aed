//! dnsmasq as a DHCP server (no DNS).

use super::{Lease, START_LIMIT, Service};
use crate::lab::unconfined;
use crate::namespace::Namespace;
use crate::process::Process;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

pub(super) fn start(space: &Namespace, service: &Service, directory: &Path) -> Result<(Process, PathBuf)> {
    let leases = directory.join("dnsmasq.leases");
    std::fs::write(&leases, "")?;
    let mut command = space.command(unconfined("dnsmasq", directory)?);
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--group=root"]);
    command.args(["--bind-interfaces", "--dhcp-authoritative", "--no-ping", "--log-dhcp", "--log-facility=-"]);
    command.args(["--dhcp-lease-max=1000000", "--pid-file="]);
    command.arg(format!("--interface={}", service.interface));
    command.arg(format!("--dhcp-leasefile={}", leases.display()));
    command.arg(format!("--dhcp-option-force=option:T1,{}", service.renew_seconds()));
    for (index, subnet) in service.subnets.iter().enumerate() {
        let (first, last) = subnet.pool;
        let seconds = service.lease.as_secs().max(120);
        command.arg(format!("--dhcp-range=set:s{index},{first},{last},{},{seconds}", subnet.mask()));
        command.arg(format!("--dhcp-option=tag:s{index},option:router,{}", subnet.router));
    }
    for subnet in service.six.iter().flat_map(|six| &six.subnets) {
        // It delegates no prefixes.
        let (first, last) = subnet.pool;
        command.arg(format!("--dhcp-range={first},{last},64,{}", service.lease.as_secs().max(120)));
    }
    let mut process = Process::spawn("dnsmasq", &mut command, directory)?;
    // Logged once its sockets are open.
    process.wait_for_log("DHCP, IP range", START_LIMIT).context("dnsmasq does not start")?;
    Ok((process, leases))
}

/// One line for each lease that lives: expiry, MAC, address, name, client id.
pub(super) fn leases(text: &str) -> Vec<Lease> {
    let parse = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let mac = fields.next()?.to_owned();
        Some(Lease { mac, address: fields.next()?.parse().ok()? })
    };
    text.lines().filter_map(parse).collect()
}
