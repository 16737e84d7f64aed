//! `gateway server`: the embedded DHCP server on its own.

use super::{START_LIMIT, Service};
use crate::daemon::{KEY, RELAY_DUID, program, write_private};
use crate::namespace::Namespace;
use crate::plan6::{CORE6, Subnet6};
use crate::process::Process;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

const STORE: &str = "server-store";
const CONTROL: &str = "server.sock";

/// Writes its configuration.
pub(super) fn write(service: &Service, directory: &Path) -> Result<PathBuf> {
    let config = directory.join("server.toml");
    write_private(&config, &configuration(service, &directory.join(STORE))?)?;
    Ok(config)
}

pub(super) fn start(space: &Namespace, service: &Service, directory: &Path) -> Result<(Process, PathBuf)> {
    super::query::prepare(space)?;
    let store = directory.join(STORE);
    let config = write(service, directory)?;
    let mut command = space.command(program()?);
    command.args(["server", "--config"]).arg(&config);
    let mut process = Process::spawn("embedded", &mut command, directory)?;
    // Whatever it prints: it serves once port 67 is bound, which the kernel's table shows, and its control socket after it.
    let what = "its sockets";
    let control = directory.join(CONTROL);
    let bound = |_: &Process| {
        let sockets = space.run(|| std::fs::read_to_string("/proc/thread-self/net/udp")).ok()?.ok()?;
        (sockets.contains(":0043 ") && UnixStream::connect(&control).is_ok()).then_some(())
    };
    process.wait_until(what, START_LIMIT, bound).context("the embedded server does not start")?;
    Ok((process, store))
}

fn configuration(service: &Service, store: &Path) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "[dhcp_server]\nlisten = \"{}\"\nstore = {store:?}", service.address)?;
    writeln!(text, "control = {:?}", store.with_file_name(CONTROL))?;
    // The relays, which are the routers of their subnets, and the lab itself.
    let relays = service.subnets.iter().map(|subnet| subnet.router);
    let requestors: Vec<_> = relays.chain([super::query::ASKER]).map(|address| address.to_string()).collect();
    writeln!(text, "leasequery_from = {requestors:?}")?;
    text.push_str(&service.embedded);
    for subnet in &service.subnets {
        writeln!(text, "[[dhcp_server.subnet]]\nprefix = \"{}/{}\"", subnet.network, subnet.length)?;
        writeln!(text, "pool = \"{}-{}\"\nrouter = \"{}\"", subnet.pool.0, subnet.pool.1, subnet.router)?;
        writeln!(text, "lease = \"{}s\"", service.lease.as_secs())?;
    }
    if let Some(six) = &service.six {
        writeln!(text, "[dhcp_server.v6]\nlisten = \"{}\"\nleasequery_from = [\"{CORE6}\"]", six.address)?;
        // It can; whether it is used is up to the gateway.
        writeln!(text, "bulk_release = true\n{}", six.embedded)?;
        for relay in &six.relays {
            // Without its DUID it may not end all of its leases at once.
            writeln!(text, "[[dhcp_server.v6.relay]]\naddress = \"{relay}\"\nduid = \"{RELAY_DUID}\"")?;
        }
        for subnet in &six.subnets {
            let (first, last) = subnet.pool;
            writeln!(
                text,
                "[[dhcp_server.v6.subnet]]\nprefix = \"{}/64\"\npools = [\"{first}-{last}\"]",
                subnet.network
            )?;
            writeln!(text, "delegate = \"{}/{}\"", subnet.delegated, subnet.pool_length)?;
            writeln!(text, "delegate_length = {}", Subnet6::DELEGATED_LENGTH)?;
            let seconds = service.lease.as_secs();
            writeln!(text, "preferred = \"{seconds}s\"\nvalid = \"{seconds}s\"")?;
            let percent = |seconds: u64, of: u64| (100 * seconds / of.max(1)).clamp(1, 99);
            let renew = percent(service.renew_seconds(), seconds);
            writeln!(text, "renew_percent = {renew}\nrebind_percent = {}", renew.max(80))?;
        }
    }
    writeln!(text, "[[dhcp_server.key]]\nkey_id = 1\nkey = \"{KEY}\"")?;
    Ok(text)
}
