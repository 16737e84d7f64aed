//! The files of Kea's memfile backend, `kea-leases4.csv` and `kea-leases6.csv`.
//!
//! A file is a journal: the last line of an address counts, and a lifetime of 0 takes the lease away. Which of the files
//! that its clean-up leaves behind (`.completed`, `.2`, `.1`) are read, in that order, is up to whoever runs the import.

use core::net::{Ipv4Addr, Ipv6Addr};

use gateway_core::hex;
use gateway_core::line::HardwareAddress;
use gateway_core::wire::dhcp6::{Binding, Prefix};

use super::columns::{Columns, Line};
use super::{Lease, NEVER, Problem, Read, State, What, text};

/// The lifetime of an infinite lease.
const INFINITE: u64 = 0xffff_ffff;
/// The octets of Kea's commas in a field.
const COMMA: &str = "&#x2c";

/// The first line of a file for DHCPv4, with its end: the columns that every Kea since 1.8 knows. Later ones add their own
/// when they read it.
pub const HEADING4: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n";
/// Likewise for DHCPv6.
pub const HEADING6: &str = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,\
     fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context\n";

/// The line of a lease with its end. `None` for those that Kea would forget at once: what is neither in force nor declined.
pub fn line(lease: &Lease, subnet_id: u32) -> Option<String> {
    let state = match lease.state {
        State::Active => 0,
        State::Abandoned => 1,
        _ => return None,
    };
    // The last transaction is what is left when the lifetime is taken from the end.
    let lifetime = |end: u64| match end {
        NEVER => INFINITE,
        end => end.saturating_sub(lease.last).clamp(1, INFINITE - 1),
    };
    let valid = lifetime(lease.expires);
    let expire = if lease.expires == NEVER { lease.last.saturating_add(INFINITE) } else { lease.expires };
    let client = text::colons(&lease.client);
    Some(match lease.what {
        What::Four(address) => {
            let hardware = text::colons(lease.hardware.address());
            let context = agent_context(&lease.agent_information);
            format!("{address},{hardware},{client},{valid},{expire},{subnet_id},0,0,,{state},{context}\n")
        }
        What::Six(binding) => {
            let (kind, prefix) = match binding {
                Binding::Address(_) => (0, binding.prefix()),
                Binding::Prefix(prefix) => (2, prefix),
            };
            // A lease without a client has the empty DUID.
            let duid = if client.is_empty() { "00:00:00" } else { &client };
            let (address, length, iaid) = (prefix.address(), prefix.length(), lease.iaid);
            let preferred = lifetime(lease.preferred).min(valid);
            format!("{address},{duid},{valid},{expire},{subnet_id},{preferred},{kind},{iaid},{length},0,0,,,{state},\n")
        }
    })
}

/// Option 82 as Kea keeps it for leasequeries.
fn agent_context(agent_information: &[u8]) -> String {
    match agent_information {
        [] => String::new(),
        octets => format!("{{ \"ISC\": {{ \"relay-agent-info\": \"0x{}\" }} }}", hex(octets).to_uppercase()),
    }
}

/// # Errors
/// When the first line is not Kea's.
pub(super) fn read(octets: &[u8]) -> Result<Read, Problem> {
    let columns = Columns::new(octets, false, &["address", "valid_lifetime", "expire", "subnet_id"])?;
    let take = |read: &mut Read, line, lease| read.leases.push((line, lease));
    match (columns.has("duid"), columns.has("hwaddr") && columns.has("client_id")) {
        (true, _) => Ok(columns.read(lease6, take)),
        (_, true) => Ok(columns.read(lease4, take)),
        _ => Err(Problem { line: 1, what: "it is the heading of neither kea-leases4.csv nor kea-leases6.csv".into() }),
    }
}

fn lease4(line: &Line<'_>) -> Result<Lease, String> {
    let address: Ipv4Addr = line.number("address")?;
    let mut lease = Lease::new(What::Four(address));
    times(line, &mut lease)?;
    let octets = |name: &str, most: usize| octets(line, name, most);
    lease.hardware = text::hardware_of(1, &octets("hwaddr", 16)?).unwrap_or(HardwareAddress::NONE);
    lease.client = octets("client_id", 255)?;
    if let Some(context) = line.field("user_context")? {
        lease.agent_information = agent_information(context).unwrap_or_default();
    }
    if lease.hardware.hlen() == 0 {
        lease.hardware = HardwareAddress::NONE;
    }
    finish(lease)
}

fn lease6(line: &Line<'_>) -> Result<Lease, String> {
    let address: Ipv6Addr = line.number("address")?;
    let binding = match line.number::<u8>("lease_type")? {
        0 | 1 => Some(Binding::Address(address)),
        2 => {
            let length = line.number("prefix_len")?;
            Prefix::new(address, length)
                .filter(|prefix| prefix.address() == address && length < 128)
                .map(Binding::Prefix)
        }
        other => return Err(format!("there is no lease_type {other}")),
    };
    let mut lease = Lease::new(What::Six(binding.ok_or("prefix_len does not fit its address")?));
    times(line, &mut lease)?;
    lease.client = octets(line, "duid", 130)?;
    lease.iaid = line.number("iaid")?;
    let preferred: u64 = line.number("pref_lifetime")?;
    lease.preferred = match preferred {
        INFINITE => lease.expires,
        preferred => lease.last.saturating_add(preferred).min(lease.expires),
    };
    finish(lease)
}

/// State, last transaction and end.
fn times(line: &Line<'_>, lease: &mut Lease) -> Result<(), String> {
    let (valid, expire): (u64, u64) = (line.number("valid_lifetime")?, line.number("expire")?);
    let state: u8 = line.field("state")?.map_or(Ok(0), |_| line.number("state"))?;
    lease.state = match state {
        // It was taken away.
        _ if valid == 0 => State::Released,
        0 => State::Active,
        1 => State::Abandoned,
        2 => State::Expired,
        // Released, and kept; or an address that its client has chosen itself (RFC 9686).
        3 | 4 => State::Released,
        other => return Err(format!("there is no state {other}")),
    };
    lease.last = expire.saturating_sub(valid);
    lease.expires = if valid == INFINITE { NEVER } else { expire };
    Ok(())
}

/// A declined address has nobody.
fn finish(mut lease: Lease) -> Result<Lease, String> {
    match lease.state {
        State::Abandoned => {
            (lease.hardware, lease.client) = (HardwareAddress::NONE, Vec::new());
            Ok(lease)
        }
        State::Active if !lease.has_client() => Err("it is in force but names no client".to_owned()),
        _ => Ok(lease),
    }
}

fn octets(line: &Line<'_>, name: &str, most: usize) -> Result<Vec<u8>, String> {
    let Some(field) = line.field(name)? else { return Ok(Vec::new()) };
    let octets = text::octets(field).filter(|octets| octets.len() <= most);
    octets.ok_or_else(|| format!("{name} is no octets that fit: \"{}\"", field.escape_debug()))
}

fn agent_information(context: &str) -> Option<Vec<u8>> {
    let context: serde_json::Value = serde_json::from_str(&context.replace(COMMA, ",")).ok()?;
    let told = context.get("ISC")?.get("relay-agent-info")?;
    let digits = told.as_str().or_else(|| told.get("sub-options")?.as_str())?.strip_prefix("0x")?;
    text::octets(digits).filter(|octets| octets.len() <= 255)
}
