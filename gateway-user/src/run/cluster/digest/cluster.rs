//! What the members of a cluster must agree on of the cluster itself.

use std::fmt::Display;

use gateway_core::cluster::{Constants, Estimator, Quorum};
use gateway_core::replication::{GateConfig, WhenShort};
use gateway_core::time::Duration;

use super::{Lines, hex, nanos, option};
use crate::config::{self, Cluster, Coordination, Delivery};

pub(super) fn of(cluster: &Cluster, lines: &mut Lines) {
    let Cluster {
        name,
        member: _,
        members,
        address,
        address6,
        link_local,
        interface: _,
        links: _,
        transport: _, // each pair of members agrees by itself
        paths: _,
        port,
        group,
        delivery,
        unit_key,
        profile: _, // what counts are the constants
        version: _, // compared by itself
        quorum,
        sync: GateConfig { sync, timeout, when_short },
        backlog: _,
        constants,
        files: _,
        coordination,
    } = cluster;
    lines.say("cluster.name", name);
    for config::ClusterMember { id, name, address } in members {
        lines.say(format_args!("cluster.member.{id}"), format_args!("{name} {address}"));
    }
    lines.say("cluster.address", option(*address));
    lines.say("cluster.address6", option(*address6));
    lines.say("cluster.link_local", link_local);
    lines.say("cluster.port", port);
    // Not the key itself: the number travels where others may listen.
    lines.say("cluster.unit_key", unit_key.fingerprint());
    lines.say("cluster.group", group);
    let delivery = match delivery {
        Delivery::Forward => "forward".to_owned(),
        Delivery::Unicast(mac) => format!("unicast {}", hex(mac)),
        Delivery::Multicast(mac) => format!("multicast {}", hex(mac)),
    };
    lines.say("cluster.delivery", delivery);
    let quorum = match quorum {
        Quorum::Majority => "majority",
        Quorum::Degraded => "degraded",
        Quorum::None => "none",
    };
    lines.say("cluster.quorum", quorum);
    let when_short = match when_short {
        WhenShort::Wait => "wait",
        WhenShort::Degrade => "degrade",
    };
    lines.say("cluster.sync", format_args!("{sync} {} {when_short}", nanos(*timeout)));
    let coordination = match coordination {
        Coordination::BuiltIn => "built-in".to_owned(),
        // Each member may reach it in its own way.
        Coordination::Etcd(config::Etcd { endpoints: _, lease, ca: _, identity: _ }) => {
            format!("etcd {}", nanos(*lease))
        }
    };
    lines.say("cluster.coordination", coordination);
    of_constants(constants, lines);
}

pub(super) fn of_constants(constants: &Constants, lines: &mut Lines) {
    let mut say = |key: &str, value: &dyn Display| lines.say(format_args!("cluster.constants.{key}"), value);
    macro_rules! each {
        ($($key:ident: $text:expr),* $(,)?) => {{
            let Constants { $($key),* } = constants;
            $(say(stringify!($key), &$text($key));)*
        }};
    }
    let time = |time: &Duration| nanos(*time);
    let perhaps = |time: &Option<Duration>| option(time.map(nanos));
    let which = |estimator: &Estimator| match estimator {
        Estimator::Document => "document",
        Estimator::Corrected => "corrected",
    };
    let times = |times: &[Duration]| times.iter().map(|time| nanos(*time).to_string()).collect::<Vec<_>>().join(" ");
    each! {
        watchdog: time,
        patience: u32::to_string,
        support: time,
        fencing: perhaps,
        margin: time,
        pause_limit: perhaps,
        join_wait: time,
        join_retry: time,
        join_limit: time,
        refused_retry: time,
        offer_jitter: time,
        offer_wait: time,
        offer_repeat: time,
        term_first: bool::to_string,
        estimator: which,
        smoothing: u32::to_string,
        gap_max: u32::to_string,
        n_min: u8::to_string,
        n_max: u8::to_string,
        intervals_per_failure: |number: &f64| number.to_bits(),
        master_keepalives: u32::to_string,
        table_every: u32::to_string,
        tick: time,
        resend: time,
        pool_per_tick: usize::to_string,
        apply_limit: time,
        balance_every: time,
        moves_per_balance: usize::to_string,
        drain_moves: usize::to_string,
        hysteresis_percent: u32::to_string,
        weigh_load: bool::to_string,
        freeze: time,
        hold_per_unit: usize::to_string,
        hold_total: usize::to_string,
        hold_time: time,
        announce: times,
        announce_every: time,
    }
}
