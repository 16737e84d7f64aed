//! The files as they are written, for dhcpd to read when it starts.

use core::fmt::Write as _;
use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use gateway_core::wire::agent::AgentInformation;
use gateway_core::wire::dhcp6::{Binding, Duid};
use time::OffsetDateTime;

use super::super::text::colons;
use super::super::{Lease, NEVER, State, What};

/// The lifetime of an infinite lease.
const INFINITE: u64 = 0xffff_ffff;

/// What stands before the leases of `dhcpd.leases`: in which order octets of numbers are.
pub const HEADING: &str = "authoring-byte-order little-endian;\n";

/// The same of `dhcpd6.leases`, with the DUID by which the clients know their server.
pub fn heading6(server: Duid<'_>) -> String {
    format!("{HEADING}server-duid {};\n", quoted(server.octets()))
}

/// A DHCPv4 lease, with what is over as free: dhcpd gives it to its former client first. `None` for one of DHCPv6.
pub fn lease(lease: &Lease) -> Option<String> {
    let What::Four(address) = lease.what else { return None };
    let state = match lease.state {
        State::Active => "active",
        State::Abandoned => "abandoned",
        _ => "free",
    };
    let (last, ends) = (date(lease.last), date(end(lease)));
    let mut text = format!(
        "lease {address} {{\n  starts {last};\n  ends {ends};\n  cltt {last};\n  binding state {state};\n  next binding state free;\n"
    );
    let mut line = |what: core::fmt::Arguments<'_>| text.push_str(&format!("  {what};\n"));
    if lease.hardware.hlen() > 0 {
        let hardware = lease.hardware.address();
        match lease.hardware.htype() {
            1 => line(format_args!("hardware ethernet {}", colons(hardware))),
            6 => line(format_args!("hardware token-ring {}", colons(hardware))),
            8 => line(format_args!("hardware fddi {}", colons(hardware))),
            32 => line(format_args!("hardware infiniband {}", colons(hardware))),
            other => line(format_args!("hardware unknown-{other} {}", colons(hardware))),
        }
    }
    if !lease.client.is_empty() {
        line(format_args!("uid {}", quoted(&lease.client)));
    }
    let agent = AgentInformation::parse(&lease.agent_information).ok();
    for (code, value) in agent.iter().flat_map(AgentInformation::iter).filter(|(_, value)| !value.is_empty()) {
        match (code, <[u8; 4]>::try_from(value)) {
            (1, _) => line(format_args!("option agent.circuit-id {}", colons(value))),
            (2, _) => line(format_args!("option agent.remote-id {}", colons(value))),
            (5, Ok(link)) => line(format_args!("option agent.link-selection {}", Ipv4Addr::from(link))),
            // Of another form than octets where dhcpd has a name for them.
            (3..=5 | 19, _) => {}
            _ => line(format_args!("option agent.unknown-{code} {}", colons(value))),
        }
    }
    Some(text + "}\n")
}

/// DHCPv6 leases by their identity associations: of what is in the file twice under one name, dhcpd takes the later alone.
#[derive(Clone, Default, Debug)]
pub struct Associations(BTreeMap<(&'static str, Vec<u8>), Association>);

#[derive(Clone, Default, Debug)]
struct Association {
    last: u64,
    leases: String,
}

impl Associations {
    /// Takes a lease in; `false` for one of DHCPv4.
    pub fn add(&mut self, lease: &Lease) -> bool {
        let (kind, part) = match lease.what {
            What::Four(_) => return false,
            What::Six(Binding::Address(_)) => ("ia-na", "iaaddr"),
            What::Six(Binding::Prefix(_)) => ("ia-pd", "iaprefix"),
        };
        // A declined address has nobody: the empty DUID stands for that.
        let client: &[u8] = if lease.client.is_empty() { &[0, 0, 0] } else { &lease.client };
        let name = [&lease.iaid.to_le_bytes()[..], client].concat();
        let association = self.0.entry((kind, name)).or_default();
        association.last = association.last.max(lease.last);
        let state = match lease.state {
            State::Active => "active",
            State::Abandoned => "abandoned",
            State::Expired => "expired",
            _ => "released",
        };
        let ends = end(lease);
        let lifetime = |end: u64| match end {
            NEVER => INFINITE,
            end => end.saturating_sub(lease.last).min(INFINITE - 1),
        };
        let (preferred, valid) = (lifetime(lease.preferred), lifetime(ends));
        let (preferred, ends) = (preferred.min(valid), date(ends));
        // To a string, which takes it.
        let _ = write!(
            association.leases,
            "  {part} {} {{\n    binding state {state};\n    preferred-life {preferred};\n    max-life {valid};\n    ends {ends};\n  }}\n",
            lease.what
        );
        true
    }

    /// All of them, as the file has them behind [`heading6`].
    pub fn text(&self) -> String {
        let one = |((kind, name), association): (&(&str, Vec<u8>), &Association)| {
            format!("{kind} {} {{\n  cltt {};\n{}}}\n", quoted(name), date(association.last), association.leases)
        };
        self.0.iter().map(one).collect()
    }
}

/// Of what is over and has no end, that it ended when it was last heard of.
fn end(lease: &Lease) -> u64 {
    if lease.expires == NEVER && !lease.state.holds() { lease.last } else { lease.expires }
}

/// The day of the week, counted from Sunday, day and time in UTC; `never` beyond the year 9999.
fn date(unix: u64) -> String {
    let at = i64::try_from(unix).ok().and_then(|unix| OffsetDateTime::from_unix_timestamp(unix).ok());
    at.map_or_else(
        || "never".to_owned(),
        |at| {
            let day = (at.weekday().number_days_from_sunday(), at.year(), u8::from(at.month()), at.day());
            let (hour, minute, second) = at.to_hms();
            format!("{} {}/{:02}/{:02} {hour:02}:{minute:02}:{second:02}", day.0, day.1, day.2, day.3)
        },
    )
}

/// A string, in which what is not plain text stands as three octal digits.
fn quoted(octets: &[u8]) -> String {
    let mut text = "\"".to_owned();
    for octet in octets {
        match octet {
            b'"' | b'\\' => text.extend(['\\', char::from(*octet)]),
            b' '..=b'~' => text.push(char::from(*octet)),
            _ => _ = write!(text, "\\{octet:03o}"), // to a string
        }
    }
    text + "\""
}
