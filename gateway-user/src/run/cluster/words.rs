//! Events of the cluster in words, with members' names, for the log, `gateway events` and `top`.

use gateway_core::association;
use gateway_core::cluster::{Event, Why};
use gateway_core::member::MemberId;
use gateway_core::replication::{self, ResyncReason};

use crate::cli::text::counted;
use crate::config::Cluster;

/// A member's name, or its number where it is not configured.
pub(in crate::run) fn name(cluster: &Cluster, member: MemberId) -> String {
    cluster.get(member).map_or_else(|| member.to_string(), |member| member.name.clone())
}

/// The kind of an event in one word.
pub(in crate::run) fn kind(event: &Event) -> &'static str {
    match event {
        Event::Joined { .. } => "cluster-joined",
        Event::Refused { .. } => "cluster-refused",
        Event::BecameMaster { .. } => "cluster-master",
        Event::SteppedDown { .. } => "cluster-stepped-down",
        Event::LostMaster { .. } => "cluster-lost-master",
        Event::MemberCame(_) => "member-came",
        Event::MemberWent { .. } => "member-went",
        Event::RefusedMember { .. } | Event::CertificateRefused(_) => "member-refused",
        Event::Fenced(_) => "fenced",
        Event::Unfenced => "unfenced",
        _ => "cluster",
    }
}

/// Whether somebody should look.
pub(in crate::run) fn is_warning(event: &Event) -> bool {
    match event {
        Event::MemberWent { why, .. } => *why != Why::Left,
        Event::Joined { .. }
        | Event::BecameMaster { .. }
        | Event::MemberCame(_)
        | Event::Unfenced
        | Event::Moving { .. }
        | Event::CoordinatorBack => false,
        _ => true,
    }
}

/// One event in a line.
pub(in crate::run) fn of(cluster: &Cluster, event: &Event) -> String {
    let name = |member: &MemberId| name(cluster, *member);
    let why = |why: &Why| match why {
        Why::OtherMaster(master) => format!("{} is master", name(master)),
        other => other.to_string(),
    };
    match event {
        Event::Joined { master, term } => format!("joined: {} is master of term {}", name(master), term.0),
        Event::BecameMaster { term, members } => format!("master of term {}, of {members} members", term.0),
        Event::SteppedDown { term, why: reason } => format!("no longer master of term {}: {}", term.0, why(reason)),
        Event::LostMaster { master, why: reason } => format!("left master {}: {}", name(master), why(reason)),
        Event::MemberCame(member) => format!("{} came", name(member)),
        Event::MemberWent { member, why: reason } => format!("{} went: {}", name(member), why(reason)),
        Event::NoQuorum { members } => format!("no quorum: {} in touch", counted(*members as u64, "member")),
        Event::ConfigurationBehind { member, version } => {
            format!("{} has configuration version {version}, which is later than ours", name(member))
        }
        Event::Fenced(reason) => format!("fenced: {}", why(reason)),
        Event::OtherMaster { master, won: true } => format!("{} is master too, and gives way", name(master)),
        Event::OtherMaster { master, won: false } => format!("{} is master too, and is the better one", name(master)),
        Event::Discarded(by) => {
            format!("{} discards what this member says of units that are not its own any more", name(by))
        }
        Event::CertificateRefused(member) => format!("certificate of {} refused", name(member)),
        // These begin with the member, and go on with a reason.
        Event::Refused { master, .. } => named(event, *master, "master ", &name(master)),
        Event::RefusedMember { member, .. } => named(event, *member, "", &name(member)),
        other => other.to_string(),
    }
}

/// The kind of what happened in replication, whether somebody should look, and the words.
pub(in crate::run) fn replication(cluster: &Cluster, event: &replication::Event) -> (&'static str, bool, String) {
    use replication::Event::{Fenced, PeerFellBehind, SnapshotLost, SnapshotTaken, TakingSnapshot, TooLarge};
    let name = |member: &MemberId| name(cluster, *member);
    match event {
        PeerFellBehind { member } => {
            ("state-behind", true, format!("{} can't keep up, and was told to take all state anew", name(member)))
        }
        TakingSnapshot { from, reason: None | Some(ResyncReason::NotSynced) } => {
            ("state-taking", false, format!("taking the state of {}", name(from)))
        }
        TakingSnapshot { from, reason: Some(ResyncReason::FellBehind) } => {
            ("state-taking", true, format!("this member can't keep up with {}: taking all its state anew", name(from)))
        }
        TakingSnapshot { from, reason: Some(ResyncReason::Fenced) } => {
            let text = format!("spoke for units that others own now, as {} says: taking its state", name(from));
            ("state-taking", true, text)
        }
        SnapshotTaken { from, records } => {
            ("state-taken", false, format!("the state of {} is here, {}", name(from), counted(*records, "record")))
        }
        SnapshotLost { from } => ("state-lost", true, format!("{} was lost before all its state was here", name(from))),
        Fenced { member } => {
            ("state-fenced", true, format!("{} speaks for units that others own now: discarded", name(member)))
        }
        TooLarge { octets } => {
            ("state-too-large", true, format!("a change of {octets} octets is too large to be told"))
        }
    }
}

/// What has become of the addresses of an association with a member.
pub(in crate::run) fn path(cluster: &Cluster, member: MemberId, event: &association::Event) -> String {
    format!("path to {}: {event}", name(cluster, member))
}

/// Whether somebody should look at that.
pub(in crate::run) fn is_path_warning(event: &association::Event) -> bool {
    !matches!(event, association::Event::Changed { .. })
}

/// The core's words, with a name where they have a number.
fn named(event: &Event, member: MemberId, before: &str, name: &str) -> String {
    let number = if before.is_empty() { format!("member {member}") } else { format!("{before}{member}") };
    event.to_string().replacen(&number, &format!("{before}{name}"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::member::Term;
    use gateway_core::wire::cluster::JoinRefusal;

    const FILE: &str = "[gateway]\nid = \"a\"\n[[fpc]]\nname = \"fpc0\"\nports = [\"eth1\"]\ngiaddr = \"100.64.0.1\"\n\
        [upstream]\nports = [\"eth0\"]\n[[server]]\naddress = \"192.0.2.2\"\n[cluster]\nname = \"access-1\"\nme = \"gw-a\"\n\
        interface = \"eth2\"\n";

    /// What an operator reads has names, not numbers, and says why.
    #[test]
    fn names_and_reasons() {
        let mut text = FILE.to_owned();
        for (id, name) in ["gw-a", "gw-b", "gw-c"].iter().enumerate().map(|(place, name)| (place + 1, name)) {
            text += &format!("[[cluster.member]]\nid = {id}\nname = \"{name}\"\naddress = \"198.51.100.{id}\"\n");
        }
        let parsed = crate::config::parse(std::path::Path::new("g.toml"), &text).unwrap();
        let cluster = parsed.gateway.unwrap().cluster.unwrap();
        let member = |number| MemberId::new(number).unwrap();
        let told = |event: Event| (of(&cluster, &event), kind(&event), is_warning(&event));
        let expect = |event, text: &str, kind, warning| assert_eq!(told(event), (text.to_owned(), kind, warning));
        expect(
            Event::Joined { master: member(2), term: Term(7) },
            "joined: gw-b is master of term 7",
            "cluster-joined",
            false,
        );
        expect(
            Event::MemberWent { member: member(3), why: Why::Silence },
            "gw-c went: not heard in time",
            "member-went",
            true,
        );
        expect(Event::MemberWent { member: member(3), why: Why::Left }, "gw-c went: left", "member-went", false);
        expect(Event::Fenced(Why::Quorum), "fenced: no majority", "fenced", true);
        expect(
            Event::SteppedDown { term: Term(7), why: Why::OtherMaster(member(1)) },
            "no longer master of term 7: gw-a is master",
            "cluster-stepped-down",
            true,
        );
        expect(
            Event::RefusedMember { member: member(3), reason: JoinRefusal::Full },
            "gw-c refused: the cluster is full",
            "member-refused",
            true,
        );
        expect(
            Event::Refused { master: member(2), reason: JoinRefusal::Full },
            "refused by master gw-b: the cluster is full",
            "cluster-refused",
            true,
        );
        expect(Event::MemberCame(member(9)), "9 came", "member-came", false);
        expect(Event::NoQuorum { members: 1 }, "no quorum: 1 member in touch", "cluster", true);
        let told = |event| replication(&cluster, &event).2;
        let behind = Some(ResyncReason::FellBehind);
        let taking = replication::Event::TakingSnapshot { from: member(1), reason: behind };
        assert_eq!(told(taking), "this member can't keep up with gw-a: taking all its state anew");
        let taken = replication::Event::SnapshotTaken { from: member(2), records: 600 };
        assert_eq!(told(taken), "the state of gw-b is here, 600 records");
    }
}
