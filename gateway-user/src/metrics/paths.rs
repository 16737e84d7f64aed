//! The metrics of what members' streams run over.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::collect::{Family, gauge};
use crate::control::protocol::{Members, Path, Stream};

pub(super) fn encode(members: &Members, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Addresses of a member that answer, by what carries its stream";
    gauge(encoder, "gateway_cluster_paths", help, live(members))?;
    let help = "Whether an address that a stream is sent to, or comes from, works";
    gauge(encoder, "gateway_cluster_path_up", help, of(members, |path| Some(u64::from(path.is_active()))))?;
    let help = "Whether a stream's data goes there";
    gauge(encoder, "gateway_cluster_path_primary", help, of(members, |path| Some(u64::from(path.primary))))?;
    let help = "Part of the packets that is lost";
    gauge(encoder, "gateway_cluster_path_loss_ratio", help, of(members, |path| Some(path.loss? / 100.0)))?;
    let help = "Round trip to an address of a member";
    gauge(encoder, "gateway_cluster_path_rtt_seconds", help, of(members, |path| Some(path.rtt_ms? / 1e3)))?;
    let help = "How long an answer is waited for before what was sent goes elsewhere";
    gauge(encoder, "gateway_cluster_path_rto_seconds", help, of(members, |path| Some(path.rto_ms? as f64 / 1e3)))
}

fn streams(members: &Members) -> impl Iterator<Item = (&str, &Stream)> {
    members.members.iter().filter_map(|member| Some((member.name.as_str(), member.stream.as_ref()?)))
}

fn live(members: &Members) -> Family<'_, 2> {
    let rows = streams(members).map(|(member, stream)| {
        ([("member", member), ("transport", stream.transport.as_str())], stream.live().count() as u64)
    });
    rows.collect()
}

/// What is known of each path, with whose it is.
fn of<V>(members: &Members, value: impl Fn(&Path) -> Option<V>) -> Family<'_, 3, V> {
    let paths = streams(members).flat_map(|(member, stream)| stream.paths.iter().map(move |path| (member, path)));
    let rows = paths.filter_map(|(member, path)| {
        let direction = if path.own { "from" } else { "to" };
        let labels = [("member", member), ("direction", direction), ("address", path.address.as_str())];
        Some((labels, value(path)?))
    });
    rows.collect()
}
