//! Members and work units as text.

use std::fmt::Write as _;

use time::OffsetDateTime;

use super::text::{Table, count, counted, cut, seconds, took};
use crate::control::protocol::{Members, Share, Unit, Units};

/// The cluster as one of its members sees it.
pub(crate) fn members(members: &Members) -> String {
    let or_nobody = |name: &Option<String>| name.clone().unwrap_or_else(|| "nobody".to_owned());
    let master = match &members.master {
        Some(master) if *master == members.me => format!("{master} is master here"),
        Some(master) => format!("{master} is the master here"),
        None => "no master here".to_owned(),
    };
    let keeper = or_nobody(&members.keeper);
    let mut text =
        format!("cluster {}: {master}, term {}; {keeper} keeps what has no client\n", members.cluster, members.term);
    let end = members.certificate_end.and_then(|end| OffsetDateTime::from_unix_timestamp(end.cast_signed()).ok());
    let end = end.map(|end| format!("; its certificate ends on {}", end.date())).unwrap_or_default();
    let _ = writeln!(text, "this is {}, {}{end}", members.me, members.role);
    if members.fenced {
        text += "it serves nothing: it has no part in the cluster now, and others serve what was its own\n";
    }
    if members.degraded {
        text += "it is master without a majority\n";
    }
    if let Some(etcd) = &members.etcd {
        let since = took(etcd.since_ms as f64 / 1000.0);
        let _ = match (etcd.reachable, &etcd.why) {
            (true, _) => writeln!(text, "etcd at {} answers, for {since} now", etcd.endpoint),
            (false, None) => writeln!(text, "etcd has not answered yet"),
            (false, Some(why)) => {
                writeln!(text, "etcd has not answered for {since}, so no unit moves; {}: {why}", etcd.endpoint)
            }
        };
    }
    if members.unreplicated {
        text += "replies leave though too few members have their sessions\n";
    }
    if members.held + members.held_dropped > 0 {
        let _ = writeln!(text, "{} frames wait for an owner, {} waited in vain", members.held, members.held_dropped);
    }
    text.push('\n');
    let mut table = Table::new(&[
        "MEMBER",
        ">NO",
        "ADDRESS",
        "STATE",
        "STREAM",
        ">UNITS",
        ">PACKETS/S",
        ">LOSS",
        ">BEHIND",
        ">HEARD",
    ]);
    for member in &members.members {
        let own = member.name == members.me;
        table.row([
            cut(&member.name, 20),
            member.id.to_string(),
            member.address.clone(),
            member.state.clone(),
            match (&member.stream, own, member.connected) {
                (_, true, _) => "itself",
                (_, false, false) => "none",
                (Some(stream), false, true) => stream.transport.as_str(),
                (None, false, true) => "stands",
            }
            .to_owned(),
            member.units.to_string(),
            member.load.map_or("-".to_owned(), |load| count(load.into())),
            member.loss.map_or("-".to_owned(), |loss| format!("{loss:.1} %")),
            member.behind.map_or("-".to_owned(), count),
            member.heard_ms.map_or("-".to_owned(), |heard| format!("{heard} ms ago")),
        ]);
    }
    text + &table.render()
}

/// What each member has of the work units.
pub(crate) fn units(units: &Units) -> String {
    let all = counted(units.owners.len() as u64, "work unit");
    let mut text = match &units.cluster {
        Some(cluster) => format!("cluster {cluster}: {all}, {} seen here\n", counted(units.moves, "move")),
        None => format!("no cluster: {all}, owned by configuration\n"),
    };
    if units.fenced {
        text += "this member serves none of them: others may own what was its own\n";
    }
    if !units.moving.is_empty() {
        let _ = writeln!(text, "{} on their way to another owner", units.moving.len());
    }
    if units.held > 0 {
        let _ = writeln!(text, "packets of {} wait for an owner", counted(units.held as u64, "unit"));
    }
    text.push('\n');
    let mut table =
        Table::new(&["MEMBER", ">UNITS", ">LEAVING", ">SUBSCRIBERS", ">PACKETS/S", ">MOVES", ">OLDEST", ">NEWEST", ""]);
    for Share { id, name, units: own, moving, moves, sessions, load, newest, oldest } in &units.members {
        let age = |age: &Option<f64>| age.map_or("-".to_owned(), |age| seconds(age as u64));
        table.row([
            cut(name, 20),
            own.to_string(),
            moving.to_string(),
            count(*sessions),
            load.map_or("-".to_owned(), |load| count(load.into())),
            count(*moves),
            age(oldest),
            age(newest),
            if *id == units.member { "this member" } else { "" }.to_owned(),
        ]);
    }
    text + &table.render()
}

/// A line for each unit.
pub(crate) fn unit_list(units: &[Unit]) -> String {
    let mut table = Table::new(&[">UNIT", "OWNER", ">SINCE", ">MOVES", ">VERSION", ">SUBSCRIBERS", "STATE"]);
    for unit in units {
        let state = match (unit.moving, unit.held) {
            (true, true) => "on its way, packets wait",
            (true, false) => "on its way",
            (false, true) => "packets wait",
            (false, false) => "",
        };
        table.row([
            unit.unit.to_string(),
            unit.name.as_deref().map_or("nobody".to_owned(), |name| cut(name, 20)),
            unit.since.map_or("-".to_owned(), |since| seconds(since as u64)),
            unit.moves.to_string(),
            unit.version.to_string(),
            count(unit.sessions.into()),
            state.to_owned(),
        ]);
    }
    table.render()
}

/// The field of units, 32 in a row: `#` ours, `.` nobody's, `*` on its way, a letter for each other member.
pub(crate) fn field(units: &Units) -> String {
    let mut text = String::new();
    for share in &units.members {
        let _ = writeln!(text, "{} {} {}", cell(share.id, units.member), cut(&share.name, 20), share.units);
    }
    if !units.moving.is_empty() {
        let _ = writeln!(text, "* on their way {}", units.moving.len());
    }
    text.push('\n');
    for (row, owners) in units.owners.chunks(32).enumerate() {
        let cell = |(column, owner): (usize, &u16)| {
            let unit = (row * 32 + column) as u16;
            if units.moving.contains(&unit) { '*' } else { cell(*owner, units.member) }
        };
        let cells: String = owners.iter().enumerate().flat_map(|place| [cell(place), ' ']).collect();
        let _ = writeln!(text, "{:>4}  {}", row * 32, cells.trim_end());
    }
    text
}

fn cell(owner: u16, member: u16) -> char {
    match owner {
        0 => '.',
        owner if owner == member => '#',
        owner => char::from(b'a' + ((owner - 1) % 26) as u8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    /// A member without a master, or without a part in the cluster, says so before its tables.
    #[test]
    fn what_is_wrong_comes_first() {
        let alone = Members { master: None, keeper: None, fenced: true, degraded: true, ..sample::members() };
        let text = members(&alone);
        assert!(
            text.starts_with("cluster access-1: no master here, term 7; nobody keeps what has no client\n"),
            "{text}"
        );
        assert!(
            text.contains("\nit serves nothing: ") && text.contains("\nit is master without a majority\n"),
            "{text}"
        );
        let follower = Members { master: Some("gw-b".to_owned()), ..sample::members() };
        assert!(members(&follower).starts_with("cluster access-1: gw-b is the master here, term 7"));
        let fenced = Units { fenced: true, ..sample::units(false) };
        assert!(units(&fenced).contains("\nthis member serves none of them: "));
        let single = Units { cluster: None, ..sample::units(false) };
        assert!(units(&single).starts_with("no cluster: 1,024 work units, owned by configuration\n"));
    }
}
