//! The metrics of a member of a cluster.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::collect::{Family, counter, gauge};
use crate::control::protocol::{Member, Members, Share, Units};

/// What a member of the cluster may be; the one that it is has value 1.
const STATES: [&str; 3] = ["member", "draining", "absent"];

pub(super) fn encode(members: &Members, units: &Units, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    of_this_member(members, units, encoder)?;
    of_all_members(members, units, encoder)?;
    counters(members, encoder)
}

fn of_this_member(members: &Members, units: &Units, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let plain = |value: u64| vec![([], value)];
    let is_master = members.master.as_ref() == Some(&members.me);
    gauge(encoder, "gateway_cluster_term", "Generation of the mastership", plain(members.term.into()))?;
    gauge(encoder, "gateway_cluster_master", "Whether this member is master", plain(is_master.into()))?;
    let follows = members.master.is_some().into();
    gauge(encoder, "gateway_cluster_has_master", "Whether this member has a master, or is one", plain(follows))?;
    gauge(encoder, "gateway_cluster_fenced", "Whether this member serves nothing", plain(members.fenced.into()))?;
    let degraded = members.degraded.into();
    gauge(encoder, "gateway_cluster_degraded", "Whether it is master without a majority", plain(degraded))?;
    let help = "Whether replies leave though too few members have their sessions";
    gauge(encoder, "gateway_cluster_unreplicated", help, plain(members.unreplicated.into()))?;
    if let Some(etcd) = &members.etcd {
        let help = "Whether etcd, which elects the master, answers this member";
        gauge(encoder, "gateway_cluster_etcd_reachable", help, plain(etcd.reachable.into()))?;
    }
    if let Some(end) = members.certificate_end {
        let help = "When the certificate of this member ends, in seconds since 1970";
        gauge(encoder, "gateway_cluster_certificate_end_timestamp_seconds", help, plain(end))?;
    }
    let owned = units.members.iter().find(|share| share.id == units.member).map_or(0, |share| share.units);
    gauge(encoder, "gateway_cluster_units_owned", "Work units of this member", plain(owned.into()))?;
    let (held, moving) = (units.held as u64, units.moving.len() as u64);
    gauge(encoder, "gateway_cluster_units_held", "Work units whose packets wait for an owner", plain(held))?;
    let help = "Work units on their way to another owner; the master's";
    gauge(encoder, "gateway_cluster_units_moving", help, plain(moving))?;
    gauge(encoder, "gateway_cluster_frames_held", "Frames that wait for an owner", plain(members.held))?;
    let help = "Batches of replies that wait until others have their sessions";
    gauge(encoder, "gateway_cluster_replies_waiting", help, plain(members.counted.replies_waiting))
}

fn of_all_members(members: &Members, units: &Units, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let configured = members.members.len() as u64;
    gauge(encoder, "gateway_cluster_members_configured", "Members there may be", vec![([], configured)])?;
    let present = members.members.iter().filter(|member| member.state != "absent").count() as u64;
    gauge(encoder, "gateway_cluster_members", "Members there are", vec![([], present)])?;
    let states = members.members.iter().flat_map(|member| {
        STATES.map(|state| ([("member", member.name.as_str()), ("state", state)], u64::from(member.state == state)))
    });
    gauge(encoder, "gateway_cluster_member", "What each member is", states.collect())?;
    let of = |value: fn(&Member) -> Option<u64>| -> Family<'_, 1> {
        members.members.iter().filter_map(|member| Some(([("member", member.name.as_str())], value(member)?))).collect()
    };
    let stream = of(|member| Some(member.connected.into()));
    gauge(encoder, "gateway_cluster_stream", "Whether the stream to a member stands", stream)?;
    let help = "Changes of this member that another has not acknowledged";
    gauge(encoder, "gateway_cluster_replication_behind", help, of(|member| member.behind))?;
    super::paths::encode(members, encoder)?;
    let shares = |value: fn(&Share) -> u64| -> Family<'_, 1> {
        units.members.iter().map(|share| ([("owner", share.name.as_str())], value(share))).collect()
    };
    gauge(encoder, "gateway_cluster_units", "Work units by owner", shares(|share| share.units.into()))?;
    let help = "Subscribers by the owner of their DHCP's work unit";
    gauge(encoder, "gateway_cluster_sessions", help, shares(|share| share.sessions))
}

fn counters(members: &Members, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let counted = &members.counted;
    let plain = [
        ("gateway_cluster_masterships", "Times this member became master", counted.masterships),
        ("gateway_cluster_fencings", "Times this member stopped serving", counted.fenced),
        ("gateway_cluster_unit_moves", "How often a unit got an owner, as this member saw it", counted.moves),
        ("gateway_cluster_units_assigned", "Units that this member assigned as master", counted.assigned),
        (
            "gateway_cluster_units_moved",
            "Units that this member moved as master, for balance or a drain",
            counted.moved,
        ),
        ("gateway_cluster_frames_dropped", "Frames that waited for an owner in vain", members.held_dropped),
        ("gateway_cluster_frames_misdirected", "Frames sent on to the wrong member", counted.misdirected),
        ("gateway_cluster_sessions_sent", "Whole sessions told to the other members", counted.sessions_sent),
        ("gateway_cluster_changes_sent", "Changes told to the other members", counted.changes_sent),
        ("gateway_cluster_changes_applied", "Changes of other members taken in", counted.changes_applied),
        ("gateway_cluster_changes_fenced", "Changes of former owners discarded", counted.changes_fenced),
        ("gateway_cluster_snapshots_taken", "Snapshots taken of another member", counted.snapshots_taken),
        ("gateway_cluster_snapshots_given", "Snapshots given to other members", counted.snapshots_given),
        ("gateway_cluster_path_changes", "Changes of the addresses of members' streams", counted.path_changes),
        ("gateway_cluster_path_failures", "Such changes that were refused or not answered", counted.path_failures),
        ("gateway_cluster_path_reconnects", "Streams begun anew for their addresses", counted.path_reconnects),
    ];
    for (name, help, value) in plain {
        counter(encoder, name, help, vec![([], value)])?;
    }
    let stale = [("stranger", counted.strangers), ("stale", counted.stale)];
    let refused = counted.refused.iter().map(|(reason, count)| (reason.as_str(), *count)).chain(stale);
    let refused = refused.map(|(reason, count)| ([("reason", reason)], count)).collect();
    counter(encoder, "gateway_cluster_refused", "Control datagrams without effect, by reason", refused)
}
