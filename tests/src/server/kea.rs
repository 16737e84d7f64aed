//! Kea's DHCPv4 server with leases in a file.

use super::{Lease, START_LIMIT, Service};
use crate::lab::unconfined;
use crate::namespace::Namespace;
use crate::process::Process;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

pub(super) fn start(space: &Namespace, service: &Service, directory: &Path) -> Result<(Process, PathBuf)> {
    let leases = directory.join("kea-leases.csv");
    let config = directory.join("kea.json");
    std::fs::write(&config, serde_json::to_string_pretty(&configuration(service, &leases))?)?;
    let mut command = space.command(unconfined("kea-dhcp4", directory)?);
    command.arg("-c").arg(&config).env("KEA_PIDFILE_DIR", directory).env("KEA_LOCKFILE_DIR", directory);
    let mut process = Process::spawn("kea", &mut command, directory)?;
    process.wait_for_log("DHCP4_STARTED", START_LIMIT).context("Kea does not start")?;
    Ok((process, leases))
}

fn configuration(service: &Service, leases: &Path) -> Value {
    let subnet = |subnet: &crate::plan::Subnet| {
        json!({
            "subnet": format!("{}/{}", subnet.network, subnet.length),
            "pools": [{ "pool": format!("{} - {}", subnet.pool.0, subnet.pool.1) }],
            "option-data": [{ "name": "routers", "data": subnet.router.to_string() }],
        })
    };
    json!({ "Dhcp4": {
        "interfaces-config": {
            "interfaces": [format!("{}/{}", service.interface, service.address)],
            // A UDP socket does not hear clients without an address; a raw one costs relayed traffic twice the work.
            "dhcp-socket-type": if service.direct { "raw" } else { "udp" },
        },
        "lease-database": {
            "type": "memfile", "persist": service.kea.persist, "name": leases, "lfc-interval": 0,
        },
        "multi-threading": { "enable-multi-threading": service.kea.threads },
        "valid-lifetime": service.lease.as_secs(),
        "min-valid-lifetime": service.lease.as_secs(),
        "max-valid-lifetime": service.lease.as_secs(),
        "renew-timer": service.renew_seconds(),
        "authoritative": true,
        "subnet4": service.subnets.iter().map(subnet).collect::<Vec<_>>(),
        "loggers": loggers(service.kea.log_leases),
    }})
}

/// Its start is logged in any case.
fn loggers(leases: bool) -> Value {
    let output = json!([{ "output": "stdout", "flush": true }]);
    let logger = |name: &str, severity: &str| json!({ "name": name, "severity": severity, "output_options": output });
    match leases {
        true => json!([logger("kea-dhcp4", "INFO")]),
        false => json!([logger("kea-dhcp4", "INFO"), logger("kea-dhcp4.leases", "WARN")]),
    }
}

/// The file is a journal: the last line of an address counts. A released lease has a lifetime of 0, or state 2.
pub(super) fn leases(text: &str) -> Vec<Lease> {
    let mut last = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<_> = line.split(',').collect();
        if let [address, mac, _client, lifetime, _expire, _subnet, _forward, _reverse, _host, state, ..] = fields[..]
            && let Ok(address) = address.parse::<Ipv4Addr>()
        {
            let active = lifetime != "0" && state == "0";
            last.insert(address, active.then(|| Lease { address, mac: mac.to_owned() }));
        }
    }
    last.into_values().flatten().collect()
}

#[cfg(test)]
mod tests {
    /// The last line of an address decides, and a released lease is none.
    #[test]
    fn the_last_line_counts() {
        let text = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n\
            10.0.0.1,02:00:00:00:00:01,,3600,99,1,0,0,,0,\n\
            10.0.0.2,02:00:00:00:00:02,,3600,99,1,0,0,,0,\n\
            10.0.0.1,02:00:00:00:00:01,,0,99,1,0,0,,0,\n";
        let leases = super::leases(text);
        assert_eq!(leases.len(), 1);
        assert_eq!(leases[0].mac, "02:00:00:00:00:02");
    }
}
