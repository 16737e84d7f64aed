//! What the node shows of servers, releases and its counters, as rows.

use std::collections::BTreeMap;

use gateway_common::sctp::Chunk;
use gateway_core::node::{ServerView, ServerView6};
use gateway_core::time::Instant;

use super::Gateway;
use crate::control::protocol;

impl Gateway {
    pub(super) fn servers(&self, now: Instant) -> Vec<protocol::Server> {
        let four = self.node.servers(now);
        let six = self.node.servers6(now);
        four.iter().map(|view| self.server(view)).chain(six.iter().map(|view| self.server6(view))).collect()
    }

    fn server(&self, view: &ServerView) -> protocol::Server {
        let embedded = self.config.dhcp_server.as_ref().map(|server| server.listen);
        let configured = self.config.servers.iter().find(|server| server.address == view.address);
        protocol::Server {
            address: view.address.to_string(),
            capability: view.state.name().to_owned(),
            age: view.age.map(|age| age.as_secs()),
            max_scopes: (view.max_scopes != 0).then_some(view.max_scopes),
            leasequery: view.leasequery,
            embedded: embedded == Some(view.address),
            release_rate: view.release_rate.or(configured.map(|server| server.release_rate)).unwrap_or_default(),
            sessions: Some(view.sessions),
        }
    }

    fn server6(&self, view: &ServerView6) -> protocol::Server {
        let embedded = self.config.dhcp_server.as_ref().and_then(|server| Some(server.v6.as_ref()?.listen));
        let release = self.config.dhcpv6.as_ref().map(|six| &six.release);
        protocol::Server {
            address: view.address.to_string(),
            capability: view.takes.name().to_owned(),
            embedded: embedded == Some(view.address),
            release_rate: release.map_or(0, |release| release.individual_rate),
            sessions: Some(view.leases),
            ..protocol::Server::default()
        }
    }

    /// What relay, sessions and releases counted, by names that don't change.
    pub(super) fn counters(&self) -> BTreeMap<String, u64> {
        let mut counters = BTreeMap::new();
        let mut add = |name: &str, value: u64| {
            counters.insert(name.replace([' ', '_'], "-"), value);
        };
        let node = self.node.counters();
        add("logins", node.logins);
        add("renewals", node.renewals);
        add("refused", node.refused);
        for (reason, count) in node.refusals() {
            add(&format!("refused-{reason}"), count);
        }
        add("dropped-not-udp", node.malformed);
        for (reason, count) in node.logouts() {
            add(&format!("logouts-{reason}"), count);
        }
        for (reason, count) in self.node.relay_counters().iter() {
            add(&format!("relay-{}", reason.name()), count);
        }
        if let Some(relay) = self.node.relay6_counters() {
            add("logins6", node.logins6);
            add("renewals6", node.renewals6);
            for (reason, count) in node.ended6() {
                add(&format!("ended6-{reason}"), count);
            }
            for (reason, count) in relay.iter() {
                add(&format!("relay6-{}", reason.name()), count);
            }
        }
        let liveness = self.node.liveness_counters();
        add("liveness-probes", liveness.probes);
        add("liveness-alive", liveness.alive);
        add("liveness-gone", liveness.gone);
        add("liveness-postponed", liveness.postponed);
        add("held-lost", self.held_lost);
        add("held-overrun", self.held_overrun);
        add("fenced-dhcp", self.fenced_frames);
        for chunk in Chunk::ALL {
            // What can't be read is told with the verdicts, which come from the same place.
            add(&format!("sctp-{}", chunk.name()), self.dataplane.chunks(chunk).unwrap_or_default());
        }
        let release = self.node.release_counters();
        add("release-malformed", release.malformed);
        add("release-unmatched", release.unmatched);
        add("release-unauthenticated", release.unauthenticated);
        add("release-forged", release.forged);
        add("release-replayed", release.replayed);
        add("release-duplicate", release.duplicate);
        if let Some(release) = self.node.release6_counters() {
            add("release6-malformed", release.malformed);
            add("release6-unmatched", release.unmatched);
            add("release6-without-status", release.no_status);
            add("release6-unasked", release.unasked);
            add("release6-cancelled", release.cancelled);
            add("release6-no-binding", release.no_binding);
            add("release6-cleared", release.cleared);
        }
        counters
    }
}
