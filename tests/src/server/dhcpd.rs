//! ISC dhcpd.

use super::{Lease, START_LIMIT, Service};
use crate::lab::unconfined;
use crate::namespace::Namespace;
use crate::process::Process;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

pub(super) fn start(space: &Namespace, service: &Service, directory: &Path) -> Result<(Process, PathBuf)> {
    let leases = directory.join("dhcpd.leases");
    let config = directory.join("dhcpd.conf");
    std::fs::write(&config, configuration(service))?;
    super::keep_or_make(&leases)?;
    let mut command = space.command(unconfined("dhcpd", directory)?);
    command.args(["-4", "-f", "-d", "--no-pid", "-cf"]).arg(&config).arg("-lf").arg(&leases).arg(&service.interface);
    let mut process = Process::spawn("dhcpd", &mut command, directory)?;
    process.wait_for_log("Server starting service.", START_LIMIT).context("dhcpd does not start")?;
    Ok((process, leases))
}

fn configuration(service: &Service) -> String {
    let lease = service.lease.as_secs();
    let own = service.network();
    let mut text = format!(
        "authoritative;\nallow leasequery;\nddns-update-style none;\nping-check false;\n\
         min-lease-time {lease};\ndefault-lease-time {lease};\nmax-lease-time {lease};\n\
         option dhcp-renewal-time {};\n",
        service.renew_seconds()
    );
    // The interface's own network must be declared, with or without addresses to give.
    if !service.subnets.iter().any(|subnet| subnet.network == own.network) {
        text += &format!("subnet {} netmask {} {{ }}\n", own.network, own.mask());
    }
    for subnet in &service.subnets {
        text += &format!(
            "subnet {} netmask {} {{\n  range {} {};\n  option routers {};\n}}\n",
            subnet.network,
            subnet.mask(),
            subnet.pool.0,
            subnet.pool.1,
            subnet.router
        );
    }
    text
}

/// The file is a journal of blocks: the last block of an address counts.
pub(super) fn leases(text: &str) -> Vec<Lease> {
    let mut last = BTreeMap::new();
    for block in text.split("\nlease ").flat_map(|block| block.split_once(" {")) {
        let (address, body) = block;
        let Ok(address) = address.trim_start_matches("lease ").parse::<Ipv4Addr>() else { continue };
        let value = |key: &str| body.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_suffix(';'));
        let mac = value("hardware ethernet ").unwrap_or_default().to_owned();
        let active = value("binding state ") == Some("active");
        last.insert(address, active.then_some(Lease { address, mac }));
    }
    last.into_values().flatten().collect()
}

#[cfg(test)]
mod tests {
    /// The last block of an address decides, and `next binding state` is not taken for the state.
    #[test]
    fn the_last_block_counts() {
        let lease = |address: &str, state: &str| {
            format!(
                "lease {address} {{\n  starts 5 2026/11/20 11:00:00;\n  binding state {state};\n  \
                 next binding state free;\n  hardware ethernet 02:00:00:00:00:01;\n}}\n"
            )
        };
        let text = format!(
            "# comment\nauthoring-byte-order little-endian;\n\n{}{}{}",
            lease("10.0.0.1", "active"),
            lease("10.0.0.2", "active"),
            lease("10.0.0.1", "free")
        );
        let leases = super::leases(&text);
        assert_eq!(leases.iter().map(|lease| lease.address.to_string()).collect::<Vec<_>>(), ["10.0.0.2"]);
        assert_eq!(leases[0].mac, "02:00:00:00:00:01");
    }
}
