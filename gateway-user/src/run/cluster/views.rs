//! What the gateway shows and tells of its cluster.

use gateway_common::unit::{Unit, UnitState};
use gateway_core::cluster::{Event, UnitView};
use gateway_core::member::MemberId;
use gateway_core::replication;
use gateway_core::time::Instant;

use super::membership::Membership;
use super::words;
use crate::cluster::door::Seen;
use crate::control::protocol::{self, ClusterCounts, Response, Share};
use crate::run::Gateway;

/// What an operator should know before anything else.
pub(in crate::run) fn warning(membership: &Membership) -> Option<String> {
    match &membership.fenced {
        Some(why) => Some(format!("this member of the cluster serves nothing: {why}")),
        None if membership.degraded => Some("this member is master without a majority".to_owned()),
        None => None,
    }
}

impl Gateway {
    /// Something happened in the cluster.
    pub(in crate::run) fn tell_cluster(&mut self, event: &Event, now: Instant) {
        let (Some(cluster), Some(membership)) = (&self.config.cluster, &mut self.membership) else { return };
        let (kind, text) = (words::kind(event), words::of(cluster, event));
        match event {
            // These come by the hundred: see `Moves`.
            Event::Moving { .. } => return tracing::debug!(target: "gateway::cluster", kind, "{text}"),
            Event::HandoverIncomplete { origin, .. } => {
                membership.moves.handle_incomplete(*origin, now);
                return tracing::debug!(target: "gateway::cluster", kind, "{text}");
            }
            // That is said by what it joined.
            Event::MemberCame(member) if *member == cluster.member => return,
            Event::Fenced(_) => membership.fenced = Some(text.clone()),
            Event::Unfenced => membership.fenced = None,
            _ => {}
        }
        self.say(kind, words::is_warning(event), text, now);
    }

    /// Something happened in replication.
    pub(in crate::run) fn tell_replication(&mut self, event: &replication::Event, now: Instant) {
        let Some(cluster) = &self.config.cluster else { return };
        let (kind, warning, text) = words::replication(cluster, event);
        self.say(kind, warning, text, now);
    }

    /// This member began to be master without a majority, or no longer is.
    pub(in crate::run) fn tell_degraded(&mut self, degraded: bool, now: Instant) {
        let Some(membership) = &mut self.membership else { return };
        if std::mem::replace(&mut membership.degraded, degraded) != degraded {
            let text = if degraded { "degraded: master without a majority" } else { "no longer degraded" };
            self.say("degraded", degraded, text.to_owned(), now);
        }
    }

    /// Work units that moved, once they have come to rest.
    pub(in crate::run) fn tell_moves(&mut self, now: Instant) {
        let (Some(cluster), Some(membership)) = (&self.config.cluster, &mut self.membership) else { return };
        if let Some(burst) = membership.moves.poll(now) {
            let text = burst.words(|member| words::name(cluster, member));
            self.say("units-moved", false, text, now);
        }
    }

    pub(in crate::run) fn say(&mut self, kind: &'static str, warning: bool, text: String, now: Instant) {
        match warning {
            true => tracing::warn!(target: "gateway::cluster", kind, "{text}"),
            false => tracing::info!(target: "gateway::cluster", kind, "{text}"),
        }
        self.recent.cluster(kind, text, now);
    }

    /// The unit table: owners as the data plane has them, the rest as the core of the cluster does.
    pub(in crate::run) fn units(&self, list: bool, now: Instant) -> Response {
        let states = match self.dataplane.delivery.units() {
            Ok(states) => states,
            Err(error) => return Response::Error(format!("the UNITS map can't be read: {error}")),
        };
        let seen = self.look();
        let views: &[UnitView] = seen.as_ref().map_or(&[], |seen| &seen.view.units);
        let number = |place: usize| u16::try_from(place).unwrap_or(u16::MAX);
        let without_ipv4 = self.units_without_ipv4(now);
        let row = |(unit, state): (u16, &UnitState)| self.unit(unit, *state, views, &without_ipv4, now);
        let mut rows: Vec<_> = (0..).zip(&states).map(row).collect();
        let members = self.shares(&rows, seen.as_ref());
        if list {
            rows.iter_mut().for_each(|row| row.name = self.owner_name(row.owner));
        }
        Response::Units(protocol::Units {
            cluster: self.config.cluster.as_ref().map(|cluster| cluster.name.clone()),
            member: self.config.cluster.as_ref().map_or(self.config.units.member, |own| own.member.get().into()),
            owners: states.iter().map(|state| state.owner).collect(),
            fenced: seen.as_ref().is_some_and(|seen| seen.view.fenced),
            held: rows.iter().filter(|row| row.held).count(),
            moving: (0..rows.len()).filter(|place| rows[*place].moving).map(number).collect(),
            moves: rows.iter().map(|row| u64::from(row.moves)).sum(),
            members,
            units: if list { rows } else { Vec::new() },
        })
    }

    /// Without its owner's name.
    fn unit(
        &self,
        number: u16,
        state: UnitState,
        views: &[UnitView],
        without_ipv4: &[u32],
        now: Instant,
    ) -> protocol::Unit {
        let view = views.get(usize::from(number));
        let six = without_ipv4.get(usize::from(number)).copied().unwrap_or_default();
        protocol::Unit {
            unit: number,
            owner: state.owner,
            name: None,
            since: view.map(|view| now.since(view.since).as_secs_f64()),
            version: view.map_or(0, |view| view.version.0),
            moves: view.map_or(0, |view| view.moves),
            moving: view.is_some_and(|view| view.moving),
            held: state.data == UnitState::HELD || state.dhcp == UnitState::HELD,
            sessions: Unit::new(number).map_or(0, |unit| self.node.unit_sessions(unit)) + six,
        }
    }

    /// The name of a unit's owner. Without a cluster members have none, and this gateway's is its own.
    fn owner_name(&self, owner: u16) -> Option<String> {
        match &self.config.cluster {
            _ if owner == 0 => None,
            Some(cluster) => {
                let member = u8::try_from(owner).ok().and_then(MemberId::new);
                Some(member.map_or_else(|| owner.to_string(), |member| words::name(cluster, member)))
            }
            None if owner == self.config.units.member => {
                Some(crate::run::answers::text_or_hex(self.config.gateway.id.octets()))
            }
            None => Some(owner.to_string()),
        }
    }

    /// What each member has, the configured ones in their order; nobody last.
    fn shares(&self, rows: &[protocol::Unit], seen: Option<&Seen>) -> Vec<Share> {
        let mut owners: Vec<u16> = match &self.config.cluster {
            Some(cluster) => cluster.members.iter().map(|member| member.id.get().into()).collect(),
            None => vec![self.config.units.member],
        };
        for row in rows {
            if !owners.contains(&row.owner) {
                owners.push(row.owner);
            }
        }
        owners.sort_by_key(|owner| (*owner == 0, *owner));
        let share = |owner: u16| {
            let its = || rows.iter().filter(move |row| row.owner == owner);
            let ages = || its().filter_map(|row| row.since);
            let members = seen.into_iter().flat_map(|seen| &seen.view.members);
            Share {
                id: owner,
                name: self.owner_name(owner).unwrap_or_else(|| "nobody".to_owned()),
                units: its().count() as u32,
                moving: its().filter(|row| row.moving).count() as u32,
                moves: its().map(|row| u64::from(row.moves)).sum(),
                sessions: its().map(|row| u64::from(row.sessions)).sum(),
                load: members.filter(|member| u16::from(member.id.get()) == owner).find_map(|member| member.load),
                newest: ages().min_by(f64::total_cmp),
                oldest: ages().max_by(f64::total_cmp),
            }
        };
        owners.into_iter().map(share).collect()
    }

    /// What this member counted.
    pub(in crate::run) fn counted(&self, membership: &Membership, seen: &Seen) -> ClusterCounts {
        let (core, replication) = (&seen.counters, membership.sharing.replication.counters());
        ClusterCounts {
            masterships: core.masterships,
            fenced: core.fenced,
            assigned: core.assigned,
            moved: core.moved,
            moves: seen.view.units.iter().map(|unit| u64::from(unit.moves)).sum(),
            misdirected: core.misdirected,
            strangers: core.strangers,
            stale: core.stale,
            refused: seen.refused.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
            sessions_sent: membership.sharing.sessions_sent(),
            changes_sent: replication.said,
            changes_applied: replication.applied,
            changes_fenced: replication.fenced,
            snapshots_taken: replication.snapshots.0,
            snapshots_given: replication.snapshots.1,
            replies_waiting: membership.sharing.waiting() as u64,
            path_changes: membership.paths.changes,
            path_failures: membership.paths.failures,
            path_reconnects: membership.paths.reconnects,
        }
    }
}
