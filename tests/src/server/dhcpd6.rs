//! ISC dhcpd for DHCPv6.

use super::{START_LIMIT, Service, Service6};
use crate::lab::unconfined;
use crate::namespace::Namespace;
use crate::plan6::Subnet6;
use crate::process::Process;
use anyhow::{Context, Result};
use std::path::Path;

pub(super) fn start(space: &Namespace, service: &Service, six: &Service6, directory: &Path) -> Result<Process> {
    let (leases, config) = (directory.join("dhcpd6.leases"), directory.join("dhcpd6.conf"));
    std::fs::write(&config, configuration(service, six))?;
    super::keep_or_make(&leases)?;
    let mut command = space.command(unconfined("dhcpd", directory)?);
    command.args(["-6", "-f", "-d", "--no-pid", "-cf"]).arg(&config).arg("-lf").arg(&leases).arg(&service.interface);
    let mut process = Process::spawn("dhcpd6", &mut command, directory)?;
    process.wait_for_log("Server starting service.", START_LIMIT).context("dhcpd does not start")?;
    Ok(process)
}

fn configuration(service: &Service, six: &Service6) -> String {
    let (lease, renew) = (service.lease.as_secs(), service.renew_seconds());
    // The interface's own network must be declared.
    let own = std::net::Ipv6Addr::from_bits(six.address.to_bits() >> 64 << 64);
    let mut text = format!(
        "authoritative;\nddns-update-style none;\ndefault-lease-time {lease};\npreferred-lifetime {lease};\n\
         option dhcp-renewal-time {renew};\noption dhcp-rebinding-time {};\nsubnet6 {own}/64 {{ }}\n",
        lease * 9 / 10
    );
    for subnet in &six.subnets {
        let (first, last) = subnet.pool;
        text += &format!("subnet6 {}/64 {{\n  range6 {first} {last};\n", subnet.network);
        let (delegated, to) = (subnet.delegated, subnet.last_delegated());
        text += &format!("  prefix6 {delegated} {to} /{};\n}}\n", Subnet6::DELEGATED_LENGTH);
    }
    text
}
