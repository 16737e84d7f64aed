//! The rows of the control socket as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gateway_common::verdict::Verdict;

use super::text::{Table, WIDTH, bar, count, counted, cut, micros, octets, seconds, short, took};
use crate::control::protocol::*;

pub(crate) fn status(status: &Status, fpcs: &[Fpc], servers: &[Server]) -> String {
    let mut text = String::new();
    let adopted = if status.adopted { " · data plane adopted" } else { "" };
    let Status { version, id, pid, .. } = status;
    let _ = writeln!(text, "gateway {version} · {id} · pid {pid} · up {}{adopted}", seconds(status.uptime));
    let (sessions, capacity) = (count(status.sessions), count(status.capacity.into()));
    let _ = writeln!(text, "sessions  {sessions} of {capacity}, {} orphaned", count(status.orphaned));
    if let Some(leases) = status.leases6 {
        let subscribers = counted(status.subscribers, "subscriber");
        let _ = writeln!(text, "IPv6      {}, {subscribers} with either", counted(leases, "lease"));
    }
    let store = match &status.store {
        Store { octets: size, last_error: None, errors: 0, .. } => format!("{}, no errors", octets(*size)),
        Store { octets: size, last_error: None, errors, .. } => format!("{}, {errors} errors, well now", octets(*size)),
        Store { last_error: Some(error), pending, .. } => format!("FAILS: {error}; {pending} records wait"),
    };
    let _ = writeln!(text, "store     {store}");
    if let Some(server) = &status.dhcp_server {
        let _ = writeln!(text, "DHCP      {}", dhcp_line(server));
    }
    let fate = |fate: &str| status.verdicts.iter().filter(|v| v.fate == fate).map(|v| v.packets).sum::<u64>();
    let packets = ["forwarded", "punted", "passed", "dropped"].map(|name| format!("{name} {}", count(fate(name))));
    let _ = writeln!(text, "packets   {}", packets.join(" · "));
    let port = |port: &Port| {
        let state = match (port.ifindex, port.up) {
            (None, _) => "missing".to_owned(),
            (_, true) => format!("up {}", port.xdp),
            (_, false) => format!("down {}", port.xdp),
        };
        format!("{} {state}", port.name)
    };
    let ports: Vec<_> = status.ports.iter().map(port).collect();
    let _ = writeln!(text, "ports     {}", wrap(&ports, " · ", 10));
    if let Some(cluster) = &status.cluster {
        let _ = writeln!(text, "cluster   {cluster}; see `gateway members` and `gateway units`");
    }
    for (index, warning) in status.warnings.iter().enumerate() {
        let _ = writeln!(text, "{}{warning}", if index == 0 { "warnings  " } else { "          " });
    }
    let _ = write!(text, "\n{}\n{}", self::fpcs(fpcs), self::servers(servers));
    text
}

/// What the embedded server has leased.
fn dhcp_line(server: &DhcpServer) -> String {
    let mut leased = format!("{} of {} addresses leased", count(server.active), count(server.capacity));
    if let Some(six) = &server.six {
        let _ = write!(leased, ", {} by DHCPv6", counted(six.active, "lease"));
    }
    if server.store_ok { leased } else { leased + "; SILENT: its leases can't be written" }
}

/// The embedded server: what it has leased, and what it counted, as far as there is any of it.
pub(crate) fn dhcp_server(server: &DhcpServer) -> String {
    let counters = |heading, counters: &BTreeMap<String, u64>| {
        let mut table = Table::new(&[heading, ">COUNT"]);
        for (event, value) in counters.iter().filter(|(_, value)| **value > 0) {
            table.row([event.clone(), count(*value)]);
        }
        table.render()
    };
    let mut text = format!("{}\n", dhcp_line(server));
    if !server.store.is_empty() {
        let _ = writeln!(text, "store: {}", server.store);
    }
    if let Some(line) = answers_line(&server.answers) {
        let _ = writeln!(text, "answers: {line}");
    }
    let _ = write!(text, "\n{}", counters("EVENT", &server.counters));
    if !server.pools.is_empty() {
        let mut table = Table::new(&["SUBNET", ">LEASED", ">HELD", ">OF"]);
        for Pool { name, in_use, held, size } in &server.pools {
            table.row([name.clone(), count(*in_use), count(*held), count(*size)]);
        }
        let _ = write!(text, "\n{}", table.render());
    }
    if let Some(subnets) = &server.subnets {
        let holders = subnets.addresses.iter().map(|(holder, addresses)| format!("{holder} {}", count(*addresses)));
        let holders = holders.collect::<Vec<_>>().join(", ");
        let _ = write!(text, "\nsubnets: {holders}; leased of its own {}\n", count(subnets.own_in_use));
        let _ = write!(text, "\n{}", counters("SUBNETS", &subnets.events));
    }
    if let Some(six) = &server.six {
        let _ = write!(text, "\n{}", counters("DHCPv6 EVENT", &six.counters));
    }
    text
}

/// How long answers take; none where there are none.
pub(crate) fn answers_line(answers: &Answers) -> Option<String> {
    let time = |part| answers.part(part).map(micros);
    let (half, most, all) = (time(500)?, time(990)?, time(1000)?);
    Some(format!("half within {half}, 99 % within {most}, all within {all}"))
}

/// Joins parts into lines of [`WIDTH`], indented from the second line on.
fn wrap(parts: &[String], separator: &str, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for part in parts {
        let line = lines.last_mut().expect("starts with one");
        if line.is_empty() {
            line.push_str(part);
        } else if indent + line.chars().count() + separator.len() + part.chars().count() > WIDTH {
            lines.push(part.clone());
        } else {
            line.push_str(separator);
            line.push_str(part);
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

pub(crate) fn sessions_heading() -> Table {
    Table::new(&["ADDRESS", "MAC", "PORT", "VLAN", "SERVER", "EPOCH", ">LEASE", ">UP", ">DOWN"])
}

pub(crate) fn session_row(session: &Session) -> [String; 9] {
    let lease = match (session.state.as_str(), session.expires_in) {
        ("live", Some(left)) => seconds(left),
        ("live", None) => "never".to_owned(),
        (state, _) => state.to_owned(),
    };
    [
        session.address.clone().unwrap_or("-".to_owned()),
        session.mac.clone(),
        session.port.clone(),
        if session.vlan.is_empty() { "-".to_owned() } else { session.vlan.clone() },
        // That of IPv6 is told with its leases.
        session.server.clone().filter(|_| session.address.is_some()).unwrap_or("-".to_owned()),
        if session.state == "static" { "-".to_owned() } else { session.epoch.to_string() },
        lease,
        octets(session.up_octets),
        octets(session.down_octets),
    ]
}

pub(crate) fn sessions(sessions: &[Session]) -> String {
    let mut table = sessions_heading();
    sessions.iter().for_each(|session| table.row(session_row(session)));
    let rendered = table.render();
    let mut lines = rendered.lines();
    let mut text: String = lines.next().into_iter().map(|heading| format!("{heading}\n")).collect();
    for (line, session) in lines.zip(sessions) {
        let _ = writeln!(text, "{line}");
        session.leases6.iter().for_each(|lease| text.push_str(&format!("  {}\n", lease6(lease))));
    }
    text
}

/// An address or prefix of a subscriber in a line.
fn lease6(lease: &Lease6) -> String {
    let lasts = match (lease.state.as_str(), lease.expires_in) {
        ("live", Some(left)) => format!("{} left", seconds(left)),
        ("live", None) => "for ever".to_owned(),
        (state, _) => state.to_owned(),
    };
    let (up, down) = (octets(lease.up_octets), octets(lease.down_octets));
    format!("{} at {}, {lasts}, up {up}, down {down}", lease.prefix, lease.server)
}

pub(crate) fn session(session: &Session) -> String {
    let mut text = String::new();
    let or = |value: &Option<String>, none: &str| value.clone().unwrap_or(none.to_owned());
    let is_static = session.state == "static";
    let state = match is_static {
        true => "static, from the configuration".to_owned(),
        false => format!("{}, logged in or renewed {} ago", session.state, seconds(session.age)),
    };
    let lease = session.expires_in.map_or("never ends".to_owned(), |left| format!("ends in {}", seconds(left)));
    let idle = session.idle.map_or("sent nothing yet".to_owned(), |idle| format!("sent last {} ago", seconds(idle)));
    let lines = [
        ("address", or(&session.address, "none")),
        ("mac", session.mac.clone()),
        ("client-id", or(&session.client_id, "none")),
        ("line", format!("{} {} ({})", session.port, session.vlan, session.fpc).replace("  ", " ")),
        ("epoch", if is_static { "-".to_owned() } else { session.epoch.to_string() }),
        ("server", or(&session.server, "none")),
        ("scope", or(&session.scope, if is_static { "none" } else { "none: can only be released individually" })),
        ("state", state),
        ("lease", lease),
        ("traffic", idle),
        ("up", format!("{} packets, {}", count(session.up_packets), octets(session.up_octets))),
        ("down", format!("{} packets, {}", count(session.down_packets), octets(session.down_octets))),
    ];
    // Without IPv4 the rest is told with each lease.
    let told = |name: &str| session.address.is_some() || ["address", "mac", "line", "traffic"].contains(&name);
    for (name, value) in lines.into_iter().filter(|(name, _)| told(name)) {
        let _ = writeln!(text, "{name:<10} {value}");
    }
    for lease in &session.leases6 {
        let _ = writeln!(text, "{:<10} {}", "ipv6", lease6(lease));
        let iaid = lease.iaid.map_or("unknown".to_owned(), |iaid| iaid.to_string());
        let _ = writeln!(text, "{:<10} IA {} {iaid}, DUID {}", "", lease.kind, lease.duid);
    }
    text
}

pub(crate) fn fpcs(fpcs: &[Fpc]) -> String {
    let has_six = fpcs.iter().any(|fpc| fpc.leases6.is_some());
    let mut heading = vec!["FPC", "STATE", "PORTS", "SCOPE", "ON RESTART", ">EPOCH", ">SESSIONS", ">ORPHANED"];
    if has_six {
        heading.insert(7, ">IPV6");
    }
    let mut table = Table::new(&heading);
    for fpc in fpcs {
        let six = fpc.leases6.map(count).filter(|_| has_six);
        let row = [
            fpc.name.clone(),
            fpc.since.map_or(fpc.state.clone(), |since| format!("{} {}", fpc.state, seconds(since))),
            cut(&fpc.ports.join(","), 16),
            fpc.scope.clone(),
            fpc.on_restart.clone(),
            fpc.epoch.to_string(),
            count(fpc.sessions),
        ];
        table.row(row.into_iter().chain(six).chain([count(fpc.orphaned)]));
    }
    table.render()
}

pub(crate) fn servers(servers: &[Server]) -> String {
    let mut table = Table::new(&["SERVER", "CAPABILITY", "LEARNT", "SCOPES", "LEASEQUERY", ">RELEASES/S", ">SESSIONS"]);
    for server in servers {
        let embedded = if server.embedded { " (embedded)" } else { "" };
        table.row([
            format!("{}{embedded}", server.address),
            server.capability.clone(),
            server.age.map_or("-".to_owned(), |age| format!("{} ago", seconds(age))),
            server.max_scopes.map_or("-".to_owned(), |scopes| scopes.to_string()),
            match server.leasequery {
                Some(true) => "answers".to_owned(),
                Some(false) => "silent".to_owned(),
                None => "unknown".to_owned(),
            },
            server.release_rate.to_string(),
            server.sessions.map_or("-".to_owned(), count),
        ]);
    }
    table.render()
}

pub(crate) fn releases(releases: &[Release]) -> String {
    if releases.is_empty() {
        return "no releases since the controller started\n".to_owned();
    }
    let mut table =
        Table::new(&["FPC", "CAUSE", "PROGRESS", ">LOGINS", ">ENDED", ">ORPHANED", ">LOGOUTS", ">RELEASES", "TIME"]);
    for release in releases {
        let six = release.leases6.unwrap_or_default();
        table.row([
            cut(&release.fpc, 12),
            release.cause.clone(),
            bar(release.progress(), 10),
            count(release.total),
            count(release.released),
            count(release.orphaned + six.orphaned),
            short(release.single_logouts),
            short(release.individual),
            release.took.map_or_else(|| format!("{} so far", took(release.age)), took),
        ]);
    }
    let mut text = table.render();
    for release in releases {
        text.extend(release.leases6.as_ref().map(|six| ended6(&release.fpc, six)));
    }
    for release in releases.iter().filter(|release| release.took.is_none()) {
        for ReleaseAtServer { server, phase, total, released } in &release.servers {
            let _ = writeln!(text, "  {} at {server}: {phase}, {} of {}", release.fpc, count(*released), count(*total));
        }
    }
    text
}

/// The DHCPv6 half of a release in one line.
pub(crate) fn ended6(fpc: &str, six: &ReleaseOf6) -> String {
    let (released, total) = (count(six.released), counted(six.total, "IPv6 lease"));
    let sent = [(six.single_logouts, "single logout"), (six.requests, "RELEASE-REQUEST"), (six.individual, "RELEASE")];
    let sent: Vec<_> = sent.iter().filter(|(sent, _)| *sent > 0).map(|(sent, what)| counted(*sent, what)).collect();
    let sent = if sent.is_empty() { "nothing sent".to_owned() } else { sent.join(", ") };
    format!("  {fpc}: {released} of {total} ended; {sent}\n")
}

/// Drop counters of both programs, the largest first; then the samples.
pub(crate) fn drops(verdicts: &[VerdictCount], samples: &[DropSample]) -> String {
    let mut dropped: Vec<_> = verdicts.iter().filter(|v| v.fate == "dropped" && v.packets > 0).collect();
    dropped.sort_by_key(|verdict| std::cmp::Reverse(verdict.packets));
    let mut table = Table::new(&["VERDICT", "PROGRAM", ">PACKETS", ">OCTETS", "WHY"]);
    for v in &dropped {
        let why = Verdict::ALL.iter().find(|verdict| verdict.name() == v.verdict).map_or("", |verdict| why(*verdict));
        table.row([v.verdict.clone(), v.program.clone(), count(v.packets), octets(v.octets), why.to_owned()]);
    }
    let mut text = if table.is_empty() { "nothing was dropped\n".to_owned() } else { table.render() };
    if !samples.is_empty() {
        text.push('\n');
        text.push_str(&drop_samples(samples));
    }
    text
}

pub(crate) fn drop_samples(samples: &[DropSample]) -> String {
    let line = |s: &DropSample| {
        let age = took(s.age_ms as f64 / 1000.0);
        format!("{age:>7} ago  {:<8} {:<15} {:>4}  {}\n", s.port, s.verdict, s.length, super::frame::summary(&s.octets))
    };
    samples.iter().map(line).collect()
}

pub(crate) fn events(events: &[Event]) -> String {
    let line = |event: &Event| format!("{:>7} ago  {}\n", took(event.age_ms as f64 / 1000.0), event.text);
    events.iter().map(line).collect()
}

/// Why a packet with this verdict was dropped, and what to look at.
fn why(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Foreign => "of another member's work unit",
        Verdict::Malformed => "cut short, or a header lies about its length",
        Verdict::NoSession => "source has no session",
        Verdict::WrongMac => "the address is another MAC's",
        Verdict::WrongVlan => "the address is of other tags",
        Verdict::WrongPort => "the address is of another port",
        Verdict::StaleEpoch => "logged out with its FPC",
        Verdict::Expired => "lease ended",
        Verdict::ArpSpoofed => "ARP for an address it does not hold",
        Verdict::SubscriberRate => "limits.subscriber_rate",
        Verdict::LineRate => "limits.line_rate",
        Verdict::PortRate => "limits.port_rate",
        Verdict::PuntFull => "the relay does not keep up, or is not running",
        Verdict::RogueServer => "a DHCP server on a subscriber's port",
        Verdict::DhcpFragment => "DHCP in fragments",
        Verdict::Ipv6Unserved => "IPv6 is not served",
        Verdict::NdSpoofed => "neighbour discovery for an address it does not hold",
        Verdict::NdNotMaster => "the master answers for what members share",
        Verdict::RogueRouter => "router advertisement or redirect from a subscriber",
        Verdict::LinkLocal => "a link-local address does not leave its line",
        Verdict::OwnPrefix => "to the sender's own prefix: its router has no route for it",
        Verdict::NotServed => "not IP, ARP or VLAN",
        Verdict::Multicast => "multicast or broadcast from a subscriber",
        Verdict::UnknownPort => "the interface is not in the port table",
        Verdict::OtherHost => "to another host's MAC",
        Verdict::ArpNotMaster => "the master answers for what members share",
        Verdict::NotCarried => "between members, but from none or for no port here",
        Verdict::Fenced => "this member serves nothing: the others, or its master, do not hear it",
        Verdict::DhcpSpoofed => "DHCP past the relay, of another client or address than its own",
        // Only what was dropped is asked about; a test sees to it that all of that is here.
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::verdict::Fate;

    use super::*;

    #[test]
    fn every_drop_has_a_reason() {
        for verdict in Verdict::ALL.iter().filter(|verdict| verdict.fate() == Fate::Dropped) {
            assert!(!why(*verdict).is_empty(), "{}", verdict.name());
        }
    }
}
