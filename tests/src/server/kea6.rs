//! Kea's DHCPv6 server with leases in a file.

use super::{START_LIMIT, Service, Service6};
use crate::lab::unconfined;
use crate::namespace::Namespace;
use crate::plan6::Subnet6;
use crate::process::Process;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn start(space: &Namespace, service: &Service, six: &Service6, directory: &Path) -> Result<Process> {
    let config = directory.join("kea6.json");
    let leases = directory.join("kea-leases6.csv");
    std::fs::write(&config, serde_json::to_string_pretty(&configuration(service, six, &leases))?)?;
    let mut command = space.command(unconfined("kea-dhcp6", directory)?);
    command.arg("-c").arg(&config).env("KEA_PIDFILE_DIR", directory).env("KEA_LOCKFILE_DIR", directory);
    let mut process = Process::spawn("kea6", &mut command, directory)?;
    process.wait_for_log("DHCP6_STARTED", START_LIMIT).context("Kea does not start")?;
    Ok(process)
}

fn configuration(service: &Service, six: &Service6, leases: &Path) -> Value {
    let subnet = |subnet: &Subnet6| {
        let (first, last) = subnet.pool;
        json!({
            "subnet": format!("{}/64", subnet.network),
            "pools": [{ "pool": format!("{first} - {last}") }],
            "pd-pools": [{
                "prefix": subnet.delegated, "prefix-len": subnet.pool_length,
                "delegated-len": Subnet6::DELEGATED_LENGTH,
            }],
            "rapid-commit": true,
        })
    };
    let seconds = service.lease.as_secs();
    json!({ "Dhcp6": {
        "interfaces-config": { "interfaces": [format!("{}/{}", service.interface, six.address)] },
        "server-id": { "type": "LL", "persist": false },
        "lease-database": { "type": "memfile", "persist": true, "name": leases, "lfc-interval": 0 },
        "preferred-lifetime": seconds,
        "valid-lifetime": seconds,
        "renew-timer": service.renew_seconds(),
        "rebind-timer": seconds * 9 / 10,
        "subnet6": six.subnets.iter().map(subnet).collect::<Vec<_>>(),
        "loggers": [{
            "name": "kea-dhcp6", "severity": "INFO", "output_options": [{ "output": "stdout", "flush": true }],
        }],
    }})
}
